package starlib

import (
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/bottle-run/bottle/runtime/plan"
	"github.com/bottle-run/bottle/sidecar"
	"github.com/bottle-run/bottle/sidecar/pipelock"
)

// The names and places of the launch's own containers. Nothing else spells them.
const (
	gateHost      = "pipelock"
	gatePort      = 8888
	gateURL       = "http://pipelock:8888"
	gateAddress   = 2 // the gate's address in its network, for the resolver of the others
	credProxyHost = "cred-proxy"
)

// gateConfig is what the gate of n lets through, in force: the hosts of the
// script; the cred-proxy itself, because HTTP_PROXY sends what is meant for it
// through the gate; for the cred-proxy alone the hosts of the routes; and the
// services of the launch. What the launch places itself, services and the names
// of hosts=, may have private addresses.
func (l *lowering) gateConfig(n *network, g *gate) pipelock.Config {
	config := g.config
	private := slices.Concat(config.Private, slices.Sorted(maps.Keys(g.hosts)))
	for _, m := range l.s.containers {
		switch {
		case m.net != n || m.op.Role != plan.Service:
		case m.outside:
			private = append(private, m.name)
		default:
			config.Sidecars = append(config.Sidecars, m.name)
		}
	}
	if p := l.proxyOf(n); p != nil {
		config.Sidecars = append(config.Sidecars, p.address())
		config.Aliases = p.aliases()
		for _, r := range p.routes {
			ups := r.upstreamRules()
			config.Upstreams = append(config.Upstreams, ups...)
			if r.PlainHTTP { // then it is a service of the launch
				private = append(private, ups[0].Host)
			}
		}
	}
	config.Private = nil
	for _, host := range private {
		if !slices.Contains(config.Private, host) {
			config.Private = append(config.Private, host)
		}
	}
	return config
}

// upstreamRules are what the gate lets the cred-proxy do for r: at its upstream, and
// where a registry has its tokens given. Paths are the cred-proxy's to hold: the
// upstream's differ from the route's.
func (r *route) upstreamRules() []pipelock.Rule {
	host, port := hostPort(r.Upstream)
	up := pipelock.Rule{Host: host, Ports: []int{port}, Methods: r.Methods, Pos: r.Pos}
	if r.Auth == nil {
		return []pipelock.Rule{up}
	}
	switch r.Auth.Scheme {
	case "header":
		up.Credentials = []string{r.Auth.Header}
	case "query":
		up.Parameters = []string{r.Auth.Query}
	case "sigv4":
		up.Credentials = []string{"Authorization", "X-Amz-Security-Token"}
	default:
		up.Credentials = []string{"Authorization"}
	}
	if r.Auth.Realm == "" {
		return []pipelock.Rule{up}
	}
	realm := pipelock.Rule{Pos: r.Pos, Credentials: []string{"Authorization"}}
	realm.Host, port = hostPort(r.Auth.Realm)
	realm.Ports = []int{port}
	return []pipelock.Rule{up, realm}
}

// hostPort splits the authority of an upstream, which has been checked.
func hostPort(upstream string) (host string, port int) {
	u, err := url.Parse(upstream)
	if err != nil {
		return "", 0
	}
	port, err = strconv.Atoi(u.Port())
	if err != nil {
		port = 443
		if u.Scheme == "http" {
			port = 80
		}
	}
	host, err = sidecar.CanonicalHost(u.Hostname())
	if err != nil {
		return "", 0
	}
	return host, port
}

// Where a container finds the certificates of its gate.
const (
	caFile     = "/run/bottle/ca.pem"
	bundleFile = "/run/bottle/ca-bundle.pem"
)

// gateEnv are the variables of a container behind a gate. The proxies stand in
// both cases because curl reads http_proxy in lower case alone, others in upper. With a
// ticket the gate can lead what clients ask under an upstream's own name to the routes
// of the agent that asks.
func gateEnv(ticketed bool) map[string]string {
	gate := gateURL
	if ticketed {
		gate = strings.Replace(gateURL, "://", "://"+sidecar.ClientAgent+":"+placeholder+"@", 1)
	}
	env := map[string]string{"NO_PROXY": "localhost,127.0.0.1,::1", "NODE_EXTRA_CA_CERTS": caFile, "DENO_CERT": caFile}
	for _, k := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"} {
		env[k] = gate
	}
	for _, k := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"} {
		env[strings.ToLower(k)] = env[k]
	}
	for _, k := range []string{"SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO", "PIP_CERT", "AWS_CA_BUNDLE", "CARGO_HTTP_CAINFO"} {
		env[k] = bundleFile
	}
	return env
}
