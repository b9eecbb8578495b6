package starlib

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"go.starlark.net/starlark"

	"github.com/bottle-run/bottle/runtime/plan"
	"github.com/bottle-run/bottle/sidecar/pipelock"
)

// topology are the builtins that declare the parts of a launch.
func topology() []*Builtin {
	networkArg := Arg{Name: "network", Type: "network", Default: "None", Keyword: true, Doc: "which network it belongs to; needed when the launch declares several"}
	imageArg := Arg{Name: "image", Type: "string or image", Doc: "what it is made of"}
	return []*Builtin{
		{
			Name: "network", Declares: true,
			Doc: "Declares a trust boundary: a network without a route out, with no address of the host on it. A launch that declares none has one, called \"default\".",
			Params: []Arg{
				{Name: "name", Type: "string", Default: `"default"`, Doc: "its name in the launch"},
				{Name: "subnet", Type: "string", Default: "None", Keyword: true, Doc: `a private IPv4 prefix, "10.9.0.0/24"; by default a free one is chosen`},
			},
			call: networkBuiltin,
		},
		{
			Name: "cred_proxy", Declares: true,
			Doc: "Declares the sidecar that adds credentials to the requests of its routes, so that the agent holds none. " +
				"Its handle has `.url(path)`, the address of a route as agents spell it, without a slash at the end, and `.host` and `.port`.",
			Params: []Arg{
				{Name: "routes", Type: "list of routes", Doc: "from route(), or dicts"},
				networkArg,
				{Name: "port", Type: "int", Default: "9099", Keyword: true, Doc: "where it listens"},
				{Name: "image", Type: "string or image", Default: "None", Keyword: true, Doc: "an image to use in place of bottle's own; it must speak the protocol of docs/sidecars.md"},
			},
			call: credProxyBuiltin,
		},
		{
			Name: "pipelock", Declares: true,
			Doc: "Declares the gate of a network: what the agent may reach, and what may not leave. Its handle has `.host`, `.port` and `.url`.",
			Params: append([]Arg{
				{Name: "allow", Type: "list of hosts or rules", Default: "[]", Doc: `names, "*.name" for all below a name, or rule(…)`},
				{Name: "deny", Type: "list of hosts or rules", Default: "[]", Keyword: true, Doc: "what is refused whatever allow says"},
			}, append(gateArgs(), networkArg)...),
			call: pipelockBuiltin,
		},
		{
			Name: "rule",
			Doc:  "Describes what may be asked of a host. Without methods or paths, everything.",
			Params: []Arg{
				{Name: "host", Type: "string", Doc: `a name, or "*.name"`},
				{Name: "methods", Type: "list of strings", Default: "[]", Keyword: true, Doc: "the only methods let through"},
				{Name: "paths", Type: "list of strings", Default: "[]", Keyword: true, Doc: `the only paths let through: "*" is one segment, "**" any number`},
				{Name: "ports", Type: "list of ints", Default: "[80, 443]", Keyword: true, Doc: "the ports"},
				{Name: "max_body", Type: "size", Default: "None", Keyword: true, Doc: "the largest request body"},
			},
			call: func(c *call) (starlark.Value, error) {
				r := ruleOf(c)
				return &opaque[pipelock.Rule]{v: r, typ: "rule", text: "rule(" + strconv.Quote(r.Host) + ")"}, nil
			},
		},
		{
			Name: "agent", Declares: true,
			Doc: "Declares the untrusted container that the launch is for. It has no route out, no capability and no credential. " +
				"Its handle has `.name` and `.host`.",
			Params: append([]Arg{imageArg}, append([]Arg{
				{Name: "name", Type: "string", Default: `"agent"`, Keyword: true, Doc: "its name, also on the network"},
				{Name: "setup", Type: "list of strings", Default: "[]", Keyword: true, Doc: "lines for the image's /bin/sh, run before the command"},
				{Name: "timeout", Type: "duration", Default: "None", Keyword: true, Doc: `how long it may run: seconds, or "30m"; bottle then exits with 124`},
				{Name: "memory", Type: "size", Default: `"4g"`, Keyword: true, Doc: "the most memory, swap included"},
				{Name: "pids", Type: "int", Default: "1024", Keyword: true, Doc: "the most processes and threads"},
			}, append(containerArgs(), networkArg)...)...),
			call: func(c *call) (starlark.Value, error) { return containerBuiltin(c, plan.Agent) },
		},
		{
			Name: "service", Declares: true,
			Doc: "Declares a trusted helper, such as a database or an MCP server. It starts before the agents of its network. " +
				"Its handle has `.name` and `.host`.",
			Params: append([]Arg{
				{Name: "name", Type: "string", Doc: "its name, also on the network"},
				imageArg,
				{Name: "outside", Type: "bool", Default: "False", Keyword: true, Doc: "whether it stands outside, where the sidecars of its network reach it and agents do not"},
				{Name: "memory", Type: "size", Default: "None", Keyword: true, Doc: "the most memory, swap included"},
				{Name: "pids", Type: "int", Default: "4096", Keyword: true, Doc: "the most processes and threads"},
			}, append(containerArgs(), networkArg)...),
			call: func(c *call) (starlark.Value, error) { return containerBuiltin(c, plan.Service) },
		},
	}
}

// gateArgs are the parameters of pipelock() that only it has.
func gateArgs() []Arg {
	return []Arg{
		{Name: "dlp", Type: "string", Default: `"block"`, Keyword: true, Doc: `what happens when a secret is about to leave: "block", "warn" or "off"`},
		{Name: "passthrough", Type: "list of hosts", Default: "[]", Keyword: true, Doc: "allowed hosts whose TLS is not opened, for clients that pin certificates; nothing that goes there is read"},
		{Name: "private", Type: "list of hosts", Default: "[]", Keyword: true, Doc: "hosts that may resolve to private addresses"},
		{Name: "trust", Type: "list of strings", Default: "[]", Keyword: true, Doc: "PEM files with further certificate authorities of upstreams, relative to the launch script"},
		{Name: "upstream_proxy", Type: "string", Default: "None", Keyword: true, Doc: `the way to the world where there is only a proxy: "http://proxy.corp:3128"`},
		{Name: "hosts", Type: "dict of strings", Default: "{}", Keyword: true, Doc: `further names that the gate knows: {"git.corp": "10.1.2.3"}; "host-gateway" is the host`},
	}
}

// containerArgs are the parameters that agents and services share.
func containerArgs() []Arg {
	return []Arg{
		{Name: "command", Type: "list of strings", Default: "None", Keyword: true, Doc: "replaces the image's command"},
		{Name: "entrypoint", Type: "list of strings", Default: "None", Keyword: true, Doc: "replaces the image's entrypoint"},
		{Name: "env", Type: "dict of strings", Default: "{}", Keyword: true, Doc: "variables"},
		{Name: "mounts", Type: "list of mounts", Default: "[]", Keyword: true, Doc: "from mount(), volume() and tmpfs()"},
		{Name: "files", Type: "list of files", Default: "[]", Keyword: true, Doc: "from file()"},
		{Name: "needs", Type: "list of services", Default: "[]", Keyword: true, Doc: "what must be up before it starts"},
		{Name: "user", Type: "string", Default: "None", Keyword: true, Doc: `"name", "uid" or "uid:gid"; by default the image's`},
		{Name: "workdir", Type: "string", Default: "None", Keyword: true, Doc: "the working directory; by default the image's"},
		{Name: "cpus", Type: "float", Default: "None", Keyword: true, Doc: "how many processors it may use"},
		{Name: "runtime", Type: "string", Default: "None", Keyword: true, Doc: `a runtime of the engine, such as "runsc"`},
	}
}

// What the builtins declare. A network that is nil is the only one there is.
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
		outside bool
		pos     plan.Pos
		via     []plan.Pos
	}
)

// reserved are names that the launch's own containers have.
var reserved = []string{credProxyHost, gateHost, "bottle", "localhost"} //nolint:gochecknoglobals // a constant in all but syntax

// checkName refuses what cannot be a label of a DNS name.
func checkName(c *call, name string) {
	ok := name != "" && len(name) <= 40 && name[0] != '-' && name[len(name)-1] != '-'
	for _, r := range name {
		ok = ok && (r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-')
	}
	if !ok {
		c.wrong("name", "%q: a name has up to 40 lower-case letters, digits and hyphens, none at the ends", name)
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
	if c.err == nil {
		c.s.networks = append(c.s.networks, n)
	}
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
		c.wrong("subnet", "%q is not a private prefix of length 16 or more (RFC 1918)", subnet)
	case p.Bits() > 28:
		c.wrong("subnet", "%q has too few addresses; a /28 is the smallest", subnet)
	}
}

func (c *call) network() *network {
	n, _ := handle[*network](c, "network", "the handle of a network()")
	return n
}

func credProxyBuiltin(c *call) (starlark.Value, error) {
	p := &proxy{net: c.network(), port: int(c.integer("port", 9099, 1, 65535)), pos: c.pos, via: c.via}
	seen := map[string]string{}
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
			c.wrong("routes", "the path %q is routed twice, also at %s", r.Path, old)
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
	if c.err == nil {
		c.s.proxies = append(c.s.proxies, p)
	}
	return &opaque[*proxy]{v: p, typ: "cred_proxy", text: "cred_proxy()", attrs: starlark.StringDict{
		"host": starlark.String(credProxyHost),
		"port": starlark.MakeInt(p.port),
		"url":  c.s.builtin(urlBuiltin(p)),
	}}, nil
}

// urlBuiltin makes the method .url of a cred_proxy.
func urlBuiltin(p *proxy) *Builtin {
	return &Builtin{
		Name: "url", Params: []Arg{{Name: "path", Type: "string"}},
		call: func(c *call) (starlark.Value, error) {
			path := "/" + strings.Trim(c.str("path", ""), "/") + "/"
			var paths []string
			for _, r := range p.routes {
				if strings.HasPrefix(path, r.Path) {
					return starlark.String(p.url(path)), nil
				}
				paths = append(paths, r.Path)
			}
			return nil, c.errorf("no route of this cred_proxy has the path %q%s; there are %s", path, didYouMean(path, paths), strings.Join(paths, ", "))
		},
	}
}

// url is the address of a path as base URLs are written: without a slash at the
// end, for clients append "/v1/…".
func (p *proxy) url(path string) string {
	return "http://" + credProxyHost + ":" + strconv.Itoa(p.port) + strings.TrimRight(path, "/")
}

func pipelockBuiltin(c *call) (starlark.Value, error) {
	g := &gate{net: c.network(), hosts: c.dict("hosts"), pos: c.pos, via: c.via}
	g.config = pipelock.Config{
		Listen: ":" + strconv.Itoa(gatePort), DNS: ":53", DLP: c.oneOf("dlp", "block", "block", "warn", "off"),
		Allow: c.rules("allow"), Deny: c.rules("deny"),
		Passthrough: c.hosts("passthrough"), Private: c.hosts("private"),
		Trust: c.certificates("trust"), UpstreamProxy: c.str("upstream_proxy", ""),
	}
	if up := g.config.UpstreamProxy; up != "" {
		u, err := url.Parse(up)
		if err != nil || u.Scheme != "http" || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" {
			c.wrong("upstream_proxy", "%q is not the URL of an HTTP proxy, \"http://name:port\", without a user", up)
		}
	}
	for name, addr := range g.hosts {
		c.host("hosts", name)
		if _, err := netip.ParseAddr(addr); err != nil && addr != "host-gateway" {
			c.wrong("hosts", "the address of %q is %q; want an IP address or \"host-gateway\"", name, addr)
		}
	}
	if c.err == nil {
		c.err = c.passthroughAllowed(g)
	}
	if c.err == nil {
		c.s.gates = append(c.s.gates, g)
	}
	return &opaque[*gate]{v: g, typ: "pipelock", text: "pipelock()", attrs: starlark.StringDict{
		"host": starlark.String(gateHost), "port": starlark.MakeInt(gatePort), "url": starlark.String(gateURL),
	}}, nil
}

func containerBuiltin(c *call, role plan.Role) (starlark.Value, error) {
	m := &member{
		net: c.network(), name: c.str("name", "agent"), image: c.image("image"), outside: c.boolean("outside", false),
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
			return nil, c.errorf("the name %q is already taken at %s; give this one another name=", m.name, old.pos)
		}
	}
	m.op = plan.Container{
		Role: role, Setup: c.strs("setup"), Command: c.argv("command"), Entrypoint: c.argv("entrypoint"),
		Env: c.env("env"), User: c.str("user", ""), Workdir: c.str("workdir", ""), Runtime: c.str("runtime", ""),
		Limits: plan.Limits{Timeout: c.seconds("timeout"), MilliCPUs: c.millis("cpus")},
	}
	if role == plan.Agent {
		m.op.Limits.Memory, m.op.Limits.PIDs = c.bytes("memory", "4g"), c.integer("pids", 1024, 1, 1<<22)
	} else {
		m.op.Limits.Memory, m.op.Limits.PIDs = c.bytes("memory", ""), c.integer("pids", 4096, 1, 1<<22)
	}
	if m.op.Workdir != "" && !strings.HasPrefix(m.op.Workdir, "/") {
		c.wrong("workdir", "%q is not absolute", m.op.Workdir)
	}
	c.contents(m)
	if c.err == nil {
		c.s.containers = append(c.s.containers, m)
	}
	return &opaque[*member]{v: m, typ: string(role), text: string(role) + "(" + strconv.Quote(m.name) + ")", attrs: starlark.StringDict{
		"name": starlark.String(m.name), "host": starlark.String(m.name),
	}}, nil
}
