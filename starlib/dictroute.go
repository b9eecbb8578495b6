package starlib

import (
	"slices"
	"strings"

	"go.starlark.net/starlark"

	"github.com/bottle-run/bottle/runtime/plan"
	"github.com/bottle-run/bottle/sidecar/credproxy"
)

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
	r.Roles = rolesOf(sub, r)
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
	r.Auth, r.secrets = &a, []plan.Secret{secret}
}
