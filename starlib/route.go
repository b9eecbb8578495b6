package starlib

import (
	"fmt"
	"net/url"
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
	secrets []plan.Secret // those that its credential needs
	of      *route        // the one whose roles it was derived for; nil for one of the script
	pos     plan.Pos
	via     []plan.Pos
}

func routeBuiltinOf() *Builtin {
	return &Builtin{
		Name: "route",
		Doc: "Describes a route of `cred_proxy()`: what is asked below `path` goes to `upstream`, with the credential of `auth`. " +
			"A dict with the keys `path`, `upstream`, `auth_scheme`, `token_ref` and `role` is accepted in its place.",
		Params: append([]Arg{
			{Name: "path", Type: "string", Doc: `the prefix, with a slash at both ends: "/anthropic/"`},
			{Name: "upstream", Type: "string", Doc: "an https URL"},
			{Name: "auth", Type: "bearer, token, basic, header, query, sigv4 or registry", Default: "None", Doc: "the credential; without one requests pass as they are, less the credentials that the agent brought in headers"},
			{Name: "methods", Type: "list of strings", Default: "[]", Keyword: true, Doc: "the only methods let through"},
			{Name: "paths", Type: "list of strings", Default: "[]", Keyword: true, Doc: `the only paths below the prefix let through: "*" is one segment, "**" any number`},
			{Name: "roles", Type: "string or list of strings", Default: "[]", Keyword: true, Doc: "how the agent's tools find the route: " + strings.Join(roleNames(), ", ") + " or env:NAME"},
			{Name: "plain_http", Type: "bool", Default: "False", Keyword: true, Doc: "allows an http upstream, which must be a service of the launch"},
		}, limitArgs()...),
		call: routeBuiltin,
	}
}

func routeBuiltin(c *call) (starlark.Value, error) {
	r := newRoute(c, c.str("path", ""), c.str("upstream", ""))
	if a, ok := handle[auth](c, "auth", "bearer(…), token(…), basic(…), header(…), query(…), sigv4(…) or registry(…)"); ok {
		r.Auth, r.secrets = &a.Auth, a.secrets
	}
	for _, m := range c.strs("methods") {
		r.Methods = append(r.Methods, method(c, m))
	}
	r.Paths = c.globs("paths")
	limitsOf(c, r)
	r.PlainHTTP = c.boolean("plain_http")
	r.Roles = rolesOf(c, r)
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
