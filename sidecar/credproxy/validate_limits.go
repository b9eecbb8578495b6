package credproxy

import (
	"errors"
	"fmt"
	"strings"

	"github.com/bottle-run/bottle/sidecar"
)

// maxSeconds bounds times: a longer one is a mistake, and would overflow.
const maxSeconds = 366 * 24 * 3600

// validateAgents returns what is wrong with the agents.
func (c *Config) validateAgents() []error {
	paths := map[string]bool{}
	for i := range c.Routes {
		paths[c.Routes[i].Path] = true
	}
	var errs []error
	seen := map[string]bool{}
	for _, a := range c.Agents {
		fail := func(format string, args ...any) {
			errs = append(errs, fmt.Errorf("agent %q: "+format, append([]any{a.Name}, args...)...))
		}
		switch {
		case a.Name == "" || len(a.Name) > 128 || strings.ContainsFunc(a.Name, func(r rune) bool { return r <= ' ' || r == 0x7f }):
			fail("it needs a name without spaces, of 128 bytes at most")
		case a.Name == sidecar.ClientCredProxy:
			fail("that is the name of the cred-proxy in the audit: give it another")
		case seen[a.Name]:
			fail("there are two of that name")
		}
		seen[a.Name] = true
		for _, p := range a.Routes {
			if !paths[p] {
				fail("there is no route %q for it to use", p)
			}
		}
	}
	return errs
}

func (r *Route) validateOperations() []error {
	var errs []error
	switch r.Protocol {
	case "":
		if len(r.Operations) > 0 {
			return []error{errors.New(`operations need a protocol: "graphql" or "jsonrpc"`)}
		}
	case protocolGraphQL, protocolJSONRPC:
		if len(r.Operations) == 0 {
			errs = append(errs, fmt.Errorf("protocol %s is for operations, and there are none: name them, or leave it out", r.Protocol))
		}
	default:
		return []error{fmt.Errorf("protocol %q is neither graphql nor jsonrpc", r.Protocol)}
	}
	for _, op := range r.Operations {
		kind, name, _ := strings.Cut(op, ".")
		switch {
		case strings.ContainsFunc(op, func(c rune) bool { return c <= ' ' || c == 0x7f }) || op == "":
			errs = append(errs, fmt.Errorf("operation %q is not the name of one", op))
		case r.Protocol == protocolGraphQL && (kind != "query" && kind != "mutation" && kind != "subscription" || strings.Trim(name, graphQLName+"*") != "" || name == ""):
			errs = append(errs, fmt.Errorf("operation %q is not one of GraphQL: write \"query.viewer\" or \"mutation.*\"", op))
		}
	}
	return errs
}

// graphQLName are the characters of a name.
const graphQLName = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_"

func (r *Route) validatePush() []error {
	if r.Push == nil {
		return nil
	}
	var errs []error
	if len(r.Push.Refs) == 0 {
		errs = append(errs, errors.New(`push needs refs that may be pushed: push = ["refs/heads/agent/*"]`))
	}
	for _, ref := range r.Push.Refs {
		if _, err := sidecar.CanonicalGlob("/" + ref); err != nil || !strings.HasPrefix(ref, "refs/") {
			errs = append(errs, fmt.Errorf("push %q is not a glob of refs: write them whole, \"refs/heads/agent/*\"", ref))
		}
	}
	for _, file := range r.Push.Protect {
		if strings.HasPrefix(file, "/") {
			errs = append(errs, fmt.Errorf("protect %q begins with a slash: files are named from the root of the repository, %q", file, strings.TrimLeft(file, "/")))
		} else if _, err := sidecar.CanonicalGlob("/" + file); err != nil {
			errs = append(errs, fmt.Errorf("protect %q: %w", file, err))
		}
	}
	return errs
}

func (r *Route) validateLimits() []error {
	var errs []error
	for _, limit := range []struct {
		name  string
		value int64
	}{{"max_requests", r.MaxRequests}, {"max_bytes", r.MaxBytes}, {"for", r.For}, {"uses", r.Uses}} {
		if limit.value < 0 {
			errs = append(errs, fmt.Errorf("%s is %d: it is a number from 1 on, or left out", limit.name, limit.value))
		}
	}
	if r.For > maxSeconds {
		errs = append(errs, fmt.Errorf("for is %d seconds, longer than a year", r.For))
	}
	if rate := r.Rate; rate != nil && (rate.Requests < 1 || rate.Requests > 1e9 || rate.Seconds < 1 || rate.Seconds > maxSeconds) {
		errs = append(errs, fmt.Errorf("rate is %d requests in %d seconds: write \"60/m\", one at least in a year at most", rate.Requests, rate.Seconds))
	}
	return errs
}

// The protocols that have operations.
const (
	protocolGraphQL = "graphql"
	protocolJSONRPC = "jsonrpc"
)
