package dlp

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"slices"
)

// Depth is how many encodings inside each other are undone.
const Depth = 5

// MaxUnpacked is how much may come out of all that is compressed in a text.
const MaxUnpacked = 256 << 20

// An expression costs some hundred times what a keyword costs for each byte. An
// ordinary text lets a hundredth of its bytes come so far; a text that is made to
// cost time does not go on for ever.
const (
	minFuel     = 256 << 10
	bytesPerOne = 2 // of what is read, for one that is held against an expression
)

// ErrUnreadable is in the chain of the error for what is too much to be read.
var ErrUnreadable = errors.New("cannot be read")

// Search returns a secret in text, or in what text holds in an encoding: base64
// (standard or for URLs, at any alignment, also in lines), hexadecimal digits,
// percent signs, the escapes of JSON and C, gzip, zlib, zip and zstd, up to Depth
// inside each other. A finding that excuse is true for is none; nil excuses none.
//
// The error is ErrUnreadable's where text holds more than can be looked through.
func (s *Scanner) Search(text []byte, excuse func(Finding) bool) (Finding, bool, error) {
	return s.SearchIn(text, nil, excuse)
}

// SearchIn is Search for a text that came out of encodings, outermost first.
func (s *Scanner) SearchIn(text []byte, inside []string, excuse func(Finding) bool) (Finding, bool, error) {
	d, ok := s.digs.Get().(*dig)
	if !ok {
		d = &dig{Scanner: s}
	}
	defer s.digs.Put(d)
	d.best, d.done, d.err, d.left, d.excuse = Finding{}, false, nil, s.maxUnpacked, excuse
	d.fuel = minFuel + len(text)/bytesPerOne
	d.look(text, inside)
	return d.best, d.best.Rule != "", d.err
}

// A dig looks through a text and what is in it.
type dig struct {
	*Scanner
	excuse func(Finding) bool
	best   Finding
	done   bool
	left   int // to be unpacked
	fuel   int // bytes to be held against expressions
	err    error
	free   [][]byte // buffers
	gzip   *gzip.Reader
	zlib   io.ReadCloser
	flate  io.ReadCloser
}

// found takes a finding.
func (d *dig) found(inside []string) func(Finding) next {
	return func(f Finding) next {
		f.Inside = inside
		switch {
		case d.excuse != nil && d.excuse(f):
			return more
		case f.Rule != generic:
			d.best, d.done = f, true
			return stop
		case d.best.Rule == "":
			d.best = f
		}
		return enough
	}
}

// look looks through a text, and what is in it.
func (d *dig) look(text []byte, inside []string) {
	if d.done || len(text) < shortest {
		return
	}
	if plain, ok := d.undo(unbackslash, text, inside); ok {
		// The rest is in plain as well. What the escapes ate may have been a letter of
		// a secret: "\npm_…", "\nZ2hw…".
		d.after(text, '\\', &d.fuel, d.found(inside))
		d.runs(text, inside, '\\')
		d.look(plain, with(inside, "escapes"))
		d.put(plain)
		return
	}
	d.fuelled(text, &d.fuel, d.found(inside))
	if d.fuel < 0 {
		d.fail("what holds so much that looks like a secret at first")
	}
	if d.done || len(inside) == Depth {
		return
	}
	if plain, ok := d.undo(unpercent, text, inside); ok {
		d.runs(text, inside, '%')
		d.look(plain, with(inside, "percent signs"))
		d.put(plain)
	} else {
		d.runs(text, inside, 0)
		d.archives(text, inside)
	}
	d.form(text, inside)
}

// undo calls f unless that would be one encoding too many.
func (d *dig) undo(f func(out, text []byte) ([]byte, bool), text []byte, inside []string) ([]byte, bool) {
	if len(inside) == Depth {
		return nil, false
	}
	plain, ok := f(d.get(), text)
	if !ok {
		d.put(plain)
	}
	return plain, ok
}

// form looks through a form, in which a plus is a space; in base64 it is a plus.
func (d *dig) form(text []byte, inside []string) {
	if d.done || !isForm(text) {
		return
	}
	plain := append(d.get(), text...)
	for i, b := range plain {
		if b == '+' {
			plain[i] = ' '
		}
	}
	if again, ok := unpercent(d.get(), plain); ok {
		plain = again
	}
	d.fuelled(plain, &d.fuel, d.found(with(inside, "form")))
	d.put(plain)
}

// shortest is the length of the shortest text that may hold a secret.
const shortest = 12

func with(inside []string, what string) []string {
	return append(slices.Clip(inside), what)
}

func (d *dig) get() []byte {
	if n := len(d.free); n > 0 {
		b := d.free[n-1]
		d.free = d.free[:n-1]
		return b[:0]
	}
	return nil
}

// put gives a buffer back. Large ones are not kept, nor many.
func (d *dig) put(b []byte) {
	if cap(b) <= 4<<20 && len(d.free) < 2*Depth {
		d.free = append(d.free, b)
	}
}

func (d *dig) fail(format string, args ...any) {
	if d.err == nil {
		d.err = fmt.Errorf(format+" %w", append(args, ErrUnreadable)...)
	}
	d.done = true
}
