package dlp

import "bytes"

// An automaton finds many words in one pass: Aho and Corasick's, with every
// transition written out, so that a byte costs two looks into tables. Bytes that
// no word holds share a column, which keeps the table small enough for a cache.
type automaton struct {
	class [256]uint8
	width int      // columns
	next  []uint32 // state*width+class, to state*width
	found [][]int  // words that end in a state, by state
	first uint32   // states from here on end words, times width
}

// newAutomaton makes the automaton of words, which are in lower case; text may
// be in any case.
func newAutomaton(words []string) *automaton {
	a := &automaton{width: 1}
	for _, w := range words {
		for i := range len(w) {
			if a.class[w[i]] == 0 {
				a.class[w[i]] = uint8(a.width) //nolint:gosec // 256 bytes less the capitals
				a.width++
			}
		}
	}
	trie := [][]uint32{make([]uint32, a.width)}
	a.found = [][]int{nil}
	for i, w := range words {
		state := uint32(0)
		for j := range len(w) {
			at := &trie[state][a.class[w[j]]]
			if *at == 0 {
				trie = append(trie, make([]uint32, a.width))
				a.found = append(a.found, nil)
				*at = uint32(len(trie) - 1) //nolint:gosec // some thousand states
			}
			state = *at
		}
		a.found[state] = append(a.found[state], i)
	}
	a.link(trie)
	a.pack(trie)
	for b := 'A'; b <= 'Z'; b++ {
		a.class[b] = a.class[b+'a'-'A']
	}
	return a
}

// link fills in where a mismatch leads, breadth first.
func (a *automaton) link(trie [][]uint32) {
	fail := make([]uint32, len(trie))
	var queue []uint32
	for _, s := range trie[0] {
		if s != 0 {
			queue = append(queue, s)
		}
	}
	for ; len(queue) > 0; queue = queue[1:] {
		state := queue[0]
		a.found[state] = append(a.found[state], a.found[fail[state]]...)
		for c, to := range trie[state] {
			over := trie[fail[state]][c]
			if to == 0 {
				trie[state][c] = over
				continue
			}
			fail[to] = over
			queue = append(queue, to)
		}
	}
}

// pack lays the table out, the states that end words last, so that one
// comparison tells them.
func (a *automaton) pack(trie [][]uint32) {
	place := make([]uint32, len(trie))
	found := make([][]int, 0, len(trie))
	for _, ends := range []bool{false, true} {
		if ends {
			a.first = uint32(len(found) * a.width) //nolint:gosec // some hundred thousand
		}
		for s, words := range a.found {
			if len(words) > 0 == ends {
				place[s] = uint32(len(found) * a.width) //nolint:gosec // as above
				found = append(found, words)
			}
		}
	}
	a.found = found
	a.next = make([]uint32, len(trie)*a.width)
	for s, row := range trie {
		for c, to := range row {
			a.next[int(place[s])+c] = place[to]
		}
	}
}

// each calls f with each word that stands in text and where it ends, until f
// returns false.
func (a *automaton) each(text []byte, f func(word, end int) bool) {
	state, next, first := uint32(0), a.next, a.first
	for i, b := range text {
		state = next[state+uint32(a.class[b])]
		if state < first {
			continue
		}
		for _, w := range a.found[int(state)/a.width] {
			if !f(w, i+1) {
				return
			}
		}
	}
}

// after is each for words that begin right after a byte.
func (a *automaton) after(text []byte, before byte, f func(word, end int) bool) {
	for at := 0; ; {
		i := bytes.IndexByte(text[at:], before)
		if i < 0 {
			return
		}
		at += i + 1
		state := uint32(0)
		for j := at; j < len(text); j++ {
			if state = a.next[state+uint32(a.class[text[j]])]; state == 0 {
				break
			}
			for _, w := range a.found[int(state)/a.width] {
				if !f(w, j+1) {
					return
				}
			}
		}
	}
}

// has reports whether one of the words stands in text.
func (a *automaton) has(text []byte) bool {
	found := false
	a.each(text, func(int, int) bool { found = true; return false })
	return found
}
