package credproxy

import (
	"bytes"
	"net/http"
	"slices"
)

const (
	// minSecret is the length of the shortest string that is searched for. What
	// is shorter would be found in innocent text, and is no secret.
	minSecret = 8
	// needle is the length up to which bytes.Index is at its fastest.
	needle = 32
)

// A scrubber overwrites secrets with asterisks, byte for byte: lengths that were
// announced stay true, and so do the frames of a WebSocket. A nil scrubber finds
// nothing. It does not change and is safe for concurrent use.
type scrubber struct {
	patterns [][]byte
	longest  int
}

// newScrubber returns a scrubber for secrets in every form of encodings; nil if
// there is nothing to search for.
func newScrubber(secrets [][]byte) *scrubber {
	s := new(scrubber)
	seen := map[string]bool{}
	for _, secret := range secrets {
		if len(secret) < minSecret {
			continue
		}
		for _, p := range encodings(secret) {
			if len(p) < minSecret || seen[string(p)] {
				continue
			}
			seen[string(p)] = true
			s.patterns = append(s.patterns, p)
			s.longest = max(s.longest, len(p))
		}
	}
	if len(s.patterns) == 0 {
		return nil
	}
	return s
}

// with returns a scrubber for what s and other search for.
func (s *scrubber) with(other *scrubber) *scrubber {
	switch {
	case other == nil:
		return s
	case s == nil:
		return other
	}
	return &scrubber{patterns: slices.Concat(s.patterns, other.patterns), longest: max(s.longest, other.longest)}
}

// mask overwrites in out, which is the tail of text from position from on, what
// it finds in text.
func (s *scrubber) mask(text, out []byte, from int) {
	for _, p := range s.patterns {
		for at := 0; ; {
			i := bytes.Index(text[at:], p[:min(len(p), needle)])
			if i < 0 {
				break
			}
			at += i
			if bytes.HasPrefix(text[at:], p) {
				fill(out, at-from, at+len(p)-from)
			}
			at++ // secrets may overlap themselves
		}
	}
}

func fill(out []byte, start, end int) {
	for i := max(start, 0); i < end; i++ {
		out[i] = '*'
	}
}

// clean returns text without secrets.
func (s *scrubber) clean(text string) string {
	if s == nil {
		return text
	}
	out := []byte(text)
	s.mask([]byte(text), out, 0)
	return string(out)
}

// header cleans the values of h.
func (s *scrubber) header(h http.Header) {
	if s == nil {
		return
	}
	for _, values := range h {
		for i := range values {
			values[i] = s.clean(values[i])
		}
	}
}

// tail returns where the longest end of text begins that may be the beginning of
// a secret, len(text) if there is none. A few bytes do not count: keeping them
// back would stall a stream at every full stop, and they betray nothing.
func (s *scrubber) tail(text []byte) int {
	start := len(text)
	for _, p := range s.patterns {
		least := min(8, len(p)/4)
		for n := min(len(p)-1, len(text)); n >= least && len(text)-n < start; n-- {
			if text[len(text)-n] == p[0] && bytes.HasSuffix(text, p[:n]) {
				start = len(text) - n
				break
			}
		}
	}
	return start
}

// A stream cleans what passes in pieces.
type stream struct {
	*scrubber
	// text is what arrived lately, as it arrived; its first sent bytes have been
	// handed on and are kept to recognise what they began.
	text []byte
	sent int
	out  []byte
}

// push takes the next piece and returns what can be handed on, which is valid
// until the next call.
func (s *stream) push(piece []byte) []byte {
	s.text = append(s.text, piece...)
	out := s.masked()
	hold := max(s.tail(s.text), s.sent)
	out = out[:hold-s.sent]
	keep := max(hold-(s.longest-1), 0)
	s.text = append(s.text[:0], s.text[keep:]...)
	s.sent = hold - keep
	return out
}

// end returns what was kept back. It began like a secret: it is overwritten.
func (s *stream) end() []byte {
	out := s.masked()
	fill(out, 0, len(out))
	s.text, s.sent = nil, 0
	return out
}

func (s *stream) masked() []byte {
	s.out = append(s.out[:0], s.text[s.sent:]...)
	s.mask(s.text, s.out, s.sent)
	return s.out
}
