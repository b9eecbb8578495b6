package starlib

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"go.starlark.net/starlark"

	"github.com/bottle-run/bottle/runtime/plan"
	"github.com/bottle-run/bottle/sidecar"
	"github.com/bottle-run/bottle/sidecar/credproxy"
)

// credentials are the builtins about secrets and the routes that use them.
func credentials() []*Builtin {
	secretArg := Arg{Name: "secret", Type: "secret", Doc: "a reference from secret.env, secret.file or secret.command"}
	return []*Builtin{
		{
			Module: "secret", Name: "env",
			Doc:    "Refers to an environment variable of the bottle process. The value is read when the launch runs and is never seen by the script.",
			Params: []Arg{{Name: "name", Type: "string", Doc: "the variable"}},
			call: func(c *call) (starlark.Value, error) {
				name := c.str("name", "")
				if name == "" || strings.ContainsAny(name, "=$ \x00") {
					c.wrong("name", "%q is not the name of a variable; write secret.env(\"NAME\")", name)
				}
				return secretValue(plan.Secret{Kind: plan.SecretEnv, Args: []string{name}}), nil
			},
		},
		{
			Module: "secret", Name: "file",
			Doc:    "Refers to a file of the host, absolute, below `~/` or relative to the launch script. A file that every user may read is refused when the launch runs.",
			Params: []Arg{{Name: "path", Type: "string", Doc: "the file"}},
			call: func(c *call) (starlark.Value, error) {
				path := c.str("path", "")
				if path == "" {
					c.wrong("path", "is empty")
				}
				return secretValue(plan.Secret{Kind: plan.SecretFile, Args: []string{path}}), nil
			},
		},
		{
			Module: "secret", Name: "command",
			Doc: "Refers to the output of a command that runs on the host, without a shell, when the launch runs. With `ttl` it runs again before that time is over.",
			Params: []Arg{
				{Name: "argv", Type: "list of strings", Doc: `the command, such as ["gh", "auth", "token"]`},
				{Name: "ttl", Type: "duration", Default: "None", Keyword: true, Doc: `how long a value is good for: seconds, or "50m"`},
			},
			call: func(c *call) (starlark.Value, error) {
				argv := c.strs("argv")
				if len(argv) == 0 || argv[0] == "" {
					c.wrong("argv", "names no command")
				}
				return secretValue(plan.Secret{Kind: plan.SecretCommand, Args: argv, TTL: c.seconds("ttl")}), nil
			},
		},
		authBuiltin("bearer", "Puts a secret into `Authorization: Bearer …`.", secretArg),
		authBuiltin("token", "Puts a secret into `Authorization: token …`, as GitHub and Gitea take it.", secretArg),
		authBuiltin("basic", "Puts a user and a secret into `Authorization: Basic …`.", Arg{Name: "user", Type: "string", Doc: "the user name"}, secretArg),
		authBuiltin("header", "Puts a secret into a header of its own, such as `x-api-key`.", Arg{Name: "name", Type: "string", Doc: "the header"}, secretArg),
		{
			Name: "route",
			Doc: "Describes a route of `cred_proxy()`: what is asked below `path` goes to `upstream`, with the credential of `auth`. " +
				"A dict with the keys `path`, `upstream`, `auth_scheme`, `token_ref` and `role` is accepted in its place.",
			Params: []Arg{
				{Name: "path", Type: "string", Doc: `the prefix, with a slash at both ends: "/anthropic/"`},
				{Name: "upstream", Type: "string", Doc: "an https URL"},
				{Name: "auth", Type: "bearer, token, basic or header", Default: "None", Doc: "the credential; without one requests pass as they are, less those that the agent brought"},
				{Name: "methods", Type: "list of strings", Default: "[]", Keyword: true, Doc: "the only methods let through"},
				{Name: "paths", Type: "list of strings", Default: "[]", Keyword: true, Doc: `the only paths below the prefix let through: "*" is one segment, "**" any number`},
				{Name: "roles", Type: "string or list of strings", Default: "[]", Keyword: true, Doc: "how the agent's tools find the route: " + strings.Join(roleNames(), ", ") + " or env:NAME"},
				{Name: "plain_http", Type: "bool", Default: "False", Keyword: true, Doc: "allows an http upstream, which must be a service of the launch"},
			},
			call: routeBuiltin,
		},
	}
}

func secretValue(s plan.Secret) starlark.Value {
	return &opaque[plan.Secret]{v: s, typ: "secret", text: s.String()}
}

// An auth is a way to put a secret into a request.
type auth struct {
	credproxy.Auth
	secret plan.Secret
}

func authBuiltin(scheme, doc string, params ...Arg) *Builtin {
	return &Builtin{Name: scheme, Doc: doc, Params: params, call: func(c *call) (starlark.Value, error) {
		if s, ok := starlark.AsString(c.args["secret"]); ok {
			c.wrong("secret", "got a string; a script holds no secrets: write secret.env(%q) and export the variable", suggestEnv(s))
		}
		secret, _ := handle[plan.Secret](c, "secret", "secret.env(…), secret.file(…) or secret.command(…)")
		a := auth{credproxy.Auth{Scheme: scheme, Secret: secret.String(), User: c.str("user", "")}, secret}
		if scheme == "header" {
			a.Header = c.str("name", "")
			if !isToken(a.Header) {
				c.wrong("name", "%q is not the name of a header", a.Header)
			}
		}
		if strings.Contains(a.User, ":") {
			c.wrong("user", "a user of basic authentication has no colon (RFC 7617)")
		}
		return &opaque[auth]{v: a, typ: scheme, text: scheme + "(" + secret.String() + ")"}, nil
	}}
}

// suggestEnv takes what looks like the name of a variable for one, and repeats
// nothing that may be the secret itself.
func suggestEnv(s string) string {
	if s != "" && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_") == "" {
		return s
	}
	return "NAME"
}

// isToken reports whether s is a token of RFC 9110, section 5.6.2.
func isToken(s string) bool {
	return s != "" && strings.IndexFunc(s, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	}) < 0
}

// A route is one of a cred-proxy, with what the configuration does not hold.
type route struct {
	credproxy.Route
	secret *plan.Secret
}

func routeBuiltin(c *call) (starlark.Value, error) {
	r := newRoute(c, c.str("path", ""), c.str("upstream", ""))
	if a, ok := handle[auth](c, "auth", "bearer(…), token(…), basic(…) or header(…)"); ok {
		r.Auth, r.secret = &a.Auth, &a.secret
	}
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
	r.Roles = rolesOf(c)
	r.PlainHTTP = c.boolean("plain_http", false)
	if c.err == nil {
		checkScheme(c, r)
	}
	return &opaque[*route]{v: r, typ: "route", text: "route(" + strconv.Quote(r.Path) + ", " + strconv.Quote(r.Upstream) + ")"}, nil
}

// newRoute checks a path and an upstream.
func newRoute(c *call, path, upstream string) *route {
	r := &route{Route: credproxy.Route{Path: path, Upstream: upstream, Pos: c.pos.String()}}
	if !strings.HasPrefix(path, "/") || !strings.HasSuffix(path, "/") {
		c.wrong("path", "%q does not begin and end with a slash; write %q", path, "/"+strings.Trim(path, "/")+"/")
	} else if canonical, err := sidecar.CanonicalPath(path); err != nil || canonical != path {
		c.wrong("path", "%q is not a plain path", path)
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
	"openai-base-url": {url: "OPENAI_BASE_URL", key: "OPENAI_API_KEY"},
	// https://googleapis.github.io/js-genai: GOOGLE_GEMINI_BASE_URL
	"gemini-base-url": {url: "GOOGLE_GEMINI_BASE_URL", key: "GEMINI_API_KEY"},
}

type role struct{ url, key string }

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
	if c.err == nil {
		c.err = sub.err
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
