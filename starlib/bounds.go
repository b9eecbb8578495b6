package starlib

import (
	"strings"

	"go.starlark.net/starlark"

	"github.com/bottle-run/bottle/sidecar/pipelock"
)

// boundsOf reads how much a rule lets through, and for how long.
func boundsOf(c *call, r *pipelock.Rule) {
	r.Bytes, r.For = c.bytes("bytes", ""), c.seconds("for_")
	if r.For > maxFor {
		c.wrong("for_", "%d seconds are longer than a year", r.For)
	}
	if c.given("uses") {
		r.Uses = c.integer("uses", 0, 1, maxCount)
	}
	if !c.given("rate") {
		return
	}
	if rate := rateOf(c, c.str("rate", "")); rate != nil {
		r.Rate = &pipelock.Rate{Requests: rate.Requests, Seconds: rate.Seconds}
	}
}

func excuseBuiltin(c *call) (starlark.Value, error) {
	e := pipelock.Excuse{Rule: c.str("rule", ""), Hash: strings.ToLower(c.str("hash", "")), Pos: c.pos.String()}
	if e.Rule == "" || strings.Trim(e.Rule, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		c.wrong("rule", "%q is not the name of a rule; a refusal tells it, as in \"generic-api-key\"", e.Rule)
	}
	if c.given("host") {
		e.Host = c.host("host", c.str("host", ""))
	}
	if c.given("path") {
		e.Path = c.glob("path", c.str("path", ""))
	}
	if c.given("hash") && (len(e.Hash) != 16 || strings.Trim(e.Hash, "0123456789abcdef") != "") {
		c.wrong("hash", "%q is not the hash of a value, 16 hexadecimal digits; a refusal tells it", e.Hash)
	}
	return &opaque[pipelock.Excuse]{v: e, typ: "excuse", text: "excuse(" + e.Rule + ")"}, nil
}

// denials returns rules about what is refused, which have no bounds.
func (c *call) denials(param string) []pipelock.Rule {
	rules := c.rules(param)
	for _, r := range rules {
		if r.Rate != nil || r.Bytes > 0 || r.For > 0 || r.Uses > 0 || r.MaxBody > 0 || r.DLP != "" {
			c.wrong(param, "the rule for %q says how much is let through, and what is denied is refused from the first byte; name host, methods, paths or ports only", r.Host)
		}
	}
	return rules
}

// excuses returns what looks like a secret and is none.
func (c *call) excuses(param string) []pipelock.Excuse {
	var out []pipelock.Excuse
	for i, v := range c.list(param, "excuses") {
		e, ok := v.(*opaque[pipelock.Excuse])
		if !ok {
			c.wrong(param, "element %d is %s, want excuse(…)", i, describe(v))
			continue
		}
		out = append(out, e.v)
	}
	return out
}
