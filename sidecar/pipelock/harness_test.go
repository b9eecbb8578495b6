package pipelock_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/bottle-run/bottle/sidecar"
	"github.com/bottle-run/bottle/sidecar/pipelock"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// public is what the fake resolver answers, and token the cred-proxy's.
const (
	public = "93.184.216.34"
	token  = "t0ken-of-the-cred-proxy"
)

// secret is made at run time, so that no scanner finds it in this file.
func secret() string {
	return "gh" + "p_" + strings.Join([]string{"aB3dE5gH7jK9", "mN1pQ3sT5vW7", "yZ2bC4dF6hJ8"}, "")
}

// A running is a gate in this process, its resolver and its world.
type running struct {
	t     testing.TB
	addr  string
	dns   string
	names *names
	roots *x509.CertPool
	stdin *io.PipeWriter
	ended chan error

	mu     sync.Mutex
	cond   *sync.Cond
	events []map[string]any
	dialed []string
	world  string // the address of all that is dialled
}

// run starts a gate whose every upstream is u. It ends with the test.
func run(tb testing.TB, u *httptest.Server, c pipelock.Config, answers ...[]string) *running {
	tb.Helper()
	if u != nil && u.Certificate() != nil {
		c.Trust = trust(u)
	}
	cert, key, err := sidecar.NewCA("test")
	if err != nil {
		tb.Fatal(err)
	}
	g := &running{t: tb, names: &names{answers: answers}, roots: x509.NewCertPool(), ended: make(chan error, 1)}
	if u != nil {
		g.world = u.Listener.Addr().String()
	}
	g.cond = sync.NewCond(&g.mu)
	g.roots.AppendCertsFromPEM(cert)
	stdin, w := io.Pipe()
	out, stdout := io.Pipe()
	g.stdin = w
	o := pipelock.Options{
		Stdin: stdin, Stdout: stdout, Stderr: io.Discard, Resolver: g.names,
		Connect: func(ctx context.Context, network, addr string) (net.Conn, error) {
			g.mu.Lock()
			g.dialed = append(g.dialed, addr)
			to := g.world
			g.mu.Unlock()
			return new(net.Dialer).DialContext(ctx, network, to)
		},
	}
	var wg sync.WaitGroup
	wg.Go(func() { g.read(out) })
	wg.Go(func() {
		err := pipelock.Run(context.WithoutCancel(tb.Context()), o)
		_ = stdout.Close()
		g.ended <- err
	})
	tb.Cleanup(func() {
		_ = w.Close()
		wg.Wait()
	})
	g.send(map[string][]byte{"config": encoded(tb, c), "ca.pem": cert, "ca-key.pem": key, "cred-proxy-token": []byte(token)})
	ready := g.wait("ready")
	if ready == nil {
		tb.Fatalf("not ready: %v", <-g.ended)
	}
	g.addr, g.dns = ready["listen"].([]any)[0].(string), ready["listen"].([]any)[1].(string)
	return g
}

// encoded is c with what every test leaves out.
func trust(u *httptest.Server) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: u.Certificate().Raw}))
}

func encoded(tb testing.TB, c pipelock.Config) []byte {
	tb.Helper()
	c.Listen, c.DNS = "127.0.0.1:0", "127.0.0.1:0"
	if c.DLP == "" {
		c.DLP = "block"
	}
	b, err := json.Marshal(c)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// rules sends other rules to the running gate.
func (g *running) rules(c pipelock.Config) { g.send(map[string][]byte{"config": encoded(g.t, c)}) }

// leadTo makes an address the world from now on.
func (g *running) leadTo(addr string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.world = addr
}

func (g *running) send(m map[string][]byte) {
	b, err := json.Marshal(m)
	if err != nil {
		g.t.Fatal(err)
	}
	_, _ = g.stdin.Write(append(b, '\n'))
}

func (g *running) read(r io.Reader) {
	s := bufio.NewScanner(r)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		var e map[string]any
		if err := json.Unmarshal(s.Bytes(), &e); err != nil {
			g.t.Errorf("event %q: %v", s.Text(), err)
		}
		if strings.Contains(s.Text(), token) {
			g.t.Errorf("the token is in an event: %s", s.Text())
		}
		g.mu.Lock()
		g.events = append(g.events, e)
		g.mu.Unlock()
		g.cond.Broadcast()
	}
	g.mu.Lock()
	g.events = append(g.events, nil) // nothing more will come
	g.mu.Unlock()
	g.cond.Broadcast()
}

// wait returns the first event of a kind that came, and takes it; nil if the gate
// ended.
func (g *running) wait(kind string) map[string]any {
	g.mu.Lock()
	defer g.mu.Unlock()
	for {
		for i, e := range g.events {
			if e == nil {
				return nil
			}
			if e["event"] == kind {
				g.events = append(g.events[:i:i], g.events[i+1:]...)
				return e
			}
		}
		g.cond.Wait()
	}
}

func (g *running) dials() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]string(nil), g.dialed...)
}

// client returns a client that goes through the gate. A nil user is the agent.
func (g *running) client(user *url.Userinfo) *http.Client {
	tr := &http.Transport{
		Proxy:              http.ProxyURL(&url.URL{Scheme: "http", Host: g.addr, User: user}),
		TLSClientConfig:    &tls.Config{RootCAs: g.roots},
		DisableCompression: true, DisableKeepAlives: true,
	}
	g.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

// do sends a request through the gate and returns the status and the body.
func (g *running) do(method, target string, header http.Header, body io.Reader) (int, string) {
	g.t.Helper()
	req, err := http.NewRequestWithContext(g.t.Context(), method, target, body)
	if err != nil {
		g.t.Fatal(err)
	}
	maps.Copy(req.Header, header)
	if h := header.Get("Host"); h != "" {
		req.Host = h
		req.Header.Del("Host")
	}
	res, err := g.client(nil).Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err.Error()
	}
	return res.StatusCode, string(b)
}

func allow(hosts ...string) []pipelock.Rule {
	var out []pipelock.Rule
	for _, h := range hosts {
		out = append(out, pipelock.Rule{Host: h, Pos: "launch.star:1:1"})
	}
	return out
}
