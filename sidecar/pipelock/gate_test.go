package pipelock_test

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bottle-run/bottle/sidecar/pipelock"
)

func discard() *log.Logger { return log.New(io.Discard, "", 0) }

func TestInterceptedGet(t *testing.T) {
	g := run(t, world(t, nil), pipelock.Config{Allow: allow("example.com")})
	code, body := g.do("GET", "https://example.com/a?b=c", nil, nil)
	if code != 200 || !strings.Contains(body, `"host":"example.com"`) || !strings.Contains(body, `"uri":"/a?b=c"`) {
		t.Fatal(code, body)
	}
	if d := g.dials(); !slices.Equal(d, []string{public + ":443"}) {
		t.Error("dialled", d)
	}
	e := g.wait("request")
	if e["decision"] != "allow" || e["path"] != "/a" || e["host"] != "example.com:443" || e["rule"] != "launch.star:1:1" {
		t.Error(e)
	}
}

// THREATS: a refused request causes no lookup and no packet.
func TestRefusedHost(t *testing.T) {
	g := run(t, world(t, nil), pipelock.Config{Allow: allow("example.com")})
	code, body := g.do("GET", "http://evil.example/x", nil, nil)
	var refusal map[string]string
	if err := json.Unmarshal([]byte(body), &refusal); err != nil || code != 403 || refusal["error"] != "blocked by bottle" || refusal["allow"] != `pipelock(allow = ["evil.example"])` {
		t.Error(code, body, err)
	}
	for _, target := range []string{"https://evil.example/", "https://127.0.0.1/", "https://[::1]/", "http://169.254.169.254/", "http://0x7f.1/", "http://example.com:8080/"} {
		if code, body := g.do("GET", target, nil, nil); code != 403 && !strings.Contains(body, "Forbidden") {
			t.Error(target, code, body)
		}
	}
	if g.names.calls() != 0 || len(g.dials()) != 0 {
		t.Error("looked up", g.names.asked, "dialled", g.dials())
	}
}

// connect opens a tunnel.
func (g *running) connect(host string) net.Conn {
	g.t.Helper()
	c, err := net.Dial("tcp", g.addr) //nolint:noctx // of a test
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	_, _ = fmt.Fprintf(c, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", host, host)
	var head []byte
	for b := make([]byte, 1); !bytes.HasSuffix(head, []byte("\r\n\r\n")); head = append(head, b[0]) {
		if _, err := c.Read(b); err != nil {
			g.t.Fatal(err, string(head))
		}
	}
	if !bytes.HasPrefix(head, []byte("HTTP/1.1 200")) {
		g.t.Fatalf("%s", head)
	}
	return c
}

func TestMismatches(t *testing.T) {
	g := run(t, world(t, nil), pipelock.Config{Allow: allow("example.com", "other.example"), Passthrough: []string{"other.example"}})
	for _, host := range []string{"example.com", "other.example"} {
		c := tls.Client(g.connect(host+":443"), &tls.Config{ServerName: "evil.example", InsecureSkipVerify: true}) // it must not get that far
		if err := c.HandshakeContext(t.Context()); err == nil {
			t.Errorf("a handshake with %s that names another", host)
		}
		if e := g.wait("request"); e["decision"] != "deny" || !strings.Contains(e["reason"].(string), "evil.example") {
			t.Error(e)
		}
	}
	if code, body := g.do("GET", "https://example.com/", http.Header{"Host": {"other.example"}}, nil); code != 421 {
		t.Error(code, body)
	}
	if g.names.calls() != 0 {
		t.Error("looked up", g.names.asked)
	}
	c := g.connect("example.com:443")
	_, _ = io.WriteString(c, "SSH-2.0-x\r\n")
	if b, _ := io.ReadAll(c); len(b) > 0 {
		t.Errorf("%q", b)
	}
}

func TestPrivateAddress(t *testing.T) {
	for _, answer := range [][]string{{"10.0.0.1"}, {public, "127.0.0.1"}, {"::ffff:169.254.169.254"}, {"fd00::1"}} {
		g := run(t, world(t, nil), pipelock.Config{Allow: allow("example.com")}, answer)
		code, body := g.do("GET", "https://example.com/", nil, nil)
		if code != 403 || !strings.Contains(body, "pipelock(private = ") || len(g.dials()) != 0 {
			t.Error(answer, code, body, g.dials())
		}
	}
	for answer, want := range map[string]int{"10.0.0.1": 200, "127.0.0.1": 403, "169.254.169.254": 403, "fd00:ec2::254": 403} {
		g := run(t, world(t, nil), pipelock.Config{Allow: allow("example.com"), Private: []string{"example.com"}}, []string{answer})
		if code, body := g.do("GET", "https://example.com/", nil, nil); code != want {
			t.Error(answer, code, body)
		}
	}
}

// THREATS: what was checked is what is dialled, whatever the resolver says next.
func TestRebinding(t *testing.T) {
	g := run(t, world(t, nil), pipelock.Config{Allow: allow("example.com")}, []string{public}, []string{"127.0.0.1"})
	if code, body := g.do("GET", "https://example.com/", nil, nil); code != 200 {
		t.Fatal(code, body)
	}
	if d := g.dials(); g.names.calls() != 1 || !slices.Equal(d, []string{public + ":443"}) {
		t.Error(g.names.asked, d)
	}
}

func TestMaxBody(t *testing.T) {
	rules := allow("example.com")
	rules[0].MaxBody = 10
	g := run(t, world(t, nil), pipelock.Config{Allow: rules})
	for body, want := range map[string]int{"0123456789": 200, "0123456789a": 403} {
		if code, b := g.do("POST", "https://example.com/", nil, strings.NewReader(body)); code != want {
			t.Error(body, code, b)
		}
		if code, b := g.do("POST", "https://example.com/", nil, io.MultiReader(strings.NewReader(body))); code != want {
			t.Error("chunked", body, code, b)
		}
	}
}

func TestProxyToken(t *testing.T) {
	g := run(t, world(t, nil), pipelock.Config{
		Allow: allow("agent.example"), Upstreams: []pipelock.Rule{{Host: "example.com", Credentials: []string{"X-Key"}}},
	})
	get := func(user *url.Userinfo, header http.Header) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://example.com/", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header = header
		res, err := g.client(user).Do(req)
		if err != nil {
			return 0, err.Error()
		}
		_ = res.Body.Close()
		return res.StatusCode, ""
	}
	known := url.UserPassword("cred-proxy", token)
	if code, err := get(known, http.Header{"X-Key": {secret()}}); code != 200 {
		t.Error("the cred-proxy's credential:", code, err)
	}
	if code, err := get(known, http.Header{"X-Other": {secret()}}); code != 403 {
		t.Error("a secret beside it:", code, err)
	}
	for _, user := range []*url.Userinfo{url.UserPassword("cred-proxy", token+"x"), url.UserPassword("cred-proxy", ""), url.UserPassword("other", token), url.UserPassword("agent", "")} {
		if code, err := get(user, nil); code != 0 || !strings.Contains(err, "Proxy Authentication Required") {
			t.Error(user, code, err)
		}
	}
	for _, user := range []*url.Userinfo{nil, url.UserPassword("agent", token)} {
		if code, err := get(user, nil); code != 0 || !strings.Contains(err, "Forbidden") {
			t.Error("the agent:", user, code, err)
		}
	}
}

// A passed-through tunnel is not read, so rules about what is in it do not open it.
func TestPassthrough(t *testing.T) {
	u := world(t, nil)
	c := pipelock.Config{Allow: allow("example.com"), Passthrough: []string{"example.com"}}
	g := run(t, u, c)
	g.roots.AddCert(u.Certificate())
	if code, body := g.do("GET", "https://example.com/", nil, nil); code != 200 {
		t.Error(code, body)
	}
	c.Allow[0].Methods = []string{"GET"}
	g = run(t, u, c)
	g.roots.AddCert(u.Certificate())
	if code, body := g.do("POST", "https://example.com/", nil, strings.NewReader("x")); code != 0 || len(g.dials()) > 0 {
		t.Error(code, body, g.dials())
	}
}
