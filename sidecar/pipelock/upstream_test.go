package pipelock_test

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/bottle-run/bottle/sidecar/pipelock"
)

// A corporate is an HTTP proxy that leads everywhere to one server.
type corporate struct {
	*httptest.Server
	mu    sync.Mutex
	asked []string
}

func newCorporate(t *testing.T, to *httptest.Server) *corporate {
	t.Helper()
	c := &corporate{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		c.asked = append(c.asked, r.Method+" "+r.RequestURI+" "+r.Header.Get("Proxy-Authorization"))
		c.mu.Unlock()
		if r.Method != http.MethodConnect || strings.HasPrefix(r.Host, "lost.") {
			http.Error(w, "not here", http.StatusBadGateway)
			return
		}
		up, err := net.Dial("tcp", to.Listener.Addr().String()) //nolint:noctx // of a test
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = up.Close() }()
		down, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = down.Close() }()
		_, _ = io.WriteString(down, "HTTP/1.1 200 OK\r\n\r\n")
		var wg sync.WaitGroup
		wg.Go(func() {
			_, _ = io.Copy(up, down)
			_ = up.Close()
		})
		_, _ = io.Copy(down, up)
		_ = down.Close()
		wg.Wait()
	}))
	t.Cleanup(c.Close)
	return c
}

func (c *corporate) requests() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.asked)
}

// What the gate opens and what it passes through leave by the same proxy, which
// resolves the names: the gate looks none up.
func TestUpstreamProxy(t *testing.T) {
	u := world(t, nil)
	corp := newCorporate(t, u)
	g := run(t, u, pipelock.Config{
		Allow: allow("example.com", "pinned.example", "lost.example"), Passthrough: []string{"pinned.example", "lost.example"},
		UpstreamProxy: "http://me:word@proxy.corp:3128",
	})
	g.leadTo(corp.Listener.Addr().String())
	g.roots.AddCert(u.Certificate())
	if code, body := g.do("GET", "https://example.com/", nil, nil); code != 200 {
		t.Error(code, body)
	}
	c := tls.Client(g.connect("pinned.example:443"), &tls.Config{ServerName: "pinned.example", InsecureSkipVerify: true})
	if err := c.HandshakeContext(t.Context()); err != nil || !c.ConnectionState().PeerCertificates[0].Equal(u.Certificate()) {
		t.Error("the tunnel was opened, or none came about:", err)
	}
	lost := tls.Client(g.connect("lost.example:443"), &tls.Config{ServerName: "lost.example", InsecureSkipVerify: true})
	if err := lost.HandshakeContext(t.Context()); err == nil {
		t.Error("a tunnel that the proxy refused")
	}
	const auth = " Basic bWU6d29yZA=="
	want := []string{"CONNECT example.com:443" + auth, "CONNECT pinned.example:443" + auth, "CONNECT lost.example:443" + auth}
	if got := corp.requests(); !slices.Equal(got, want) {
		t.Errorf("the proxy was asked for %q", got)
	}
	if d := g.dials(); slices.ContainsFunc(d, func(a string) bool { return a != "proxy.corp:3128" }) || g.names.calls() > 0 {
		t.Error("looked up", g.names.asked, "dialled", d)
	}
	_ = c.Close()
	for range 3 {
		if e := g.wait("request"); e["host"] == "lost.example:443" && (e["decision"] != "deny" || !strings.Contains(e["reason"].(string), "the upstream proxy: it answers 502")) {
			t.Error(e)
		}
	}
}

// THREATS 14: new rules end what the old ones allowed, whatever its form: a
// WebSocket, a tunnel that nobody reads, one that was silent until now, and the next
// request on a connection that stays.
func TestRulesChange(t *testing.T) {
	u := world(t, echo)
	c := pipelock.Config{Allow: allow("example.com", "pinned.example"), Passthrough: []string{"pinned.example"}}
	g := run(t, u, c)
	ws, res, err := websocket.Dial(t.Context(), "wss://example.com/", &websocket.DialOptions{HTTPClient: g.client(nil)}) //nolint:bodyclose // the library closes it
	if err != nil {
		t.Fatal(err, res)
	}
	defer func() { _ = ws.CloseNow() }()
	dial := func(name string) *tls.Conn {
		return tls.Client(g.connect(name+":443"), &tls.Config{ServerName: name, InsecureSkipVerify: true})
	}
	passed, kept, silent, silentToo := dial("pinned.example"), dial("example.com"), dial("pinned.example"), dial("example.com")
	for _, c := range []*tls.Conn{passed, kept} {
		if err := c.HandshakeContext(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	g.rules(pipelock.Config{Allow: allow("another.example"), Passthrough: c.Passthrough})
	if e := g.wait("applied"); e == nil {
		t.Fatal("the gate ended")
	}
	if _, _, err := ws.Read(t.Context()); err == nil {
		t.Error("the WebSocket goes on")
	}
	_ = passed.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := passed.Read(make([]byte, 1)); err == nil || strings.Contains(err.Error(), "timeout") {
		t.Error("the tunnel goes on:", err)
	}
	if err := silent.HandshakeContext(t.Context()); err == nil {
		t.Error("a tunnel of the old rules was let through after they went")
	}
	for name, c := range map[string]*tls.Conn{"kept": kept, "silent": silentToo} {
		_, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: example.com\r\n\r\n")
		if err != nil {
			continue // closed, which is as good
		}
		if res, err := http.ReadResponse(bufio.NewReader(c), nil); err == nil {
			_ = res.Body.Close()
			if res.StatusCode != http.StatusForbidden {
				t.Errorf("%s: the next request is answered %s", name, res.Status)
			}
		}
	}
	if n := len(g.dials()); n != 2 {
		t.Errorf("%d connections were made, want 2", n)
	}
}
