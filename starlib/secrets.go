package starlib

import (
	"net/url"
	"strings"
	"unicode"

	"go.starlark.net/starlark"

	"github.com/bottle-run/bottle/runtime/plan"
)

// secrets are the builtins that say where a secret is kept.
func secrets() []*Builtin {
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
		{
			Module: "secret", Name: "keyring",
			Doc: "Refers to an entry of the keyring of whoever runs bottle: the Secret Service of a Linux desktop, the Keychain of macOS.",
			Params: []Arg{
				{Name: "service", Type: "string", Doc: `the service that the entry is for, such as "gh:github.com"`},
				{Name: "user", Type: "string", Doc: "the user of the entry"},
			},
			call: func(c *call) (starlark.Value, error) {
				return secretValue(plan.Secret{Kind: plan.SecretKeyring, Args: []string{c.line("service"), c.line("user")}}), nil
			},
		},
		{
			Module: "secret", Name: "prompt",
			Doc:    "Refers to what a person types, unseen, when the launch begins. It needs a terminal.",
			Params: []Arg{{Name: "label", Type: "string", Doc: `what is asked for: "GitHub token"`}},
			call: func(c *call) (starlark.Value, error) {
				return secretValue(plan.Secret{Kind: plan.SecretPrompt, Args: []string{c.line("label")}}), nil
			},
		},
		oauthBuiltin(),
	}
}

func oauthBuiltin() *Builtin {
	return &Builtin{
		Module: "secret", Name: "oauth",
		Doc: "Refers to an OAuth access token that bottle obtains with a refresh token (RFC 6749, section 6), and anew before it ends. " +
			"The refresh token stays with bottle; the cred-proxy holds the access token alone.",
		Params: []Arg{
			{Name: "token_url", Type: "string", Doc: "the token endpoint, an https URL; bottle asks it from the host"},
			{Name: "refresh_token", Type: "secret", Keyword: true, Doc: "the refresh token"},
			{Name: "client_id", Type: "string", Keyword: true, Doc: "the client that it was given to"},
			{Name: "client_secret", Type: "secret", Default: "None", Keyword: true, Doc: "the client's own secret, where it has one"},
			{Name: "scope", Type: "string", Default: `""`, Keyword: true, Doc: "the scope to ask for; by default that of the refresh token"},
		},
		call: func(c *call) (starlark.Value, error) {
			s := plan.Secret{Kind: plan.SecretOAuth, Args: []string{tokenURL(c, "token_url"), c.line("client_id"), c.str("scope", "")}}
			for _, param := range []string{"refresh_token", "client_secret"} {
				if !c.given(param) {
					continue
				}
				from := c.secret(param)
				if from.Kind == plan.SecretOAuth {
					c.wrong(param, "an access token does not obtain another; give the secret itself")
				}
				s.From = append(s.From, from)
			}
			if strings.ContainsFunc(s.Args[2], unicode.IsControl) {
				c.wrong("scope", "%q holds a control character", s.Args[2])
			}
			return secretValue(s), nil
		},
	}
}

// tokenURL returns an https URL to which a secret may be sent.
func tokenURL(c *call, param string) string {
	s := c.str(param, "")
	u, err := url.Parse(s)
	switch {
	case err == nil && u.User != nil:
		c.wrong(param, "a URL with a user holds a secret, and a plan holds none")
	case err != nil || u.Scheme != "https" || u.Hostname() == "" || u.RawQuery != "" || u.Fragment != "":
		c.wrong(param, "%q is not an https URL without a query; write %q", s, "https://auth.example/token")
	}
	return s
}

// line returns a string of one line, not an empty one. Some are shown on a terminal.
func (c *call) line(param string) string {
	s := c.str(param, "")
	if s == "" || strings.ContainsFunc(s, unicode.IsControl) {
		c.wrong(param, "%q is empty or holds a control character", s)
	}
	return s
}

func secretValue(s plan.Secret) starlark.Value {
	return &opaque[plan.Secret]{v: s, typ: secretType, text: s.String()}
}

// secret returns a reference to a secret.
func (c *call) secret(param string) plan.Secret {
	if s, ok := starlark.AsString(c.args[param]); ok {
		c.wrong(param, "got a string; a script holds no secrets: write secret.env(%q) and export the variable", suggestEnv(s))
	}
	s, _ := handle[plan.Secret](c, param, "secret.env(…) or another of secret's")
	return s
}

// suggestEnv takes what looks like the name of a variable for one, and repeats
// nothing that may be the secret itself.
func suggestEnv(s string) string {
	if s != "" && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_") == "" {
		return s
	}
	return "NAME"
}
