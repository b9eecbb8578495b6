package starlib

import (
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/bottle-run/bottle/runtime/plan"
	"github.com/bottle-run/bottle/sidecar"
	"github.com/bottle-run/bottle/sidecar/pipelock"
)

// check refuses what is declared on n and cannot be, or would have no effect, now
// that all of it is known.
func (l *lowering) check(n *network) error {
	g, p := l.gateOf(n), l.proxyOf(n)
	if err := l.checkMembers(n, g, p); err != nil {
		return err
	}
	if p != nil {
		if err := l.checkRoutes(n, p); err != nil {
			return err
		}
	}
	if g == nil {
		return nil
	}
	if err := g.checkUpstreams(p); err != nil {
		return err
	}
	if err := g.checkPassthrough(); err != nil {
		return err
	}
	return g.checkReach(l.gateConfig(n, g))
}

// checkMembers refuses members that do not fit, that nothing could reach, or
// that would go round the gate.
func (l *lowering) checkMembers(n *network, g *gate, p *proxy) error {
	inside := 0
	for _, m := range l.s.containers {
		if m.net != n {
			continue
		}
		if m.outside && g == nil && p == nil {
			return m.errorf("outside = True puts %q where sidecars alone reach it, and the network %q has none; add pipelock() or cred_proxy(), or leave outside out", m.name, n.name)
		}
		if m.outside {
			continue
		}
		inside++
		if err := l.checkInside(m, g, p); err != nil {
			return err
		}
	}
	subnet, err := netip.ParsePrefix(n.subnet)
	if room := capacity(subnet, p); err == nil && inside > room {
		return &Error{Pos: n.pos, Via: n.via, Msg: fmt.Sprintf("network: for parameter \"subnet\": %s has room for %d agents and services, and the script declares %d; write a larger one, or leave subnet out", subnet, room, inside)}
	}
	return nil
}

// checkInside refuses what a member on the inside cannot be given.
func (l *lowering) checkInside(m *member, g *gate, p *proxy) error {
	if g != nil {
		if err := m.checkEnv(); err != nil {
			return err
		}
	}
	if err := l.checkTickets(m, p); err != nil || p == nil || m.op.Role != plan.Agent {
		return err
	}
	_, err := l.wiringOf(m, p)
	return err
}

// checkEnv refuses the variables by which a container finds the gate.
func (m *member) checkEnv() error {
	ours := gateEnv(false)
	for _, k := range slices.Sorted(maps.Keys(m.op.Env)) {
		if ours[k] != "" {
			return m.errorf("for parameter \"env\": %s is set by bottle, so that the container finds the gate and trusts its certificates; leave it out", k)
		}
	}
	return nil
}

// capacity is how many agents and services fit into a subnet. The engine gives
// out its upper half, in which the broadcast address lies (runtime/docker,
// prefixBits); the cred-proxy takes one.
func capacity(subnet netip.Prefix, p *proxy) int {
	room := 1<<max(31-subnet.Bits(), 0) - 1
	if p != nil {
		room--
	}
	return room
}

func (m *member) errorf(format string, args ...any) error {
	return &Error{Pos: m.pos, Via: m.via, Msg: string(m.op.Role) + ": " + fmt.Sprintf(format, args...)}
}

func (g *gate) errorf(param, format string, args ...any) error {
	return &Error{Pos: g.pos, Via: g.via, Msg: fmt.Sprintf("pipelock: for parameter %q: %s", param, fmt.Sprintf(format, args...))}
}

// checkRoutes holds plain_http to what it is for, services of the network.
func (l *lowering) checkRoutes(n *network, p *proxy) error {
	var services []string
	for _, m := range l.s.containers {
		if m.op.Role == plan.Service && m.net == n {
			services = append(services, m.name)
		}
	}
	for _, r := range p.routes {
		host, _ := hostPort(r.Upstream)
		if r.PlainHTTP && !slices.Contains(services, host) {
			return &Error{Pos: r.pos, Via: r.via, Msg: fmt.Sprintf("route: for parameter \"plain_http\": %q is no service of the network %q%s; beyond the launch anybody on the way could read the credential", host, n.name, didYouMean(host, services))}
		}
	}
	return nil
}

// checkUpstreams keeps agents from the upstreams of routes: who reaches one
// directly may send data there with a key of his own. A rule that names paths is
// taken for deliberate.
func (g *gate) checkUpstreams(p *proxy) error {
	if p == nil {
		return nil
	}
	for _, r := range p.routes {
		for _, up := range r.upstreamRules() {
			if err := g.checkUpstream(r, up.Host); err != nil {
				return err
			}
		}
	}
	return nil
}

func (g *gate) checkUpstream(r *route, host string) error {
	for _, a := range g.config.Allow {
		if sidecar.MatchHost(a.Host, host) && len(a.Paths) == 0 {
			return g.errorf("allow", "%q covers the upstream of the route %q (%s): agents could send data there with a key of somebody else; leave it to the route, or name what they may ask directly: rule(%q, paths = [\"/…\"])", a.Host, r.Path, r.pos, a.Host)
		}
	}
	for _, d := range g.config.Deny {
		if sidecar.MatchHost(d.Host, host) && len(d.Methods) == 0 && len(d.Paths) == 0 {
			return g.errorf("deny", "%q covers the upstream of the route %q (%s), which then would reach nothing", d.Host, r.Path, r.pos)
		}
	}
	return nil
}

// checkPassthrough makes sure that a host whose TLS is not opened is allowed, and
// not only by a rule that can be held against nothing but what is inside.
func (g *gate) checkPassthrough() error {
	for _, p := range g.config.Passthrough {
		open, narrow := false, false
		for _, r := range g.config.Allow {
			plain := len(r.Methods) == 0 && len(r.Paths) == 0 && r.MaxBody == 0
			open = open || plain && covers(r.Host, p)
			narrow = narrow || !plain && covers(r.Host, p)
		}
		switch {
		case open:
		case narrow:
			return g.errorf("passthrough", "the rule for %q has methods, paths or a body limit, which cannot be held against TLS that is not opened", p)
		default:
			return g.errorf("passthrough", "%q is not in allow as well; add it there", p)
		}
	}
	return nil
}

// checkReach refuses options for hosts that nothing lets through.
func (g *gate) checkReach(config pipelock.Config) error {
	reachable := slices.Concat(config.Allow, config.Upstreams)
	if u, err := url.Parse(config.UpstreamProxy); err == nil {
		reachable = append(reachable, pipelock.Rule{Host: strings.ToLower(u.Hostname())})
	}
	reached := func(p string) bool {
		return slices.ContainsFunc(reachable, func(r pipelock.Rule) bool { return covers(r.Host, p) || covers(p, r.Host) })
	}
	for _, p := range g.config.Private {
		if !reached(p) {
			return g.errorf("private", "%q is neither in allow nor the upstream of a route; add it to allow", p)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(g.hosts)) {
		if !reached(name) {
			return g.errorf("hosts", "%q is neither in allow nor the upstream of a route; add it to allow", name)
		}
	}
	return nil
}
