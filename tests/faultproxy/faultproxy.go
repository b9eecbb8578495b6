// Package faultproxy stands between a client and a Docker engine and breaks one
// call: it fails it, or lets it through and loses the answer.
package faultproxy

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
)

// A Mode is how a call is broken.
type Mode string

// The modes.
const (
	Fail Mode = "fail" // the engine never hears of it and the client gets a 500
	Drop Mode = "drop" // the engine does it and the client hears nothing
)

// Message is what the client of a failed call is told.
const Message = "fault injected by the test"

// A Proxy breaks the n-th call that changes something (POST, PUT, DELETE; not
// those that only wait or attach). Its methods are safe for concurrent use.
type Proxy struct {
	Host string // for DOCKER_HOST

	mu     sync.Mutex
	nth    int
	mode   Mode
	calls  []string
	server *http.Server
}

// New listens on a socket in dir, in front of the engine's socket.
func New(ctx context.Context, engine, dir string, nth int, mode Mode) (*Proxy, error) {
	path := filepath.Join(dir, "engine.sock")
	l, err := new(net.ListenConfig).Listen(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	p := &Proxy{Host: "unix://" + path, nth: nth, mode: mode}
	forward := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: "docker"})
	forward.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", engine)
	}}
	forward.FlushInterval = -1
	forward.ErrorLog = log.New(io.Discard, "", 0)        // a client that goes away is the test's business
	p.server = &http.Server{Handler: p.handler(forward)} //nolint:gosec // a test's own, on a socket of its own
	go func() { _ = p.server.Serve(l) }()
	return p, nil
}

// Close ends the proxy and its connections.
func (p *Proxy) Close() error { return p.server.Close() }

// Calls returns the calls that were counted, in order.
func (p *Proxy) Calls() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.calls...)
}

func (p *Proxy) handler(forward http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !p.counts(r) {
			forward.ServeHTTP(w, r)
			return
		}
		if p.mode == Fail {
			http.Error(w, fmt.Sprintf(`{"message":%q}`, Message), http.StatusInternalServerError)
			return
		}
		forward.ServeHTTP(&lost{header: http.Header{}}, r)
		panic(http.ErrAbortHandler) // the connection breaks before a byte
	})
}

// counts counts r and reports whether it is the one to break.
func (p *Proxy) counts(r *http.Request) bool {
	changes := r.Method == http.MethodPost || r.Method == http.MethodPut || r.Method == http.MethodDelete
	if !changes || strings.HasSuffix(r.URL.Path, "/attach") || strings.HasSuffix(r.URL.Path, "/wait") {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls = append(p.calls, r.Method+" "+r.URL.Path)
	return len(p.calls) == p.nth
}

// lost is an answer that nobody reads.
type lost struct{ header http.Header }

func (l *lost) Header() http.Header         { return l.header }
func (l *lost) Write(b []byte) (int, error) { return len(b), nil }
func (l *lost) WriteHeader(int)             {}
