package credproxy

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/bottle-run/bottle/sidecar"
)

// Validate returns everything that is wrong with the configuration, joined, each
// with the place in the script and with what to write instead.
func (c *Config) Validate() error {
	var errs []error
	if _, port, err := net.SplitHostPort(c.Listen); err != nil || !isPort(port, 0) {
		errs = append(errs, fmt.Errorf("listen %q is not an address to listen on: write \":9099\"", c.Listen))
	}
	if len(c.Routes) == 0 {
		errs = append(errs, errors.New("no routes: a cred-proxy needs one at least, cred_proxy(routes = [route(…)])"))
	}
	if c.Proxy != "" {
		if _, err := gateURL(c.Proxy); err != nil {
			errs = append(errs, err)
		}
	}
	seen := map[string]*Route{}
	for i := range c.Routes {
		r := &c.Routes[i]
		for _, err := range r.validate() {
			errs = append(errs, r.errorf("%w", err))
		}
		// Some servers take paths of different case for the same.
		folded := foldPath(r.Path)
		if old := seen[folded]; old != nil {
			errs = append(errs, r.errorf("its path is that of the route at %s (%s)", orUnknown(old.Pos), old.Path))
		}
		seen[folded] = r
	}
	if c.Trust != "" {
		if err := addTrust(x509.NewCertPool(), c.Trust); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(append(errs, c.validateAgents()...)...)
}

func (r *Route) errorf(format string, args ...any) error {
	err := fmt.Errorf("route %q: "+format, append([]any{r.Path}, args...)...)
	if r.Pos == "" {
		return err
	}
	return fmt.Errorf("%s: %w", r.Pos, err)
}

func orUnknown(pos string) string {
	if pos == "" {
		return "an unknown place"
	}
	return pos
}

func (r *Route) validate() []error {
	var errs []error
	canonical, err := sidecar.CanonicalPath(r.Path)
	switch {
	case err != nil:
		errs = append(errs, err)
	case !strings.HasSuffix(r.Path, "/"):
		errs = append(errs, fmt.Errorf("its path does not end in a slash: write %q", r.Path+"/"))
	case canonical != r.Path:
		errs = append(errs, fmt.Errorf("its path has another canonical form: write %q", canonical))
	case strings.ContainsAny(r.Path, ";*"):
		errs = append(errs, errors.New(`its path is a plain prefix, without ";" and "*": globs go into paths = […]`))
	case strings.HasPrefix(r.Path, "/~"):
		errs = append(errs, errors.New(`its path begins with "~", as the token of an agent does: write another one`))
	}
	if _, err := r.upstream(); err != nil {
		errs = append(errs, err)
	}
	if r.Auth != nil {
		errs = append(errs, r.Auth.validate()...)
	}
	for _, m := range r.Methods {
		switch {
		case !httpguts.ValidHeaderFieldName(m) || m != strings.ToUpper(m):
			errs = append(errs, fmt.Errorf("method %q: write methods in upper case, \"GET\"", m))
		case isForbiddenMethod(m):
			errs = append(errs, fmt.Errorf("method %s cannot be allowed: it is no request for an upstream to answer", m))
		}
	}
	for _, p := range r.Paths {
		if _, err := sidecar.CanonicalGlob(p); err != nil {
			errs = append(errs, fmt.Errorf("%w: globs are on what follows the route's path, and begin with a slash", err))
		}
	}
	return slices.Concat(errs, r.validateOperations(), r.validatePush(), r.validateLimits())
}

// upstream returns the canonical form of r.Upstream, with its path in RawPath's
// place and without a slash at the end of it.
func (r *Route) upstream() (*url.URL, error) {
	bad := func(why string) (*url.URL, error) {
		return nil, fmt.Errorf("upstream %q %s", r.Upstream, why)
	}
	u, err := url.Parse(r.Upstream)
	switch {
	case err != nil || u.Opaque != "" || u.Host == "":
		return bad(`is not a URL: write "https://host" or "https://host/path"`)
	case u.User != nil:
		// Not even the URL in the error: what is before the @ may be a secret.
		return nil, errors.New("upstream has a user in it: credentials go into auth = …")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.HasSuffix(r.Upstream, "#"):
		return bad("has a query or a fragment: end it with the path")
	case u.Scheme == "http" && !r.PlainHTTP:
		return bad("would send what it carries in the clear: write https, or plain_http = True for an address inside the launch")
	case u.Scheme != "http" && u.Scheme != "https":
		return bad("is neither https nor http")
	}
	host, err := canonicalUpstreamHost(u)
	if err != nil {
		return bad(err.Error())
	}
	if u.Scheme == "http" && !isInside(u.Hostname()) {
		return bad("is not inside the launch, where alone plain_http may go: write https, or the name of a service")
	}
	path := ""
	if u.Path != "" {
		if path, err = sidecar.CanonicalPath(u.EscapedPath()); err != nil {
			return bad(err.Error())
		}
	}
	return &url.URL{Scheme: u.Scheme, Host: host, Path: strings.TrimSuffix(path, "/")}, nil
}

// isInside reports whether host may be a container of the launch: a name of one
// label, or a private address.
func isInside(host string) bool {
	if addr, ok := sidecar.ParseAddr(host); ok {
		_, private := sidecar.PrivateAddr(addr)
		_, metadata := sidecar.MetadataAddr(addr)
		return private && !metadata
	}
	return !strings.Contains(strings.TrimSuffix(host, "."), ".")
}

// canonicalUpstreamHost returns the host of u, and the port where it is not the
// scheme's own.
func canonicalUpstreamHost(u *url.URL) (string, error) {
	name, err := sidecar.CanonicalHost(u.Hostname())
	if addr, ok := sidecar.ParseAddr(u.Hostname()); ok && addr.String() == u.Hostname() {
		name, err = addr.String(), nil
	}
	if err != nil {
		return "", err
	}
	port := u.Port()
	if strings.HasSuffix(u.Host, ":") || port != "" && !isPort(port, 1) {
		return "", errors.New("has a port that is none")
	}
	if own := map[string]string{"http": "80", "https": "443"}[u.Scheme]; port == "" || port == own {
		if strings.Contains(name, ":") {
			return "[" + name + "]", nil
		}
		return name, nil
	}
	return net.JoinHostPort(name, port), nil
}

// gateURL returns the URL of the gate.
func gateURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" || u.Hostname() == "" || !isPort(u.Port(), 1) || u.User != nil ||
		strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New(`proxy is not the URL of a gate: write "http://pipelock:8888"`)
	}
	return &url.URL{Scheme: u.Scheme, Host: u.Host}, nil
}

func isPort(s string, lowest uint64) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n >= lowest
}
