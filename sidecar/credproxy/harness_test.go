package credproxy_test

import (
	"bufio"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/bottle-run/bottle/sidecar/credproxy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// canary is the secret of most tests, slot its name.
const (
	canary = "cAnArY-s3cr3t/with+odd=chars&<>0123456789"
	slot   = `secret.env("TOKEN")`
)

func bearer() *credproxy.Auth { return &credproxy.Auth{Scheme: "bearer", Secret: slot} }

// A running is a cred-proxy in this process, spoken to as a launcher does.
type running struct {
	t     testing.TB
	URL   string
	Addr  string
	stdin *io.PipeWriter
	quiet time.Duration // how long raw waits for more; zero is 200 ms
	ended chan error

	mu     sync.Mutex
	cond   *sync.Cond
	events []map[string]any
	muted  bool // events are not kept
}

// mute has events read and thrown away from now on, for benchmarks.
func (p *running) mute() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.muted = true
}

func (p *running) isMuted() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.muted
}

type inputs map[string]string

func (in inputs) line() string {
	m := map[string][]byte{}
	for name, v := range in {
		m[name] = []byte(v)
	}
	b, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	return string(b) + "\n"
}

func configJSON(tb testing.TB, c credproxy.Config) string {
	tb.Helper()
	if c.Listen == "" {
		c.Listen = "127.0.0.1:0"
	}
	b, err := json.Marshal(c)
	if err != nil {
		tb.Fatal(err)
	}
	return string(b)
}

// run starts a cred-proxy and waits until it is ready. It ends with the test.
func run(tb testing.TB, o credproxy.Options, c credproxy.Config, in inputs) *running {
	tb.Helper()
	all := inputs{"config": configJSON(tb, c)}
	for _, r := range c.Routes {
		if r.Auth != nil {
			for _, slot := range r.Auth.Slots() {
				all[slot] = canary
			}
		}
	}
	maps.Copy(all, in)
	p := launch(tb, o, all.line())
	ready := p.wait("ready", 1)
	if ready == nil {
		tb.Fatalf("not ready: %v", <-p.ended)
	}
	p.Addr = ready["listen"].([]any)[0].(string)
	p.URL = "http://" + p.Addr
	return p
}

// launch starts a cred-proxy with a first message.
func launch(tb testing.TB, o credproxy.Options, first string) *running {
	tb.Helper()
	p := &running{t: tb, ended: make(chan error, 1)}
	p.cond = sync.NewCond(&p.mu)
	stdin, w := io.Pipe()
	out, stdout := io.Pipe()
	p.stdin = w
	o.Stdin, o.Stdout = stdin, stdout
	if o.Stderr == nil {
		o.Stderr = io.Discard
	}
	var wg sync.WaitGroup
	wg.Go(func() { p.read(out) })
	wg.Go(func() {
		err := credproxy.Run(context.WithoutCancel(tb.Context()), o)
		_ = stdout.Close()
		p.ended <- err
	})
	tb.Cleanup(func() {
		_ = w.Close()
		wg.Wait()
	})
	p.send(first)
	return p
}

func (p *running) send(line string) { _, _ = io.WriteString(p.stdin, line) }

func (p *running) read(r io.Reader) {
	s := bufio.NewScanner(r)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		if p.isMuted() {
			continue
		}
		var e map[string]any
		if err := json.Unmarshal(s.Bytes(), &e); err != nil {
			p.t.Errorf("event %q: %v", s.Text(), err)
		}
		for _, secret := range []string{canary, base64.StdEncoding.EncodeToString([]byte(canary))} {
			if strings.Contains(s.Text(), secret) {
				p.t.Errorf("the secret is in an event: %s", s.Text())
			}
		}
		p.mu.Lock()
		p.events = append(p.events, e)
		p.mu.Unlock()
		p.cond.Broadcast()
	}
	p.mu.Lock()
	p.events = append(p.events, nil) // nothing more will come
	p.mu.Unlock()
	p.cond.Broadcast()
}

// wait returns the nth event of a kind, from 1; nil if the cred-proxy ended.
func (p *running) wait(kind string, nth int) map[string]any {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		n := 0
		for _, e := range p.events {
			if e == nil {
				return nil
			}
			if e["event"] == kind {
				if n++; n == nth {
					return e
				}
			}
		}
		p.cond.Wait()
	}
}

// An answer is what a client got, beside the body.
type answer struct {
	Code   int
	Header http.Header
}

// do sends a request to the cred-proxy and returns the answer and its body.
func (p *running) do(method, path string, header http.Header, body io.Reader) (answer, string) {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), method, p.URL+path, body)
	if err != nil {
		p.t.Fatal(err)
	}
	maps.Copy(req.Header, header)
	res, err := direct(p.t).Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header}, string(b)
}

// direct is a client that follows no redirect, asks for no compression and
// leaves no goroutine.
func direct(tb testing.TB) *http.Client {
	tb.Helper()
	tr := &http.Transport{DisableCompression: true, DisableKeepAlives: true, ExpectContinueTimeout: time.Minute}
	tb.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// raw sends bytes and returns all that comes back until the other side closes.
func (p *running) raw(request string) string {
	c, err := net.Dial("tcp", p.Addr) //nolint:noctx // of a test
	if err != nil {
		return err.Error()
	}
	defer func() { _ = c.Close() }()
	_, _ = io.WriteString(c, request)
	// A server takes the end of a request's stream for the end of its client. Only
	// what is no whole request needs it, so that the server gives up.
	_ = c.SetReadDeadline(time.Now().Add(cmp.Or(p.quiet, 200*time.Millisecond)))
	first, err := io.ReadAll(c)
	if err == nil {
		return string(first)
	}
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	_ = c.(*net.TCPConn).CloseWrite()
	rest, _ := io.ReadAll(c)
	return string(first) + string(rest)
}
