package docker

import (
	"context"
	"fmt"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"

	"github.com/bottle-run/bottle/runtime"
	"github.com/bottle-run/bottle/runtime/plan"
)

// start connects the container to the rest of its networks, attaches to it,
// starts it, feeds it and waits until it is ready. The attachment comes first, so
// that no byte of output is lost.
func (e *Engine) start(ctx context.Context, n *plan.Node, op plan.Start) error {
	node, c, err := e.containerOf(op.Container)
	if err != nil {
		return err
	}
	name := e.name(op.Container)
	for i, ep := range c.Networks {
		if err := e.connect(ctx, name, i, ep); err != nil {
			return err
		}
	}
	p, err := e.attach(ctx, node, c)
	if err != nil {
		return err
	}
	e.mu.Lock()
	e.running[op.Container] = p
	e.mu.Unlock()
	if err := e.c.api.ContainerStart(ctx, name, container.StartOptions{}); err != nil {
		return explainStart(err, c)
	}
	if len(c.Stdin) > 0 {
		if err := e.feed(ctx, p, c); err != nil {
			return err
		}
	}
	if p.streams.TTY && p.streams.Size != nil {
		w, h := p.streams.Size()
		_ = e.Resize(ctx, op.Container, w, h) // a terminal of the wrong size is better than none
	}
	if err := e.ready(ctx, n, p, op.Ready); err != nil {
		return err
	}
	if c.Role != plan.Agent {
		p.report(e.died)
	}
	return nil
}

// containerOf finds the container that was created for id by this engine.
func (e *Engine) containerOf(id plan.ID) (*plan.Node, plan.Container, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := e.created[id]
	if n == nil {
		return nil, plan.Container{}, fmt.Errorf("%s was not created", id)
	}
	op, _ := n.Op.(plan.Container)
	return n, op, nil
}

// connect puts the container on its i-th network. The first one was given at the
// creation, which takes no second network at API 1.41.
func (e *Engine) connect(ctx context.Context, name string, i int, ep plan.Endpoint) error {
	if i == 0 {
		return nil
	}
	settings, err := e.endpoint(ep)
	if err != nil {
		return err
	}
	if err := e.c.api.NetworkConnect(ctx, e.name(ep.Network), name, settings); err != nil {
		return fmt.Errorf("connecting to %s: %w", ep.Network, err)
	}
	return nil
}

// endpoint is ep in the engine's words. A fixed address is known once the network
// is made.
func (e *Engine) endpoint(ep plan.Endpoint) (*network.EndpointSettings, error) {
	settings := &network.EndpointSettings{Aliases: ep.Aliases}
	if ep.Host == 0 {
		return settings, nil
	}
	addr, err := e.address(plan.Address{Network: ep.Network, Host: ep.Host})
	if err != nil {
		return nil, fmt.Errorf("a fixed address: %w", err)
	}
	settings.IPAMConfig = &network.EndpointIPAMConfig{IPv4Address: addr.String()}
	return settings, nil
}

// ready waits for the sign of readiness, or for the end of the container.
func (e *Engine) ready(ctx context.Context, n *plan.Node, p *process, sign plan.Ready) error {
	switch sign {
	case plan.Reported:
		select {
		case <-p.ready:
			return nil
		case <-p.exited:
			return p.failure("ended before it was ready")
		case <-ctx.Done():
			return fmt.Errorf("waiting until it is ready: %w", context.Cause(ctx))
		}
	case plan.Healthy:
		return e.healthy(ctx, n, p)
	}
	return nil
}

// healthy polls the engine for the result of the image's health check. The
// engine tells it no other way but by its event stream, which says the same later.
func (e *Engine) healthy(ctx context.Context, n *plan.Node, p *process) error {
	for wait := 10 * time.Millisecond; ; wait = min(2*wait, 250*time.Millisecond) {
		found, err := e.c.api.ContainerInspect(ctx, p.name)
		if err != nil {
			return err
		}
		if found.State == nil || found.State.Health == nil || found.State.Health.Status == container.Healthy {
			return nil
		}
		if found.State.Health.Status == container.Unhealthy {
			return fmt.Errorf("its health check failed: %s", lastCheck(found.State.Health))
		}
		e.progress(n, "waiting for the health check")
		select {
		case <-time.After(wait):
		case <-p.exited:
			return p.failure("ended before it was healthy")
		case <-ctx.Done():
			return fmt.Errorf("waiting until it is healthy: %w", context.Cause(ctx))
		}
	}
}

func lastCheck(h *container.Health) string {
	if len(h.Log) == 0 {
		return "no output"
	}
	return h.Log[len(h.Log)-1].Output
}

// stop ends what the start began: a sidecar is told by the end of its standard
// input and writes its last words; anything else is left to the removal.
func (e *Engine) stop(ctx context.Context, op plan.Start) error {
	e.mu.Lock()
	p := e.running[op.Container]
	e.mu.Unlock()
	if p == nil {
		return nil
	}
	p.stopping.Store(true)
	if p.feeding() {
		p.closeInput()
		select {
		case <-p.drained:
		case <-time.After(lastWords):
		case <-ctx.Done():
		}
	}
	return nil
}

// lastWords is how long a sidecar may take to write the rest of its audit.
const lastWords = 2 * time.Second

// Died delivers the sidecars and services that ended before they were undone.
func (e *Engine) Died() <-chan runtime.Death { return e.died }
