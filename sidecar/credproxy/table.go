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
}

// newTable makes a table of what came over standard input. The credentials of
// former, the routes until now, are searched for a while longer: an upstream may
// still give back what it got with them.
func newTable(config Config, inputs sidecar.Message, former []*route) (*table, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	t := &table{config: config, gate: gate{url: config.Proxy, ca: string(inputs[InputCA]), trust: config.Trust, token: inputs[InputToken]}}
	errs := []error{t.gate.check()}
	for _, r := range config.Routes {
		var value sidecar.Secret
		if r.Auth != nil {
			value = inputs[r.Auth.Secret]
		}
		compiled, err := newRoute(r, value)
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
	headers := map[string]bool{}
	for _, r := range t.routes {
		r.scrub, r.strip = scrubberFor(r, slices.Concat(former, t.routes)), headers
		if r.cred != nil {
			headers[normalName(r.cred.header)] = true
		}
	}
	return t, nil
}

// scrubberFor finds the credentials of all routes to the host of r: an upstream
// may give back to one request what it was given with another.
func scrubberFor(r *route, all []*route) *scrubber {
	var secrets [][]byte
	for _, other := range all {
		if other.cred != nil && other.base.Hostname() == r.base.Hostname() {
			other.cred.secrets(func(s []byte) { secrets = append(secrets, s) })
		}
	}
	return newScrubber(secrets)
}

// slots returns the names of the values that the table uses.
func (t *table) slots() map[string]bool {
	names := map[string]bool{InputConfig: true, InputCA: true, InputToken: true}
	for _, r := range t.routes {
		if r.cred != nil {
			names[r.cred.slot] = true
		}
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

// inherit makes the routes of t that are as they were before end together with
// those of old. To be called before t is in force.
func (t *table) inherit(old *table) {
	for _, r := range t.routes {
		if was := old.same(r); was != nil && t.transport == old.transport {
			r.revoked = was.revoked
		}
	}
}

// revoke ends what runs on routes of old that did not pass to t. To be called
// once t is in force.
func (t *table) revoke(old *table) {
	for _, was := range old.routes {
		if r := t.same(was); r == nil || r.revoked != was.revoked {
			close(was.revoked)
		}
	}
	if t.transport != old.transport {
		old.transport.CloseIdleConnections()
	}
}

// same returns the route of t that is declared as r is; nil for none.
func (t *table) same(r *route) *route {
	i := slices.IndexFunc(t.routes, func(other *route) bool { return reflect.DeepEqual(other.Route, r.Route) })
	if i < 0 {
		return nil
	}
	return t.routes[i]
}

// noRoute says what to do about a path without a route.
func (t *table) noRoute(path string) sidecar.Refusal {
	paths := make([]string, len(t.routes))
	for i, r := range t.routes {
		paths[i] = r.Path
	}
	slices.Sort(paths)
	first, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return sidecar.Refusal{
		Error:  "no route",
		Reason: fmt.Sprintf("no route for %s; there are: %s", shorten(path), strings.Join(paths, ", ")),
		Allow:  fmt.Sprintf("route(%q, upstream = …) in cred_proxy(routes = […])", "/"+shorten(first)+"/"),
	}
}

// shorten keeps an answer readable: a path may be very long.
func shorten(s string) string {
	if len(s) > 200 {
		return s[:200] + "…" // canonical paths are ASCII
	}
	return s
}
