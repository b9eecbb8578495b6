package sidecar

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"
)

// shutGrace is how long Serve waits for handlers whose connections are closed.
const shutGrace = time.Second

// Serve serves srv on l until ctx is done, then closes l and every connection
// that came from it at once, hijacked ones too, and waits up to a second for the
// handlers to notice. It returns nil when ctx ended it. The connections that
// handlers opened themselves are theirs: put them in conns, which Serve shuts at
// the same time. conns may be nil.
func Serve(ctx context.Context, srv *http.Server, l net.Listener, conns *Conns) error {
	if conns == nil {
		conns = new(Conns)
	}
	handlers := &counted{next: srv.Handler}
	srv.Handler = handlers

	var err error
	served := make(chan struct{})
	go func() {
		defer close(served)
		err = srv.Serve(conns.Listen(l))
	}()

	select {
	case <-served:
		conns.Shut()
	case <-ctx.Done():
		// The listener first: no connection may be accepted after the rest.
		_ = l.Close()
		conns.Shut()
		_ = srv.Close()
		<-served
		err = nil // it says only that l is closed
	}
	handlers.wait(shutGrace)
	return err
}

// counted knows how many requests are being handled. http.Server does not say,
// least of all of hijacked connections.
type counted struct {
	next http.Handler
	mu   sync.Mutex
	n    int
	idle chan struct{} // closed when n is 0; nil when nobody waits
}

func (c *counted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	c.n++
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.n--; c.n == 0 && c.idle != nil {
			close(c.idle)
			c.idle = nil
		}
	}()
	c.next.ServeHTTP(w, r)
}

func (c *counted) wait(grace time.Duration) {
	c.mu.Lock()
	if c.n == 0 {
		c.mu.Unlock()
		return
	}
	idle := make(chan struct{})
	c.idle = idle
	c.mu.Unlock()
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-idle:
	case <-timer.C:
	}
}
