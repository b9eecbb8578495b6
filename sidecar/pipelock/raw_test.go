package pipelock_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bottle-run/bottle/sidecar"
	"github.com/bottle-run/bottle/sidecar/pipelock"
)

// A recording is an upstream that remembers what it was asked, in plain HTTP.
type recording struct {
	*httptest.Server
	mu   sync.Mutex
	seen []*http.Request
}

func record(tb testing.TB) *recording {
	tb.Helper()
	u := &recording{}
	u.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // what does not come whole is as good
		u.mu.Lock()
		defer u.mu.Unlock()
		u.seen = append(u.seen, r)
	}))
	u.Config.ErrorLog = discard()
	u.Start()
	tb.Cleanup(u.Close)
	return u
}

func (u *recording) take() []*http.Request {
	u.mu.Lock()
	defer u.mu.Unlock()
	seen := u.seen
	u.seen = nil
	return seen
}

// raw sends bytes and reads until the gate closes, or says no more.
func (g *running) raw(data string) {
	c, err := net.Dial("tcp", g.addr) //nolint:noctx // of a test
	if err != nil {
		g.t.Error(err)
		return
	}
	defer func() { _ = c.Close() }()
	_, _ = io.WriteString(c, data)
	// The end of what a client sends is the end of the client to a server, so it
	// comes only after the gate had time for a whole request.
	_ = c.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	if _, err := io.Copy(io.Discard, c); err == nil {
		return
	}
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	_ = c.(*net.TCPConn).CloseWrite()
	_, _ = io.Copy(io.Discard, c)
}

// narrow lets two requests through, of all that there are.
func narrow() pipelock.Config {
	return pipelock.Config{
		Allow: []pipelock.Rule{
			{Host: "example.com", Methods: []string{"GET"}, Paths: []string{"/ok/**"}},
			{Host: "example.com", Methods: []string{"POST"}, Paths: []string{"/in"}, MaxBody: 100},
		},
		Deny: []pipelock.Rule{{Host: "example.com", Paths: []string{"/ok/not/**"}}},
	}
}

// stray says what is wrong with a request that arrived, or "".
func stray(r *http.Request) string {
	raw, _, _ := strings.Cut(r.RequestURI, "?")
	path, err := sidecar.CanonicalPath(raw)
	switch {
	case r.Host != "example.com":
		return "the host is another"
	case err != nil:
		return "the path can be read in two ways"
	case sidecar.MatchPath("/ok/not/**", path):
		return "the path is denied"
	case r.Method == http.MethodGet && sidecar.MatchPath("/ok/**", path), r.Method == http.MethodPost && path == "/in":
		return ""
	}
	return "no rule allows it"
}

func confusions() []string {
	const close = "Connection: close\r\n\r\n"
	var out []string
	for _, target := range []string{
		"http://example.com/ok/x", "http://EXAMPLE.com:80/ok/x", "http://example.com./ok/x", "http://example.com/%6fk/x", "http://example.com/ok/../no", "http://example.com/ok/%2e%2e/no",
		"http://example.com/ok//x", "http://example.com//evil.example/ok/x", "http://example.com/ok/not/x", "http://example.com/ok/%6eot/x", "http://example.com/ok/x/..%2fnot/x", "http://example.com@evil.example/ok/x",
		"http://evil.example/ok/x", "http://evil.example#@example.com/ok/x", "http://example.com:81/ok/x", "http://127.0.0.1/ok/x", "https://example.com/ok/x", "//example.com/ok/x", "/ok/x", "*", "http:example.com/ok/x",
		"http://example.com\\@evil.example/ok/x", "http://example.com/ok/x?y#z", "http://example.com/ok\\..\\no", "http://example.com?/ok/x", "http://example.com/in",
	} {
		for _, host := range []string{"example.com", "evil.example", "", "example.com:81", "example.com\r\nHost: evil.example"} {
			for _, method := range []string{"GET", "POST", "DELETE"} {
				out = append(out, method+" "+target+" HTTP/1.1\r\nHost: "+host+"\r\n"+close)
			}
		}
	}
	const post = "POST http://example.com/in HTTP/1.1\r\nHost: example.com\r\n"
	const smuggled = "GET http://example.com/no HTTP/1.1\r\nHost: example.com\r\nX: "
	for _, framing := range []string{
		"Content-Length: 5\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nContent-Length: 5", "Transfer-Encoding: xchunked", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
		"Transfer-Encoding : chunked", "Transfer-Encoding:\x0bchunked", "Content-Length: 1\r\nContent-Length: 2", "Content-Length: +5", "Content-Length: 0\nX: y", "X: y\r\n Folded: z\r\nContent-Length: 0",
	} {
		out = append(out, post+framing+"\r\n\r\n0\r\n\r\n"+smuggled)
	}
	inner := "GET /ok/x HTTP/1.1\r\nHost: example.com\r\n\r\nGET /no HTTP/1.1\r\nHost: example.com\r\n\r\nGET /ok/y HTTP/1.1\r\nHost: evil.example\r\n" + close
	for _, authority := range []string{"example.com:80", "EXAMPLE.COM:80", "evil.example:80", "example.com", "example.com:0080", "[::1]:80", "127.1:80", "example.com:80@evil.example:80"} {
		out = append(out, "CONNECT "+authority+" HTTP/1.1\r\nHost: "+authority+"\r\n\r\n"+inner)
	}
	return append(out, post+"Connection: Host, Content-Length\r\nContent-Length: 0\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\x16\x03\x01\x00\x00",
		"GET http://example.com/ok/x HTTP/1.1\r\nHost: example.com\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n"+smuggled)
}

// THREATS 12, 15, 20: whatever bytes the agent sends to the gate, what arrives
// outside is for the host, with the method and on the path that a rule allows, and
// nothing else is dialled or looked up.
func FuzzRawRequests(f *testing.F) {
	u := record(f)
	g := run(f, u.Server, narrow())
	for _, request := range confusions() {
		f.Add(request)
	}
	f.Fuzz(func(t *testing.T, data string) {
		g.raw(data)
		for _, r := range u.take() {
			if why := stray(r); why != "" {
				t.Errorf("%q arrived as %s %s for %q: %s", data, r.Method, r.RequestURI, r.Host, why)
			}
		}
		if i := slices.IndexFunc(g.dials(), func(a string) bool { return a != public+":80" && a != public+":443" }); i >= 0 {
			t.Errorf("%q dialled %s", data, g.dials()[i])
		}
		if asked := g.names.all(); slices.ContainsFunc(asked, func(n string) bool { return n != "example.com." }) {
			t.Errorf("%q looked up %q", data, asked)
		}
	})
}

// The seeds reach the upstream often enough to show something.
func TestRawRequestsArrive(t *testing.T) {
	u := record(t)
	g := run(t, u.Server, narrow())
	n := 0
	for _, request := range confusions() {
		g.raw(request)
		n += len(u.take())
	}
	if n < 20 {
		t.Errorf("only %d requests arrived", n)
	}
	t.Logf("%d of %d arrived", n, len(confusions()))
}
