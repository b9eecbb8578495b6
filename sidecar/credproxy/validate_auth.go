package credproxy

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// A scheme says which fields of an Auth it has, besides Secret.
type scheme struct {
	name   string
	needs  []string
	may    []string
	syntax string // of a script
}

func schemes() []scheme {
	return []scheme{
		{name: "bearer", syntax: "bearer(secret)"},
		{name: "token", syntax: "token(secret)"},
		{name: "basic", needs: []string{"user"}, syntax: `basic("user", secret)`},
		{name: "header", needs: []string{"header"}, syntax: `header("X-Api-Key", secret)`},
		{name: "query", needs: []string{"query"}, syntax: `query("key", secret)`},
		{name: "sigv4", needs: []string{"region", "service", "access_key"}, may: []string{"session_token"}, syntax: `sigv4(access_key, secret, region = "eu-central-1", service = "s3")`},
		{name: "registry", needs: []string{"user", "realm"}, syntax: `registry("user", secret, realm = "https://auth.example/token")`},
	}
}

func (a *Auth) validate() []error {
	all := schemes()
	i := slices.IndexFunc(all, func(s scheme) bool { return s.name == a.Scheme })
	if i < 0 {
		names := make([]string, len(all))
		for i, s := range all {
			names[i] = s.name
		}
		return []error{fmt.Errorf("auth scheme %q is none of %s", a.Scheme, strings.Join(names, ", "))}
	}
	var errs []error
	for _, f := range a.fields() {
		if err := all[i].check(f); err != nil {
			errs = append(errs, fmt.Errorf("auth %s %w", a.Scheme, err))
		}
	}
	for _, s := range a.Slots() {
		if s == "" || isReserved(s) {
			errs = append(errs, errors.New("auth names no secret"))
		}
	}
	return errs
}

// check holds a field against what s takes.
func (s scheme) check(f authField) error {
	needed := slices.Contains(s.needs, f.name)
	switch {
	case f.value == "" && needed:
		return fmt.Errorf("needs %s: %s", f.what, s.syntax)
	case f.value == "":
		return nil
	case !needed && !slices.Contains(s.may, f.name):
		return fmt.Errorf("has %s, which it does not take: %s", f.what, s.syntax)
	case f.check != nil:
		return f.check(f.value)
	}
	return nil
}

type authField struct {
	name, what, value string
	check             func(string) error
}

func (a *Auth) fields() []authField {
	return []authField{
		{"user", "a user name", a.User, checkUser},
		{"header", "the name of a header", a.Header, checkHeader},
		{"query", "the name of a parameter", a.Query, checkParameter},
		{"region", "a region", a.Region, checkScope},
		{"service", "a service", a.Service, checkScope},
		{"access_key", "the secret that is the access key ID", a.AccessKey, nil},
		{"session_token", "the secret that is the session token", a.SessionToken, nil},
		{"realm", "the URL of its tokens", a.Realm, func(s string) error { _, err := realmURL(s); return err }},
	}
}

func checkUser(s string) error {
	if strings.Contains(s, ":") || badValue([]byte(s)) != "" {
		return fmt.Errorf("user %q cannot be one: a user name has no colon and no control character", s)
	}
	return nil
}

func checkHeader(s string) error {
	if !httpguts.ValidHeaderFieldName(s) || isFraming(s) {
		return fmt.Errorf("%q is not a header that can carry a credential", s)
	}
	return nil
}

// checkParameter takes names that every server reads in the same way.
func checkParameter(s string) error {
	if strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") != "" {
		return fmt.Errorf("%q is not the name of a parameter: it has letters, digits, \"-\", \"_\" and \".\"", s)
	}
	return nil
}

// checkScope takes what may stand in the scope of a signature.
func checkScope(s string) error {
	if strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		return fmt.Errorf("%q is no region and no service: they have lower-case letters, digits and \"-\"", s)
	}
	return nil
}

// realmURL returns the URL of a registry's tokens.
func realmURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err == nil && u.User != nil {
		return nil, errors.New("realm has a user in it: the user is the first argument of registry(…)")
	}
	if err != nil || u.Scheme != "https" || u.Opaque != "" || u.Host == "" || u.Fragment != "" || u.RawQuery != "" {
		return nil, fmt.Errorf("realm %q is not an https URL without a query: write \"https://auth.example/token\"", s)
	}
	if u.Host, err = canonicalUpstreamHost(u); err != nil {
		return nil, fmt.Errorf("realm %q %w", s, err)
	}
	return u, nil
}

// isReserved reports whether an input of that name is not the value of a slot.
func isReserved(name string) bool {
	return name == InputConfig || name == InputCA || name == InputToken || strings.HasPrefix(name, inputAgent)
}
