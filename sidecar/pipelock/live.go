package pipelock

import (
	"context"
	"errors"
)

// A liveRequest is a request or tunnel under way.
type liveRequest struct {
	ask    ask
	cancel context.CancelCauseFunc
}

// hold ends what p does not allow.
func (l *liveRequest) hold(p *policy) {
	if v := p.decide(l.ask); !v.ok {
		l.cancel(errors.New("the rules changed: " + v.reason))
	}
}

// follow makes ctx end when the rules stop to allow a, also when they did since a
// was decided about.
func (g *Gate) follow(ctx context.Context, a ask) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	l := &liveRequest{a, cancel}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.live == nil {
		g.live = map[*liveRequest]struct{}{}
	}
	g.live[l] = struct{}{}
	l.hold(g.force.Load().policy)
	return ctx, func() {
		cancel(nil)
		g.mu.Lock()
		defer g.mu.Unlock()
		delete(g.live, l)
	}
}
