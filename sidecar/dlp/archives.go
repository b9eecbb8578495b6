package dlp

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"io"

	"github.com/klauspost/compress/zstd"
)

// archives looks through what is compressed in text, wherever it begins.
func (d *dig) archives(text []byte, inside []string) {
	// Streams may overlap on purpose, each read to the end of the text.
	fuel := 8*len(text) + 1<<20
	for at := 0; at+shortest < len(text) && !d.done; at++ {
		if !opens[text[at]] || !second[text[at+1]] {
			continue
		}
		src := bytes.NewReader(text[at:])
		how, r := d.open(text[at:], src)
		if r == nil {
			continue
		}
		ended := d.unpack(r, with(inside, how))
		used := int(src.Size()) - src.Len()
		if fuel -= used; fuel < 0 {
			d.fail("what is compressed several times over in the same bytes")
		}
		if ended {
			at += used - 1
		}
	}
}

// opens and second are the first bytes of what open knows.
var (
	opens  = setOf("\x1f\x78\x28P")             //nolint:gochecknoglobals // a table
	second = setOf("\x8b\x01\x5e\x9c\xda\xb5K") //nolint:gochecknoglobals // a table
)

// open returns a reader of what is compressed at the start of text, or nil. It
// reads from src, which has the same text.
func (d *dig) open(text []byte, src *bytes.Reader) (how string, r io.Reader) {
	var err error
	switch {
	case text[0] == 0x1f && text[1] == 0x8b && text[2] == 8: // RFC 1952, 2.3.1
		how = "gzip"
		r, err = d.openGzip(src)
	case text[0] == 0x78 && binary.BigEndian.Uint16(text)%31 == 0 && text[1]&0x20 == 0: // RFC 1950, 2.2
		how = "zlib"
		r, err = d.openZlib(src)
	case bytes.HasPrefix(text, []byte("\x28\xb5\x2f\xfd")): // RFC 8878, 3.1.1
		how = "zstd"
		r, err = openZstd(src)
	case bytes.HasPrefix(text, []byte("PK\x03\x04")) && len(text) > 30 && text[8] == 8: // a deflated entry of a zip
		how = "zip"
		head := 30 + int(binary.LittleEndian.Uint16(text[26:])) + int(binary.LittleEndian.Uint16(text[28:]))
		r, err = d.openFlate(src, head)
	}
	if err != nil {
		return "", nil
	}
	return how, r
}

func (d *dig) openGzip(src *bytes.Reader) (io.Reader, error) {
	if d.gzip == nil {
		d.gzip = new(gzip.Reader)
	}
	if err := d.gzip.Reset(src); err != nil {
		return nil, err
	}
	d.gzip.Multistream(false) // what follows is found as a stream of its own
	return d.gzip, nil
}

func (d *dig) openZlib(src *bytes.Reader) (_ io.Reader, err error) {
	if d.zlib == nil {
		d.zlib, err = zlib.NewReader(src)
		return d.zlib, err
	}
	return d.zlib, d.zlib.(zlib.Resetter).Reset(src, nil)
}

func (d *dig) openFlate(src *bytes.Reader, head int) (io.Reader, error) {
	if _, err := src.Seek(int64(head), io.SeekStart); err != nil {
		return nil, err
	}
	if d.flate == nil {
		d.flate = flate.NewReader(src)
	}
	return d.flate, d.flate.(flate.Resetter).Reset(src, nil)
}

func openZstd(src io.Reader) (io.Reader, error) {
	z, err := zstd.NewReader(src, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxMemory))
	if err != nil {
		return nil, err
	}
	return &closing{z}, nil
}

// maxMemory is how much memory a zstd stream may ask for: twice what RFC 8878
// recommends to support.
const maxMemory = 16 << 20

// closing ends a zstd decoder with its stream.
type closing struct{ *zstd.Decoder }

// Read implements io.Reader.
func (c *closing) Read(p []byte) (int, error) {
	n, err := c.Decoder.Read(p)
	if err != nil {
		c.Close()
	}
	return n, err
}

// unpackChunk is how much is looked through at once.
const unpackChunk = 256 << 10

// unpack looks through what r gives, piece by piece, and reports whether it was
// good to the end. What breaks off is looked through as far as it goes.
func (d *dig) unpack(r io.Reader, inside []string) bool {
	if c, ok := r.(*closing); ok {
		defer c.Close()
	}
	buf := d.get()
	defer func() { d.put(buf) }()
	if cap(buf) < unpackChunk+Overlap {
		buf = make([]byte, 0, unpackChunk+Overlap)
	}
	for !d.done {
		n, err := readFull(r, buf[len(buf):len(buf)+min(unpackChunk, cap(buf)-len(buf))])
		buf = buf[:len(buf)+n]
		d.fuel += n / bytesPerOne
		if d.left -= n; d.left < 0 {
			d.fail("what unpacks to more than %d bytes", d.maxUnpacked)
			return false
		}
		if n > 0 {
			d.look(buf, inside)
		}
		if err != nil {
			return errors.Is(err, io.EOF)
		}
		keep := copy(buf, buf[max(len(buf)-Overlap, 0):])
		buf = buf[:keep]
	}
	return false
}

// readFull is io.ReadFull, less that an end is what the reader says it is.
func readFull(r io.Reader, p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var m int
		m, err = r.Read(p[n:])
		n += m
	}
	return n, err
}
