package pipelock

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/bottle-run/bottle/sidecar"
)

// alias returns the alias that a is for, or nil. Of a tunnel, whose requests are
// decided about one by one, only the host is known.
func (p *policy) alias(a ask) *Alias {
	if a.target.port != 443 || a.target.scheme == "http" || a.blind {
		return nil
	}
	var best *Alias
	for i := range p.Aliases {
		x := &p.Aliases[i]
		if x.Host == a.target.host && (a.method == "" || x.whole() || a.pathErr == nil && x.matches(a.path)) && (best == nil || len(x.Prefix) > len(best.Prefix)) {
			best = x
		}
	}
	return best
}

// whole reports whether all of the host is the sidecar's, whose paths are its own to
// read.
func (x *Alias) whole() bool { return x.Prefix == "" && x.Path == "" }

// matches reports whether the canonical path is below the prefix.
func (x *Alias) matches(path string) bool {
	rest, ok := strings.CutPrefix(path, x.Prefix)
	return ok && (rest == "" || rest[0] == '/')
}

// with leads the alias to the routes of the agent that has a ticket.
func (x *Alias) with(ticket string) *Alias {
	if ticket == "" || x.whole() {
		return x
	}
	own := *x
	own.Path = "/~" + ticket + x.Path
	return &own
}

// rewrite sends out to the sidecar. Its path is canonical, as it was compared.
func (x *Alias) rewrite(out *http.Request, path string) {
	out.URL.Scheme, out.URL.Host, out.Host = "http", x.Sidecar, x.Sidecar
	if x.whole() {
		return
	}
	escaped := x.Path + strings.TrimPrefix(path, x.Prefix)
	if plain, err := url.PathUnescape(escaped); err == nil { // always: both parts are canonical
		out.URL.Path, out.URL.RawPath = plain, escaped
	}
}

// back turns the places of the sidecar that an answer names into those of the alias.
func (x *Alias) back(h http.Header) {
	if x.Path == x.Prefix {
		return
	}
	for _, name := range []string{"Location", "Content-Location"} {
		if v := h.Get(name); v != "" {
			h.Set(name, x.outside(v))
		}
	}
	for i, v := range h["Link"] {
		h["Link"][i] = linked.ReplaceAllStringFunc(v, func(s string) string { return "<" + x.outside(s[1:len(s)-1]) + ">" })
	}
}

// linked is a target of Link (RFC 8288, section 3) that has no host.
var linked = regexp.MustCompile(`<(/[^/>][^>]*)>`)

// outside is where the alias has what the sidecar has at place.
func (x *Alias) outside(place string) string {
	path, query, asked := strings.Cut(place, "?")
	rest, ok := strings.CutPrefix(path, x.Path)
	if !ok || !strings.HasPrefix(place, "/") || strings.HasPrefix(place, "//") || rest != "" && rest[0] != '/' {
		return place
	}
	if asked {
		query = "?" + query
	}
	return x.Prefix + rest + query
}

func (c *Config) validateAliases() error {
	for _, x := range c.Aliases {
		if host, err := sidecar.CanonicalHost(x.Host); err != nil || host != x.Host {
			return fmt.Errorf("alias %q is not a canonical host", x.Host)
		}
		if !slices.Contains(c.Sidecars, x.Sidecar) || !strings.Contains(x.Sidecar, ":") {
			return fmt.Errorf("alias %q leads to %q, which is not a sidecar and its port", x.Host, x.Sidecar)
		}
		for _, p := range []string{x.Prefix, x.Path} {
			if canonical, err := sidecar.CanonicalPath(p + "/"); err != nil || canonical != p+"/" {
				return fmt.Errorf("alias %q: %q is not the beginning of a canonical path", x.Host, p)
			}
		}
	}
	return nil
}

// credentials returns the headers and the parameters of the query in which the
// cred-proxy may bring a credential to a host.
func (p *policy) credentials(host string) (headers, parameters []string) {
	for i := range p.Upstreams {
		if r := &p.Upstreams[i]; sidecar.MatchHost(r.Host, host) {
			headers, parameters = append(headers, r.Credentials...), append(parameters, r.Parameters...)
		}
	}
	return headers, parameters
}

// without returns the query without the named parameters.
func without(query string, parameters []string) string {
	if len(parameters) == 0 {
		return query
	}
	var kept []string
	for pair := range strings.SplitSeq(query, "&") {
		if name, _, _ := strings.Cut(pair, "="); !slices.Contains(parameters, name) {
			kept = append(kept, pair)
		}
	}
	return strings.Join(kept, "&")
}
