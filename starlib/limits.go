package starlib

import (
	"slices"
	"strconv"
	"strings"

	"go.starlark.net/starlark"

	"github.com/bottle-run/bottle/sidecar"
	"github.com/bottle-run/bottle/sidecar/credproxy"
)

// limitArgs are the parameters of route() that bound what may be done over it.
func limitArgs() []Arg {
	return []Arg{
		option("operations", "list of strings", "[]", `the only operations let through, where one path does everything: root fields of GraphQL ("query.viewer", "mutation.*") or methods of JSON-RPC ("tools/call", "resources/*")`),
		option("protocol", "string", "None", `"graphql" or "jsonrpc"; by default what operations look like`),
		option("push", "list of strings", "[]", `the refs that git may create and move forward: "refs/heads/agent/*"; without any no push is let through`),
		option("protect", "list of strings", "[]", `the files that no pushed commit may change: ".github/workflows/**"`),
		option("scan", "bool", "True", "whether what is pushed is searched for secrets"),
		option("max_requests", "int", "None", "how many requests may be sent"),
		option("max_bytes", "size", "None", "how much may be sent and answered, together"),
		option("rate", "string", "None", `how many requests may be sent in a time: "10/s", "60/m", "1000/h", "100/15m"`),
		option("for_", "duration", "None", "how long the route lasts from the time that it comes into force"),
		option("uses", "int", "None", "how many requests may be sent before the route ends"),
	}
}

// option is a parameter that is given by name.
func option(name, typ, def, doc string) Arg {
	return Arg{Name: name, Type: typ, Default: def, Keyword: true, Doc: doc}
}

// maxCount bounds a number of requests.
const maxCount = 1e9

// maxFor bounds the time that a route lasts, as the cred-proxy does: a year.
const maxFor = 366 * 24 * 3600

func limitsOf(c *call, r *route) {
	operationsOf(c, r)
	pushOf(c, r)
	if c.given("max_requests") {
		r.MaxRequests = c.integer("max_requests", 0, 1, maxCount)
	}
	if c.given("uses") {
		r.Uses = c.integer("uses", 0, 1, maxCount)
	}
	r.MaxBytes, r.For = c.bytes("max_bytes", ""), c.seconds("for_")
	if r.For > maxFor {
		c.wrong("for_", "%d seconds are longer than a year", r.For)
	}
	if c.given("rate") {
		r.Rate = rateOf(c, c.str("rate", ""))
	}
}

func operationsOf(c *call, r *route) {
	r.Operations = c.strs("operations")
	graphql := 0
	for _, op := range r.Operations {
		if op == "" || strings.ContainsFunc(op, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
			c.wrong("operations", "%q is not the name of an operation", op)
		}
		kind, name, _ := strings.Cut(op, ".")
		if slices.Contains([]string{"query", "mutation", "subscription"}, kind) && name != "" && strings.Trim(name, graphQLName) == "" {
			graphql++
		}
	}
	switch {
	case c.given("protocol"):
		r.Protocol = c.oneOf("protocol", "", "graphql", "jsonrpc")
		if len(r.Operations) == 0 {
			c.wrong("protocol", "it is for operations, and there are none; name them, or leave it out")
		}
	case len(r.Operations) == 0:
	case graphql == len(r.Operations):
		r.Protocol = "graphql"
	case graphql == 0:
		r.Protocol = "jsonrpc"
	default:
		c.wrong("operations", "some look like GraphQL (\"query.viewer\") and some do not; say which with protocol = \"graphql\" or \"jsonrpc\"")
	}
	if r.Protocol == "graphql" && graphql != len(r.Operations) {
		c.wrong("operations", "one of them is not of GraphQL; write \"query.viewer\" or \"mutation.*\"")
	}
}

// graphQLName are the characters of a field's name, and the star.
const graphQLName = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_*"

func pushOf(c *call, r *route) {
	refs, protect := c.strs("push"), c.strs("protect")
	for _, ref := range refs {
		if _, err := sidecar.CanonicalGlob("/" + ref); err != nil {
			c.wrong("push", "%q is not a glob of refs, such as \"refs/heads/agent/*\"", ref)
		} else if !strings.HasPrefix(ref, "refs/") {
			c.wrong("push", "%q is not a whole ref; write %q", ref, "refs/heads/"+strings.Trim(ref, "/"))
		}
	}
	for _, file := range protect {
		if strings.HasPrefix(file, "/") {
			c.wrong("protect", "%q begins with a slash; files are named from the root of the repository: %q", file, strings.TrimLeft(file, "/"))
		} else if _, err := sidecar.CanonicalGlob("/" + file); err != nil {
			c.wrong("protect", "%v", err)
		}
	}
	switch {
	case len(refs) > 0:
		r.Push = &credproxy.Push{Refs: refs, Protect: protect, Scan: !c.given("scan") || c.boolean("scan")}
	case len(protect) > 0:
		c.wrong("protect", "no push is let through anyway; name the refs that may be pushed: push = [\"refs/heads/agent/*\"]")
	}
}

// rateOf reads a number of requests in a time: "60/m", "100/15m".
func rateOf(c *call, s string) *credproxy.Rate {
	count, per, _ := strings.Cut(strings.ReplaceAll(s, " ", ""), "/")
	n, err := strconv.ParseInt(count, 10, 64)
	seconds, ok := quantity(per, durations)
	if !ok && per != "" {
		seconds, ok = quantity("1"+per, durations) // "60/m" is per minute
	}
	if _, number := strconv.Atoi(per); err != nil || !ok || number == nil || n < 1 || n > maxCount || seconds < 1 || seconds > maxFor {
		c.wrong("rate", "%s is not a number of requests in a time; write \"10/s\", \"60/m\" or \"100/15m\"", describe(starlark.String(s)))
		return nil
	}
	return &credproxy.Rate{Requests: n, Seconds: seconds}
}
