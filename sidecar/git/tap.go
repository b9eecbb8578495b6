package git

import (
	"hash"
	"io"
)

// A tap reads a stream for the parser, which takes from it exactly what it
// needs, and hands on what was taken.
type tap struct {
	src  io.Reader
	buf  []byte
	r, w int // what is to be read is buf[r:w]
	mark int // what was read from mark on is not handed on yet
	past int64

	hash hash.Hash // gets what was read; nil for nobody
	out  io.Writer // gets what was read; nil for nobody
	keep *[]byte   // gets what was read; nil for nobody
}

func newTap(src io.Reader) *tap { return &tap{src: src, buf: make([]byte, 64<<10)} }

// offset is how much was read, in bytes.
func (t *tap) offset() int64 { return t.past + int64(t.r-t.mark) }

// settle hands on all that was read.
func (t *tap) settle() error {
	p := t.buf[t.mark:t.r]
	t.past += int64(len(p))
	t.mark = t.r
	if len(p) == 0 {
		return nil
	}
	if t.hash != nil {
		_, _ = t.hash.Write(p) // never fails
	}
	if t.keep != nil {
		*t.keep = append(*t.keep, p...)
	}
	if t.out != nil {
		if _, err := t.out.Write(p); err != nil {
			return err
		}
	}
	return nil
}

// fill makes sure that there is a byte to be read.
func (t *tap) fill() error {
	if t.r < t.w {
		return nil
	}
	if err := t.settle(); err != nil {
		return err
	}
	t.r, t.w, t.mark = 0, 0, 0
	for range 100 {
		n, err := t.src.Read(t.buf)
		t.w = n
		if n > 0 {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return io.ErrNoProgress
}

// ReadByte implements io.ByteReader.
func (t *tap) ReadByte() (byte, error) {
	if t.r == t.w {
		if err := t.fill(); err != nil {
			return 0, err
		}
	}
	b := t.buf[t.r]
	t.r++
	return b, nil
}

// Read implements io.Reader.
func (t *tap) Read(p []byte) (int, error) {
	if err := t.fill(); err != nil {
		return 0, err
	}
	n := copy(p, t.buf[t.r:t.w])
	t.r += n
	return n, nil
}
