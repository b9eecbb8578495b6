package starlib

import (
	"net/netip"
	"strconv"
	"strings"

	"go.starlark.net/starlark"

	"github.com/bottle-run/bottle/runtime/plan"
	"github.com/bottle-run/bottle/sidecar"
	"github.com/bottle-run/bottle/sidecar/pipelock"
)

// What the builtins declare. A nil network is the only one.
type (
	network struct {
		name, subnet string
		pos          plan.Pos
		via          []plan.Pos
	}
	proxy struct {
		net    *network
		routes []*route
		port   int
		trust  string // PEM
		image  *imageDecl
		pos    plan.Pos
		via    []plan.Pos
	}
	gate struct {
		net    *network
		config pipelock.Config
		hosts  map[string]string
		pos    plan.Pos
		via    []plan.Pos
	}
	member struct {
		net     *network
		name    string
		image   imageDecl
		op      plan.Container
		mounts  []mountDecl
		needs   []*member
		routes  []string // the paths of those that it may use; nil for all
		outside bool
		pos     plan.Pos
		via     []plan.Pos
	}
)

// reserved are names that the launch's own containers have.
var reserved = []string{credProxyHost, gateHost, "bottle", "localhost"} //nolint:gochecknoglobals // a constant in all but syntax

// checkName refuses what cannot be a label of a DNS name, and what ends as the
// names do that bottle derives from that of a network.
func checkName(c *call, name string) {
	ok := name != "" && len(name) <= 40 && name[0] != '-' && name[len(name)-1] != '-'
	for _, r := range name {
		ok = ok && (r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-')
	}
	if !ok {
		c.wrong("name", "%q: a name has up to 40 lower-case letters, digits and hyphens, none at the ends", name)
	}
	for _, suffix := range []string{"-egress", "-" + gateHost, "-" + credProxyHost} {
		if strings.HasSuffix(name, suffix) {
			c.wrong("name", "%q ends in %q, as names of the launch's own do; choose another", name, suffix)
		}
	}
}

// maxDeclared bounds a launch: a Linux bridge has 1023 ports (BR_MAX_PORTS).
const maxDeclared = 1000

// declare keeps what a builtin declared, unless its arguments were wrong.
func declare[T any](c *call, list *[]T, v T) {
	if c.err == nil && len(*list) >= maxDeclared {
		c.err = c.errorf("a launch has at most %d of a kind", maxDeclared)
	}
	if c.err == nil {
		*list = append(*list, v)
	}
}

func networkBuiltin(c *call) (starlark.Value, error) {
	n := &network{name: c.str("name", "default"), subnet: c.str("subnet", ""), pos: c.pos, via: c.via}
	checkName(c, n.name)
	if n.subnet != "" {
		checkSubnet(c, n.subnet)
	}
	for _, old := range c.s.networks {
		if old.name == n.name {
			return nil, c.errorf("the network %q is already declared at %s; give this one another name=", n.name, old.pos)
		}
	}
	declare(c, &c.s.networks, n)
	return &opaque[*network]{
		v: n, typ: "network", text: "network(" + strconv.Quote(n.name) + ")",
		attrs: starlark.StringDict{"name": starlark.String(n.name)},
	}, nil
}

func checkSubnet(c *call, subnet string) {
	p, err := netip.ParsePrefix(subnet)
	switch {
	case err != nil || !p.Addr().Is4():
		c.wrong("subnet", "%q is not an IPv4 prefix such as \"10.9.0.0/24\"", subnet)
	case p != p.Masked():
		c.wrong("subnet", "%q has bits beyond its length; write %q", subnet, p.Masked())
	case !p.Addr().IsPrivate() || p.Bits() < 16:
		c.wrong("subnet", "%q is not a private prefix of length 16 or more (RFC 1918): it would hide addresses of others", subnet)
	case p.Bits() > 28:
		c.wrong("subnet", "%q has too few addresses; a /28 is the smallest", subnet)
	}
	for _, old := range c.s.networks {
		if q, err := netip.ParsePrefix(old.subnet); err == nil && q.Overlaps(p) {
			c.wrong("subnet", "%q overlaps that of the network %q (%s)", subnet, old.name, old.pos)
		}
	}
}

func (c *call) network() *network {
	if s, ok := starlark.AsString(c.args["network"]); ok {
		c.wrong("network", "got the string %q, want what network(%q) returned", s, s)
	}
	n, _ := handle[*network](c, "network", "what network(…) returned")
	return n
}

func credProxyBuiltin(c *call) (starlark.Value, error) {
	p := &proxy{net: c.network(), port: int(c.integer("port", 9099, 1, 65535)), trust: c.certificates("trust"), pos: c.pos, via: c.via}
	seen := map[string]string{}
	if r, ok := c.args["routes"].(*opaque[*route]); ok {
		c.wrong("routes", "got one route, want a list; write [%s]", r)
	}
	for _, v := range c.list("routes", "routes") {
		var r *route
		if d, ok := v.(starlark.IterableMapping); ok {
			r = dictRoute(c, d)
		} else {
			r, _ = handleOf[*route](c, "routes", "route(…) or a dict", v)
		}
		if c.err != nil {
			return nil, c.err
		}
		if old, twice := seen[r.Path]; twice {
			c.wrong("routes", "the path %q has two routes, of %s and %s", r.Path, old, r.Pos)
		}
		seen[r.Path] = r.Pos
		p.routes = append(p.routes, r)
	}
	if len(p.routes) == 0 {
		c.wrong("routes", "a cred_proxy without routes does nothing; give it a route(…) or leave it out")
	}
	if c.given("image") {
		d := c.image("image")
		p.image = &d
	}
	if config := p.config(false); c.err == nil {
		if err := config.Validate(); err != nil { // what else the sidecar would refuse
			c.wrong("routes", "%v", err)
		}
	}
	declare(c, &c.s.proxies, p)
	return &opaque[*proxy]{v: p, typ: "cred_proxy", text: "cred_proxy()", attrs: starlark.StringDict{
		"host": starlark.String(credProxyHost),
		"port": starlark.MakeInt(p.port),
		"url":  c.s.builtin(urlBuiltin(p)),
	}}, nil
}

// urlBuiltin makes the method .url of a cred_proxy.
func urlBuiltin(p *proxy) *Builtin {
	return &Builtin{
		Module: "cred_proxy()", Name: "url",
		Doc: "Returns the URL by which agents reach a route, or a path below one. It never ends in a slash, for the clients that take a base URL put `/v1/…` behind it. " +
			"It is a plain string, known when the plan is.",
		Params: []Arg{{Name: "path", Type: "string", Doc: `the path of a route, or one below it: "/openai/v1"`}},
		call: func(c *call) (starlark.Value, error) {
			path := strings.TrimRight(c.str("path", ""), "/") + "/"
			if canonical, err := sidecar.CanonicalPath(path); c.err == nil && (err != nil || canonical != path) {
				c.wrong("path", "%q is not a path such as %q", c.str("path", ""), p.routes[0].Path)
			}
			var paths []string
			for _, r := range p.routes {
				if strings.HasPrefix(path, r.Path) {
					return starlark.String(p.url(path)), nil
				}
				paths = append(paths, r.Path)
			}
			return nil, c.errorf("no route has the path %q%s; there %s", path, didYouMean(path, paths), areOf(paths))
		},
	}
}

func pipelockBuiltin(c *call) (starlark.Value, error) {
	g := &gate{net: c.network(), hosts: c.addresses("hosts"), pos: c.pos, via: c.via}
	g.config = pipelock.Config{
		Listen: ":" + strconv.Itoa(gatePort), DNS: ":53", DLP: c.oneOf("dlp", "block", "block", "warn", "off"),
		Allow: c.rules("allow"), Deny: c.denials("deny"), DLPAllow: c.excuses("dlp_allow"),
		Passthrough: c.hosts("passthrough"), Private: c.hosts("private"),
		Trust: c.certificates("trust"), UpstreamProxy: c.upstreamProxy("upstream_proxy"),
	}
	declare(c, &c.s.gates, g)
	return &opaque[*gate]{v: g, typ: "pipelock", text: "pipelock()", attrs: starlark.StringDict{
		"host": starlark.String(gateHost), "port": starlark.MakeInt(gatePort), "url": starlark.String(gateURL),
	}}, nil
}

func containerBuiltin(c *call, role plan.Role) (starlark.Value, error) {
	m := &member{
		net: c.network(), name: c.str("name", "agent"), image: c.image("image"), outside: c.boolean("outside"),
		pos: c.pos, via: c.via,
	}
	checkName(c, m.name)
	for _, r := range reserved {
		if m.name == r {
			c.wrong("name", "%q is a name of the launch's own; choose another", m.name)
		}
	}
	for _, old := range c.s.containers {
		if old.name == m.name {
			return nil, c.errorf("the name %q is already taken at %s; give this one another: name = \"%s-2\"", m.name, old.pos, m.name)
		}
	}
	m.op = plan.Container{
		Role: role, Setup: c.strs("setup"), Command: c.argv("command"), Entrypoint: c.argv("entrypoint"),
		Env: c.env("env"), User: c.str("user", ""), Workdir: c.str("workdir", ""), Runtime: c.str("runtime", ""),
		Limits: plan.Limits{Timeout: c.seconds("timeout"), MilliCPUs: c.millis("cpus")},
	}
	if role == plan.Agent {
		m.op.Limits.Memory, m.op.Limits.PIDs = c.bytes("memory", "4g"), c.integer("pids", 1024, 1, 1<<22)
		m.routes = agentRoutes(c)
	} else {
		m.op.Limits.Memory, m.op.Limits.PIDs = c.bytes("memory", ""), c.integer("pids", 4096, 1, 1<<22)
	}
	if m.op.Workdir != "" && !strings.HasPrefix(m.op.Workdir, "/") {
		c.wrong("workdir", "%q is not absolute; write %q", m.op.Workdir, "/"+strings.TrimPrefix(m.op.Workdir, "./"))
	}
	c.contents(m)
	declare(c, &c.s.containers, m)
	return &opaque[*member]{v: m, typ: string(role), text: string(role) + "(" + strconv.Quote(m.name) + ")", attrs: starlark.StringDict{
		"name": starlark.String(m.name), "host": starlark.String(m.name),
	}}, nil
}
