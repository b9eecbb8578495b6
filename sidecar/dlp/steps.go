package dlp

// A byteSet is a set of bytes. Bytes from 0x80 on stand for every character that
// is not ASCII.
type byteSet [256]bool

// A step is what a text must hold next: at least min and at most max bytes of a
// set. A nil set is the end of the text.
type step struct {
	set      *byteSet
	min, max int
	// greedy is whether as many bytes as there are must be this step's: what
	// follows cannot begin with any of them.
	greedy bool
}

// unbounded is the max of a step that has none.
const unbounded = 1 << 20

// A shape is a necessary condition of a regular expression, which costs some
// nanoseconds where the expression costs microseconds: what begins like a match
// has these steps. It may end early, where the expression is more than a sequence.
type shape struct {
	steps []step
	// boundary is whether no letter may stand before it that goes on with its
	// first byte.
	boundary bool
	// open is whether the shape says nothing about how a match goes on.
	open bool
}

// width returns how many bytes a match of the shape can have.
func (s *shape) width() (least, most int) {
	for _, st := range s.steps {
		least, most = least+st.min, min(most+st.max, unbounded)
	}
	if s.open {
		most = unbounded
	}
	return least, most
}

// fits returns how far what begins at text[at] may be what the shape describes,
// or -1 if it is not: the end of a match at the latest. It looks at no more than
// windowAfter bytes for each step.
func (s *shape) fits(text []byte, at int) int {
	if s.boundary && at > 0 && isWord[text[at]] && isWord[text[at-1]] {
		return -1
	}
	for i := range s.steps {
		st := &s.steps[i]
		if st.set == nil {
			if at != len(text) {
				return -1
			}
			continue
		}
		n, stop := 0, min(st.max, len(text)-at, windowAfter)
		for n < stop && st.set[text[at+n]] {
			n++
		}
		switch {
		case n < st.min:
			return -1
		case n == windowAfter:
			return at + n
		case !st.greedy:
			_, most := (&shape{steps: s.steps[i:], open: s.open}).width()
			return at + most
		}
		at += n
	}
	if s.open {
		return at + unbounded
	}
	return at
}

// settle fills in where shapes may be greedy.
func settle(shapes []shape) []shape {
	for _, s := range shapes {
		for i := range s.steps {
			st := &s.steps[i]
			st.greedy = st.min == st.max || disjoint(st.set, s.steps[i+1:]) && !s.open
		}
	}
	return shapes
}

// disjoint reports whether what follows cannot begin with a byte of set.
func disjoint(set *byteSet, next []step) bool {
	for _, st := range next {
		if st.set == nil {
			return true
		}
		for b := range set {
			if set[b] && st.set[b] {
				return false
			}
		}
		if st.min > 0 {
			return true
		}
	}
	return true
}
