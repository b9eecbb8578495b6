package starlib

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/bottle-run/bottle/runtime/plan"
)

// A lowering turns what a session declared into nodes.
type lowering struct {
	s    *session
	plan *plan.Plan
	err  error
}

// lower makes the plan.
func (s *session) lower() (*plan.Plan, error) {
	if !slices.ContainsFunc(s.containers, func(m *member) bool { return m.op.Role == plan.Agent }) {
		return nil, &Error{Pos: plan.Pos{File: s.o.Script, Line: 1, Col: 1}, Msg: "the launch declares no agent", Hint: `add one: agent("debian:12-slim", command = ["sh"])`}
	}
	if err := s.place(); err != nil {
		return nil, err
	}
	l := &lowering{s: s, plan: new(plan.Plan)}
	if err := l.checkAll(); err != nil {
		return nil, err
	}
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

// checkAll derives what roles need, and refuses what cannot be.
func (l *lowering) checkAll() error {
	for _, p := range l.s.proxies {
		if err := p.derive(); err != nil {
			return err
		}
	}
	for _, n := range l.s.networks {
		if err := l.check(n); err != nil {
			return err
		}
	}
	return nil
}

// place gives everything that names no network the only one there is.
func (s *session) place() error {
	if len(s.networks) == 0 {
		first := s.containers[0]
		s.networks = []*network{{name: "default", pos: first.pos, via: first.via}}
	}
	gates, proxies := map[*network]plan.Pos{}, map[*network]plan.Pos{}
	for _, g := range s.gates {
		if err := s.settle("pipelock", &g.net, gates, g.pos, g.via); err != nil {
			return err
		}
	}
	for _, p := range s.proxies {
		if err := s.settle("cred_proxy", &p.net, proxies, p.pos, p.via); err != nil {
			return err
		}
	}
	for _, m := range s.containers {
		if err := s.settle(string(m.op.Role), &m.net, nil, m.pos, m.via); err != nil {
			return err
		}
	}
	return nil
}

// settle places one declaration. Of what a network has one at most, one holds
// where it stands.
func (s *session) settle(what string, net **network, one map[*network]plan.Pos, pos plan.Pos, via []plan.Pos) error {
	if *net == nil && len(s.networks) > 1 {
		names := make([]string, len(s.networks))
		for i, n := range s.networks {
			names[i] = n.name
		}
		return &Error{Pos: pos, Via: via, Msg: fmt.Sprintf("%s: the launch has several networks (%s): say which with network=", what, strings.Join(names, ", "))}
	}
	if *net == nil {
		*net = s.networks[0]
	}
	if old, twice := one[*net]; twice {
		return &Error{Pos: pos, Via: via, Msg: fmt.Sprintf("%s: the network %q has one already, declared at %s; a network has one of a kind", what, (*net).name, old)}
	}
	if one != nil {
		one[*net] = pos
	}
	return nil
}

// add appends a node. What goes wrong here is kept: the first is the cause.
func (l *lowering) add(id plan.ID, op plan.Op, deps []plan.ID, pos plan.Pos, via []plan.Pos) {
	if err := l.plan.Add(&plan.Node{ID: id, Op: op, Deps: deps, Pos: pos, Via: via}); err != nil {
		l.fail(pos, via, "%s", strings.TrimPrefix(err.Error(), pos.String()+": "))
	}
}

// fail keeps what went wrong: the first is the cause.
func (l *lowering) fail(pos plan.Pos, via []plan.Pos, format string, args ...any) {
	if l.err == nil {
		l.err = &Error{Pos: pos, Via: via, Msg: fmt.Sprintf(format, args...)}
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
	// Only services outside have anything to say to each other's sidecars.
	l.add(n.outside(), plan.Network{Hosts: open + 2, Isolated: open == 0}, nil, n.pos, n.via)
}

// image adds the node of an image, once. What is built is called by its path,
// which may also be the name of an image, and may be built in two ways.
func (l *lowering) image(d imageDecl) plan.ID {
	id := plan.ID("image:" + d.name)
	for n := 2; ; n++ {
		old := l.plan.Node(id)
		if old == nil {
			l.add(id, d.op, nil, d.pos, d.via)
			return id
		}
		if sameOp(old.Op, d.op) {
			return id
		}
		_, pulled := d.op.(plan.Image)
		if _, too := old.Op.(plan.Image); pulled && too {
			l.fail(d.pos, d.via, "image: %q is asked for with another pull= at %s; write x = image(…) once and use x", d.name, old.Pos)
			return id
		}
		id = plan.ID(fmt.Sprintf("image:%s#%d", d.name, n))
	}
}

func sameOp(a, b plan.Op) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && string(x) == string(y) && fmt.Sprintf("%T", a) == fmt.Sprintf("%T", b)
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
