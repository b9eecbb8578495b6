package credproxy

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
)

// counter counts what passes between a client and the handler.
type counter struct {
	in, out atomic.Int64
	visit   *visit // which it is charged to; nil for none
}

// recorder is a ResponseWriter that remembers what the client got, and cleans
// the headers of informational answers, which pass no other place.
type recorder struct {
	http.ResponseWriter
	count    *counter
	scrub    *scrubber
	status   int // 0 until there is one
	reason   string
	denied   bool
	hijacked bool
}

func (w *recorder) WriteHeader(status int) {
	if status < 200 {
		w.scrub.header(w.Header())
		w.Header().Del("Set-Cookie")
	} else if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	if !w.denied {
		if err := w.count.visit.carry(len(p)); err != nil {
			return 0, err
		}
	}
	n, err := w.ResponseWriter.Write(p)
	w.count.out.Add(int64(n))
	return n, err
}

// refuse answers with a refusal.
func (w *recorder) refuse(r refused) {
	w.denied, w.reason = true, r.refusal.Reason
	if r.retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.FormatInt(r.retryAfter, 10))
	}
	r.refusal.Write(w, r.status)
}

// Unwrap is for http.ResponseController.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Hijack implements http.Hijacker. The only one who hijacks is who switches
// protocols.
func (w *recorder) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, brw, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	w.hijacked, w.status = true, http.StatusSwitchingProtocols
	// What the client sent early is in brw's reader, which its user reads last of
	// all: put it first.
	early := io.MultiReader(io.LimitReader(brw, int64(brw.Reader.Buffered())), conn)
	return &countedConn{conn, early, w.count}, brw, nil
}

// countedConn is a client's connection after a switch of protocols.
type countedConn struct {
	net.Conn
	r     io.Reader
	count *counter
}

func (c *countedConn) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.count.in.Add(int64(n))
	if over := c.count.visit.carry(n); over != nil {
		return 0, over
	}
	return n, err
}

func (c *countedConn) Write(p []byte) (int, error) {
	if err := c.count.visit.carry(len(p)); err != nil {
		return 0, err
	}
	n, err := c.Conn.Write(p)
	c.count.out.Add(int64(n))
	return n, err
}

// countedBody is a request's body. At its end it calls atEOF.
type countedBody struct {
	io.ReadCloser
	count *counter
	atEOF func()
}

func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.count.in.Add(int64(n))
	if over := b.count.visit.carry(n); over != nil {
		return 0, over
	}
	if err == io.EOF && b.atEOF != nil {
		b.atEOF()
		b.atEOF = nil
	}
	return n, err
}
