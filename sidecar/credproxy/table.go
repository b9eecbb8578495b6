package credproxy

import (
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/bottle-run/bottle/sidecar"
)

// A table is everything that a request is decided by. It does not change; new
// messages make a new one.
type table struct {
	config    Config
	routes    []*route // longest path first
	gate      gate
	transport *http.Transport
	agents    []*agent      // empty when everybody may use every route
	tokens    *scrubber     // of the agents
	replaced  chan struct{} // closed when the table is in force no more
}

// newTable makes a table of what came over standard input. The credentials of
// former, the routes until now, are searched for a while longer: an upstream may
// still give back what it got with them.
func newTable(config Config, inputs sidecar.Message, former []*route) (*table, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	t := &table{config: config, replaced: make(chan struct{}), gate: gate{url: config.Proxy, ca: string(inputs[InputCA]), trust: config.Trust, token: inputs[InputToken]}}
	errs := []error{t.gate.check()}
	var err error
	if t.agents, t.tokens, err = newAgents(config.Agents, inputs); err != nil {
		errs = append(errs, err)
	}
	for _, r := range config.Routes {
		compiled, err := newRoute(r, inputs, former)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		t.routes = append(t.routes, compiled)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	slices.SortStableFunc(t.routes, func(a, b *route) int { return len(b.Path) - len(a.Path) })
	headers, params := map[string]bool{}, map[string]bool{}
	for _, r := range t.routes {
		r.strip, r.stripParams = headers, params
		if r.Auth != nil && r.Auth.Query != "" {
			params[normalName(r.Auth.Query)] = true
		}
		r.searchFor(slices.Concat(former, t.routes))
		if r.cred != nil && r.cred.header != "" {
			headers[normalName(r.cred.header)] = true
		}
	}
	return t, nil
}

// searchFor has answers of r searched for the credentials of all routes to its
// host: an upstream may give back to one request what it was given with another.
func (r *route) searchFor(all []*route) {
	var secrets [][]byte
	for _, other := range all {
		if other.cred == nil || other.base.Hostname() != r.base.Hostname() {
			continue
		}
		other.cred.secrets(func(s []byte) { secrets = append(secrets, s) })
		if other.cred.issued != nil && !slices.Contains(r.issuers, other.cred) {
			r.issuers = append(r.issuers, other.cred)
		}
	}
	r.scrub = newScrubber(secrets)
}

// slots returns the names of the values that the table uses.
func (t *table) slots() map[string]bool {
	names := map[string]bool{InputConfig: true, InputCA: true, InputToken: true}
	for _, r := range t.routes {
		if r.cred != nil {
			for _, slot := range r.cred.slots {
				names[slot] = true
			}
		}
	}
	for _, a := range t.agents {
		names[InputAgent(a.name)] = true
	}
	return names
}

// match returns the route for a canonical path; nil for none.
func (t *table) match(path string) *route {
	for _, r := range t.routes {
		if r.matches(path) {
			return r
		}
	}
	return nil
}

// ambiguous returns the route that a less exact server than this one may have
// meant by path, which matches r: without ";params", in another case. Its
// credential or its limits would be the wrong ones.
func (t *table) ambiguous(r *route, path string) *route {
	folded := foldPath(path)
	for _, other := range t.routes {
		if below(foldPath(other.Path), folded) {
			if other != r {
				return other
			}
			return nil
		}
	}
	return nil
}

// foldPath reduces a canonical path to what remains of it for the least exact of
// servers.
func foldPath(path string) string {
	segments := strings.Split(strings.ToLower(path), "/")
	for i, s := range segments {
		s, _, _ = strings.Cut(s, ";")
		s, _, _ = strings.Cut(s, "%3b")
		segments[i] = strings.TrimRight(strings.ReplaceAll(s, "%20", " "), " .")
	}
	return strings.Join(segments, "/")
}

// inherit gives the routes of t that are as they were in old what was used of
// them, and the others a beginning. To be called before t is in force.
func (t *table) inherit(old *table) {
	for _, r := range t.routes {
		if was := old.same(r); was != nil {
			r.grant = was.grant
		} else {
			r.grant = newGrant(r.Route)
		}
	}
}

// begin starts what t is granted, and ends what runs on routes of old that did not
// pass to it, or not by the same way out. To be called once t is in force.
func (t *table) begin(old *table) {
	for _, r := range t.routes {
		r.grant.begin()
	}
	if old == nil {
		return
	}
	close(old.replaced)
	for _, was := range old.routes {
		switch {
		case t.same(was) == nil:
			was.grant.end(errRevoked)
		case t.transport != old.transport:
			was.grant.interrupt(errRevoked)
		}
	}
	if t.transport != old.transport {
		old.transport.CloseIdleConnections()
	}
}

// same returns the route of t that is declared as r is; nil for none. Where in the
// script it is declared, and how tools find it, makes no other one of it.
func (t *table) same(r *route) *route {
	if t == nil {
		return nil
	}
	i := slices.IndexFunc(t.routes, func(other *route) bool {
		a, b := other.Route, r.Route
		a.Pos, a.Roles, b.Pos, b.Roles = "", nil, "", nil
		return reflect.DeepEqual(a, b)
	})
	if i < 0 {
		return nil
	}
	return t.routes[i]
}

// noRoute says what to do about a path without a route that who may use.
func (t *table) noRoute(who *agent, path string) sidecar.Refusal {
	var paths []string
	for _, r := range t.routes {
		if r.may(who) {
			paths = append(paths, r.Path)
		}
	}
	slices.Sort(paths)
	first, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	refusal := sidecar.Refusal{
		Error:  "no route",
		Reason: fmt.Sprintf("no route for %s; there are: %s", shorten(path), strings.Join(paths, ", ")),
		Allow:  fmt.Sprintf("route(%q, upstream = …) in cred_proxy(routes = […])", "/"+shorten(first)+"/"),
	}
	if who != nil {
		refusal.Allow += ", and in agent(routes = […]) of " + who.name
	}
	return refusal
}

// shorten keeps an answer readable: a path may be very long.
func shorten(s string) string {
	if len(s) > 200 {
		return s[:200] + "…" // canonical paths are ASCII
	}
	return s
}
