package starlib

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bottle-run/bottle/runtime/plan"
)

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
			d.Volume = l.volume(m, d)
			create = append(create, d.Volume)
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

// volume adds the node of a volume, once for each name.
func (l *lowering) volume(m *member, d mountDecl) plan.ID {
	id := plan.ID("volume:" + d.volume)
	if d.volume == "" {
		id = l.ownVolume(m, d.Target)
	}
	op := plan.Volume{}
	if d.keep {
		op.Keep = d.volume
	}
	if old := l.plan.Node(id); old != nil {
		if old.Op != op {
			l.fail(d.pos, d.via, "volume: %q is kept in one place and not in another, at %s", d.volume, old.Pos)
		}
		return id
	}
	l.add(id, op, nil, d.pos, d.via)
	return id
}

// ownVolume names a volume that the script does not name, unlike any other: a
// shared one would be a way from one container into another.
func (l *lowering) ownVolume(m *member, target string) plan.ID {
	base := m.name + strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, strings.ToLower(target))
	for name, n := base, 2; ; name, n = fmt.Sprintf("%s-%d", base, n), n+1 {
		if id := plan.ID("volume:" + name); l.plan.Node(id) == nil && !l.s.namesVolume(name) {
			return id
		}
	}
}

// namesVolume reports whether the script calls a volume so, here or further down.
func (s *session) namesVolume(name string) bool {
	return slices.ContainsFunc(s.containers, func(m *member) bool {
		return slices.ContainsFunc(m.mounts, func(d mountDecl) bool { return d.volume == name })
	})
}
