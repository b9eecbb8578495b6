package git

import (
	"context"
	"io"
	"net/http"
	"time"
)

const (
	// idle is how long a client may send nothing in the middle of a push.
	idle = time.Minute
	// longest is how long a client may take to send a push: others wait for it.
	longest = 30 * time.Minute
	// maxDrain is how much of a refused push is read on: git reads the answer only
	// when it has sent all.
	maxDrain = 4 << 30
)

// Serve handles a receive-pack request. forward sends its argument, in place of
// req, to the server, and its answer to the client, but does not answer an error
// that is ErrRefused, for Serve to do so; it returns whether it answered. Serve
// returns what was decided about the refs. An error instead is about a request
// that is no push, and nothing has been answered then.
func (r *Rules) Serve(w http.ResponseWriter, req *http.Request, ask Ask, forward func(*http.Request) bool) ([]Ref, error) {
	ctx, cancel := context.WithTimeout(req.Context(), longest)
	defer cancel()
	body := &patient{ctx: ctx, body: req.Body, conn: http.NewResponseController(w)}
	defer body.done()
	push, err := r.Open(req.Context(), body, req.Header.Get("Content-Encoding"), ask)
	if err != nil {
		body.drain()
		return nil, err
	}
	defer func() {
		_ = push.Close() // never fails
		push.Wait()
	}()
	if push.Refusal() == nil {
		out := req.Clone(req.Context())
		out.Body, out.ContentLength = push, push.Length()
		out.Header.Del("Content-Encoding")
		out.Header.Del("Content-Length")
		answered := forward(out)
		_ = push.Close() // never fails
		push.Wait()
		if answered || push.Refusal() == nil {
			return push.Refs(), nil
		}
	}
	body.drain()
	_ = push.Report(w) // a client that went away needs no reason
	return push.Refs(), nil
}

// patient is a body that waits for its client, but not for ever.
type patient struct {
	ctx  context.Context // of the request
	body io.Reader
	conn *http.ResponseController
}

// Read implements io.Reader.
func (p *patient) Read(b []byte) (int, error) {
	if p.ctx.Err() != nil {
		return 0, context.Cause(p.ctx)
	}
	_ = p.conn.SetReadDeadline(time.Now().Add(idle)) // what has no deadline has no connection that could stall
	return p.body.Read(b)
}

func (p *patient) drain() { _, _ = io.CopyN(io.Discard, p, maxDrain) }

func (p *patient) done() { _ = p.conn.SetReadDeadline(time.Time{}) }
