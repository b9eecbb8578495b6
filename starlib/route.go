package starlib

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"go.starlark.net/starlark"

	"github.com/bottle-run/bottle/runtime/plan"
	"github.com/bottle-run/bottle/sidecar"
	"github.com/bottle-run/bottle/sidecar/credproxy"
)

// A route is one of a cred-proxy, with what the configuration does not hold.
type route struct {
	credproxy.Route
	secret *plan.Secret
	pos    plan.Pos
	via    []plan.Pos
}

func routeBuiltin(c *call) (starlark.Value, error) {
	r := newRoute(c, c.str("path", ""), c.str("upstream", ""))
	if a, ok := handle[auth](c, "auth", "bearer(…), token(…), basic(…) or header(…)"); ok {
		r.Auth, r.secret = &a.Auth, &a.secret
	}
	for _, m := range c.strs("methods") {
		r.Methods = append(r.Methods, method(c, m))
	}
	r.Paths = c.globs("paths")
	r.Roles = rolesOf(c)
	r.PlainHTTP = c.boolean("plain_http")
	if c.err == nil {
		checkScheme(c, r)
	}
	return &opaque[*route]{v: r, typ: "route", text: "route(" + strconv.Quote(r.Path) + ", " + strconv.Quote(r.Upstream) + ")"}, nil
}

// newRoute checks a path and an upstream.
func newRoute(c *call, path, upstream string) *route {
	r := &route{Route: credproxy.Route{Path: path, Upstream: upstream, Pos: c.pos.String()}, pos: c.pos, via: c.via}
	if !strings.HasPrefix(path, "/") || !strings.HasSuffix(path, "/") {
		c.wrong("path", "%q does not begin and end with a slash; write %q", path, "/"+strings.Trim(path, "/")+"/")
	} else if canonical, err := sidecar.CanonicalPath(path); err != nil || canonical != path {
		if err == nil {
			err = fmt.Errorf("is spelled %q", canonical)
		}
		c.wrong("path", "%q: %v", path, err)
	}
	u, err := url.Parse(upstream)
	switch {
	case err != nil || u.Host == "":
		c.wrong("upstream", "%q is not a URL; write \"https://%s\"", upstream, strings.TrimLeft(upstream, "/"))
		return r
	case u.User != nil:
		c.wrong("upstream", "a URL with a user holds a secret; give it as auth=")
	case u.RawQuery != "" || u.Fragment != "":
		c.wrong("upstream", "%q has a query or a fragment; an upstream is a scheme, a host and a path", upstream)
	case u.Scheme != "https" && u.Scheme != "http":
		c.wrong("upstream", "the scheme %q is not https", u.Scheme)
	}
	if _, err := sidecar.CanonicalHost(u.Hostname()); err != nil {
		c.wrong("upstream", "%v", err)
	}
	return r
}

func checkScheme(c *call, r *route) {
	u, err := url.Parse(r.Upstream)
	if err != nil {
		return
	}
	if u.Scheme == "http" && !r.PlainHTTP {
		c.wrong("upstream", "%q is not https: anybody on the way could read the credential; plain_http=True allows it for a service of the launch", r.Upstream)
	}
	if u.Scheme == "https" && r.PlainHTTP {
		c.wrong("plain_http", "the upstream is https; leave plain_http out")
	}
}

func method(c *call, m string) string {
	upper := strings.ToUpper(m)
	if !isToken(m) || upper == "CONNECT" || upper == "TRACE" {
		c.wrong("methods", "%q is not a method that a route or rule can have", m)
	}
	return upper
}

// Roles that set a variable of the agent to the URL of the route, and a
// placeholder where the tool does not start without a key.
var roles = map[string]role{ //nolint:gochecknoglobals // a table
	// https://docs.anthropic.com/en/docs/claude-code/llm-gateway
	"anthropic-base-url": {url: "ANTHROPIC_BASE_URL", key: "ANTHROPIC_AUTH_TOKEN"},
	// https://platform.openai.com/docs/libraries: OPENAI_BASE_URL, with the version in its path
	"openai-base-url": {url: "OPENAI_BASE_URL", key: "OPENAI_API_KEY", version: "/v1"},
	// https://googleapis.github.io/js-genai: GOOGLE_GEMINI_BASE_URL
	"gemini-base-url": {url: "GOOGLE_GEMINI_BASE_URL", key: "GEMINI_API_KEY"},
}

// A role names the variables of the URL and of the key, and what the URL must end
// in besides.
type role struct{ url, key, version string }

// placeholder is what a tool gets for the key that it insists on.
const placeholder = "bottle-holds-the-key"

func roleNames() []string {
	return []string{"anthropic-base-url", "openai-base-url", "gemini-base-url"}
}

// rolesOf reads roles, a string or a list.
func rolesOf(c *call) []string {
	v := c.args["roles"]
	var out []string
	if s, ok := starlark.AsString(v); ok {
		out = []string{s}
	} else {
		out = c.strs("roles")
	}
	for _, r := range out {
		if _, ok := roles[r]; !ok && !isEnvRole(r) {
			c.wrong("roles", "%q is not a role%s; there are %s and env:NAME", r, didYouMean(r, roleNames()), strings.Join(roleNames(), ", "))
		}
	}
	return out
}

func isEnvRole(r string) bool {
	name, ok := strings.CutPrefix(r, "env:")
	return ok && name != "" && !strings.ContainsAny(name, "= \x00")
}

// dictKeys are the keys of a route written as a dict.
var dictKeys = []string{"auth_scheme", "path", "role", "token_ref", "upstream"} //nolint:gochecknoglobals // a constant in all but syntax

// dictRoute reads a route from a dict, the form that other tools write.
func dictRoute(c *call, d starlark.IterableMapping) *route {
	fields := map[string]starlark.Value{}
	for k, v := range starlark.Entries(d) {
		key, _ := starlark.AsString(k)
		if !slices.Contains(dictKeys, key) {
			c.wrong("routes", "a route has no key %s%s; its keys are %s", k, didYouMean(key, dictKeys), strings.Join(dictKeys, ", "))
			return nil
		}
		fields[key] = v
	}
	text := func(key string) string {
		s, ok := starlark.AsString(fields[key])
		if fields[key] != nil && !ok {
			c.wrong("routes", "the route's %q is %s, want string", key, describe(fields[key]))
		}
		return s
	}
	for _, key := range []string{"path", "upstream"} {
		if fields[key] == nil {
			c.wrong("routes", "a route has no %q", key)
			return nil
		}
	}
	sub := &call{s: c.s, fn: c.fn, pos: c.pos, via: c.via, args: map[string]starlark.Value{}}
	if fields["role"] != nil {
		sub.args["roles"] = fields["role"]
	}
	r := newRoute(sub, text("path"), text("upstream"))
	r.Roles = rolesOf(sub)
	checkScheme(sub, r)
	if sub.err != nil {
		_, why, _ := strings.Cut(sub.err.Error(), "for parameter ")
		c.wrong("routes", "in a dict, %s", why)
	}
	dictAuth(c, r, text("auth_scheme"), fields["token_ref"])
	return r
}

// dictAuth reads the credential of a route written as a dict: token_ref is a
// secret, or "env:NAME", or "file:PATH"; auth_scheme "bearer", "token",
// "basic:USER" or "header:NAME".
func dictAuth(c *call, r *route, scheme string, ref starlark.Value) {
	if ref == nil {
		if scheme != "" && scheme != "none" {
			c.wrong("routes", "the route %s has an \"auth_scheme\" and no \"token_ref\"", r.Path)
		}
		return
	}
	var secret plan.Secret
	if o, ok := ref.(*opaque[plan.Secret]); ok {
		secret = o.v
	} else {
		s, _ := starlark.AsString(ref)
		kind, arg, _ := strings.Cut(s, ":")
		switch {
		case kind == "env" && arg != "":
			secret = plan.Secret{Kind: plan.SecretEnv, Args: []string{arg}}
		case kind == "file" && arg != "":
			secret = plan.Secret{Kind: plan.SecretFile, Args: []string{arg}}
		default:
			c.wrong("routes", "the \"token_ref\" of %s is neither a secret nor \"env:NAME\" nor \"file:PATH\"", r.Path)
			return
		}
	}
	name, arg, _ := strings.Cut(scheme, ":")
	a := credproxy.Auth{Scheme: name, Secret: secret.String()}
	switch name {
	case "", "bearer":
		a.Scheme = "bearer"
	case "token":
	case "basic":
		a.User = arg
	case "header":
		if a.Header = arg; !isToken(arg) {
			c.wrong("routes", "the \"auth_scheme\" of %s names no header; write \"header:x-api-key\"", r.Path)
		}
	default:
		c.wrong("routes", "%q is not an \"auth_scheme\"%s; there are bearer, token, basic:USER and header:NAME", scheme, didYouMean(name, []string{"bearer", "token", "basic", "header"}))
	}
	r.Auth, r.secret = &a, &secret
}
