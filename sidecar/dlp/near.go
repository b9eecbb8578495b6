package dlp

import "slices"

// A vicinity is what is to be found somewhere around a keyword.
type vicinity struct {
	shapes []shape
	begin  byteSet // what they begin with
}

func newVicinity(shapes []shape) *vicinity {
	v := &vicinity{shapes: settle(shapes)}
	for b := range v.begin {
		v.begin[b] = slices.ContainsFunc(shapes, func(s shape) bool { return s.begins(byte(b)) }) //nolint:gosec // 256 of them
	}
	return v
}

// in reports whether in a window a match may begin.
func (v *vicinity) in(text []byte, w span) bool {
	for at := w.start; at < w.end; at++ {
		if !v.begin[text[at]] {
			continue
		}
		for i := range v.shapes {
			if v.shapes[i].fits(text, at) >= 0 {
				return true
			}
		}
	}
	return false
}

// The bytes of words, and those between a name and its value.
var (
	isWord     = setOf("_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")                 //nolint:gochecknoglobals // a table
	inName     = setOf(" \t\r\n\f\v'\"._-0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") //nolint:gochecknoglobals // a table
	isOperator = setOf("=>:|?,")                                                                          //nolint:gochecknoglobals // a table
	isQuote    = setOf("`'\" \t\r\n\f\v")                                                                 //nolint:gochecknoglobals // a table
)

func setOf(s string) (set byteSet) {
	for i := range len(s) {
		set[s[i]] = true
	}
	return set
}

// maxName is how much of a name may stand after its keyword, with what separates
// it from the operator: of gitleaks' rules the longest have 23 bytes and some
// letters.
const maxName = 48

// assignment returns how far the value of the name that goes on at text[at] may
// reach, or -1 where there is no operator and what may be a value.
func (p *probe) assignment(text []byte, at int) int {
	stop := min(at+maxName, len(text))
	for at < stop && inName[text[at]] {
		at++
	}
	if at == stop || !isOperator[text[at]] {
		return -1
	}
	op := at
	// At most ":::=" and five of what follows it.
	for stop := min(at+9, len(text)); at < stop && (isOperator[text[at]] || isQuote[text[at]]); {
		at++
	}
	far := -1
	for i := range p.shapes {
		s := &p.shapes[i]
		// A value may begin with what could be the operator's, "=".
		for from := at; from > op && from < len(text) && (from == at || s.begins(text[from])); from-- {
			far = max(far, s.fits(text, from))
		}
	}
	return far
}

// begins reports whether a match may begin with b.
func (s shape) begins(b byte) bool {
	for _, st := range s.steps {
		if st.set == nil {
			return false
		}
		if st.set[b] {
			return true
		}
		if st.min > 0 {
			return false
		}
	}
	return true
}
