package pipelock

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
)

// buffers are what bodies are copied with.
var buffers = &bufferPool{} //nolint:gochecknoglobals // a pool

type bufferPool struct{ sync.Pool }

const bufferSize = 32 << 10

// Get implements httputil.BufferPool.
func (p *bufferPool) Get() []byte {
	if b, ok := p.Pool.Get().(*[]byte); ok {
		return *b
	}
	return make([]byte, bufferSize)
}

// Put implements httputil.BufferPool.
func (p *bufferPool) Put(b []byte) { p.Pool.Put(&b) }

// outgoing is a request body that is counted.
type outgoing struct {
	io.Reader
	closer io.Closer
	n      atomic.Int64
	grant  *grant
	found  atomic.Pointer[string] // a remark about it; may come while it leaves
}

// Read implements io.Reader.
func (o *outgoing) Read(p []byte) (int, error) {
	n, err := o.Reader.Read(p)
	o.n.Add(int64(n))
	if over := o.grant.add(n); over != nil {
		return 0, over
	}
	return n, err
}

// Close implements io.Closer.
func (o *outgoing) Close() error { return o.closer.Close() }

// counting counts what goes to the client, also over a hijacked connection.
type counting struct {
	http.ResponseWriter
	n     atomic.Int64
	grant *grant
	look  *look                  // for what a WebSocket sends; nil for nothing
	stop  atomic.Pointer[string] // why that was ended
}

// Write implements io.Writer.
func (c *counting) Write(p []byte) (int, error) {
	if over := c.grant.add(len(p)); over != nil {
		return 0, over
	}
	n, err := c.ResponseWriter.Write(p)
	c.n.Add(int64(n))
	return n, err
}

// Unwrap lets http.ResponseController find the writer's other abilities.
func (c *counting) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// Hijack implements http.Hijacker.
func (c *counting) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(c.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	conn = &metered{&countedConn{conn, &c.n}, c.grant}
	if c.look != nil {
		conn = newFrames(conn, c.look, &c.stop)
	}
	return conn, rw, nil
}

type countedConn struct {
	net.Conn
	n *atomic.Int64
}

// Write implements io.Writer.
func (c *countedConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.n.Add(int64(n))
	return n, err
}
