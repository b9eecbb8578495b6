package dlp

import (
	"slices"
	"strings"
)

// A Scanner finds secrets in text. It is safe for concurrent use.
//
// One pass of an automaton over the text finds the keywords of all rules; only
// the rules whose keyword stands there are tried, in a window around it.
type Scanner struct {
	rules  []*scanRule
	always []int // rules without a keyword
	global []allowlist
	words  *automaton
	byWord [][]int // rules by keyword
}

// New returns a Scanner with gitleaks' rules.
func New() (*Scanner, error) {
	rules, global, err := loadRules()
	if err != nil {
		return nil, err
	}
	s := &Scanner{rules: rules, global: global}
	index := map[string]int{}
	var words []string
	for i, r := range rules {
		if len(r.keywords) == 0 {
			s.always = append(s.always, i)
		}
		for _, k := range r.keywords {
			at, ok := index[k]
			if !ok {
				at = len(words)
				index[k], words, s.byWord = at, append(words, k), append(s.byWord, nil)
			}
			s.byWord[at] = append(s.byWord[at], i)
		}
	}
	s.words = newAutomaton(words)
	return s, nil
}

// A Finding is a secret that a rule found: where, and never what.
type Finding struct {
	// Rule is the name that gitleaks gives the rule, "github-pat".
	Rule string
	// Start and End are where in the text, in bytes.
	Start, End int
}

// Find returns the first secret in text, by the order of the rules.
func (s *Scanner) Find(text []byte) (Finding, bool) {
	windows := make(map[int][]span)
	for _, i := range s.always {
		windows[i] = []span{{0, len(text)}}
	}
	s.words.each(text, func(word, end int) {
		for _, i := range s.byWord[word] {
			r := s.rules[i]
			w := span{max(end-r.before, 0), min(end+r.after, len(text))}
			list := windows[i]
			if n := len(list); n > 0 && list[n-1].end >= w.start {
				list[n-1].end = max(list[n-1].end, w.end)
				continue
			}
			windows[i] = append(list, w)
		}
	})
	for i, r := range s.rules {
		for _, w := range windows[i] {
			if f, ok := s.try(r, text, w); ok {
				return f, true
			}
		}
	}
	return Finding{}, false
}

type span struct{ start, end int }

// try looks for one rule in a window, as gitleaks does: the secret is the rule's
// group, or the first group that is not empty, or the whole match; its entropy
// must exceed the rule's; no allowlist may name it.
func (s *Scanner) try(r *scanRule, text []byte, w span) (Finding, bool) {
	window := text[w.start:w.end]
	for _, m := range r.compile().FindAllSubmatchIndex(window, -1) {
		match, secret := string(window[m[0]:m[1]]), r.secret(window, m)
		if r.entropy > 0 && shannon(secret) <= r.entropy {
			continue
		}
		// gitleaks' own exception: what its loosest rule finds has a digit.
		if r.id == "generic-api-key" && !strings.ContainsAny(secret, "0123456789") {
			continue
		}
		line := lineAround(window, m[0], m[1])
		allows := func(a allowlist) bool { return a.allows(secret, match, line) }
		if slices.ContainsFunc(s.global, allows) || slices.ContainsFunc(r.allowed, allows) {
			continue
		}
		return Finding{r.id, w.start + m[0], w.start + m[1]}, true
	}
	return Finding{}, false
}

// secret returns the part of a match that is the secret.
func (r *scanRule) secret(window []byte, m []int) string {
	if g := r.group; g > 0 && 2*g+1 < len(m) && m[2*g] >= 0 {
		return string(window[m[2*g]:m[2*g+1]])
	}
	for i := 2; r.group == 0 && i+1 < len(m); i += 2 {
		if m[i] >= 0 && m[i+1] > m[i] {
			return string(window[m[i]:m[i+1]])
		}
	}
	return string(window[m[0]:m[1]])
}

func lineAround(text []byte, start, end int) string {
	for start > 0 && text[start-1] != '\n' {
		start--
	}
	for end < len(text) && text[end] != '\n' {
		end++
	}
	return string(text[start:end])
}

// An automaton finds many words in one pass: Aho and Corasick's, with every
// transition written out, so that a byte costs one look into a table.
type automaton struct {
	next  []uint16 // state*256+byte
	found [][]int  // words that end in a state
}

// newAutomaton makes the automaton of lower-case words; text may be in any case.
func newAutomaton(words []string) *automaton {
	a := &automaton{next: make([]uint16, 256), found: make([][]int, 1)}
	for i, w := range words {
		state := 0
		for j := range len(w) {
			at := state*256 + int(w[j])
			if a.next[at] == 0 {
				a.next[at] = uint16(len(a.found)) //nolint:gosec // gitleaks has some thousand states; a test holds it
				a.next = append(a.next, make([]uint16, 256)...)
				a.found = append(a.found, nil)
			}
			state = int(a.next[at])
		}
		a.found[state] = append(a.found[state], i)
	}
	a.link()
	return a
}

// link fills in where a mismatch leads, breadth first.
func (a *automaton) link() {
	fail := make([]int, len(a.found))
	var queue []int
	for b := range 256 {
		if s := int(a.next[b]); s != 0 {
			queue = append(queue, s)
		}
	}
	for ; len(queue) > 0; queue = queue[1:] {
		state := queue[0]
		a.found[state] = append(a.found[state], a.found[fail[state]]...)
		for b := range 256 {
			at := state*256 + b
			over := a.next[fail[state]*256+b]
			if a.next[at] == 0 {
				a.next[at] = over
				continue
			}
			fail[a.next[at]] = int(over)
			queue = append(queue, int(a.next[at]))
		}
	}
	for state := range a.found {
		for b := byte('A'); b <= 'Z'; b++ {
			a.next[state*256+int(b)] = a.next[state*256+int(b)+'a'-'A']
		}
	}
}

// each calls f with each word that stands in text and where it ends.
func (a *automaton) each(text []byte, f func(word, end int)) {
	state := 0
	for i, b := range text {
		state = int(a.next[state*256+int(b)])
		for _, w := range a.found[state] {
			f(w, i+1)
		}
	}
}
