package starlib

import (
	"encoding/json"
	"fmt"

	"github.com/bottle-run/bottle/runtime/plan"
	"github.com/bottle-run/bottle/sidecar/credproxy"
	"github.com/bottle-run/bottle/sidecar/pipelock"
)

// sidecarLimits hold for bottle's own containers. A gate that carries a thousand
// tunnels stays below.
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
	config := p.config(gated)
	config.Agents = l.agents(n, p)
	c := plan.Container{
		Role: plan.Sidecar, Command: []string{"sidecar", "cred-proxy"}, ReadOnly: true, Limits: sidecarLimits,
		Networks: []plan.Endpoint{{Network: n.inside(), Aliases: []string{credProxyHost}}}, OpenDNS: !gated,
	}
	nets := []plan.ID{n.inside()}
	var inputs []plan.Input
	if gated {
		inputs = append(inputs,
			plan.Input{Name: credproxy.InputCA, Source: plan.Generated{Kind: plan.CACert, Name: n.name}},
			plan.Input{Name: credproxy.InputToken, Source: plan.Generated{Kind: plan.Token, Name: n.name}})
	} else {
		c.Networks = append([]plan.Endpoint{{Network: n.outside()}}, c.Networks...)
		nets = append(nets, n.outside())
	}
	inputs = append(inputs, p.slots()...)
	for _, a := range config.Agents {
		inputs = append(inputs, plan.Input{Name: credproxy.InputAgent(a.Name), Source: agentToken(a.Name)})
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

// slots are the secrets that p reads.
func (p *proxy) slots() []plan.Input {
	var inputs []plan.Input
	seen := map[string]bool{}
	for _, r := range p.routes {
		for _, s := range r.secrets {
			if !seen[s.String()] {
				seen[s.String()] = true
				inputs = append(inputs, plan.Input{Name: s.String(), Source: s})
			}
		}
	}
	return inputs
}

// config is the route table of p.
func (p *proxy) config(gated bool) credproxy.Config {
	config := credproxy.Config{Listen: fmt.Sprintf(":%d", p.port), Trust: p.trust}
	for _, r := range p.routes {
		config.Routes = append(config.Routes, r.Route)
	}
	if gated {
		config.Proxy = gateURL
	}
	return config
}

func literal(config any) plan.Literal {
	b, err := json.Marshal(config)
	if err != nil {
		panic(err) // plain data
	}
	return b
}
