package starlib

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/bottle-run/bottle/runtime/plan"
	"github.com/bottle-run/bottle/sidecar/credproxy"
	"github.com/bottle-run/bottle/sidecar/pipelock"
)

// A lowering turns what a session declared into nodes.
type lowering struct {
	s    *session
	plan *plan.Plan
	// egress are the networks with a route out that something needs.
	egress map[*network]bool
	err    error
}

// lower makes the plan.
func (s *session) lower() (*plan.Plan, error) {
	if !slices.ContainsFunc(s.containers, func(m *member) bool { return m.op.Role == plan.Agent }) {
		return nil, &Error{Pos: plan.Pos{File: s.o.Script, Line: 1, Col: 1}, Msg: "the launch declares no agent", Hint: `add one: agent("debian:12-slim", command = ["sh"])`}
	}
	if err := s.place(); err != nil {
		return nil, err
	}
	l := &lowering{s: s, plan: new(plan.Plan), egress: map[*network]bool{}}
	for _, n := range s.networks {
		l.network(n)
	}
	for _, n := range s.networks {
		l.sidecars(n)
	}
	for _, role := range []plan.Role{plan.Service, plan.Agent} {
		for _, m := range s.containers {
			if m.op.Role == role {
				l.member(m)
			}
		}
	}
	return l.plan, l.err
}

// place gives everything that names no network the only one there is.
func (s *session) place() error {
	if len(s.networks) == 0 {
		first := s.containers[0]
		s.networks = []*network{{name: "default", pos: first.pos, via: first.via}}
	}
	names := make([]string, len(s.networks))
	for i, n := range s.networks {
		names[i] = n.name
	}
	set := func(what string, net **network, pos plan.Pos) error {
		if *net == nil && len(s.networks) > 1 {
			return &Error{Pos: pos, Msg: fmt.Sprintf("%s: the launch has several networks (%s): say which with network=", what, strings.Join(names, ", "))}
		}
		if *net == nil {
			*net = s.networks[0]
		}
		return nil
	}
	gates, proxies := map[*network]*gate{}, map[*network]*proxy{}
	for _, g := range s.gates {
		if err := set("pipelock", &g.net, g.pos); err != nil {
			return err
		}
		if old := gates[g.net]; old != nil {
			return twice("pipelock", g.net, g.pos, old.pos)
		}
		gates[g.net] = g
	}
	for _, p := range s.proxies {
		if err := set("cred_proxy", &p.net, p.pos); err != nil {
			return err
		}
		if old := proxies[p.net]; old != nil {
			return twice("cred_proxy", p.net, p.pos, old.pos)
		}
		proxies[p.net] = p
	}
	for _, m := range s.containers {
		if err := set(string(m.op.Role), &m.net, m.pos); err != nil {
			return err
		}
	}
	return s.checkPlainHTTP()
}

func twice(what string, n *network, pos, old plan.Pos) error {
	return &Error{Pos: pos, Msg: fmt.Sprintf("%s: the network %q has one already, declared at %s; a network has one of a kind", what, n.name, old)}
}

// checkPlainHTTP holds plain_http to what it is for: services of the launch.
func (s *session) checkPlainHTTP() error {
	for _, p := range s.proxies {
		for _, r := range p.routes {
			host, _ := hostPort(r.Upstream)
			inside := slices.ContainsFunc(s.containers, func(m *member) bool {
				return m.op.Role == plan.Service && m.name == host && m.net == p.net
			})
			if r.PlainHTTP && !inside {
				return &Error{Pos: p.pos, Msg: fmt.Sprintf("cred_proxy: the route %q sends a credential over plain http to %q, which is no service of its network", r.Path, host)}
			}
		}
	}
	return nil
}

// add appends a node. What goes wrong here is kept: the first is the cause.
func (l *lowering) add(id plan.ID, op plan.Op, deps []plan.ID, pos plan.Pos, via []plan.Pos) {
	if err := l.plan.Add(&plan.Node{ID: id, Op: op, Deps: deps, Pos: pos, Via: via}); err != nil && l.err == nil {
		l.err = &Error{Pos: pos, Via: via, Msg: err.Error()}
	}
}

func (n *network) inside() plan.ID  { return plan.ID("network:" + n.name) }
func (n *network) outside() plan.ID { return plan.ID("network:" + n.name + "-egress") }

// own is the name of one of bottle's own containers on n.
func (n *network) own(name string) string {
	if n.name == "default" {
		return name
	}
	return n.name + "-" + name
}

func (l *lowering) gateOf(n *network) *gate {
	for _, g := range l.s.gates {
		if g.net == n {
			return g
		}
	}
	return nil
}

func (l *lowering) proxyOf(n *network) *proxy {
	for _, p := range l.s.proxies {
		if p.net == n {
			return p
		}
	}
	return nil
}

func (l *lowering) network(n *network) {
	members, open := 0, 0
	for _, m := range l.s.containers {
		if m.net == n && m.outside {
			open++
		} else if m.net == n {
			members++
		}
	}
	gate, proxy := l.gateOf(n), l.proxyOf(n)
	if proxy != nil {
		members++
	}
	l.add(n.inside(), plan.Network{Internal: true, Subnet: n.subnet, Hosts: members}, nil, n.pos, n.via)
	if gate == nil && proxy == nil && open == 0 {
		return
	}
	l.egress[n] = true
	// Only services outside have anything to say to each other's sidecars.
	l.add(n.outside(), plan.Network{Hosts: open + 2, Isolated: open == 0}, nil, n.pos, n.via)
}

// image adds the node of an image, once.
func (l *lowering) image(d imageDecl) plan.ID {
	id := plan.ID("image:" + d.name)
	if old := l.plan.Node(id); old != nil {
		if !sameOp(old.Op, d.op) && l.err == nil {
			l.err = &Error{Pos: d.pos, Via: d.via, Msg: fmt.Sprintf("image %q is asked for in another way at %s", d.name, old.Pos)}
		}
		return id
	}
	l.add(id, d.op, nil, d.pos, d.via)
	return id
}

func sameOp(a, b plan.Op) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && string(x) == string(y) && fmt.Sprintf("%T", a) == fmt.Sprintf("%T", b)
}

// sidecarLimits hold for bottle's own containers. A gate that carries a thousand
// tunnels stays below; see docs/performance.md.
var sidecarLimits = plan.Limits{Memory: 512 << 20, PIDs: 512} //nolint:gochecknoglobals // a constant in all but syntax

func (l *lowering) sidecars(n *network) {
	if g := l.gateOf(n); g != nil {
		l.gate(n, g)
	}
	if p := l.proxyOf(n); p != nil {
		l.proxy(n, p)
	}
}

// own is the image that bottle makes of itself.
func (l *lowering) own(pos plan.Pos, via []plan.Pos) plan.ID {
	return l.image(imageDecl{name: "bottle-sidecar", op: plan.ImageSidecar{}, pos: pos, via: via})
}

func (l *lowering) gate(n *network, g *gate) {
	image := l.own(g.pos, g.via)
	c := plan.Container{
		Role: plan.Sidecar, Image: image, Command: []string{"sidecar", "pipelock"}, ReadOnly: true, OpenDNS: true,
		Networks: []plan.Endpoint{{Network: n.outside()}, {Network: n.inside(), Aliases: []string{gateHost}, Host: gateAddress}},
		Hosts:    g.hosts, Limits: sidecarLimits,
		Stdin: []plan.Input{
			{Name: pipelock.InputConfig, Source: literal(l.gateConfig(n, g))},
			{Name: pipelock.InputCACert, Source: plan.Generated{Kind: plan.CACert, Name: n.name}},
			{Name: pipelock.InputCAKey, Source: plan.Generated{Kind: plan.CAKey, Name: n.name}},
		},
	}
	if l.proxyOf(n) != nil {
		c.Stdin = append(c.Stdin, plan.Input{Name: pipelock.InputToken, Source: plan.Generated{Kind: plan.Token, Name: n.name}})
	}
	l.container(n.own(gateHost), c, []plan.ID{image}, []plan.ID{n.outside(), n.inside()}, plan.Reported, g.pos, g.via)
}

func (l *lowering) proxy(n *network, p *proxy) {
	gated := l.gateOf(n) != nil
	config := credproxy.Config{Listen: fmt.Sprintf(":%d", p.port)}
	c := plan.Container{
		Role: plan.Sidecar, Command: []string{"sidecar", "cred-proxy"}, ReadOnly: true, Limits: sidecarLimits,
		Networks: []plan.Endpoint{{Network: n.inside(), Aliases: []string{credProxyHost}}}, OpenDNS: !gated,
	}
	nets := []plan.ID{n.inside()}
	var inputs []plan.Input
	if gated {
		config.Proxy = gateURL
		inputs = append(inputs,
			plan.Input{Name: credproxy.InputCA, Source: plan.Generated{Kind: plan.CACert, Name: n.name}},
			plan.Input{Name: credproxy.InputToken, Source: plan.Generated{Kind: plan.Token, Name: n.name}})
	} else {
		c.Networks = append([]plan.Endpoint{{Network: n.outside()}}, c.Networks...)
		nets = append(nets, n.outside())
	}
	slots := map[string]bool{}
	for _, r := range p.routes {
		config.Routes = append(config.Routes, r.Route)
		if r.secret != nil && !slots[r.secret.String()] {
			slots[r.secret.String()] = true
			inputs = append(inputs, plan.Input{Name: r.secret.String(), Source: *r.secret})
		}
	}
	c.Stdin = append([]plan.Input{{Name: credproxy.InputConfig, Source: literal(config)}}, inputs...)
	ready := plan.Reported
	if p.image == nil {
		c.Image = l.own(p.pos, p.via)
	} else {
		// Another's image runs as its maker made it; what ours reads from its
		// standard input it finds as files too.
		c.Image, c.Command, c.ReadOnly, ready = l.image(*p.image), nil, false, plan.Healthy
		c.Files = []plan.File{{Path: "/run/cred-proxy/routes.json", Mode: 0o644, Source: literal(config)}}
		if gated {
			c.Files = append(c.Files, plan.File{Path: "/etc/ssl/certs/ca-certificates.crt", Mode: 0o644, Source: plan.Generated{Kind: plan.CABundle, Name: n.name}})
		}
	}
	l.container(n.own(credProxyHost), c, []plan.ID{c.Image}, nets, ready, p.pos, p.via)
}

func literal(config any) plan.Literal {
	b, err := json.Marshal(config)
	if err != nil {
		panic(err) // plain data
	}
	return b
}

// container adds a container and its start.
func (l *lowering) container(name string, c plan.Container, create, start []plan.ID, ready plan.Ready, pos plan.Pos, via []plan.Pos) {
	id := plan.ID("container:" + name)
	l.add(id, c, dedupe(create), pos, via)
	l.add(plan.ID("start:"+name), plan.Start{Container: id, Ready: ready}, dedupe(append([]plan.ID{id}, start...)), pos, via)
}

func dedupe(ids []plan.ID) []plan.ID {
	slices.Sort(ids)
	return slices.Compact(ids)
}

func (l *lowering) member(m *member) {
	n, c := m.net, m.op
	c.Image = l.image(m.image)
	create, start := []plan.ID{c.Image}, []plan.ID{}
	gated := l.gateOf(n) != nil
	if m.outside {
		c.Networks = []plan.Endpoint{{Network: n.outside(), Aliases: []string{m.name}}}
		c.OpenDNS = true
		start = append(start, n.outside())
	} else {
		c.Networks = []plan.Endpoint{{Network: n.inside(), Aliases: []string{m.name}}}
		start = append(start, n.inside())
		l.wire(m, &c)
	}
	if gated && !m.outside {
		// Its resolver's address is known when the network is there.
		c.DNS = &plan.Address{Network: n.inside(), Host: gateAddress}
		create = append(create, n.inside())
	}
	for _, d := range m.mounts {
		if d.Kind == plan.Vol {
			d.Mount.Volume = l.volume(m, d)
			create = append(create, d.Mount.Volume)
		}
		c.Mounts = append(c.Mounts, d.Mount)
	}
	for _, need := range m.needs {
		start = append(start, plan.ID("start:"+need.name))
	}
	ready := plan.Healthy
	if c.Role == plan.Agent {
		ready = plan.Running
		start = append(start, l.before(n)...)
	}
	l.container(m.name, c, create, start, ready, m.pos, m.via)
}

// before are the starts that an agent of n waits for.
func (l *lowering) before(n *network) []plan.ID {
	var ids []plan.ID
	if l.gateOf(n) != nil {
		ids = append(ids, plan.ID("start:"+n.own(gateHost)))
	}
	if l.proxyOf(n) != nil {
		ids = append(ids, plan.ID("start:"+n.own(credProxyHost)))
	}
	for _, m := range l.s.containers {
		if m.net == n && m.op.Role == plan.Service {
			ids = append(ids, plan.ID("start:"+m.name))
		}
	}
	return ids
}

// volume adds the node of a volume, once.
func (l *lowering) volume(m *member, d mountDecl) plan.ID {
	name := d.volume
	if name == "" {
		name = m.name + strings.ReplaceAll(d.Target, "/", "-")
	}
	op := plan.Volume{}
	if d.keep {
		op.Keep = name
	}
	id := plan.ID("volume:" + name)
	if old := l.plan.Node(id); old != nil {
		if old.Op != op && l.err == nil {
			l.err = &Error{Pos: d.pos, Via: d.via, Msg: fmt.Sprintf("volume: %q is kept in one place and not in another, at %s", name, old.Pos)}
		}
		return id
	}
	l.add(id, op, nil, d.pos, d.via)
	return id
}
