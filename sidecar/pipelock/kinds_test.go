package pipelock_test

import (
	"math"
	"math/rand/v2"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"
	"github.com/zricethezav/gitleaks/v8/config"
)

// A kind is a rule of gitleaks and an example that was made from its expression.
type kind struct{ rule, example string }

// kinds makes an example for each rule of which one can be made that its expression
// matches and its entropy allows. Rules that gitleaks holds to certain files are left
// out: what leaves has no file name.
func kinds(tb testing.TB) []kind {
	tb.Helper()
	var c struct {
		Rules []struct {
			ID       string
			Regex    string
			Path     string
			Entropy  float64
			Keywords []string
		}
	}
	if err := toml.Unmarshal([]byte(config.DefaultConfig), &c); err != nil {
		tb.Fatal(err)
	}
	r := rand.New(rand.NewPCG(7, 7))
	var out []kind
	for _, rule := range c.Rules {
		if rule.Regex == "" || rule.Path != "" {
			continue
		}
		re, err := syntax.Parse(rule.Regex, syntax.Perl)
		if err != nil {
			tb.Fatal(err)
		}
		for range 20 {
			var b strings.Builder
			example(r, &b, re)
			m := regexp.MustCompile(rule.Regex).FindStringSubmatch(b.String())
			if m != nil && entropy(strings.TrimSpace(strings.Join(m[1:], " "))+m[0][:1]) > rule.Entropy+0.3 {
				out = append(out, kind{rule.ID, near(b.String(), rule.Keywords)})
				break
			}
		}
	}
	return out
}

// near puts a keyword before a text that has none: without one gitleaks does not
// look.
func near(text string, keywords []string) string {
	has := func(k string) bool { return strings.Contains(strings.ToLower(text), strings.ToLower(k)) }
	if len(keywords) == 0 || slices.ContainsFunc(keywords, has) {
		return text
	}
	return keywords[0] + " " + text
}

// example writes something that re matches.
func example(r *rand.Rand, b *strings.Builder, re *syntax.Regexp) {
	repeat := func(least, most int) {
		n := least
		if most < 0 && least > 0 {
			n += r.IntN(8)
		}
		for range n {
			example(r, b, re.Sub[0])
		}
	}
	switch re.Op {
	case syntax.OpLiteral:
		b.WriteString(string(re.Rune))
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		b.WriteByte(' ')
	case syntax.OpCharClass:
		b.WriteByte(member(r, re.Rune))
	case syntax.OpCapture:
		example(r, b, re.Sub[0])
	case syntax.OpPlus:
		repeat(1, -1)
	case syntax.OpRepeat:
		repeat(re.Min, re.Max)
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			example(r, b, sub)
		}
	case syntax.OpAlternate:
		example(r, b, re.Sub[r.IntN(len(re.Sub))])
	}
}

// member is one of a class: a letter or a digit where there is one.
func member(r *rand.Rand, ranges []rune) byte {
	var letters, others []byte
	for i := 0; i < len(ranges); i += 2 {
		for c := ranges[i]; c <= min(ranges[i+1], '~'); c++ {
			switch {
			case '0' <= c && c <= '9', 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z':
				letters = append(letters, byte(c))
			case c >= ' ':
				others = append(others, byte(c))
			}
		}
	}
	if len(letters) == 0 {
		letters = others
	}
	return letters[r.IntN(len(letters))]
}

func entropy(s string) float64 {
	h := 0.0
	for c := range 256 {
		if n := strings.Count(s, string([]byte{byte(c)})); n > 0 {
			p := float64(n) / float64(len(s))
			h -= p * math.Log2(p)
		}
	}
	return h
}
