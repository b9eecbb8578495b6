package sidecar_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/bottle-run/bottle/sidecar"
)

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // a listener of a test
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// When the context ends, every kind of connection ends at once: idle, in a
// handler, hijacked, not yet a request, and one that the handler dialled.
func TestServeShutsEverything(t *testing.T) {
	far := listen(t)
	defer func() { _ = far.Close() }()
	farConns := make(chan net.Conn, 1)
	go func() {
		c, err := far.Accept()
		if err == nil {
			farConns <- c
		}
	}()

	conns := new(sidecar.Conns)
	entered := make(chan struct{}, 3)
	mux := http.NewServeMux()
	mux.HandleFunc("/hang", func(_ http.ResponseWriter, r *http.Request) {
		entered <- struct{}{}
		<-r.Context().Done()
	})
	mux.HandleFunc("/hijack", func(w http.ResponseWriter, _ *http.Request) {
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		entered <- struct{}{}
		_, _ = io.Copy(io.Discard, c)
	})
	mux.HandleFunc("/dial", func(_ http.ResponseWriter, r *http.Request) {
		c, err := (&net.Dialer{}).DialContext(r.Context(), "tcp", far.Addr().String())
		if err != nil {
			t.Error(err)
			return
		}
		c = conns.Add(c)
		defer func() { _ = c.Close() }()
		entered <- struct{}{}
		_, _ = io.Copy(io.Discard, c)
	})
	mux.HandleFunc("/idle", func(http.ResponseWriter, *http.Request) {})

	l := listen(t)
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() {
		served <- sidecar.Serve(ctx, &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}, l, conns)
	}()

	var clients []net.Conn
	for _, path := range []string{"/hang", "/hijack", "/dial", "/idle", ""} {
		c, err := net.Dial("tcp", l.Addr().String()) //nolint:noctx // of a test
		if err != nil {
			t.Fatal(err)
		}
		if path != "" {
			_, _ = io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n")
		}
		if path == "/idle" {
			if _, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil { //nolint:bodyclose // it has none
				t.Fatal(err)
			}
		}
		clients = append(clients, c)
	}
	for range 3 {
		<-entered
	}
	clients = append(clients, <-farConns)

	start := time.Now()
	cancel()
	for i, c := range clients {
		_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
		_, err := io.Copy(io.Discard, c) // a handler may get its last words out
		if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
			t.Errorf("connection %d lives: %v", i, err)
		}
		_ = c.Close()
	}
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
	if d := time.Since(start); d > 900*time.Millisecond {
		t.Errorf("it took %v", d)
	}
	if n := conns.Len(); n != 0 {
		t.Errorf("%d connections left", n)
	}
	if _, err := net.Dial("tcp", l.Addr().String()); err == nil { //nolint:noctx // of a test
		t.Error("it still listens")
	}
}

// A connection that is added too late is closed, not forgotten.
func TestConnsAddAfterShut(t *testing.T) {
	conns := new(sidecar.Conns)
	conns.Shut()
	a, b := net.Pipe()
	defer func() { _ = b.Close() }()
	if _, err := conns.Add(a).Write([]byte("x")); err == nil {
		t.Error("it could still be written to")
	}
}

// A handler that ignores the end of its connection does not keep Serve.
func TestServeLeavesAStubbornHandler(t *testing.T) {
	release, entered := make(chan struct{}), make(chan struct{})
	defer close(release)
	l := listen(t)
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	h := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { close(entered); <-release })
	go func() { served <- sidecar.Serve(ctx, &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}, l, nil) }()
	c, err := net.Dial("tcp", l.Addr().String()) //nolint:noctx // of a test
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	<-entered
	cancel()
	select {
	case err := <-served:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Error("Serve waits for ever")
	}
}

func TestServeReportsAListenerThatFails(t *testing.T) {
	l := listen(t)
	_ = l.Close()
	if err := sidecar.Serve(t.Context(), &http.Server{Handler: http.NotFoundHandler(), ReadHeaderTimeout: time.Minute}, l, nil); err == nil {
		t.Error("no error")
	}
}
