package dlp

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"slices"
)

// try looks for one rule in a window, as gitleaks does: the secret is the rule's
// group, or the first group that is not empty, or the whole match; its entropy
// must exceed the rule's; no allowlist may name it.
func (p *pass) try(rule int, w span) {
	r := p.rules[rule]
	if r.id == generic && !p.loose {
		return
	}
	window := p.text[w.start:w.end]
	if *p.fuel -= len(window); *p.fuel < 0 {
		p.done = true
		return
	}
	for _, m := range r.compile().FindAllSubmatchIndex(window, -1) {
		at := r.secret(m)
		secret, match := window[at.start:at.end], window[m[0]:m[1]]
		if r.entropy > 0 && shannon(secret) <= r.entropy {
			continue
		}
		// gitleaks' own exception: what its loosest rule finds has a digit.
		if r.id == generic && !bytes.ContainsAny(secret, "0123456789") {
			continue
		}
		line := lineAround(p.text, w.start+m[0], w.start+m[1])
		allows := func(a allowlist) bool { return a.allows(secret, match, line) }
		if slices.ContainsFunc(p.global, allows) || slices.ContainsFunc(r.allowed, allows) {
			continue
		}
		sum := sha256.Sum256(secret)
		f := Finding{Rule: r.id, Start: w.start + m[0], End: w.start + m[1], Hash: hex.EncodeToString(sum[:8])}
		switch p.each(f) {
		case stop:
			p.done = true
			return
		case enough:
			p.loose = false
			return
		}
	}
}

// secret returns where in a match the secret is.
func (r *scanRule) secret(m []int) span {
	if g := r.group; g > 0 && 2*g+1 < len(m) && m[2*g] >= 0 {
		return span{m[2*g], m[2*g+1]}
	}
	for i := 2; r.group == 0 && i+1 < len(m); i += 2 {
		if m[i] >= 0 && m[i+1] > m[i] {
			return span{m[i], m[i+1]}
		}
	}
	return span{m[0], m[1]}
}

// maxLine is how much of a line beside a match the allowlists see.
const maxLine = 512

func lineAround(text []byte, start, end int) []byte {
	from, to := max(start-maxLine, 0), min(end+maxLine, len(text))
	if i := bytes.LastIndexByte(text[from:start], '\n'); i >= 0 {
		from += i + 1
	}
	if i := bytes.IndexByte(text[end:to], '\n'); i >= 0 {
		to = end + i
	}
	return text[from:to]
}
