package pipelock

import (
	"reflect"
	"slices"

	"github.com/bottle-run/bottle/sidecar"
)

// Common returns a configuration that lets through nothing that one of a and b does
// not, and of what both do as much as is easy to tell: a running gate passes
// through it from a to b, so that what only a allows and what only b allows never
// come together. Of what stands in both, the places are those of b.
func Common(a, b Config) Config {
	c := b
	c.Allow = commonRules(a.Allow, b.Allow, differing(a.Aliases, b.Aliases))
	c.Upstreams = commonRules(a.Upstreams, b.Upstreams, nil)
	c.Deny = slices.Concat(b.Deny, a.Deny)
	c.Sidecars, c.Passthrough, c.Private = inBoth(a.Sidecars, b.Sidecars), inBoth(a.Passthrough, b.Passthrough), inBoth(a.Private, b.Private)
	c.Aliases, c.DLPAllow = inBoth(a.Aliases, b.Aliases), inBoth(a.DLPAllow, b.DLPAllow)
	if a.Trust != b.Trust {
		c.Trust = ""
	}
	if strict := []string{"off", "warn", "block"}; slices.Index(strict, a.DLP) > slices.Index(strict, b.DLP) {
		c.DLP = a.DLP
	}
	return c
}

func inBoth[T comparable](a, b []T) []T {
	var both []T
	for _, x := range b {
		if slices.Contains(a, x) {
			both = append(both, x)
		}
	}
	return both
}

// differing returns the hosts that lead to a sidecar in only one of two ways.
func differing(a, b []Alias) []string {
	var hosts []string
	for _, x := range slices.Concat(a, b) {
		if !slices.Contains(a, x) || !slices.Contains(b, x) {
			hosts = append(hosts, x.Host)
		}
	}
	return hosts
}

// commonRules returns the rules that let through nothing that one of a and b does
// not, and nothing to the hosts of without.
func commonRules(a, b []Rule, without []string) []Rule {
	common := []Rule{}
	add := func(r Rule) {
		if slices.ContainsFunc(common, func(c Rule) bool { return sameRule(c, r) }) ||
			slices.ContainsFunc(without, func(h string) bool { return overlap(h, r.Host) }) ||
			limited(r, a, b) {
			return
		}
		common = append(common, r)
	}
	for _, r := range b {
		if slices.ContainsFunc(a, func(x Rule) bool { return within(r, x) }) {
			add(r)
			continue
		}
		for _, x := range a {
			if within(x, r) {
				add(x)
			}
		}
	}
	return common
}

// limited reports whether another rule limits the bodies to some host of r, or reads
// them otherwise. The
// first rule that lets a request through sets its limit, so that r without that
// one may mean more than r with it.
func limited(r Rule, a, b []Rule) bool {
	if slices.EqualFunc(a, b, sameRule) {
		return false
	}
	return slices.ContainsFunc(slices.Concat(a, b), func(x Rule) bool {
		return (x.MaxBody > 0 || !sameBounds(x, r)) && !sameRule(x, r) && overlap(x.Host, r.Host)
	})
}

// overlap reports whether two patterns may mean one host.
func overlap(a, b string) bool { return sidecar.MatchHost(a, b) || sidecar.MatchHost(b, a) || a == b }

func sameRule(a, b Rule) bool {
	a.Pos, b.Pos = "", ""
	return reflect.DeepEqual(a, b)
}

// within reports whether a lets through nothing that b does not.
func within(a, b Rule) bool {
	return a.Host == b.Host && narrower(ports(a), ports(b)) && narrower(a.Methods, b.Methods) && narrower(a.Paths, b.Paths) &&
		sameBounds(a, b) && (b.MaxBody == 0 || a.MaxBody > 0 && a.MaxBody <= b.MaxBody) &&
		subset(a.Credentials, b.Credentials) && subset(a.Parameters, b.Parameters)
}

// sameBounds reports whether a and b let through as much, and read it alike.
func sameBounds(a, b Rule) bool {
	return a.DLP == b.DLP && a.TCP == b.TCP && reflect.DeepEqual(a.Rate, b.Rate) && a.Bytes == b.Bytes && a.For == b.For && a.Uses == b.Uses
}

func ports(r Rule) []int {
	if len(r.Ports) == 0 {
		return []int{80, 443}
	}
	return r.Ports
}

// narrower is subset where an empty list means everything.
func narrower[T comparable](a, b []T) bool {
	return len(b) == 0 || len(a) > 0 && subset(a, b)
}

func subset[T comparable](a, b []T) bool {
	return !slices.ContainsFunc(a, func(x T) bool { return !slices.Contains(b, x) })
}
