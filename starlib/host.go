package starlib

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"golang.org/x/net/publicsuffix"

	"github.com/bottle-run/bottle/sidecar"
)

// host checks a host pattern and returns its canonical form, or says what to
// write instead.
//
// Suffixes of the Public Suffix List's private part pass, *.githubusercontent.com
// among them: who runs a service for everybody is not everybody.
func (c *call) host(param, s string) string {
	if parent, wild := strings.CutPrefix(s, "*."); wild && parent != "" {
		if suffix, icann := publicsuffix.PublicSuffix(strings.ToLower(strings.TrimSuffix(parent, "."))); icann && strings.EqualFold(suffix, parent) {
			c.wrong(param, "%q would be every name that anybody can register; name the hosts", s)
			return s
		}
	}
	canonical, err := sidecar.CanonicalPattern(s)
	if err == nil {
		return canonical
	}
	c.wrong(param, "%s", hostCure(s, err))
	return s
}

// hostCure says what is wrong with s, which is not a host pattern, and what was
// perhaps meant.
func hostCure(s string, err error) string {
	switch {
	case s == "*" || s == "*." || s == "**":
		return fmt.Sprintf("%q would be every host there is; name the hosts", s)
	case errors.Is(err, sidecar.ErrAddress):
		addr, ok := sidecar.ParseAddr(s)
		if !ok {
			return strings.TrimPrefix(err.Error(), "host ")
		}
		return fmt.Sprintf(`%q is an address, and the gate checks names; give it one: hosts = {"name.internal": %q}, and allow "name.internal"`, s, addr)
	case strings.HasPrefix(s, ".") || strings.HasPrefix(s, "*") && !strings.HasPrefix(s, "*."):
		return fmt.Sprintf(`%q: for every name below one write "*.%s"`, s, strings.TrimLeft(s, "*."))
	}
	host, port, path := split(s)
	if _, err := sidecar.CanonicalPattern(host); err != nil || host == s {
		if strings.Contains(strings.TrimPrefix(s, "*."), "*") {
			return fmt.Sprintf(`%q: a star stands only at the front, before a dot, as in "*.example.com"`, s)
		}
		return strings.TrimPrefix(err.Error(), "host ")
	}
	switch {
	case path != "" && path != "/":
		return fmt.Sprintf("%q is not a host name: no scheme, port or path; write rule(%q, paths = [%q])", redacted(s), host, path)
	case port != "" && port != "80" && port != "443":
		return fmt.Sprintf("%q is not a host name: no scheme, port or path; write rule(%q, ports = [%s])", redacted(s), host, port)
	}
	return fmt.Sprintf("%q is not a host name: no scheme, port or path; write %q", redacted(s), host)
}

// split takes apart what may be a URL, or a host with a port or path.
func split(s string) (host, port, path string) {
	host = s
	if _, rest, ok := strings.Cut(host, "://"); ok {
		host = rest
	}
	host = strings.TrimPrefix(host, "//")
	host, _, _ = strings.Cut(host, "#")
	host, _, _ = strings.Cut(host, "?")
	if i := strings.IndexByte(host, '/'); i >= 0 {
		host, path = host[:i], host[i:]
	}
	if i := strings.LastIndexByte(host, '@'); i >= 0 {
		host = host[i+1:]
	}
	if h, p, ok := strings.Cut(host, ":"); ok {
		if n, err := strconv.Atoi(p); err == nil && n > 0 && n < 65536 {
			host, port = h, p
		}
	}
	return host, port, path
}

// redacted is a URL as it may be shown: a user may be a token.
func redacted(s string) string {
	u, err := url.Parse(s)
	if err == nil && u.User != nil {
		u.User = url.User("redacted")
		return u.String()
	}
	return s
}

func (c *call) hosts(param string) []string {
	var out []string
	for _, s := range c.strs(param) {
		out = append(out, c.host(param, s))
	}
	return out
}

// covers reports whether every name that the pattern q names is named by p.
func covers(p, q string) bool {
	parent, wild := strings.CutPrefix(q, "*.")
	return p == q || sidecar.MatchHost(p, parent) && (!wild || strings.HasPrefix(p, "*."))
}

// upstreamProxy returns the URL of an HTTP proxy.
func (c *call) upstreamProxy(param string) string {
	s := c.str(param, "")
	if s == "" {
		return ""
	}
	u, err := url.Parse(s)
	switch {
	case err == nil && u.User != nil:
		c.wrong(param, "a URL with a user holds a secret, and a plan holds none; use a proxy that knows this machine by its address")
	case err != nil || u.Scheme != "http" || u.Hostname() == "" || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "":
		cure := "http://proxy.corp:3128"
		if host, port, path := split(s); host != "" && path == "" && !strings.Contains(s, "://") {
			cure = "http://" + strings.TrimSuffix(host+":"+port, ":")
		}
		c.wrong(param, "%q is not the URL of an HTTP proxy; write %q", s, cure)
	default:
		return "http://" + u.Host
	}
	return ""
}
