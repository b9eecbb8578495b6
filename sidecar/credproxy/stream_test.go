package credproxy_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/bottle-run/bottle/sidecar/credproxy"
)

// Each event of a stream arrives before the next is made.
func TestSSEArrivesEventByEvent(t *testing.T) {
	next := make(chan struct{})
	u := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for i := range 5 {
			_, _ = fmt.Fprintf(w, "data: %d\n\n", i)
			_ = http.NewResponseController(w).Flush()
			<-next
		}
	})
	for _, auth := range []*credproxy.Auth{nil, bearer()} {
		p := one(t, u, credproxy.Route{Auth: auth})
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, p.URL+"/api/", nil)
		res, err := direct(t).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		r := bufio.NewReader(res.Body)
		for i := range 5 {
			line, err := r.ReadString('\n')
			if want := fmt.Sprintf("data: %d\n", i); line != want || err != nil {
				t.Fatalf("read %q, %v, want %q", line, err, want)
			}
			_, _ = r.ReadString('\n')
			next <- struct{}{}
		}
		_ = res.Body.Close()
	}
}

// A body of known length may trickle too, up as well as down.
func TestBodiesTrickle(t *testing.T) {
	u := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex()
		w.Header().Set("Content-Length", strconv.FormatInt(r.ContentLength, 10))
		buf := make([]byte, 1)
		for {
			if n, err := r.Body.Read(buf); n == 0 && err != nil {
				return
			}
			_, _ = w.Write(buf)
			_ = http.NewResponseController(w).Flush()
		}
	})
	p := one(t, u, credproxy.Route{Auth: bearer()})
	body, feed := io.Pipe()
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, p.URL+"/api/", body)
	req.ContentLength = 3
	go func() { _, _ = feed.Write([]byte("a")) }()
	res, err := direct(t).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	buf := make([]byte, 1)
	for i, want := range "abc" {
		if i > 0 {
			_, _ = feed.Write([]byte(string(want)))
		}
		if _, err := io.ReadFull(res.Body, buf); err != nil || string(buf) != string(want) {
			t.Fatalf("read %q, %v, want %q", buf, err, want)
		}
	}
	_ = feed.Close()
}

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

func TestTrailersBothWays(t *testing.T) {
	u := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Trailer", "X-Sum, X-Echo")
		_, _ = io.WriteString(w, "body")
		w.Header().Set("X-Sum", r.Trailer.Get("X-Up")+fmt.Sprint(len(r.Trailer)))
		w.Header().Set("X-Echo", r.Header.Get("Authorization"))
		w.Header().Set(http.TrailerPrefix+"X-Late", canary)
	})
	p := one(t, u, credproxy.Route{Auth: bearer()})
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, p.URL+"/api/", io.MultiReader(strings.NewReader("x")))
	req.Trailer = http.Header{"X-Up": {"up"}, "Authorization": {"mine"}, "X_api_key": {"mine"}}
	res, err := direct(t).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, _ := io.ReadAll(res.Body)
	stars := strings.Repeat("*", len(canary))
	if string(b) != "body" || res.Trailer.Get("X-Sum") != "up1" || res.Trailer.Get("X-Echo") != "Bearer "+stars || res.Trailer.Get("X-Late") != stars {
		t.Errorf("%s, %v", b, res.Trailer)
	}
}

// The client sends its body once the upstream wants it, and not if it does not.
func TestExpectContinue(t *testing.T) {
	u := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/no" {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			return
		}
		_, _ = io.Copy(w, r.Body)
	})
	p := one(t, u, credproxy.Route{Auth: bearer()})
	for path, want := range map[string]int{"/api/yes": 200, "/api/no": 413} {
		read := false
		body := readerFunc(func(b []byte) (int, error) {
			if read {
				return 0, io.EOF
			}
			read = true
			return copy(b, "data"), nil
		})
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodPut, p.URL+path, body)
		req.Header.Set("Expect", "100-continue")
		req.ContentLength = 4
		res, err := direct(t).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != want || read != (want == 200) {
			t.Errorf("%s: %d, body read: %t", path, res.StatusCode, read)
		}
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// A client that goes away takes its upstream request with it.
func TestClientGoesAway(t *testing.T) {
	ended := make(chan struct{})
	u := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		close(ended)
	})
	p := one(t, u, credproxy.Route{Auth: bearer()})
	ctx, cancel := context.WithCancel(t.Context())
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, p.URL+"/api/", nil)
	res, err := direct(t).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	_ = res.Body.Close()
	<-ended
	if e := p.wait("request", 1); e["decision"] != "allow" {
		t.Errorf("%v", e)
	}
}

// A client that only closed its sending half is not told that all went well.
func TestHalfClosedClient(t *testing.T) {
	u := serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	p := one(t, u, credproxy.Route{Auth: bearer()})
	if answer := p.raw("GET /api/ HTTP/1.1\r\nHost: x\r\n\r\n"); answer != "" {
		t.Errorf("%s", answer)
	}
}

// An upstream that breaks off is not taken for one that has finished.
func TestUpstreamBreaksOff(t *testing.T) {
	u := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "half")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	p := one(t, u, credproxy.Route{Auth: bearer()})
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, p.URL+"/api/", nil)
	res, err := direct(t).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if b, err := io.ReadAll(res.Body); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%q, %v", b, err)
	}
}

// Large bodies pass whole and in little memory, up and down. BOTTLE_TEST_STREAM
// is their size in MiB.
func TestLargeBodies(t *testing.T) {
	size := int64(256 << 20)
	if mib, err := strconv.ParseInt(os.Getenv("BOTTLE_TEST_STREAM"), 10, 32); err == nil {
		size = mib << 20
	} else if testing.Short() {
		size = 16 << 20
	}
	up := sha256.New()
	u := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			up.Reset()
			_, _ = io.Copy(up, r.Body)
			return
		}
		_, _ = io.Copy(w, io.LimitReader(new(pattern), size))
	})
	p := one(t, u, credproxy.Route{Auth: bearer()})
	want := sha256.New()
	_, _ = io.Copy(want, io.LimitReader(new(pattern), size))

	heap := watchHeap(t)
	down := sha256.New()
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, p.URL+"/api/", nil)
	res, err := direct(t).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(down, res.Body)
	_ = res.Body.Close()
	check(t, "down", down, want, err)

	req, _ = http.NewRequestWithContext(t.Context(), http.MethodPut, p.URL+"/api/", io.LimitReader(new(pattern), size))
	if res, err = direct(t).Do(req); err == nil {
		_ = res.Body.Close()
	}
	check(t, "up", up, want, err)
	// This process is also the client and the upstream.
	if peak := heap(); peak > 48<<20 {
		t.Errorf("the heap grew to %d MiB", peak>>20)
	}
	if e := p.wait("request", 2); e["bytes_in"] != float64(size) || p.wait("request", 1)["bytes_out"] != float64(size) {
		t.Errorf("audited %v", e)
	}
}

func check(t *testing.T, what string, got, want hash.Hash, err error) {
	t.Helper()
	if err != nil || string(got.Sum(nil)) != string(want.Sum(nil)) {
		t.Errorf("%s: damaged, or %v", what, err)
	}
}

// pattern is an endless text that does not repeat soon.
type pattern struct{ n uint64 }

func (p *pattern) Read(b []byte) (int, error) {
	for i := range b {
		p.n = p.n*6364136223846793005 + 1442695040888963407
		b[i] = byte(p.n >> 56)
	}
	return len(b), nil
}

// watchHeap returns a function that ends the watch and returns the peak.
func watchHeap(t *testing.T) func() uint64 {
	t.Helper()
	stop, peak := make(chan struct{}), make(chan uint64)
	go func() {
		var most uint64
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			most = max(most, m.HeapInuse)
			select {
			case <-stop:
				peak <- most
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	return func() uint64 {
		close(stop)
		return <-peak
	}
}
