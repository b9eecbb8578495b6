package pipelock

import (
	"bytes"
	"errors"
	"io"
	"strings"

	"github.com/bottle-run/bottle/sidecar/dlp"
)

const (
	// holdBack is how much of a long body waits for what follows it, so that no
	// part of a secret leaves before its end came.
	holdBack = dlp.Overlap
	// pieceSize is how much more is read at once.
	pieceSize = 256 << 10
)

// scanning looks through a body that is too long to be read first.
type scanning struct {
	*look
	src io.Reader

	// unpacked gives what the body holds in a compressed form, and puts what it
	// reads of it in pending; nil where the body is looked through as it stands.
	unpacked io.Reader
	guessed  bool // that it is compressed
	plain    []byte
	total    int
	marks    [2]int // how much was pending after the latest pieces

	pending []byte // looked through with what came before, not yet released
	ready   []byte // released
	ended   error
	scanned bool // whether pending has been looked through
}

func newScanning(l *look, start []byte, src io.Reader, encoding string) (*scanning, error) {
	s := &scanning{look: l, src: src, pending: start}
	if encoding == "" {
		encoding, s.guessed = dlp.Guess(start), true
	}
	tap := &tap{scanning: s, src: io.MultiReader(bytes.NewReader(start), src)}
	r, err := dlp.Decode(encoding, tap)
	switch {
	case err != nil && !s.guessed && l.block:
		return nil, &blockedError{reason: "the body cannot be read: " + err.Error()}
	case err == nil && r != io.Reader(tap):
		s.unpacked, s.src = r, tap.src
		s.pending = bytes.Clone(start[:tap.n])
	}
	return s, nil
}

// tap puts what is read through it in pending.
type tap struct {
	*scanning
	src io.Reader
	n   int
}

// Read implements io.Reader.
func (t *tap) Read(p []byte) (int, error) {
	n, err := t.src.Read(p)
	t.n += n
	if t.unpacked != nil { // else newScanning looks for what it needs
		t.pending = append(t.pending, p[:n]...)
	}
	return n, err
}

// Read implements io.Reader: it gives what is further than holdBack from the end
// of what has come.
func (s *scanning) Read(p []byte) (int, error) {
	for len(s.ready) == 0 {
		if s.ended != nil {
			return 0, s.ended
		}
		more := s.more
		if s.unpacked != nil {
			more = s.moreUnpacked
		}
		if err := more(); err != nil {
			s.ended = err
			return 0, err
		}
	}
	n := copy(p, s.ready)
	s.ready = s.ready[n:]
	return n, nil
}

// more reads on until it can release something, or the end.
func (s *scanning) more() error {
	if s.scanned {
		chunk := make([]byte, pieceSize)
		n, err := io.ReadFull(s.src, chunk)
		s.pending = append(s.pending, chunk[:n]...)
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return err
		}
		if err != nil {
			s.ended = io.EOF
		}
	}
	s.scanned = true
	if err := s.text("the body", s.pending); err != nil {
		return err
	}
	keep := min(holdBack, len(s.pending))
	if s.ended != nil {
		keep = 0
	}
	s.release(len(s.pending) - keep)
	if len(s.ready) == 0 && s.ended != nil {
		return s.ended
	}
	return nil
}

func (s *scanning) release(n int) {
	s.ready = s.pending[:n:n]
	s.pending = bytes.Clone(s.pending[n:])
}

// moreUnpacked looks through the next piece of what the body unpacks to. What came
// in before the piece before the last one is released: decoders read ahead, and a
// secret may go on in the next piece.
func (s *scanning) moreUnpacked() error {
	if s.plain == nil {
		s.plain = make([]byte, 0, holdBack+pieceSize)
	}
	n := 0
	var err error
	for n < pieceSize && err == nil {
		var m int
		m, err = s.unpacked.Read(s.plain[len(s.plain):min(len(s.plain)+pieceSize-n, cap(s.plain))])
		n, s.plain = n+m, s.plain[:len(s.plain)+m]
	}
	if s.total += n; s.total > dlp.MaxUnpacked && s.block {
		return &blockedError{reason: "the body cannot be read: it unpacks to too much"}
	}
	if err := s.text("the body", s.plain); err != nil {
		return err
	}
	s.plain = s.plain[:copy(s.plain, s.plain[len(s.plain)-min(holdBack, len(s.plain)):])]
	switch {
	case err == nil:
		n := s.marks[0]
		s.marks[0], s.marks[1] = s.marks[1]-n, len(s.pending)-n
		s.release(n)
	case errors.Is(err, io.EOF), s.guessed, !s.block:
		// What follows it, or is not compressed after all, is looked through as it stands.
		s.unpacked, s.scanned = nil, false
	default:
		return &blockedError{reason: "the body cannot be read: " + strings.TrimSpace(err.Error())}
	}
	return nil
}
