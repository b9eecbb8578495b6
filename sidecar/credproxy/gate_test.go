package credproxy_test

import (
	"encoding/base64"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/bottle-run/bottle/sidecar"
	"github.com/bottle-run/bottle/sidecar/credproxy"
)

const token = "0123456789abcdef0123456789abcdef"

// A gate is a forward proxy that records what it is asked for.
type gate struct {
	*httptest.Server
	mu   sync.Mutex
	seen []*http.Request
}

// newGate starts a gate that answers with refuse, or tunnels to the address that
// it is asked for, or to to.
func newGate(t *testing.T, to string, refuse func(http.ResponseWriter)) *gate {
	t.Helper()
	g := new(gate)
	var wg sync.WaitGroup
	wg.Add(1) // until the gate is closed: tunnels come and go
	g.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.mu.Lock()
		g.seen = append(g.seen, r)
		g.mu.Unlock()
		switch {
		case refuse != nil:
			refuse(w)
		case r.Method != http.MethodConnect:
			_, _ = io.WriteString(w, "plain")
		default:
			tunnel(&wg, w, to)
		}
	}))
	t.Cleanup(func() {
		g.Close()
		wg.Done()
		wg.Wait()
	})
	return g
}

func tunnel(wg *sync.WaitGroup, w http.ResponseWriter, to string) {
	far, err := net.Dial("tcp", to) //nolint:noctx // of a test
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	near, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		_ = far.Close()
		return
	}
	_, _ = io.WriteString(near, "HTTP/1.1 200 OK\r\n\r\n")
	for _, pair := range [][2]net.Conn{{near, far}, {far, near}} {
		wg.Go(func() {
			_, _ = io.Copy(pair[0], pair[1])
			_ = pair[0].Close()
			_ = pair[1].Close()
		})
	}
}

func certPEM(u *upstream) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: u.Certificate().Raw}))
}

func through(g *gate, r credproxy.Route) credproxy.Config {
	return credproxy.Config{Proxy: g.URL, Routes: []credproxy.Route{r}}
}

// Through a gate the cred-proxy says who it is, in CONNECT and in plain requests,
// and trusts the gate's CA beside the public ones. The environment's proxy
// settings mean nothing.
func TestThroughTheGate(t *testing.T) {
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY"} {
		t.Setenv(name, "http://127.0.0.1:1")
	}
	t.Setenv("NO_PROXY", "*")
	u := serve(t, nil)
	g := newGate(t, u.host(), nil)
	p := run(t, credproxy.Options{}, credproxy.Config{Proxy: g.URL, Routes: []credproxy.Route{
		{Path: "/tls/", Upstream: "https://example.com", Auth: bearer()}, {Path: "/plain/", Upstream: "http://svc:8080/x", PlainHTTP: true, Auth: bearer()},
	}}, inputs{"ca.pem": certPEM(u), "proxy-token": token})
	if res, body := p.do("GET", "/tls/x", http.Header{"Proxy-Authorization": {"mine"}}, nil); res.Code != 200 || body != "hello" {
		t.Fatalf("%d %s", res.Code, body)
	}
	if res, body := p.do("GET", "/plain/y", http.Header{"Proxy-Authorization": {"mine"}}, nil); res.Code != 200 || body != "plain" {
		t.Fatalf("%d %s", res.Code, body)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	want := "Basic " + base64.StdEncoding.EncodeToString([]byte("cred-proxy:"+token))
	for i, target := range []string{"example.com:443", "http://svc:8080/x/y"} {
		r := g.seen[i]
		if r.RequestURI != target || r.Header.Get("Proxy-Authorization") != want || len(r.Header["Proxy-Authorization"]) != 1 {
			t.Errorf("the gate got %s %s %q", r.Method, r.RequestURI, r.Header)
		}
	}
	if g.seen[0].Header.Get("Authorization") != "" {
		t.Error("the gate got the credential with CONNECT")
	}
	for _, r := range u.requests() {
		if r.Header.Get("Proxy-Authorization") != "" || r.Host != "example.com" {
			t.Errorf("the upstream got %s %q", r.Host, r.Header)
		}
	}
}

// Hosts that the gate passes through show the certificate of a public CA, the
// others one of the gate's; no other CA is trusted.
func TestWhomToTrustBehindTheGate(t *testing.T) {
	u := serve(t, nil)
	g := newGate(t, u.host(), nil)
	ca, _, err := sidecar.NewCA("test")
	if err != nil {
		t.Fatal(err)
	}
	config := through(g, credproxy.Route{Path: "/a/", Upstream: "https://example.com", Auth: bearer()})
	for _, test := range []struct {
		o    credproxy.Options
		ca   string
		want int
	}{
		{credproxy.Options{Roots: u.roots()}, string(ca), 200}, {credproxy.Options{}, certPEM(u), 200}, {credproxy.Options{}, string(ca), 502},
	} {
		p := run(t, test.o, config, inputs{"ca.pem": test.ca, "proxy-token": token})
		if res, body := p.do("GET", "/a/", nil, nil); res.Code != test.want {
			t.Errorf("%d %s, want %d", res.Code, body, test.want)
		}
	}
}

// Without a gate there is no proxy, whatever the environment says.
func TestNoProxyOfTheEnvironment(t *testing.T) {
	if credproxy.HasProxy() {
		t.Error("upstreams are reached through a proxy")
	}
}

// What the gate says of a refusal reaches the client.
func TestTheGateRefuses(t *testing.T) {
	u := serve(t, nil)
	for want, refuse := range map[string]func(http.ResponseWriter){
		"the gate answered 403: example.com is not allowed": func(w http.ResponseWriter) {
			sidecar.Refusal{Reason: "example.com is not allowed"}.Write(w, 403)
		},
		"the gate answered 407": func(w http.ResponseWriter) { w.WriteHeader(http.StatusProxyAuthRequired) },
		"the gate answered 502": func(w http.ResponseWriter) { http.Error(w, strings.Repeat("x", 1<<20), http.StatusBadGateway) },
	} {
		g := newGate(t, "", refuse)
		p := run(t, credproxy.Options{}, through(g, credproxy.Route{Path: "/a/", Upstream: "https://example.com", Auth: bearer()}),
			inputs{"ca.pem": certPEM(u), "proxy-token": token})
		if res, body := p.do("GET", "/a/x", nil, nil); res.Code != 502 || !strings.Contains(body, want) || strings.Contains(body, token) {
			t.Errorf("%d %s, want %s", res.Code, body, want)
		}
	}
	g := newGate(t, "", func(w http.ResponseWriter) { w.WriteHeader(http.StatusProxyAuthRequired) })
	p := run(t, credproxy.Options{}, through(g, credproxy.Route{Path: "/a/", Upstream: "http://x", PlainHTTP: true}), inputs{"ca.pem": certPEM(u), "proxy-token": token})
	if res, body := p.do("GET", "/a/x", nil, nil); res.Code != 502 || !strings.Contains(body, "token") {
		t.Errorf("%d %s", res.Code, body)
	}
}

// A gate that is not there is an error, and no reason to go round it.
func TestNoWayRoundTheGate(t *testing.T) {
	u := serve(t, nil)
	g := newGate(t, u.host(), nil)
	g.Close()
	p := run(t, credproxy.Options{Roots: u.roots()}, through(g, credproxy.Route{Path: "/a/", Upstream: u.URL, Auth: bearer()}), inputs{"ca.pem": certPEM(u), "proxy-token": token})
	if res, body := p.do("GET", "/a/x", nil, nil); res.Code != 502 {
		t.Errorf("%d %s", res.Code, body)
	}
	if n := len(u.requests()); n != 0 {
		t.Errorf("%d requests went round the gate", n)
	}
}
