package cmd

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/docker/go-units"

	"github.com/bottle-run/bottle/sidecar/credproxy"
)

// showRoute says which credential goes where, what bounds it, and who may use it
// where that is not everybody.
func showRoute(row func(string, string, ...any), r *credproxy.Route, agents []credproxy.Agent) {
	row("credential", "%s%s", whither(r), limits(r.Methods, r.Paths))
	for _, b := range bounds(r) {
		row("  "+b.head, "%s", b.text)
	}
	if len(agents) > 0 {
		row("  used by", "%s", users(r, agents))
	}
}

// describeRoute says the same of a route, without who may use it, on one line.
func describeRoute(r credproxy.Route) string { return whither(&r) + routeLimits(r) }

// routeLimits says what a route lets through, where that is not everything.
func routeLimits(r credproxy.Route) string {
	parts := []string{limits(r.Methods, r.Paths)}
	for _, b := range bounds(&r) {
		parts = append(parts, b.head, b.text)
	}
	return strings.Join(parts, " ")
}

// whither says which credential goes where.
func whither(r *credproxy.Route) string {
	what := "no credential"
	if r.Auth != nil {
		what = strings.Join(r.Auth.Slots(), " with ")
	}
	return fmt.Sprintf("%s goes to %s, for %s", what, r.Upstream, r.Path)
}

// A bound is what a route does not let through, or also does.
type bound struct{ head, text string }

func bounds(r *credproxy.Route) []bound {
	var out []bound
	if r.Auth != nil && r.Auth.Realm != "" {
		out = append(out, bound{"tokens", "of " + r.Auth.Realm})
	}
	if len(r.Operations) > 0 {
		out = append(out, bound{"only", strings.Join(r.Operations, ", ") + " of " + r.Protocol})
	}
	if r.Push != nil {
		out = append(out, bound{"push", describePush(r.Push)})
	}
	if b := budget(r); b != "" {
		out = append(out, bound{"at most", b})
	}
	return out
}

func describePush(p *credproxy.Push) string {
	s := strings.Join(p.Refs, ", ") + ", forward"
	if len(p.Protect) > 0 {
		s += ", no change of " + strings.Join(p.Protect, ", ")
	}
	if !p.Scan {
		s += ", not searched for secrets"
	}
	return s
}

// budget is what bounds the use of r in number, size and time.
func budget(r *credproxy.Route) string {
	var parts []string
	add := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	if r.MaxRequests > 0 {
		add("%d requests", r.MaxRequests)
	}
	if r.MaxBytes > 0 {
		add("%s", units.BytesSize(float64(r.MaxBytes)))
	}
	if r.Rate != nil {
		add("%d requests in %v", r.Rate.Requests, time.Duration(r.Rate.Seconds)*time.Second)
	}
	if r.For > 0 {
		add("%v from its start", time.Duration(r.For)*time.Second)
	}
	if r.Uses > 0 {
		add("%d uses", r.Uses)
	}
	return strings.Join(parts, ", ")
}

func users(r *credproxy.Route, agents []credproxy.Agent) string {
	var names []string
	for _, a := range agents {
		if slices.Contains(a.Routes, r.Path) {
			names = append(names, a.Name)
		}
	}
	if len(names) == 0 {
		return "nobody"
	}
	return strings.Join(names, ", ")
}
