package pipelock_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/bottle-run/bottle/sidecar/pipelock"
)

func TestEventStream(t *testing.T) {
	next := make(chan string)
	g := run(t, world(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for s := range next {
			_, _ = io.WriteString(w, s+"\n")
			_ = http.NewResponseController(w).Flush()
		}
	}), pipelock.Config{Allow: allow("example.com")})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://example.com/", nil)
	if err != nil {
		t.Fatal(err)
	}
	go func() { next <- "data: 0" }()
	res, err := g.client(nil).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	r := bufio.NewReader(res.Body)
	for i := range 4 {
		if i > 0 {
			next <- fmt.Sprintf("data: %d", i)
		}
		if s, err := r.ReadString('\n'); err != nil || s != fmt.Sprintf("data: %d\n", i) {
			t.Fatal(s, err)
		}
	}
	close(next)
	if rest, err := io.ReadAll(r); err != nil || len(rest) > 0 {
		t.Errorf("%q %v", rest, err)
	}
}

func echo(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer func() { _ = c.CloseNow() }()
	for {
		kind, b, err := c.Read(r.Context())
		if err != nil || c.Write(r.Context(), kind, b) != nil {
			return
		}
	}
}

// Closing the launcher's stream closes what is open at once.
func TestWebSocketAndEnd(t *testing.T) {
	g := run(t, world(t, echo), pipelock.Config{Allow: allow("example.com")})
	c, res, err := websocket.Dial(t.Context(), "wss://example.com/", &websocket.DialOptions{HTTPClient: g.client(nil)}) //nolint:bodyclose // the library closes it
	if err != nil {
		t.Fatal(err, res)
	}
	defer func() { _ = c.CloseNow() }()
	for _, s := range []string{"one", "two"} {
		if err := c.Write(t.Context(), websocket.MessageText, []byte(s)); err != nil {
			t.Fatal(err)
		}
		if _, b, err := c.Read(t.Context()); err != nil || string(b) != s {
			t.Fatal(string(b), err)
		}
	}
	tunnel := g.connect("example.com:443")
	_ = g.stdin.Close()
	select {
	case err := <-g.ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("the gate goes on")
	}
	if _, _, err := c.Read(t.Context()); err == nil {
		t.Error("the WebSocket is open")
	}
	if b, err := io.ReadAll(tunnel); len(b) > 0 {
		t.Errorf("%q %v", b, err)
	}
	if c, err := net.Dial("tcp", g.addr); err == nil { //nolint:noctx // of a test
		_ = c.Close()
		t.Error("the gate listens")
	}
}
