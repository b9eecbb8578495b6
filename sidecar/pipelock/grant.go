package pipelock

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// A Rate is a number of requests in a time.
type Rate struct {
	Requests int64 `json:"requests"`
	Seconds  int64 `json:"seconds"`
}

// bounded reports whether r lets through only so much, or for so long.
func (r *Rule) bounded() bool { return r.Rate != nil || r.Bytes > 0 || r.For > 0 || r.Uses > 0 }

// A grant is what was done by a rule that lets through only so much. It is safe for
// concurrent use. A nil grant has no bounds.
type grant struct {
	rule  Rule
	since time.Time

	mu    sync.Mutex
	uses  int64
	bytes int64
	// ready is when all that was counted is in the rate again: the theoretical
	// arrival time of the generic cell rate algorithm.
	ready time.Time
}

// grants returns what was done by the rules of p, those of before where a rule is
// still the same: it begins anew only where it changed.
func (p *policy) grants(before map[string]*grant, now time.Time) map[string]*grant {
	out := map[string]*grant{}
	for i := range p.Allow {
		r := &p.Allow[i]
		if !r.bounded() {
			continue
		}
		k := r.key()
		if out[k] = before[k]; out[k] == nil {
			out[k] = &grant{rule: *r, since: now}
		}
	}
	return out
}

// key tells rules apart by what they let through, wherever they stand.
func (r Rule) key() string {
	r.Pos = ""
	b, err := json.Marshal(r)
	if err != nil {
		panic(err) // plain data
	}
	return string(b)
}

// An exhausted error says that a rule lets no more through.
type exhausted struct {
	reason string
	retry  time.Duration // when it will again; 0 for never
}

// Error implements error.
func (e *exhausted) Error() string { return e.reason }

// spend counts a request or a tunnel, or says why there may be no more.
func (g *grant) spend(now time.Time) error {
	if g == nil {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	r := &g.rule
	switch {
	case r.For > 0 && !now.Before(g.end()):
		return &exhausted{reason: fmt.Sprintf("the rule for %s was for %d seconds, which are over", r.Host, r.For)}
	case r.Uses > 0 && g.uses >= r.Uses:
		return &exhausted{reason: fmt.Sprintf("the rule for %s was for %d requests, which were made", r.Host, r.Uses)}
	case r.Bytes > 0 && g.bytes >= r.Bytes:
		return g.full()
	}
	if r.Rate != nil {
		whole := time.Duration(r.Rate.Seconds) * time.Second
		at := g.ready
		if at.Before(now) {
			at = now
		}
		next := at.Add(whole / time.Duration(r.Rate.Requests))
		if wait := next.Sub(now) - whole; wait > 0 {
			return &exhausted{reason: fmt.Sprintf("more than %d requests in %d seconds to %s", r.Rate.Requests, r.Rate.Seconds, r.Host), retry: wait}
		}
		g.ready = next
	}
	g.uses++
	return nil
}

func (g *grant) full() error {
	return &exhausted{reason: fmt.Sprintf("the rule for %s was for %d bytes, which are used up", g.rule.Host, g.rule.Bytes)}
}

func (g *grant) end() time.Time { return g.since.Add(time.Duration(g.rule.For) * time.Second) }

// add counts bytes of either direction, or says that there may be no more.
func (g *grant) add(n int) error {
	if g == nil || g.rule.Bytes == 0 {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.bytes += int64(n); g.bytes > g.rule.Bytes {
		return g.full()
	}
	return nil
}

// until makes ctx end with the grant.
func (g *grant) until(ctx context.Context) (context.Context, context.CancelFunc) {
	if g == nil || g.rule.For == 0 {
		return ctx, func() {}
	}
	return context.WithDeadlineCause(ctx, g.end(), errors.New("the time of the rule is over"))
}

// grant returns what was done by the rule of v; nil where it has no bounds.
func (f *inForce) grant(v verdict) *grant {
	if v.rule == nil || !v.rule.bounded() {
		return nil
	}
	return f.grants[v.rule.key()]
}

// refuseSpent answers a request that a rule has no room for.
func (x *exchange) refuseSpent(v verdict, err error) {
	status := http.StatusForbidden
	if spent, ok := errors.AsType[*exhausted](err); ok && spent.retry > 0 {
		status = http.StatusTooManyRequests
		x.w.Header().Set("Retry-After", strconv.FormatInt(int64((spent.retry+time.Second-1)/time.Second), 10))
	}
	x.refuse(status, verdict{rule: v.rule, reason: err.Error()})
}

// metered is a connection whose bytes count.
type metered struct {
	net.Conn
	grant *grant
}

// Read implements io.Reader.
func (m *metered) Read(p []byte) (int, error) {
	n, err := m.Conn.Read(p)
	if over := m.grant.add(n); over != nil {
		return 0, over
	}
	return n, err
}

// Write implements io.Writer.
func (m *metered) Write(p []byte) (int, error) {
	if over := m.grant.add(len(p)); over != nil {
		return 0, over
	}
	return m.Conn.Write(p)
}

// CloseWrite ends the sending side.
func (m *metered) CloseWrite() error {
	if half, ok := m.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return m.Close()
}
