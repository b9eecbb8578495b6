package credproxy

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httputil"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/bottle-run/bottle/sidecar"
	"github.com/bottle-run/bottle/sidecar/git"
)

// A proxy is the handler of a cred-proxy.
type proxy struct {
	table    atomic.Pointer[table]
	events   *sidecar.Events
	log      *log.Logger
	buffers  bufferPool
	renewals renewals
	memory   *semaphore.Weighted // of maxMemory
}

// ServeHTTP implements http.Handler.
func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	t := p.table.Load()
	event := sidecar.Event{Kind: sidecar.KindRequest, Time: time.Now(), Method: r.Method}
	rec := &recorder{ResponseWriter: w, count: new(counter)}
	v := t.decide(r)
	if v.health {
		_, _ = w.Write([]byte("ok\n"))
		return
	}
	event.Client, event.Path = v.client, v.path
	if v.route != nil {
		event.Route, event.Rule, event.Host = v.route.Path, v.route.Pos, v.route.base.Host
	}
	// Deferred: a copy that fails ends in a panic (http.ErrAbortHandler).
	defer func() {
		event.Decision = sidecar.Allow
		if rec.denied {
			event.Decision = sidecar.Deny
		}
		event.Status, event.MS = rec.status, time.Since(event.Time).Milliseconds()
		event.BytesIn, event.BytesOut = rec.count.in.Load(), rec.count.out.Load()
		event.Path, event.Reason = t.tokens.clean(event.Path), t.tokens.clean(rec.reason)
		p.events.Audit(event)
	}()
	if v.status != 0 {
		v.refusal.Reason, v.refusal.Allow = t.tokens.clean(v.refusal.Reason), t.tokens.clean(v.refusal.Allow)
		if v.asksToPush {
			rec.refusePushing(v.refusal)
			return
		}
		rec.refuse(refused{status: v.status, refusal: v.refusal})
		return
	}
	defer p.hold(r, v.route)()
	ctx, err := p.admit(rec, r, v)
	if err != nil {
		rec.fail(r.Context(), v, err)
		return
	}
	defer rec.count.visit.leave()
	if v.target.Scheme == "http" && t.gate.url == "" {
		ctx = context.WithValue(ctx, inTheClear{}, true)
	}
	event.Path = v.target.EscapedPath()
	if v.route.cred != nil {
		event.Credential = v.route.cred.slots[0]
	}
	if v.route.pushes != nil && strings.HasSuffix(v.path, receivePack) {
		p.push(rec, r.WithContext(ctx), t, v, event)
		return
	}
	p.forward(rec, r.WithContext(ctx), t, v)
}

// hold waits until there is memory for what of a request is held, and returns what
// gives it back. A client that goes away meanwhile gets none, and needs none.
func (p *proxy) hold(r *http.Request, route *route) (release func()) {
	need := route.holds(r)
	if need == 0 || p.memory.Acquire(r.Context(), need) != nil {
		return func() {}
	}
	return func() { p.memory.Release(need) }
}

// admit holds a request against what its route lets through and how much of it.
func (p *proxy) admit(w *recorder, r *http.Request, v verdict) (context.Context, error) {
	if v.route.Protocol != "" {
		// Who sends slowly keeps others from memory.
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(inspectTime))
		if err := v.route.inspect(r); err != nil {
			return nil, err
		}
		_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	}
	ctx, visit, err := v.route.grant.enter(r.Context(), r.ContentLength)
	if err != nil {
		return nil, err
	}
	w.count.visit = visit
	return ctx, nil
}

// forward sends the request on its way and streams the answer back.
func (p *proxy) forward(w *recorder, r *http.Request, t *table, v verdict) {
	body := &countedBody{ReadCloser: r.Body, count: w.count}
	carrier := &carrier{proxy: p, table: t, route: v.route, body: &heldBody{ReadCloser: body}}
	r.Body = carrier.body
	w.scrub = v.route.scrubber()
	reverse := httputil.ReverseProxy{
		Rewrite: func(pr *httputil.ProxyRequest) {
			v.route.outgoing(pr.Out, v.target)
			body.atEOF = trailers(r, pr.Out, v.route)
			t.tokens.header(pr.Out.Header) // Referer and the like
		},
		Transport: carrier,
		ModifyResponse: func(res *http.Response) error {
			w.scrub = carrier.route.scrubber()
			if res.ContentLength > v.route.grant.left() && r.Method != http.MethodHead {
				return errBytes
			}
			if err := carrier.route.incoming(res, w.scrub, redirector{carrier.table.routes, v.prefix}, t.gate.url != ""); err != nil {
				return err
			}
			return v.route.advertise(res)
		},
		ErrorHandler:  func(_ http.ResponseWriter, r *http.Request, err error) { w.fail(r.Context(), v, err) },
		FlushInterval: -1, // an answer may trickle whatever its type
		BufferPool:    &p.buffers,
		ErrorLog:      p.log,
	}
	defer w.explain(r.Context(), v)
	reverse.ServeHTTP(w, r)
}

// explain notes why a request ended early that the proxy itself ended.
func (w *recorder) explain(ctx context.Context, v verdict) {
	if r, ok := ended(context.Cause(ctx), v); ok && w.reason == "" {
		w.denied, w.reason = true, r.refusal.Reason
	}
}

// ended returns the refusal for a request that its grant ended, with cause.
func ended(cause error, v verdict) (refused, bool) {
	r := refused{status: http.StatusForbidden, refusal: sidecar.Refusal{Host: v.target.Host}}
	switch {
	case errors.Is(cause, errRevoked):
		r.refusal.Reason = errRevoked.Error()
	case errors.Is(cause, errTime):
		r.refusal.Reason, r.refusal.Allow = errTime.Error(), `a longer for_ = "…" in the route`
	case errors.Is(cause, errBytes):
		r.status, r.refusal.Reason, r.refusal.Allow = http.StatusTooManyRequests, errBytes.Error(), "a larger max_bytes in the route"
	default:
		return asRefused(cause)
	}
	return r, true
}

// fail answers a request that is not let through after all, or whose upstream
// could not be asked, or not be understood.
func (w *recorder) fail(ctx context.Context, v verdict, err error) {
	if errors.Is(err, git.ErrRefused) {
		return // who refused answers
	}
	cause := context.Cause(ctx)
	r, ok := ended(cause, v)
	if !ok && cause == nil {
		r, ok = ended(err, v)
	}
	switch {
	case !ok && cause != nil:
		w.reason = "the client went away"
		// It may have closed its sending half only: returning would tell it 200.
		panic(http.ErrAbortHandler)
	case !ok:
		// An error may quote what the upstream sent.
		w.reason = fmt.Sprintf("%s: %s", v.target.Host, w.scrub.clean(err.Error()))
	}
	if w.hijacked || w.status != 0 {
		return // too late for an answer
	}
	if ok {
		w.refuse(r)
		return
	}
	sidecar.Refusal{Error: "upstream failed", Reason: w.reason, Host: v.target.Host}.Write(w, http.StatusBadGateway)
}

// trailers returns what passes the trailers of a request on, once they are here.
// Like in its header, the client says in them nothing that servers may take for
// a credential. Only those that were announced are passed on.
func trailers(in, out *http.Request, r *route) func() {
	stripHeader(out.Trailer, r.strip)
	if len(out.Trailer) == 0 {
		out.Trailer = nil
		return nil
	}
	return func() {
		for name := range out.Trailer {
			out.Trailer[name] = in.Trailer[name]
		}
	}
}

// bufferPool lends the buffers that bodies are copied with.
type bufferPool struct{ pool sync.Pool }

func (b *bufferPool) Get() []byte {
	if buf, ok := b.pool.Get().(*[]byte); ok {
		return *buf
	}
	return make([]byte, 32<<10)
}

func (b *bufferPool) Put(buf []byte) { b.pool.Put(&buf) }
