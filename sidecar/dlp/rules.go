package dlp

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/pelletier/go-toml/v2"
	"github.com/zricethezav/gitleaks/v8/config"
)

// A scanRule is one of gitleaks' rules, less what is about files.
type scanRule struct {
	id       string
	pattern  string
	group    int
	entropy  float64
	keywords []string
	allowed  []allowlist
	// near is what a keyword alone does not say; nil for nothing.
	near    *vicinity
	compile func() *regexp.Regexp
}

// An allowlist says which findings of a rule are none.
type allowlist struct {
	regexes   []*regexp.Regexp
	target    string // "match" or "line"; else the secret
	stopwords *automaton
}

// tomlConfig is the part of gitleaks' configuration that is used here.
type tomlConfig struct {
	Allowlist  tomlAllowlist   `toml:"allowlist"`
	Allowlists []tomlAllowlist `toml:"allowlists"`
	Rules      []struct {
		ID          string          `toml:"id"`
		Regex       string          `toml:"regex"`
		SecretGroup int             `toml:"secretGroup"`
		Entropy     float64         `toml:"entropy"`
		Keywords    []string        `toml:"keywords"`
		Allowlist   tomlAllowlist   `toml:"allowlist"`
		Allowlists  []tomlAllowlist `toml:"allowlists"`
	} `toml:"rules"`
}

type tomlAllowlist struct {
	Condition   string   `toml:"condition"`
	Paths       []string `toml:"paths"`
	Regexes     []string `toml:"regexes"`
	RegexTarget string   `toml:"regexTarget"`
	StopWords   []string `toml:"stopwords"`
}

// loadRules reads the rules that gitleaks ships. Rules about paths alone have no
// meaning for what leaves over HTTP.
func loadRules() ([]*scanRule, []allowlist, error) {
	var c tomlConfig
	if err := toml.Unmarshal([]byte(config.DefaultConfig), &c); err != nil {
		return nil, nil, fmt.Errorf("reading gitleaks' rules: %w", err)
	}
	global, err := allowlists(append(c.Allowlists, c.Allowlist))
	if err != nil {
		return nil, nil, err
	}
	var rules []*scanRule
	for _, t := range c.Rules {
		if t.Regex == "" {
			continue
		}
		r := &scanRule{id: t.ID, pattern: t.Regex, group: t.SecretGroup, entropy: t.Entropy}
		for _, k := range t.Keywords {
			r.keywords = append(r.keywords, strings.ToLower(k))
		}
		if r.allowed, err = allowlists(append(t.Allowlists, t.Allowlist)); err != nil {
			return nil, nil, fmt.Errorf("rule %s: %w", t.ID, err)
		}
		r.compile = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(r.pattern) })
		rules = append(rules, r)
	}
	return rules, global, nil
}

func allowlists(ts []tomlAllowlist) ([]allowlist, error) {
	var out []allowlist
	for _, t := range ts {
		if strings.EqualFold(t.Condition, "and") && len(t.Paths) > 0 || len(t.Regexes)+len(t.StopWords) == 0 {
			continue // it asks for a file's path as well, or for that alone
		}
		a := allowlist{target: t.RegexTarget}
		if len(t.StopWords) > 0 {
			var words []string
			for _, w := range t.StopWords {
				words = append(words, strings.ToLower(w))
			}
			a.stopwords = newAutomaton(words)
		}
		for _, re := range t.Regexes {
			compiled, err := regexp.Compile(re)
			if err != nil {
				return nil, err
			}
			a.regexes = append(a.regexes, compiled)
		}
		out = append(out, a)
	}
	return out, nil
}

// allows reports whether a finding is none after all.
func (a *allowlist) allows(secret, match, line []byte) bool {
	subject := secret
	switch a.target {
	case "match":
		subject = match
	case "line":
		subject = line
	}
	return slices.ContainsFunc(a.regexes, func(re *regexp.Regexp) bool { return re.Match(subject) }) ||
		a.stopwords != nil && a.stopwords.has(secret)
}

// shannon is the entropy of s in bits for a byte.
func shannon(s []byte) float64 {
	var counts [256]int
	for _, b := range s {
		counts[b]++
	}
	h := 0.0
	for _, n := range counts {
		if n > 0 {
			p := float64(n) / float64(len(s))
			h -= p * math.Log2(p)
		}
	}
	return h
}
