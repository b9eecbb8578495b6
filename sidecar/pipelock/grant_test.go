package pipelock_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/bottle-run/bottle/sidecar/pipelock"
)

// Rules let through as much as they say, and a change of the others does not make
// them begin anew.
func TestBounds(t *testing.T) {
	rules := allow("example.com", "www.example.com")
	rules[0].Uses = 2
	rules[1].Rate = &pipelock.Rate{Requests: 3, Seconds: 3600}
	u := world(t, nil)
	g := run(t, u, pipelock.Config{Allow: rules})
	for i, want := range []int{200, 200, 403} {
		if code, body := g.do("GET", "https://example.com/", nil, nil); code != want || want == 403 && !strings.Contains(body, "2 requests") {
			t.Error(i, code, body)
		}
	}
	g.rules(pipelock.Config{Allow: append(rules, allow("new.example.com")...), Trust: trust(u)})
	if e := g.wait("applied"); e == nil {
		t.Fatal("the gate ended")
	}
	if code, body := g.do("GET", "https://example.com/", nil, nil); code != 403 {
		t.Error("after a change of another rule:", code, body)
	}
	for i, want := range []int{200, 200, 200, 429} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://www.example.com/", nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := g.client(nil).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != want || (res.Header.Get("Retry-After") != "") != (want == 429) {
			t.Error(i, res.Status, res.Header)
		}
	}
}

// Bytes count in both directions, also of what is on its way, and the time of a rule
// ends what is open.
func TestBoundsCutOff(t *testing.T) {
	rules := allow("example.com")
	rules[0].Bytes = 100 << 10
	u := world(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = w.Write(make([]byte, 64<<10))
		if r.URL.Path == "/slow" {
			_ = http.NewResponseController(w).Flush()
			select {
			case <-r.Context().Done():
			case <-time.After(20 * time.Second):
				_, _ = io.WriteString(w, "too late")
			}
		}
	})
	g := run(t, u, pipelock.Config{Allow: rules})
	if code, body := g.do("GET", "https://example.com/", nil, nil); code != 200 || len(body) != 64<<10 {
		t.Error(code, len(body))
	}
	if code, body := g.do("POST", "https://example.com/", nil, strings.NewReader(strings.Repeat("x", 40<<10))); code != 403 || !strings.Contains(body, "used up") {
		t.Error(code, body)
	}
	rules = allow("example.com")
	rules[0].For = 1
	g = run(t, u, pipelock.Config{Allow: rules})
	if _, body := g.do("GET", "https://example.com/slow", nil, nil); strings.Contains(body, "too late") {
		t.Error("it did not end")
	}
	if code, body := g.do("GET", "https://example.com/", nil, nil); code != 403 || !strings.Contains(body, "are over") {
		t.Error(code, body)
	}
}

// A server that speaks first, and another protocol than HTTP, is reached by name and
// port, and only so.
func TestTCP(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // of a test
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, "SSH-2.0-x\r\n")
			line, _ := bufio.NewReader(c).ReadString('\n')
			_, _ = io.WriteString(c, "got "+line)
			_ = c.Close()
		}
	}()
	u := &httptest.Server{Listener: l}
	g := run(t, u, pipelock.Config{Allow: []pipelock.Rule{{Host: "db.example", Ports: []int{22, 80}, TCP: true, Uses: 1}}})
	c := g.connect("db.example:22")
	r := bufio.NewReader(c)
	if line, err := r.ReadString('\n'); err != nil || line != "SSH-2.0-x\r\n" {
		t.Fatalf("%q %v", line, err)
	}
	_, _ = io.WriteString(c, "hello\n")
	if rest, err := io.ReadAll(r); err != nil || string(rest) != "got hello\n" {
		t.Errorf("%q %v", rest, err)
	}
	_ = c.Close()
	e := g.wait("request")
	if e["decision"] != "allow" || e["bytes_in"] != 6.0 || e["bytes_out"] != 21.0 || e["host"] != "db.example:22" {
		t.Error(e)
	}
	c = g.connect("db.example:22") // one use was all
	if b, _ := io.ReadAll(c); len(b) > 0 {
		t.Errorf("%q", b)
	}
	for _, host := range []string{"db.example:5432", "other.example:22"} {
		if code := g.status(host); code != 403 {
			t.Error(host, code)
		}
	}
	if code, body := g.do("GET", "http://db.example/", nil, nil); code != 403 || !strings.Contains(body, "other protocols") {
		t.Error(code, body)
	}
	if d := g.dials(); len(d) != 1 || d[0] != public+":22" {
		t.Error(d)
	}
}

// status returns how a CONNECT is answered.
func (g *running) status(host string) (code int) {
	c, err := net.Dial("tcp", g.addr) //nolint:noctx // of a test
	if err != nil {
		g.t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	_, _ = fmt.Fprintf(c, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", host, host)
	_, _ = fmt.Fscanf(c, "HTTP/1.1 %d", &code)
	return code
}
