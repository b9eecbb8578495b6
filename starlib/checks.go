package starlib

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"maps"
	"math"
	"slices"
	"strings"

	"go.starlark.net/starlark"
	"golang.org/x/net/publicsuffix"

	"github.com/bottle-run/bottle/runtime/plan"
	"github.com/bottle-run/bottle/sidecar"
	"github.com/bottle-run/bottle/sidecar/pipelock"
)

// host checks a host pattern and returns its canonical form.
func (c *call) host(param, s string) string {
	host, err := sidecar.CanonicalPattern(s)
	parent, wild := strings.CutPrefix(host, "*.")
	switch {
	case strings.Contains(s, "://"), strings.Contains(s, "/"), strings.Contains(s, ":") && !errors.Is(err, sidecar.ErrAddress):
		c.wrong(param, "%q is not a host name: no scheme, port or path; write %q%s", s, bareHost(s), portHint(s))
	case errors.Is(err, sidecar.ErrAddress):
		c.wrong(param, "%q is an address; the gate goes by names, which it resolves and checks: write the name", s)
	case s == "*" || s == "**":
		c.wrong(param, "%q would allow every host; name those that the agent needs", s)
	case err != nil && strings.HasPrefix(s, ".") || strings.HasPrefix(s, "*") && !strings.HasPrefix(s, "*."):
		c.wrong(param, "%q: for all names below one write \"*.%s\"", s, strings.TrimLeft(s, "*."))
	case err != nil:
		c.wrong(param, "%v", err)
	case wild && isPublicSuffix(parent):
		c.wrong(param, "%q covers names of everybody: %q is a public suffix; name the host itself", s, parent)
	}
	return host
}

// isPublicSuffix reports whether anybody can register a name directly below
// domain, by the Public Suffix List (ICANN's part and the private one:
// "*.github.io" is everybody's too).
func isPublicSuffix(domain string) bool {
	suffix, listed := publicsuffix.PublicSuffix(domain)
	return suffix == domain && (listed || strings.Contains(domain, "."))
}

// bareHost is what is left of a URL.
func bareHost(s string) string {
	if _, rest, ok := strings.Cut(s, "://"); ok {
		s = rest
	}
	s, _, _ = strings.Cut(s, "/")
	if i := strings.LastIndexByte(s, '@'); i >= 0 {
		s = s[i+1:]
	}
	s, _, _ = strings.Cut(s, ":")
	return s
}

func portHint(s string) string {
	if _, rest, ok := strings.Cut(s, "://"); ok {
		s = rest
	}
	s, p, _ := strings.Cut(s, "/")
	if _, port, ok := strings.Cut(s, ":"); ok {
		return ", or rule(\"" + bareHost(s) + "\", ports = [" + port + "])"
	}
	if p != "" {
		return ", or rule(\"" + bareHost(s) + "\", paths = [\"/" + p + "\"])"
	}
	return ""
}

func (c *call) hosts(param string) []string {
	var out []string
	for _, s := range c.strs(param) {
		out = append(out, c.host(param, s))
	}
	return out
}

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

func ruleOf(c *call) pipelock.Rule {
	r := pipelock.Rule{Host: c.host("host", c.str("host", "")), MaxBody: c.bytes("max_body", ""), Pos: c.pos.String()}
	for _, m := range c.strs("methods") {
		r.Methods = append(r.Methods, method(c, m))
	}
	for _, p := range c.strs("paths") {
		glob, err := sidecar.CanonicalGlob(p)
		if err != nil {
			c.wrong("paths", "%v", err)
		}
		r.Paths = append(r.Paths, glob)
	}
	for _, v := range c.list("ports", "ints") {
		i, ok := v.(starlark.Int)
		n, small := i.Int64()
		if !ok || !small || n < 1 || n > 65535 {
			c.wrong("ports", "%s is not a port", v)
		}
		r.Ports = append(r.Ports, int(n))
	}
	return r
}

// certificates reads PEM files and returns them joined.
func (c *call) certificates(param string) string {
	var all strings.Builder
	for _, name := range c.strs(param) {
		rest := c.read(param, name)
		found := 0
		for {
			var block *pem.Block
			if block, rest = pem.Decode(rest); block == nil {
				break
			}
			if block.Type != "CERTIFICATE" {
				c.wrong(param, "%s holds a %s; only certificates belong there", name, strings.ToLower(block.Type))
				continue
			}
			if _, err := x509.ParseCertificate(block.Bytes); err != nil {
				c.wrong(param, "%s: %v", name, err)
			}
			found++
			_ = pem.Encode(&all, &pem.Block{Type: block.Type, Bytes: block.Bytes}) // a strings.Builder takes everything
		}
		if found == 0 {
			c.wrong(param, "%s holds no certificate in PEM", name)
		}
	}
	return all.String()
}

// passthroughAllowed makes sure that a host whose TLS is not opened is allowed,
// and not by a rule that can only be held against what is inside.
func (c *call) passthroughAllowed(g *gate) error {
	for _, p := range g.config.Passthrough {
		ok := false
		for _, r := range g.config.Allow {
			if r.Host != p && !sidecar.MatchHost(r.Host, strings.TrimPrefix(p, "*.")) {
				continue
			}
			if len(r.Methods) > 0 || len(r.Paths) > 0 || r.MaxBody > 0 {
				return c.errorf("for parameter \"passthrough\": the rule for %q has methods, paths or a body limit, which cannot be held against TLS that is not opened", p)
			}
			ok = true
		}
		if !ok {
			return c.errorf("for parameter \"passthrough\": %q is not in allow as well", p)
		}
	}
	return nil
}

// argv returns a command, or nil when the image's is to be used.
func (c *call) argv(param string) []string {
	if !c.given(param) {
		return nil
	}
	if s, ok := starlark.AsString(c.args[param]); ok {
		c.wrong(param, "got the string %q, want a list of strings: %s, or [\"sh\", \"-c\", %q] for a shell line", s, quoteList(strings.Fields(s)), s)
		return nil
	}
	out := c.strs(param)
	if len(out) == 0 || slices.ContainsFunc(out, func(s string) bool { return strings.ContainsRune(s, 0) }) {
		c.wrong(param, "is not a command")
	}
	return out
}

func quoteList(words []string) string {
	return "[\"" + strings.Join(words, "\", \"") + "\"]"
}

// env returns variables. Those by which bottle wires a container are not the
// script's to set.
func (c *call) env(param string) map[string]string {
	env := c.dict(param)
	for _, k := range slices.Sorted(maps.Keys(env)) {
		if k == "" || strings.ContainsAny(k, "=\x00") || strings.ContainsRune(env[k], 0) {
			c.wrong(param, "%q is not a variable", k)
		}
		if _, ours := gateEnv()[k]; ours {
			c.wrong(param, "%s is set by bottle, so that the container finds the gate and trusts its certificates", k)
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
	if !ok || f < 0.01 || f > 4096 {
		c.wrong(param, "got %s, want a number of processors such as 2 or 0.5", describe(v))
		return 0
	}
	return int64(math.Round(f * 1000))
}

// contents reads the mounts, files and needs of a container.
func (c *call) contents(m *member) {
	targets := map[string]bool{}
	for _, v := range c.list("mounts", "mounts") {
		d, ok := handleOf[mountDecl](c, "mounts", "mount(…), volume(…) or tmpfs(…)", v)
		if ok && targets[d.Target] {
			c.wrong("mounts", "%q is mounted twice", d.Target)
		}
		targets[d.Target] = true
		m.mounts = append(m.mounts, d)
	}
	m.op.Files = c.files(targets)
	for _, v := range c.list("needs", "services") {
		n, ok := handleOf[*member](c, "needs", "the handle of a service()", v)
		if ok && n.op.Role != "service" {
			c.wrong("needs", "%q is an agent; only services are waited for", n.name)
		}
		m.needs = append(m.needs, n)
	}
}

// files returns the files of a container. One below a mount would be hidden by it.
func (c *call) files(mounts map[string]bool) []plan.File {
	var out []plan.File
	seen := map[string]bool{}
	for _, v := range c.list("files", "files") {
		f, ok := handleOf[plan.File](c, "files", "file(…)", v)
		if !ok {
			return out
		}
		if seen[f.Path] {
			c.wrong("files", "%q is given twice", f.Path)
		}
		seen[f.Path] = true
		for target := range mounts {
			if strings.HasPrefix(f.Path, target+"/") {
				c.wrong("files", "%q is below the mount %q, which hides it", f.Path, target)
			}
		}
		out = append(out, f)
	}
	return out
}
