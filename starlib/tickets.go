package starlib

import (
	"slices"

	"go.starlark.net/starlark"

	"github.com/bottle-run/bottle/runtime/plan"
	"github.com/bottle-run/bottle/sidecar/credproxy"
)

// agentRoutes reads the routes that an agent may use: paths, or what route() returned.
// Nil are all.
func agentRoutes(c *call) []string {
	if !c.given("routes") {
		return nil
	}
	out := []string{}
	for i, v := range c.list("routes", "routes or their paths") {
		if r, ok := v.(*opaque[*route]); ok {
			out = append(out, r.v.Path)
			continue
		}
		path, ok := starlark.AsString(v)
		if !ok {
			c.wrong("routes", "element %d is %s, want the path of a route, or what route(…) returned", i, describe(v))
		}
		out = append(out, path)
	}
	return out
}

// mayUse reports whether m may use r, or the route that r was derived of.
func (m *member) mayUse(r *route) bool {
	path := r.Path
	if r.of != nil {
		path = r.of.Path
	}
	return m.routes == nil || slices.Contains(m.routes, path)
}

// ticketed reports whether agents of n have different routes, so that each must show
// who it is.
func (l *lowering) ticketed(n *network) bool {
	return slices.ContainsFunc(l.s.containers, func(m *member) bool { return m.net == n && m.routes != nil })
}

// checkTickets refuses routes of agents that their cred-proxy does not have.
func (l *lowering) checkTickets(m *member, p *proxy) error {
	if m.routes == nil {
		return nil
	}
	if p == nil {
		return m.errorf("for parameter \"routes\": the network %q has no cred_proxy() to have routes", m.net.name)
	}
	var paths []string
	for _, r := range p.routes {
		if r.of == nil {
			paths = append(paths, r.Path)
		}
	}
	for _, path := range m.routes {
		if !slices.Contains(paths, path) {
			return m.errorf("for parameter \"routes\": no route has the path %q%s; there %s", path, didYouMean(path, paths), areOf(paths))
		}
	}
	return nil
}

// agents are the clients of p, when they have different routes.
func (l *lowering) agents(n *network, p *proxy) []credproxy.Agent {
	if !l.ticketed(n) {
		return nil
	}
	var out []credproxy.Agent
	for _, m := range l.s.containers {
		if m.net != n || m.op.Role != plan.Agent {
			continue
		}
		a := credproxy.Agent{Name: m.name, Routes: []string{}}
		for _, r := range p.routes {
			if m.mayUse(r) {
				a.Routes = append(a.Routes, r.Path)
			}
		}
		out = append(out, a)
	}
	return out
}

// ticket is how m shows p who it is.
func (p *proxy) ticket(m *member) *plan.Ticket {
	// Without a scheme, as npm names a registry in its configuration, and with one.
	bases := []string{"//" + p.address(), "https://" + credProxyHost}
	return &plan.Ticket{Bases: bases, Placeholder: placeholder, Token: agentToken(m.name)}
}

// agentToken is what is made for an agent, by which the cred-proxy knows it.
func agentToken(name string) plan.Generated {
	return plan.Generated{Kind: plan.Token, Name: credproxy.InputAgent(name)}
}
