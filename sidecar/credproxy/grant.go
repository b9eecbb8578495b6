package credproxy

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/bottle-run/bottle/sidecar"
)

var (
	// errRevoked ends what runs on a route that a new configuration does not have.
	errRevoked = errors.New("the route is gone: the configuration was changed")
	// errTime ends what runs on a route whose time is over.
	errTime = errors.New("the time of the route is over")
	// errBytes ends what carries more than the route may.
	errBytes = errors.New("the route has carried as many bytes as it may")
)

// A grant is the life of a route, and what was used of it. Tables that have the
// route as it was share it. It is safe for concurrent use.
type grant struct {
	rules Route
	rate  *rate.Limiter
	bytes atomic.Int64

	mu       sync.Mutex
	requests int64
	timer    *time.Timer
	ended    error // why; nil while it lasts
	running  map[*visit]struct{}
}

// A visit is a request that runs on a grant.
type visit struct {
	grant  *grant
	cancel context.CancelCauseFunc
}

func newGrant(rules Route) *grant {
	g := &grant{rules: rules, running: map[*visit]struct{}{}}
	if r := rules.Rate; r != nil {
		// All of a period's requests may come at once: int is 64 bits wherever we run.
		g.rate = rate.NewLimiter(rate.Limit(float64(r.Requests)/float64(r.Seconds)), int(r.Requests))
	}
	return g
}

// begin starts the clock of the grant, once.
func (g *grant) begin() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.rules.For > 0 && g.timer == nil {
		g.timer = time.AfterFunc(g.life(), func() { g.end(errTime) })
	}
}

func (g *grant) life() time.Duration { return time.Duration(g.rules.For) * time.Second }

// end ends the grant and what runs on it.
func (g *grant) end(cause error) {
	g.mu.Lock()
	if g.timer != nil {
		g.timer.Stop()
	}
	if g.ended == nil {
		g.ended = cause
	}
	g.mu.Unlock()
	g.interrupt(cause)
}

// interrupt ends what runs on the grant.
func (g *grant) interrupt(cause error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for v := range g.running {
		v.cancel(cause)
	}
}

// enter admits a request whose body has length bytes, or -1. The context ends with
// ctx, with the visit, which must be left, and with the grant.
func (g *grant) enter(ctx context.Context, length int64) (context.Context, *visit, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.admit(length); err != nil {
		return nil, nil, err
	}
	g.requests++
	ctx, cancel := context.WithCancelCause(ctx)
	v := &visit{g, cancel}
	g.running[v] = struct{}{}
	return ctx, v, nil
}

// leave ends the visit.
func (v *visit) leave() {
	v.grant.mu.Lock()
	delete(v.grant.running, v)
	v.grant.mu.Unlock()
	v.cancel(context.Canceled)
}

// carry counts n bytes. When they are too many it ends the visit and returns
// errBytes.
func (v *visit) carry(n int) error {
	if v == nil || v.grant.rules.MaxBytes == 0 || v.grant.bytes.Add(int64(n)) <= v.grant.rules.MaxBytes {
		return nil
	}
	v.cancel(errBytes)
	return errBytes
}

// admit says why a request is one too many, as a refused. g.mu is held.
func (g *grant) admit(length int64) error {
	r, used := &g.rules, g.bytes.Load()
	over := func(status int, allow, format string, args ...any) error {
		return refused{status: status, refusal: sidecar.Refusal{Reason: fmt.Sprintf("route "+r.Path+" "+format, args...), Allow: allow + " in the route"}}
	}
	switch {
	case errors.Is(g.ended, errTime):
		return over(http.StatusForbidden, `a longer for_ = "…"`, "ended by itself: it was for %s", g.life())
	case g.ended != nil:
		return refused{status: http.StatusForbidden, refusal: sidecar.Refusal{Reason: g.ended.Error()}}
	case r.Uses > 0 && g.requests >= r.Uses:
		return over(http.StatusForbidden, fmt.Sprintf("uses = %d", r.Uses+1), "ended by itself: it was for %d uses", r.Uses)
	case r.MaxRequests > 0 && g.requests >= r.MaxRequests:
		return over(http.StatusTooManyRequests, fmt.Sprintf("max_requests = %d", 2*r.MaxRequests), "has carried %d requests, as many as it may", r.MaxRequests)
	case r.MaxBytes > 0 && (used >= r.MaxBytes || length > r.MaxBytes-used):
		return over(http.StatusTooManyRequests, fmt.Sprintf("max_bytes = %d", 2*r.MaxBytes), "may carry %d bytes, and %d are left", r.MaxBytes, max(r.MaxBytes-used, 0))
	}
	if g.rate == nil {
		return nil
	}
	slot := g.rate.Reserve()
	if wait := slot.Delay(); wait > 0 {
		slot.Cancel()
		err, _ := asRefused(over(http.StatusTooManyRequests, fmt.Sprintf(`rate = "%d/%ds"`, 2*r.Rate.Requests, r.Rate.Seconds), "takes %d requests in %d seconds", r.Rate.Requests, r.Rate.Seconds))
		err.retryAfter = int64(math.Ceil(wait.Seconds()))
		return err
	}
	return nil
}

// left returns how many bytes may still be carried.
func (g *grant) left() int64 {
	if g.rules.MaxBytes == 0 {
		return math.MaxInt64
	}
	return max(g.rules.MaxBytes-g.bytes.Load(), 0)
}
