package credproxy_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/bottle-run/bottle/sidecar/credproxy"
)

// A WebSocket is relayed with the credential on its handshake, and ends with
// whichever side ends.
func TestWebSocket(t *testing.T) {
	u := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+canary || r.Header.Get("Cookie") != "" || r.Header.Get("Sec-Websocket-Extensions") != "" {
			http.Error(w, "bad handshake", http.StatusTeapot)
			return
		}
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"echo"}, CompressionMode: websocket.CompressionContextTakeover})
		if err != nil {
			return
		}
		defer func() { _ = c.CloseNow() }()
		c.SetReadLimit(1 << 20)
		for {
			kind, b, err := c.Read(r.Context())
			if err != nil {
				return
			}
			if string(b) == "echo the secret" {
				b = []byte("it is " + canary + "!")
			}
			_ = c.Write(r.Context(), kind, b)
		}
	})
	p := one(t, u, credproxy.Route{Auth: bearer(), Methods: []string{"GET"}})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	c, res, err := websocket.Dial(ctx, p.URL+"/api/ws", &websocket.DialOptions{ //nolint:bodyclose // the library closes it
		HTTPClient: direct(t), HTTPHeader: http.Header{"Cookie": {"a=b"}, "Authorization": {"mine"}}, Subprotocols: []string{"echo"}, CompressionMode: websocket.CompressionContextTakeover,
	})
	if err != nil {
		t.Fatalf("%v, %v", err, res)
	}
	defer func() { _ = c.CloseNow() }()
	c.SetReadLimit(1 << 20)
	for _, m := range []string{"hello", "", strings.Repeat("long ", 50_000), "c", canary[:6], "echo the secret"} {
		want := m
		if m == "echo the secret" {
			want = "it is " + strings.Repeat("*", len(canary)) + "!"
		}
		if err := c.Write(ctx, websocket.MessageText, []byte(m)); err != nil {
			t.Fatal(err)
		}
		if _, got, err := c.Read(ctx); err != nil || string(got) != want {
			t.Fatalf("sent %.20q, got %.60q, %v", m, got, err)
		}
	}
	if c.Subprotocol() != "echo" {
		t.Errorf("subprotocol %q", c.Subprotocol())
	}
	_ = c.Close(websocket.StatusNormalClosure, "")
	if e := p.wait("request", 1); e["status"] != 101.0 || e["bytes_in"].(float64) < 250_000 || e["bytes_out"].(float64) < 250_000 || e["credential"] != slot {
		t.Errorf("audited %v", e)
	}
}

// Upstreams may speak HTTP/2; a WebSocket to the same one speaks HTTP/1.1.
func TestHTTP2Upstream(t *testing.T) {
	u := unstarted(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/ws" {
			c, err := websocket.Accept(w, r, nil)
			if err != nil {
				return
			}
			kind, b, _ := c.Read(r.Context())
			_ = c.Write(r.Context(), kind, append(b, r.Proto...))
			_ = c.Close(websocket.StatusNormalClosure, "")
			return
		}
		w.Header().Set("Trailer", "X-Sum")
		b, _ := io.ReadAll(r.Body)
		_, _ = fmt.Fprintf(w, "%s %s %s %s", r.Proto, r.Host, b, r.Header.Get("Authorization"))
		w.Header().Set("X-Sum", r.Trailer.Get("X-Up"))
	})
	u.EnableHTTP2 = true
	u.StartTLS()
	t.Cleanup(u.Close)
	p := one(t, u, credproxy.Route{Auth: bearer()})
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, p.URL+"/api/", io.MultiReader(strings.NewReader("up")))
	req.Trailer = http.Header{"X-Up": {"trailer"}}
	res, err := direct(t).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	want := "HTTP/2.0 " + u.host() + " up Bearer " + strings.Repeat("*", len(canary))
	if b, _ := io.ReadAll(res.Body); string(b) != want || res.Trailer.Get("X-Sum") != "trailer" {
		t.Errorf("%s, %v", b, res.Trailer)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	c, _, err := websocket.Dial(ctx, p.URL+"/api/ws", &websocket.DialOptions{HTTPClient: direct(t)}) //nolint:bodyclose // the library closes it
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.CloseNow() }()
	_ = c.Write(ctx, websocket.MessageText, []byte("over "))
	if _, got, err := c.Read(ctx); string(got) != "over HTTP/1.1" {
		t.Errorf("%s, %v", got, err)
	}
}

// The client's first frame may come with its handshake.
func TestWebSocketEarlyData(t *testing.T) {
	u := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		c, brw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = c.Close() }()
		_, _ = brw.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-Secret: " + canary + "\r\n\r\n")
		_ = brw.Flush()
		line, _ := brw.ReadString('\n')
		_, _ = c.Write([]byte("got " + line))
	})
	p := one(t, u, credproxy.Route{Auth: bearer()})
	answer := p.raw("GET /api/ HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nearly\n")
	if !strings.HasPrefix(answer, "HTTP/1.1 101 Switching Protocols\r\n") || !strings.HasSuffix(answer, "got early\n") || strings.Contains(answer, canary) {
		t.Errorf("%s", answer)
	}
}

// Nothing but WebSocket is upgraded to.
func TestOtherUpgradesAreNot(t *testing.T) {
	u := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if up := r.Header.Get("Upgrade"); up != "" {
			w.Header().Set("Connection", "Upgrade")
			w.Header().Set("Upgrade", up)
			w.WriteHeader(http.StatusSwitchingProtocols)
		}
	})
	p := one(t, u, credproxy.Route{Auth: bearer()})
	for _, up := range []string{"h2c", "TLS/1.0", "websocket, h2c", "h2c\r\nUpgrade: websocket", "foo"} {
		if answer := p.raw("GET /api/ HTTP/1.1\r\nHost: x\r\nConnection: close, Upgrade, HTTP2-Settings\r\nUpgrade: " + up + "\r\n\r\n"); !strings.HasPrefix(answer, "HTTP/1.1 200") {
			t.Errorf("%s: %s", up, answer)
		}
	}
}
