// Package faultproxy stands between a client and a Docker engine and breaks the
// calls that a test chooses: it fails them, loses the answer, or lets the engine
// hear of them only when the client has given up.
package faultproxy

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"
)

// A Mode is how a call is broken.
type Mode string

// The modes.
const (
	Fail Mode = "fail" // the engine never hears of it and the client gets a 500
	Drop Mode = "drop" // the engine does it and the client hears nothing
	Late Mode = "late" // the engine hears of it when the client has gone
)

// Message is what the client of a failed call is told.
const Message = "fault injected by the test"

// lateness is how long after the end of its client a Late call reaches the engine:
// long enough for a rollback to be over with what it can see.
const lateness = 500 * time.Millisecond

// A Call is a request to the engine.
type Call struct {
	Method string
	Path   string // without the version of the API
	Name   string // of the object that it makes, in creates
	Nth    int    // of the calls that change something (see Changes), from 1
}

func (c Call) String() string { return strings.TrimSpace(c.Method + " " + c.Path + " " + c.Name) }

// Changes reports whether the call changes something on the engine: not those
// that only look, wait or attach.
func (c Call) Changes() bool {
	changes := c.Method == http.MethodPost || c.Method == http.MethodPut || c.Method == http.MethodDelete
	return changes && !strings.HasSuffix(c.Path, "/attach") && !strings.HasSuffix(c.Path, "/wait")
}

// A Proxy breaks calls. Its methods are safe for concurrent use.
type Proxy struct {
	Host string // for DOCKER_HOST

	breaks  func(Call) bool
	mode    Mode
	forward http.Handler
	server  *http.Server
	late    sync.WaitGroup

	mu     sync.Mutex
	calls  []Call
	broken []Call
	first  chan struct{} // closed with the first broken call
	until  time.Time     // of an outage
}

// New listens on a socket in dir, in front of the engine's socket, and breaks the
// calls of which breaks says so, which may be nil.
func New(ctx context.Context, engine, dir string, mode Mode, breaks func(Call) bool) (*Proxy, error) {
	path := filepath.Join(dir, "engine.sock")
	l, err := new(net.ListenConfig).Listen(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	forward := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: "docker"})
	forward.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", engine)
	}}
	forward.FlushInterval = -1
	forward.ErrorLog = log.New(io.Discard, "", 0) // a client that goes away is the test's business
	p := &Proxy{Host: "unix://" + path, breaks: breaks, mode: mode, forward: forward, first: make(chan struct{})}
	p.server = &http.Server{Handler: http.HandlerFunc(p.serve)} //nolint:gosec // a test's own, on a socket of its own
	p.server.ErrorLog = forward.ErrorLog
	go func() { _ = p.server.Serve(l) }()
	return p, nil
}

// Close ends the proxy and its connections, when the calls that are late have
// arrived.
func (p *Proxy) Close() error {
	p.late.Wait()
	return p.server.Close()
}

// Outage makes the engine look dead for a while: every call is cut.
func (p *Proxy) Outage(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.until = time.Now().Add(d)
}

// Calls returns the calls that change something, in order.
func (p *Proxy) Calls() []Call {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]Call(nil), p.calls...)
}

// Broken returns the calls that were broken.
func (p *Proxy) Broken() []Call {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]Call(nil), p.broken...)
}

// First is closed when the first call is broken.
func (p *Proxy) First() <-chan struct{} { return p.first }

func (p *Proxy) serve(w http.ResponseWriter, r *http.Request) {
	if !p.chosen(r) {
		p.forward.ServeHTTP(w, r)
		return
	}
	switch p.mode {
	case Fail:
		http.Error(w, fmt.Sprintf(`{"message":%q}`, Message), http.StatusInternalServerError)
		return
	case Drop:
		if !strings.HasSuffix(r.URL.Path, "/wait") { // which ends when a container does
			p.forward.ServeHTTP(&lost{header: http.Header{}}, r)
		}
	case Late:
		<-r.Context().Done()
		go func() {
			defer p.late.Done() // chosen has counted it
			time.Sleep(lateness)
			p.forward.ServeHTTP(&lost{header: http.Header{}}, r.WithContext(context.WithoutCancel(r.Context())))
		}()
	}
	panic(http.ErrAbortHandler) // the connection breaks before a byte
}

var version = regexp.MustCompile(`^/v[0-9.]+`)

// chosen counts r and reports whether it is to be broken.
func (p *Proxy) chosen(r *http.Request) bool {
	call := Call{Method: r.Method, Path: version.ReplaceAllString(r.URL.Path, ""), Name: r.URL.Query().Get("name")}
	if call.Path == "/networks/create" || call.Path == "/volumes/create" || p.mode == Late {
		// Read, so that the server notices the end of the client.
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		var named struct{ Name string }
		if json.Unmarshal(body, &named) == nil && named.Name != "" {
			call.Name = named.Name
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Now().Before(p.until) {
		panic(http.ErrAbortHandler)
	}
	if call.Changes() {
		p.calls = append(p.calls, call)
		call.Nth = len(p.calls)
	}
	if p.breaks == nil || !p.breaks(call) {
		return false
	}
	if p.mode == Late {
		p.late.Add(1) // before anybody who heard of it closes the proxy
	}
	if p.broken = append(p.broken, call); len(p.broken) == 1 {
		close(p.first)
	}
	return true
}

// lost is an answer that nobody reads.
type lost struct{ header http.Header }

func (l *lost) Header() http.Header         { return l.header }
func (l *lost) Write(b []byte) (int, error) { return len(b), nil }
func (l *lost) WriteHeader(int)             {}
