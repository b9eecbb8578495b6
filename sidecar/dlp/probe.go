package dlp

import (
	"strings"
)

// A probe is what a rule does where one of its keywords stands.
type probe struct {
	rule int
	kind probeKind
	// shapes are what a match has: for fixed from back bytes before the keyword
	// on, for assigned from the value on.
	shapes []shape
	back   int
	// before is how far before the keyword's end a match may begin, after how far
	// from there it may reach where the shapes do not say.
	before, after int
}

type probeKind int

const (
	// fixed: the keyword is a part of the secret, a fixed way from its start.
	fixed probeKind = iota
	// assigned: the keyword is a part of a name, and the secret its value.
	assigned
	// around: the secret is somewhere near.
	around
)

// How far a secret may be from its keyword, in bytes, where the rule does not
// say. The longest secret that gitleaks' rules describe is a private key: 16 KiB
// hold an RSA key of 16384 bits in PEM, the largest that OpenSSL makes by default.
const (
	windowBefore = 256
	windowAfter  = 2048
	windowKey    = 16 << 10
)

// Overlap is how much of a text must be looked at again together with what
// follows it, in bytes, for a secret that lies across the cut: as much as the
// longest window, in base64 that is in base64.
const Overlap = (windowKey + windowBefore) * 16 / 9

// What stands between a name and its value in gitleaks' rules, and what may stand
// after the name before that.
const (
	nameTail = `(?:[ \t\w.-]{0,20})[\s'"]{0,3}`
	operator = `(?:=|>|:{1,3}=|\|\||:|=>|\?=|,)[\x60'"\s=]{0,5}`
)

// probes makes the probes of rule number i for each of its keywords.
func (r *scanRule) probes(i int) (map[string]probe, error) {
	out := map[string]probe{}
	value, isAssignment := r.split()
	whole := value
	if !isAssignment {
		whole = r.pattern
	}
	all, err := shapes(whole)
	if err != nil {
		return nil, err
	}
	for _, k := range r.keywords {
		p := probe{rule: i, kind: around, before: windowBefore, after: windowAfter}
		found, back, ok := locate(all, k)
		switch {
		case ok && isAssignment: // the value tells, and its name stands before
			p.kind, p.shapes, p.back, p.before = fixed, found, back, windowBefore
		case isAssignment:
			p.kind, p.shapes, p.before = assigned, all, len(k)+1
		case ok:
			p.kind, p.shapes, p.back, p.before = fixed, found, back, back+len(k)+1
		default:
			p.before = windowAfter
			r.near = newVicinity(all)
		}
		if r.id == "private-key" {
			p.after = windowKey
		}
		settle(p.shapes)
		out[k] = p
	}
	// Where keywords are parts of every match, the others are not needed.
	for k, p := range out {
		if p.kind == around && covered(all, out) {
			delete(out, k)
		}
	}
	return out, r.sharpen(i, out)
}

// sharpen makes up for keywords that tell little, of rules that look far.
func (r *scanRule) sharpen(i int, out map[string]probe) error {
	for id, near := range map[string]string{
		"curl-auth-header": `(?:-H|--header)(?:=|[ \t]{0,5})["'](?i:[a-z-]{3,40}:)`,
		"curl-auth-user":   `(?:-u|--user)(?:=|[ \t]{0,5})["'\w$][^ :]{0,64}:`,
	} {
		if id == r.id {
			all, err := shapes(near)
			r.near = newVicinity(all)
			out["curl"] = probe{rule: i, kind: around, before: len("curl") + 1, after: windowAfter}
			return err
		}
	}
	if r.id != "kubernetes-secret-yaml" {
		return nil
	}
	all, err := shapes(`\bkind:[ \t]*["']?secret(?s:.*)`)
	delete(out, "secret")
	out["kind:"] = probe{rule: i, kind: fixed, before: 3 * windowBefore, after: 3 * windowBefore, shapes: settle(all)}
	r.near = nil
	return err
}

// covered reports whether each shape has the keyword of a probe that is fixed.
func covered(all []shape, by map[string]probe) bool {
	for _, s := range all {
		has := false
		for k, p := range by {
			at, in := s.index(k)
			has = has || p.kind == fixed && in && at == p.back
		}
		if !has {
			return false
		}
	}
	return len(all) > 0
}

// split takes the pattern of an assignment apart, `name = "value"`.
func (r *scanRule) split() (value string, ok bool) {
	name, value, ok := strings.Cut(r.pattern, operator)
	if !ok || !strings.Contains(name, nameTail) {
		return "", false
	}
	if strings.HasPrefix(r.pattern, "(?i)") {
		value = "(?i)" + value
	}
	return value, true
}

// locate returns the shapes that have the keyword k, whose letters may be in any
// case, at one and the same place, and that place.
func locate(all []shape, k string) (found []shape, back int, ok bool) {
	back = -1
	for _, s := range all {
		at, in := s.index(k)
		switch {
		case !in && s.open, in && back >= 0 && at != back:
			return nil, 0, false
		case in:
			back, found = at, append(found, s)
		}
	}
	return found, back, len(found) > 0
}

// index returns where in the shape the literal k stands, if all before it has one
// width.
func (s shape) index(k string) (at int, ok bool) {
	for i, st := range s.steps {
		if s.spells(i, k) {
			return at, true
		}
		if st.min != st.max {
			return 0, false
		}
		at += st.min
	}
	return 0, false
}

func (s shape) spells(i int, k string) bool {
	if len(s.steps)-i < len(k) {
		return false
	}
	for j := range len(k) {
		st := s.steps[i+j]
		if st.set == nil || st.min != 1 || st.max != 1 {
			return false
		}
		if !st.set[k[j]] && !st.set[strings.ToUpper(k[j : j+1])[0]] {
			return false
		}
	}
	return true
}

// fits is the cheap check at a keyword: the end of what may be a match, or -1 if
// the rule's expression does not match, or matches what is another keyword's to
// find.
func (p *probe) fits(text []byte, start, end int) int {
	at := start - p.back
	switch {
	case p.kind == around:
		return end + p.after
	case p.kind == assigned:
		return p.assignment(text, end)
	case at < 0:
		return -1
	}
	far := -1
	for i := range p.shapes {
		far = max(far, p.shapes[i].fits(text, at))
	}
	return far
}
