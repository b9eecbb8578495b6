package pipelock

import (
	"net"
	"net/http"
	"sync"
	"time"
)

// An innerConn is an opened tunnel: all that comes through it is for one target.
type innerConn struct {
	net.Conn
	client string
	ticket string
	target target
}

// innerListener hands opened tunnels to the server that reads them.
type innerListener struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newInnerListener() *innerListener {
	return &innerListener{conns: make(chan net.Conn), done: make(chan struct{})}
}

func (l *innerListener) push(c net.Conn) {
	select {
	case l.conns <- c:
	case <-l.done:
		_ = c.Close()
	}
}

// Accept implements net.Listener.
func (l *innerListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (l *innerListener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

// Addr implements net.Listener.
func (l *innerListener) Addr() net.Addr { return &net.UnixAddr{Name: "tunnels", Net: "unix"} }

// innerKey is where a request's context keeps its tunnel.
type innerKey struct{}

// serveInner answers a request that came through an opened tunnel.
func (g *Gate) serveInner(w http.ResponseWriter, r *http.Request) {
	c, _ := r.Context().Value(innerKey{}).(*innerConn)
	x := &exchange{gate: g, w: w, r: r, start: time.Now(), force: g.force.Load(), client: c.client, ticket: c.ticket, target: c.target}
	if r.URL.IsAbs() || r.Method == http.MethodConnect {
		x.refuse(http.StatusBadRequest, verdict{reason: "a tunnel leads to one host and is no proxy"})
		return
	}
	// HTTP/2 has an :authority, and a client may send a Host besides.
	for _, host := range append(r.Header["Host"], r.Host) {
		if !x.sameHost(host) {
			return
		}
	}
	x.forward()
}
