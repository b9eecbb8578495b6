package starlib

import (
	"slices"
	"strings"

	"go.starlark.net/starlark"

	"github.com/bottle-run/bottle/runtime/plan"
	"github.com/bottle-run/bottle/sidecar/credproxy"
)

// credentials are the builtins about secrets and the routes that use them.
func credentials() []*Builtin {
	secretArg := Arg{Name: "secret", Type: "secret", Doc: "a reference such as secret.env(\"NAME\")"}
	return slices.Concat(secrets(), []*Builtin{
		authBuiltin("bearer", "Puts a secret into `Authorization: Bearer …`.", secretArg),
		authBuiltin("token", "Puts a secret into `Authorization: token …`, as GitHub and Gitea take it.", secretArg),
		authBuiltin("basic", "Puts a user and a secret into `Authorization: Basic …`.", Arg{Name: "user", Type: "string", Doc: "the user name"}, secretArg),
		authBuiltin("header", "Puts a secret into a header of its own, such as `x-api-key`.", Arg{Name: "name", Type: "string", Doc: "the header"}, secretArg),
		authBuiltin("query", "Puts a secret into a parameter of the query, for the APIs that take it nowhere else: servers write queries into logs.", Arg{Name: "name", Type: "string", Doc: "the parameter"}, secretArg),
		authBuiltin(
			"sigv4", "Signs requests anew with AWS Signature Version 4. What the agent signed them with is dropped.",
			Arg{Name: "access_key", Type: "secret", Doc: "the access key ID"},
			Arg{Name: "secret", Type: "secret", Doc: "the secret access key"},
			Arg{Name: "region", Type: "string", Keyword: true, Doc: `such as "eu-central-1"`},
			Arg{Name: "service", Type: "string", Keyword: true, Doc: `such as "s3"`},
			Arg{Name: "session_token", Type: "secret", Default: "None", Keyword: true, Doc: "the session token of keys that end"},
		),
		authBuiltin(
			"registry", "Does the token flow of container registries with a user and a secret, so that the agent's client needs no login.",
			Arg{Name: "user", Type: "string", Doc: "the user name"}, secretArg,
			Arg{Name: "realm", Type: "string", Keyword: true, Doc: "the https URL at which the registry has its tokens given, whatever it says itself"},
		),
		routeBuiltinOf(),
	})
}

// An auth is a way to put secrets into a request.
type auth struct {
	credproxy.Auth
	secrets []plan.Secret // those that its slots name
}

func authBuiltin(scheme, doc string, params ...Arg) *Builtin {
	return &Builtin{Name: scheme, Doc: doc, Params: params, call: func(c *call) (starlark.Value, error) {
		a := auth{Auth: credproxy.Auth{Scheme: scheme, User: c.str("user", ""), Region: c.str("region", ""), Service: c.str("service", "")}}
		a.fill(c)
		switch scheme {
		case "header":
			if a.Header = c.str("name", ""); !isToken(a.Header) {
				c.wrong("name", "%q is not the name of a header", a.Header)
			}
		case "query":
			if a.Query = c.str("name", ""); a.Query == "" || strings.Trim(a.Query, parameterName) != "" {
				c.wrong("name", "%q is not the name of a parameter: it has letters, digits, \"-\", \"_\" and \".\"", a.Query)
			}
		case "registry":
			a.Realm = tokenURL(c, "realm")
		}
		return &opaque[auth]{v: a, typ: scheme, text: scheme + "(" + a.Secret + ")"}, nil
	}}
}

// fill reads what several schemes have: the secrets, the user and the scope.
func (a *auth) fill(c *call) {
	for _, p := range []struct {
		name string
		slot *string
	}{{"secret", &a.Secret}, {"access_key", &a.AccessKey}, {"session_token", &a.SessionToken}} {
		if c.given(p.name) {
			s := c.secret(p.name)
			*p.slot, a.secrets = s.String(), append(a.secrets, s)
		}
	}
	if strings.Contains(a.User, ":") {
		c.wrong("user", "a user of basic authentication has no colon (RFC 7617)")
	}
	for _, param := range []string{"region", "service"} {
		if s := c.str(param, ""); c.given(param) && (s == "" || strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") != "") {
			c.wrong(param, "%q has other characters than lower-case letters, digits and hyphens", s)
		}
	}
}

// parameterName is what every server reads in the same way.
const parameterName = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."

// isToken reports whether s is a token of RFC 9110, section 5.6.2.
func isToken(s string) bool {
	return s != "" && strings.IndexFunc(s, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	}) < 0
}
