package starlib

import (
	"strings"

	"go.starlark.net/starlark"

	"github.com/bottle-run/bottle/runtime/plan"
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
				return secretValue(plan.Secret{Kind: plan.SecretFile, Args: []string{hostPath(c, "path")}}), nil
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
				argv := c.argv("argv")
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
	return &opaque[plan.Secret]{v: s, typ: secretType, text: s.String()}
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
