package credproxy

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httputil"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bottle-run/bottle/sidecar"
)

// errRevoked ends what runs on a route that a new configuration does not have.
var errRevoked = errors.New("the route is gone: the configuration was changed")

// A proxy is the handler of a cred-proxy.
type proxy struct {
	table   atomic.Pointer[table]
	events  *sidecar.Events
	log     *log.Logger
	buffers bufferPool
}

// ServeHTTP implements http.Handler.
func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	t := p.table.Load()
	event := sidecar.Event{Kind: sidecar.KindRequest, Time: time.Now(), Client: sidecar.ClientAgent, Method: r.Method, Path: requestPath(r)}
	rec := &recorder{ResponseWriter: w, count: new(counter)}
	v := t.decide(r)
	if v.health {
		_, _ = w.Write([]byte("ok\n"))
		return
	}
	// Deferred: a copy that fails ends in a panic (http.ErrAbortHandler).
	defer func() {
		event.Status, event.MS = rec.status, time.Since(event.Time).Milliseconds()
		event.BytesIn, event.BytesOut = rec.count.in.Load(), rec.count.out.Load()
		event.Reason = rec.reason
		p.events.Audit(event)
	}()
	event.Decision = sidecar.Allow
	if v.route != nil {
		event.Route, event.Rule, event.Host = v.route.Path, v.route.Pos, v.route.base.Host
	}
	if v.status != 0 {
		event.Decision, rec.reason = sidecar.Deny, v.refusal.Reason
		v.refusal.Write(rec, v.status)
		return
	}
	event.Path = v.target.EscapedPath()
	if v.route.cred != nil {
		event.Credential = v.route.cred.slot
	}
	rec.scrub = v.route.scrub
	p.forward(rec, r, t, v)
}

// forward sends the request on its way and streams the answer back.
func (p *proxy) forward(w *recorder, r *http.Request, t *table, v verdict) {
	ctx, done := whileValid(r.Context(), v.route.revoked)
	defer done()
	body := &countedBody{ReadCloser: r.Body, count: w.count}
	r = r.WithContext(ctx)
	r.Body = body
	reverse := httputil.ReverseProxy{
		Rewrite: func(pr *httputil.ProxyRequest) {
			v.route.outgoing(pr.Out, v.target)
			body.atEOF = trailers(r, pr.Out, v.route)
		},
		Transport:      t.transport,
		ModifyResponse: func(res *http.Response) error { return v.route.incoming(res, t.routes, t.gate.url != "") },
		ErrorHandler:   func(_ http.ResponseWriter, r *http.Request, err error) { w.fail(r.Context(), v, err) },
		FlushInterval:  -1, // an answer may trickle whatever its type
		BufferPool:     &p.buffers,
		ErrorLog:       p.log,
	}
	reverse.ServeHTTP(w, r)
}

// fail answers a request whose upstream could not be asked, or not be understood.
func (w *recorder) fail(ctx context.Context, v verdict, err error) {
	status, label := http.StatusBadGateway, "upstream failed"
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, errRevoked):
		status, label, err = http.StatusForbidden, sidecar.Blocked, errRevoked
	case cause != nil:
		w.reason = "the client went away"
		// It may have closed its sending half only: returning would tell it 200.
		panic(http.ErrAbortHandler)
	}
	// An error may quote what the upstream sent.
	w.reason = fmt.Sprintf("%s: %s", v.target.Host, v.route.scrub.clean(err.Error()))
	if w.hijacked || w.status != 0 {
		return // too late for an answer
	}
	sidecar.Refusal{Error: label, Reason: w.reason, Host: v.target.Host}.Write(w, status)
}

// whileValid returns a context that ends with ctx, with done, and with revoked.
func whileValid(ctx context.Context, revoked <-chan struct{}) (valid context.Context, done func()) {
	valid, cancel := context.WithCancelCause(ctx)
	var watch sync.WaitGroup
	watch.Go(func() {
		select {
		case <-revoked:
			cancel(errRevoked)
		case <-valid.Done():
		}
	})
	return valid, func() {
		cancel(context.Canceled)
		watch.Wait()
	}
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
