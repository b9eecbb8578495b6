package starlib

import (
	"crypto/x509"
	"encoding/pem"
	"maps"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"go.starlark.net/starlark"

	"github.com/bottle-run/bottle/sidecar"
	"github.com/bottle-run/bottle/sidecar/pipelock"
)

// rules returns hosts and rules as rules.
func (c *call) rules(param string) []pipelock.Rule {
	out := []pipelock.Rule{}
	for i, v := range c.list(param, "hosts or rules") {
		if s, ok := starlark.AsString(v); ok {
			out = append(out, pipelock.Rule{Host: c.host(param, s), Pos: c.pos.String()})
			continue
		}
		r, ok := v.(*opaque[pipelock.Rule])
		if !ok {
			c.wrong(param, "element %d is %s, want a host or rule(…)", i, describe(v))
			continue
		}
		out = append(out, r.v)
	}
	return out
}

// addresses returns names with an address each.
func (c *call) addresses(param string) map[string]string {
	given := c.dict(param)
	out := make(map[string]string, len(given))
	for _, name := range slices.Sorted(maps.Keys(given)) {
		host, err := sidecar.CanonicalHost(name)
		if err != nil {
			c.wrong(param, "%s", hostCure(name, err))
		}
		addr := given[name]
		if _, err := netip.ParseAddr(addr); err != nil && addr != "host-gateway" {
			c.wrong(param, "the address of %q is %q; want an IP address or \"host-gateway\"%s", name, addr, didYouMean(addr, []string{"host-gateway"}))
		}
		out[host] = addr
	}
	return out
}

func ruleOf(c *call) pipelock.Rule {
	r := pipelock.Rule{Host: c.host("host", c.str("host", "")), MaxBody: c.bytes("max_body", ""), Pos: c.pos.String()}
	for _, m := range c.strs("methods") {
		r.Methods = append(r.Methods, method(c, m))
	}
	r.Paths = c.globs("paths")
	for _, v := range c.list("ports", "ints") {
		i, ok := v.(starlark.Int)
		n, small := i.Int64()
		if !ok || !small || n < 1 || n > 65535 {
			c.wrong("ports", "%s is not a port", v)
		}
		r.Ports = append(r.Ports, int(n))
	}
	if slices.Equal(r.Ports, []int{80, 443}) {
		r.Ports = nil // which means the same
	}
	if c.given("dlp") {
		r.DLP = c.oneOf("dlp", "", "block", "warn", "off")
	}
	boundsOf(c, &r)
	return r
}

// globs returns path globs in their canonical form.
func (c *call) globs(param string) []string {
	var out []string
	for _, p := range c.strs(param) {
		out = append(out, c.glob(param, p))
	}
	return out
}

func (c *call) glob(param, p string) string {
	glob, err := sidecar.CanonicalGlob(p)
	switch {
	case err != nil && !strings.HasPrefix(p, "/"):
		c.wrong(param, "%q does not begin with a slash; write %q", p, "/"+p)
	case err != nil:
		c.wrong(param, "%v", err)
	}
	return glob
}

// certificates reads PEM files and returns them joined.
func (c *call) certificates(param string) string {
	var all strings.Builder
	for _, name := range c.strs(param) {
		before := all.Len()
		for rest := c.read(param, name); ; {
			var block *pem.Block
			if block, rest = pem.Decode(rest); block == nil {
				break
			}
			c.authority(param, name, block)
			_ = pem.Encode(&all, &pem.Block{Type: block.Type, Bytes: block.Bytes}) // a strings.Builder takes everything
		}
		if all.Len() == before {
			c.wrong(param, "%s holds no certificate in PEM (\"-----BEGIN CERTIFICATE-----\")", name)
		}
	}
	return all.String()
}

// authority refuses what is not the certificate of an authority.
func (c *call) authority(param, name string, block *pem.Block) {
	if block.Type != "CERTIFICATE" {
		c.wrong(param, "%s holds a %s; only certificates belong there", name, strings.ToLower(block.Type))
		return
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	switch {
	case err != nil:
		c.wrong(param, "%s: %v", name, err)
	case cert.BasicConstraintsValid && !cert.IsCA:
		c.wrong(param, "%s: the certificate of %q is not that of an authority; give the one that signed it", name, cert.Subject.CommonName)
	}
}

// argv returns a command, or nil when the image's is to be used.
func (c *call) argv(param string) []string {
	if !c.given(param) {
		return nil
	}
	if s, ok := starlark.AsString(c.args[param]); ok {
		cure := quoteList(strings.Fields(s))
		if strings.ContainsAny(s, "|&;<>$`\"'*\n\\") {
			cure = "[\"sh\", \"-c\", " + strconv.Quote(s) + "]"
		}
		c.wrong(param, "got a string, want a list; write %s", cure)
		return nil
	}
	out := c.strs(param)
	switch {
	case len(out) == 0 || out[0] == "":
		c.wrong(param, "names no program")
	case slices.ContainsFunc(out, func(s string) bool { return strings.ContainsRune(s, 0) }):
		c.wrong(param, "an argument holds a NUL")
	}
	return out
}

func quoteList(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = strconv.Quote(w)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// env returns variables.
func (c *call) env(param string) map[string]string {
	env := c.dict(param)
	for _, k := range slices.Sorted(maps.Keys(env)) {
		switch {
		case k == "" || strings.ContainsAny(k, "=\x00"):
			c.wrong(param, "%q is not the name of a variable", k)
		case strings.ContainsRune(env[k], 0):
			c.wrong(param, "the value of %q holds a NUL", k)
		}
	}
	return env
}

// millis returns thousandths of a processor.
func (c *call) millis(param string) int64 {
	v := c.args[param]
	if v == nil {
		return 0
	}
	f, ok := starlark.AsFloat(v)
	if !ok || math.IsNaN(f) || f < 0.01 || f > 4096 {
		c.wrong(param, "got %s, want a number of processors such as 2 or 0.5", describe(v))
		return 0
	}
	return int64(math.Round(f * 1000))
}
