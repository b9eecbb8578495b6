package starlib

import (
	"net/url"
	"slices"
	"strings"

	"github.com/bottle-run/bottle/sidecar"
	"github.com/bottle-run/bottle/sidecar/pipelock"
)

// derive adds the routes that the roles of others need: tools that name no path of
// their own ask at fixed ones.
func (p *proxy) derive() error {
	for _, r := range slices.Clone(p.routes) {
		for _, name := range r.Roles {
			var err error
			switch name {
			case "gh-host":
				err = p.deriveGitHub(r)
			case "docker-registry":
				err = p.deriveRegistry(r)
			case "npm-registry":
				err = p.deriveNPM(r)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// add derives a route of r, unless the script has one at that path.
func (p *proxy) add(r *route, path, upstream string) error {
	if slices.ContainsFunc(p.routes, func(old *route) bool { return old.Path == path }) {
		return nil
	}
	if r.budgeted() {
		return r.errorf("path", "the tools of its role ask at %q as well, and would have the budget twice; write path = %q", path, path)
	}
	d := *r
	d.Path, d.Upstream, d.Roles, d.of = path, upstream, nil, r
	p.routes = append(p.routes, &d)
	return nil
}

// budgeted reports whether what is sent over r is counted.
func (r *route) budgeted() bool {
	return r.MaxRequests > 0 || r.MaxBytes > 0 || r.Rate != nil || r.Uses > 0
}

// deriveGitHub adds /api/v3/, and where the whole API is allowed /api/graphql/:
// there one path does everything, so that a route with limits does not mean it.
func (p *proxy) deriveGitHub(r *route) error {
	u, err := url.Parse(r.Upstream)
	if err != nil {
		return err // it has been checked
	}
	rest := strings.TrimSuffix(r.Upstream, "/")
	graphql := rest + "/graphql"
	switch path := strings.Trim(u.Path, "/"); {
	case len(r.Operations) > 0:
		return r.errorf("operations", "the role gh-host is for the REST API; operations belong on a route of their own: route(\"/api/graphql/\", %q, …, operations = […])", graphql)
	case path == "api/v3":
		graphql = strings.TrimSuffix(rest, "/v3") + "/graphql"
	case path != "":
		return r.errorf("upstream", "the role gh-host needs the root of the REST API: \"https://api.github.com\", or \"https://HOST/api/v3\" of a GitHub Enterprise Server")
	}
	if err := p.add(r, "/api/v3/", rest); err != nil {
		return err
	}
	if len(r.Methods) > 0 || len(r.Paths) > 0 || r.budgeted() {
		return nil
	}
	return p.add(r, "/api/graphql/", graphql)
}

// deriveRegistry adds /v2/, the one path at which clients of registries ask.
func (p *proxy) deriveRegistry(r *route) error {
	upstream := strings.TrimSuffix(strings.TrimSuffix(r.Upstream, "/"), "/v2") + "/v2"
	switch {
	case r.Path == "/v2/" && strings.TrimSuffix(r.Upstream, "/") != upstream:
		return r.errorf("upstream", "the path /v2/ takes the place of the upstream's own; write %q", upstream)
	case r.Path == "/v2/":
		return nil
	case len(r.Paths) > 0:
		return r.errorf("paths", "clients of container registries ask below /v2/; write route(\"/v2/\", %q, …) and paths below that", upstream)
	}
	return p.add(r, "/v2/", upstream)
}

// deriveNPM adds, for a registry below a path, the place at which npm looks for its
// tarballs: it puts their whole path behind that of the registry (@npmcli/arborist,
// registryResolved).
func (p *proxy) deriveNPM(r *route) error {
	path := strings.TrimPrefix(r.base(), "/")
	if path == "" || strings.Trim(path, plainPath) != "" {
		return nil
	}
	if r.budgeted() {
		return r.errorf("upstream", "npm asks a registry below a path at two places, and would have the budget twice; leave the budget out")
	}
	return p.add(r, r.Path+path+"/", r.Upstream)
}

// base is the path of r's upstream in its canonical form, without a slash at the end.
func (r *route) base() string {
	u, err := url.Parse(r.Upstream)
	if err != nil || u.Path == "" {
		return ""
	}
	path, err := sidecar.CanonicalPath(u.EscapedPath())
	if err != nil {
		return "" // the cred-proxy's configuration is refused for it
	}
	return strings.TrimRight(path, "/")
}

// aliases are the https addresses that the gate has the cred-proxy answer: its own,
// and every route's of an upstream whose own URLs some client follows.
func (p *proxy) aliases() []pipelock.Alias {
	followed := map[string]bool{}
	for _, r := range p.routes {
		if slices.ContainsFunc(r.Roles, func(name string) bool { return roleOf(name).follows }) {
			host, _ := hostPort(r.Upstream)
			followed[host] = true
		}
	}
	out := []pipelock.Alias{{Host: credProxyHost, Sidecar: p.address()}}
	for _, r := range p.routes {
		host, port := hostPort(r.Upstream)
		if r.of != nil || !followed[host] || port != 443 || r.PlainHTTP {
			continue
		}
		a := pipelock.Alias{Host: host, Prefix: r.base(), Sidecar: p.address(), Path: strings.TrimRight(r.Path, "/")}
		if !slices.ContainsFunc(out, func(old pipelock.Alias) bool { return old.Host == a.Host && old.Prefix == a.Prefix }) {
			out = append(out, a)
		}
	}
	return out
}
