package credproxy

import (
	"bytes"
	"math"
	"net/http"
	"slices"
	"strings"
)

// minSecret is the length of the shortest string that is searched for. What is
// shorter would be found in innocent text, and is no secret.
const minSecret = 8

// A scrubber overwrites secrets with asterisks, byte for byte: lengths that were
// announced stay true, and so do the frames of a WebSocket. A nil scrubber finds
// nothing. It does not change and is safe for concurrent use.
//
// It is the algorithm of Wu and Manber (A fast algorithm for multi-pattern
// searching, 1994): of the shortest pattern's length of text it looks at the last
// two bytes, and mostly sees from them that no pattern ends within many bytes.
type scrubber struct {
	patterns [][]byte
	longest  int
	shortest int
	// skip is by how much a search may move on when it sees two bytes at the end
	// of a window of shortest bytes; 0 when a pattern's window ends so.
	skip [1 << 16]uint8
	// ends are the patterns by the two bytes at the end of their windows.
	ends map[uint16][][]byte
	// starts are the patterns by their first byte.
	starts [256][][]byte
}

// newScrubber returns a scrubber for secrets in every form of encodings; nil if
// there is nothing to search for.
func newScrubber(secrets [][]byte) *scrubber {
	var patterns [][]byte
	seen := map[string]bool{}
	for _, secret := range secrets {
		if len(secret) < minSecret {
			continue
		}
		for _, p := range encodings(secret) {
			if len(p) >= minSecret && !seen[string(p)] {
				seen[string(p)] = true
				patterns = append(patterns, p)
			}
		}
	}
	return searcher(patterns)
}

// searcher returns a scrubber for patterns of minSecret bytes at least; nil for
// none.
func searcher(patterns [][]byte) *scrubber {
	if len(patterns) == 0 {
		return nil
	}
	s := &scrubber{patterns: patterns, shortest: math.MaxInt, ends: map[uint16][][]byte{}}
	for _, p := range patterns {
		s.longest, s.shortest = max(s.longest, len(p)), min(s.shortest, len(p))
		s.starts[p[0]] = append(s.starts[p[0]], p)
	}
	most := min(s.shortest-1, math.MaxUint8)
	for i := range s.skip {
		s.skip[i] = uint8(most) //nolint:gosec // it is not more
	}
	for _, p := range patterns {
		for end := 2; end <= s.shortest; end++ {
			two := pair(p, end)
			s.skip[two] = uint8(min(int(s.skip[two]), s.shortest-end)) //nolint:gosec // the smaller of two, of which one is a byte
		}
		s.ends[pair(p, s.shortest)] = append(s.ends[pair(p, s.shortest)], p)
	}
	return s
}

// pair returns the two bytes of text before end.
func pair(text []byte, end int) uint16 { return uint16(text[end-2])<<8 | uint16(text[end-1]) }

// with returns a scrubber for what s and other search for.
func (s *scrubber) with(other *scrubber) *scrubber {
	switch {
	case other == nil:
		return s
	case s == nil:
		return other
	}
	return searcher(slices.Concat(s.patterns, other.patterns))
}

// mask overwrites in out, which is the tail of text from position from on, what
// it finds in text. Secrets may overlap.
func (s *scrubber) mask(text, out []byte, from int) {
	for end := s.shortest; end <= len(text); {
		two := pair(text, end)
		if skip := s.skip[two]; skip > 0 {
			end += int(skip)
			continue
		}
		at := end - s.shortest
		for _, p := range s.ends[two] {
			if bytes.HasPrefix(text[at:], p) {
				fill(out, at-from, at+len(p)-from)
			}
		}
		end++
	}
}

func fill(out []byte, start, end int) {
	for i := max(start, 0); i < end; i++ {
		out[i] = '*'
	}
}

// clean returns text without secrets.
func (s *scrubber) clean(text string) string {
	if s == nil || len(text) < s.shortest {
		return text
	}
	out := []byte(text)
	s.mask([]byte(text), out, 0)
	return string(out)
}

// header cleans the values of h, and removes what is named by a secret.
func (s *scrubber) header(h http.Header) {
	if s == nil {
		return
	}
	for name, values := range h {
		if len(name) >= s.shortest && s.named(name) {
			delete(h, name)
			continue
		}
		for i := range values {
			values[i] = s.clean(values[i])
		}
	}
}

// named reports whether a secret is in name, whose case is the reader's.
func (s *scrubber) named(name string) bool {
	name = strings.ToLower(name)
	return slices.ContainsFunc(s.patterns, func(p []byte) bool { return strings.Contains(name, strings.ToLower(string(p))) })
}

// tail returns where the longest end of text begins that may be the beginning of
// a secret, len(text) if there is none. A few bytes do not count: keeping them
// back would stall a stream at every full stop, and they betray nothing.
func (s *scrubber) tail(text []byte) int {
	for i := max(len(text)-s.longest+1, 0); i < len(text); i++ {
		rest := text[i:]
		for _, p := range s.starts[text[i]] {
			if len(rest) < len(p) && len(rest) >= min(8, len(p)/4) && bytes.HasPrefix(p, rest) {
				return i
			}
		}
	}
	return len(text)
}

// A stream cleans what passes in pieces.
type stream struct {
	*scrubber
	// text is what arrived lately, as it arrived; its first sent bytes have been
	// handed on and are remembered to recognise what they began, and what is kept
	// back as the end of a secret that was found.
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
