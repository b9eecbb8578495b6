package dlp

import (
	"sync"
)

// A Scanner finds secrets in text. It is safe for concurrent use.
//
// One pass of an automaton over the text finds the keywords of all rules. Where
// one stands, its rules look at a few bytes around it, and only where these may be
// a secret the rule's expression is tried, in a window.
type Scanner struct {
	rules  []*scanRule
	global []allowlist
	words  *automaton
	byWord [][]probe
	length []int // of each word
	digs   sync.Pool

	maxUnpacked int
}

// New returns a Scanner with gitleaks' rules.
func New() (*Scanner, error) {
	rules, global, err := loadRules()
	if err != nil {
		return nil, err
	}
	s := &Scanner{rules: rules, global: global, maxUnpacked: MaxUnpacked}
	index := map[string]int{}
	var words []string
	for i, r := range rules {
		probes, err := r.probes(i)
		if err != nil {
			return nil, err
		}
		for k, p := range probes {
			at, ok := index[k]
			if !ok {
				at = len(words)
				index[k], words, s.byWord, s.length = at, append(words, k), append(s.byWord, nil), append(s.length, len(k))
			}
			s.byWord[at] = append(s.byWord[at], p)
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
	// Hash tells the secret from others, for who knows it: the first 16
	// hexadecimal digits of its SHA-256.
	Hash string
	// Inside says what the text had to be unpacked from, outermost first:
	// "base64", "gzip". Start and End are then where in what came out.
	Inside []string
}

// generic is gitleaks' loosest rule: where another finds something as well, the
// other one says more.
const generic = "generic-api-key"

// Find returns a secret in text as it stands, the first that a rule other than
// generic-api-key finds, or else one that that does.
func (s *Scanner) Find(text []byte) (Finding, bool) {
	var loose, found Finding
	s.each(text, func(f Finding) next {
		if f.Rule != generic {
			found = f
			return stop
		}
		loose = f
		return enough
	})
	if found.Rule == "" {
		found = loose
	}
	return found, found.Rule != ""
}

type span struct{ start, end int }

// next is what a pass does after a finding.
type next int

const (
	more   next = iota
	enough      // of what generic finds
	stop
)

// A pass is one look through a text.
type pass struct {
	*Scanner
	text []byte
	each func(Finding) next
	done bool
	// loose is whether generic's findings are still wanted.
	loose bool
	fuel  *int // how many bytes may still be held against expressions
	// wide are the windows of the rules that need large ones: they are put
	// together, so that a text full of keywords is still read only once.
	wide map[int][]span
}

// each calls f with each finding, until it says stop.
func (s *Scanner) each(text []byte, f func(Finding) next) {
	fuel := unbounded * windowAfter
	s.fuelled(text, &fuel, f)
}

// fuelled is each as long as fuel lasts, in bytes that are held against an
// expression.
func (s *Scanner) fuelled(text []byte, fuel *int, f func(Finding) next) {
	p := &pass{Scanner: s, text: text, each: f, fuel: fuel, loose: true}
	s.words.each(text, p.word)
	p.finish()
}

// after is fuelled for what begins right after a byte.
func (s *Scanner) after(text []byte, before byte, fuel *int, f func(Finding) next) {
	p := &pass{Scanner: s, text: text, each: f, fuel: fuel, loose: true}
	s.words.after(text, before, p.word)
	p.finish()
}

// finish tries the rules that need large windows.
func (p *pass) finish() {
	if p.wide == nil {
		return
	}
	for i, r := range p.rules { // in their order, so that the result is always the same
		for _, w := range p.wide[i] {
			if !p.done && (r.near == nil || r.near.in(p.text, w)) {
				p.try(i, w)
			}
		}
	}
}

// word is called for each keyword.
func (p *pass) word(word, end int) bool {
	start := end - p.length[word]
	for i := range p.byWord[word] {
		b := &p.byWord[word][i]
		far := b.fits(p.text, start, end)
		if far < 0 {
			continue
		}
		w := span{max(end-b.before, 0), min(far+margin, end+b.after, len(p.text))}
		if far >= end+b.after {
			p.widen(b.rule, w)
			continue
		}
		if p.try(b.rule, w); p.done {
			return false
		}
	}
	return true
}

// margin is what a window holds after the longest match, so that its end is not
// taken for the text's.
const margin = 4

func (p *pass) widen(rule int, w span) {
	if p.wide == nil {
		p.wide = map[int][]span{}
	}
	list := p.wide[rule]
	if n := len(list); n > 0 && list[n-1].end >= w.start {
		list[n-1].end = max(list[n-1].end, w.end)
		return
	}
	p.wide[rule] = append(list, w)
}
