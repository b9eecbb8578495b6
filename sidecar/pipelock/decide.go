package pipelock

import (
	"fmt"
	"net"
	"slices"
	"strconv"

	"github.com/bottle-run/bottle/sidecar"
	"github.com/bottle-run/bottle/sidecar/dlp"
)

// A target is where a request goes. Its host is canonical.
type target struct {
	scheme string // "http", "https", or "tcp" while a tunnel's content is unknown
	host   string
	port   int
}

func (t target) String() string { return net.JoinHostPort(t.host, strconv.Itoa(t.port)) }

// authority is the target as a URL or a Host header spells it.
func (t target) authority() string {
	if t.scheme == "https" && t.port == 443 || t.scheme == "http" && t.port == 80 {
		return t.host
	}
	return t.String()
}

// newTarget reads the authority of a request or of a CONNECT.
func newTarget(scheme, authority string, defaultPort int) (target, error) {
	host, port := authority, defaultPort
	if h, p, err := net.SplitHostPort(authority); err == nil {
		n, err := strconv.Atoi(p)
		if err != nil || n < 1 || n > 65535 || strconv.Itoa(n) != p {
			return target{}, fmt.Errorf("%q is not a port", p)
		}
		host, port = h, n
	}
	canonical, err := sidecar.CanonicalHost(host)
	if err != nil {
		return target{}, err
	}
	return target{scheme, canonical, port}, nil
}

// A policy is a configuration in force. It never changes.
type policy struct {
	Config
	own map[string]int
}

func newPolicy(c Config) (*policy, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	own, err := c.sidecars()
	return &policy{c, own}, err
}

// A verdict is what a policy says of a request.
type verdict struct {
	ok     bool
	rule   *Rule  // that let it through, or refused it; nil for the launch's own
	reason string // of a refusal
	own    bool   // the target is a helper of the launch
	alias  *Alias // that leads to the helper; nil for its own address
	// finding is the secret for which a request is refused.
	finding *dlp.Finding
}

// pos is the place in the script that decided.
func (v verdict) pos() string {
	if v.rule == nil {
		return ""
	}
	return v.rule.Pos
}

// An ask is what a client wants. An empty method asks for the host alone, which
// is all that a CONNECT tells.
type ask struct {
	client  string
	target  target
	method  string
	path    string // canonical
	pathErr error
	// blind is a tunnel that nobody reads: what it may carry is not known.
	blind bool
}

// decide says whether a may go on, by names alone.
func (p *policy) decide(a ask) verdict {
	for i := range p.Deny {
		if r := &p.Deny[i]; r.denies(a) {
			return verdict{rule: r, reason: fmt.Sprintf("%s is denied by the script", a.target.host)}
		}
	}
	rules := p.Allow
	if a.client == sidecar.ClientCredProxy {
		rules = p.Upstreams
	} else if port, ok := p.own[a.target.host]; ok && a.target.scheme == "http" && (port == 0 || port == a.target.port) {
		return verdict{ok: true, own: true}
	}
	refusal := verdict{reason: fmt.Sprintf("%s is not an allowed host", a.target.host)}
	for i := range rules {
		r := &rules[i]
		if !sidecar.MatchHost(r.Host, a.target.host) {
			continue
		}
		why := r.refuses(a)
		if why == "" {
			return verdict{ok: true, rule: r}
		}
		refusal = verdict{rule: r, reason: why}
	}
	// A rule that says what may be asked of an upstream directly comes first.
	if alias := p.alias(a); alias != nil && a.client != sidecar.ClientCredProxy {
		return verdict{ok: true, own: true, alias: alias}
	}
	return refusal
}

// whole reports whether a rule is about everything of its host.
func (r *Rule) whole() bool { return len(r.Methods) == 0 && len(r.Paths) == 0 }

// denies reports whether r, of Deny, is about a. In doubt it is: a path that cannot
// be read may be any.
func (r *Rule) denies(a ask) bool {
	if !sidecar.MatchHost(r.Host, a.target.host) || len(r.Ports) > 0 && !slices.Contains(r.Ports, a.target.port) {
		return false
	}
	if a.method == "" {
		return a.blind || r.whole()
	}
	return (len(r.Methods) == 0 || slices.Contains(r.Methods, a.method)) && (a.pathErr != nil || r.path(a))
}

func (r *Rule) path(a ask) bool {
	return len(r.Paths) == 0 || a.pathErr == nil && slices.ContainsFunc(r.Paths, func(g string) bool { return sidecar.MatchPath(g, a.path) })
}

// refuses says why a rule for the host does not let a through, or "".
func (r *Rule) refuses(a ask) string {
	ports := r.Ports
	if len(ports) == 0 {
		ports = []int{80, 443}
	}
	switch {
	case r.TCP && (a.method != "" || a.client != sidecar.ClientAgent):
		return fmt.Sprintf("port %d of %s is allowed for tunnels of other protocols than HTTP", a.target.port, a.target.host)
	case !slices.Contains(ports, a.target.port):
		return fmt.Sprintf("port %d of %s is not allowed", a.target.port, a.target.host)
	case !r.TCP && a.blind && (!r.whole() || r.MaxBody > 0):
		return fmt.Sprintf("%s is allowed for some requests only, and its tunnel is passed through unread", a.target.host)
	case a.method == "":
		return ""
	case len(r.Methods) > 0 && !slices.Contains(r.Methods, a.method):
		return fmt.Sprintf("the method %s is not allowed for %s", a.method, a.target.host)
	case len(r.Paths) > 0 && a.pathErr != nil:
		return fmt.Sprintf("%v, and %s is allowed for some paths only", a.pathErr, a.target.host)
	case !r.path(a):
		return fmt.Sprintf("the path is not allowed for %s", a.target.host)
	}
	return ""
}

// passes reports whether the TLS of a host is not opened.
func (p *policy) passes(host string) bool {
	return slices.ContainsFunc(p.Passthrough, func(g string) bool { return sidecar.MatchHost(g, host) })
}

// mayBePrivate reports whether a name may resolve to private addresses.
func (p *policy) mayBePrivate(host string) bool {
	_, own := p.own[host]
	return own || slices.ContainsFunc(p.Private, func(g string) bool { return sidecar.MatchHost(g, host) })
}
