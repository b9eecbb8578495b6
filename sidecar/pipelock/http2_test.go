package pipelock_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/bottle-run/bottle/sidecar/pipelock"
)

// http2 returns a client that speaks HTTP/2 through the gate.
func (g *running) http2() *http.Client {
	p := new(http.Protocols)
	p.SetHTTP2(true)
	tr := &http.Transport{Proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: g.addr}), TLSClientConfig: &tls.Config{RootCAs: g.roots}, Protocols: p}
	g.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

func grpcMessage(text string) []byte {
	head := make([]byte, 5)
	binary.BigEndian.PutUint32(head[1:], uint32(len(text)))
	return append(head, text...)
}

// A gRPC call goes through in both directions at once, with its trailers, and no
// secret does, whichever message it is in.
func TestGRPC(t *testing.T) {
	u := worldHTTP2(t, func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 || r.Header.Get("Te") != "trailers" {
			t.Error(r.Proto, r.Header)
		}
		w.Header().Set("Content-Type", "application/grpc")
		w.Header().Set("Trailer", "Grpc-Status")
		head := make([]byte, 5)
		for {
			if _, err := io.ReadFull(r.Body, head); err != nil {
				break
			}
			b := make([]byte, binary.BigEndian.Uint32(head[1:]))
			_, _ = io.ReadFull(r.Body, b)
			_, _ = w.Write(append(head, b...))
			_ = http.NewResponseController(w).Flush()
		}
		w.Header().Set("Grpc-Status", "0")
	})
	g := run(t, u, pipelock.Config{Allow: allow("example.com")})
	in, out := io.Pipe()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://example.com/svc/Chat", in)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/grpc+proto")
	req.Header.Set("Te", "trailers")
	go func() { _, _ = out.Write(grpcMessage("hello")) }()
	res, err := g.http2().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	got := make([]byte, 10)
	for _, text := range []string{"hello", "again"} { // each is answered before the next is sent
		if _, err := io.ReadFull(res.Body, got); err != nil || !bytes.Equal(got, grpcMessage(text)) {
			t.Fatalf("%q %v", got, err)
		}
		if text == "hello" {
			_, _ = out.Write(grpcMessage("again"))
		}
	}
	_ = out.Close()
	if rest, err := io.ReadAll(res.Body); len(rest) > 0 || err != nil || res.Trailer.Get("Grpc-Status") != "0" || res.ProtoMajor != 2 {
		t.Errorf("%q %v %v %s", rest, err, res.Trailer, res.Proto)
	}
	half := len(secret()) / 2
	for _, messages := range [][]string{{"a = " + secret()}, {"a = " + secret()[:half], secret()[half:]}} {
		var body []byte
		for _, m := range messages {
			body = append(body, grpcMessage(m)...)
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://example.com/svc/Chat", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/grpc")
		req.Header.Set("Te", "trailers")
		if res, err := g.http2().Do(req); err == nil {
			b, err := io.ReadAll(res.Body)
			_ = res.Body.Close()
			if bytes.Contains(b, []byte(secret()[half:])) || res.StatusCode == http.StatusOK && err == nil {
				t.Errorf("%d of %d messages: %d %q", len(messages), len(body), res.StatusCode, b)
			}
		}
	}
}

// The names in an HTTP/2 request are held against the tunnel's, as in HTTP/1.1.
func TestHTTP2Names(t *testing.T) {
	g := run(t, worldHTTP2(t, nil), pipelock.Config{Allow: allow("example.com", "other.example")})
	for host, want := range map[string]int{"example.com": 200, "other.example": 421, "example.com:443": 200} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://example.com/", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = host
		res, err := g.http2().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != want || res.ProtoMajor != 2 {
			t.Error(host, res.Status, res.Proto)
		}
	}
}

// What a client sends over a WebSocket is read: in a message, in fragments of one,
// spread over two, in base64.
func TestWebSocketIsRead(t *testing.T) {
	g := run(t, world(t, echo), pipelock.Config{Allow: allow("example.com")})
	half := len(secret()) / 2
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for name, messages := range map[string][]string{
		"alone": {"x = " + secret()}, "after another": {"hello", secret()}, "in two": {"x = " + secret()[:half], secret()[half:] + " "},
		"base64": {inBase64(secret())},
	} {
		c, _, err := websocket.Dial(ctx, "wss://example.com/", &websocket.DialOptions{HTTPClient: g.client(nil), CompressionMode: websocket.CompressionContextTakeover}) //nolint:bodyclose // the library closes it
		if err != nil {
			t.Fatal(err)
		}
		back := ""
		for _, m := range messages {
			w, err := c.Writer(ctx, websocket.MessageText)
			if err != nil {
				break
			}
			for i := range len(m) { // a frame for each byte
				_, _ = io.WriteString(w, m[i:i+1])
			}
			_ = w.Close()
			if _, b, err := c.Read(ctx); err == nil {
				back += string(b)
			}
		}
		if back == "" && len(messages) > 1 || bytes.Contains([]byte(back), []byte(secret()[half:])) {
			t.Errorf("%s: %q came back", name, back)
		}
		if _, _, err := c.Read(ctx); err == nil {
			t.Errorf("%s: it goes on", name)
		}
		_ = c.CloseNow()
		if e := g.wait("request"); e["decision"] != "deny" || e["status"] != 101.0 {
			t.Error(name, e)
		}
	}
}

// frame is a masked frame; the mask is zeros.
func frame(first byte, payload string) []byte {
	head := []byte{first, 0x80 | byte(len(payload))}
	if len(payload) > 125 {
		head = []byte{first, 0x80 | 126, byte(len(payload) >> 8), byte(len(payload))}
	}
	return append(append(head, 0, 0, 0, 0), payload...)
}

// TestWebSocketControl: pings are read too, together, and are as short as they
// must be.
func TestWebSocketControl(t *testing.T) {
	s, err := scanner()
	if err != nil {
		t.Fatal(err)
	}
	const ping, text = 0x89, 0x81
	half := len(secret()) / 2
	for name, c := range map[string]struct {
		sent [][]byte
		want string // of why it stops
	}{
		"short":        {[][]byte{frame(ping, "hello"), frame(text, "hello"), frame(ping, "")}, ""},
		"secret":       {[][]byte{frame(ping, "x = "+secret())}, "secret"},
		"in two":       {[][]byte{frame(ping, "x = "+secret()[:half]), frame(text, "hello"), frame(ping, secret()[half:]+" ")}, "secret"},
		"long":         {[][]byte{frame(ping, strings.Repeat("x", 126))}, "too long"},
		"in fragments": {[][]byte{frame(ping&0x7f, "x")}, "in parts"},
	} {
		sent := bytes.Join(c.sent, nil)
		passed, stopped := pipelock.Frames(s, sent)
		if !strings.Contains(stopped, c.want) || (c.want == "") != bytes.Equal(passed, sent) {
			t.Errorf("%s: %d of %d bytes passed, stopped by %q", name, len(passed), len(sent), stopped)
		}
	}
}

// TestGRPCFlags: a message of a kind that nobody can read does not leave.
func TestGRPCFlags(t *testing.T) {
	s, err := scanner()
	if err != nil {
		t.Fatal(err)
	}
	const hello = "\x00\x00\x00\x05hello"
	for flags, want := range map[byte]bool{0: true, 2: false, 0x80: false} {
		sent := append([]byte{flags}, hello...)
		if passed := pipelock.Messages(s, sent); bytes.Equal(passed, sent) != want {
			t.Errorf("flags %#x: %d of %d bytes passed", flags, len(passed), len(sent))
		}
	}
}
