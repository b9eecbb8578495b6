package credproxy_test

import (
	"bufio"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/bottle-run/bottle/sidecar/credproxy"
)

// Later messages replace what they name; bad ones change nothing.
func TestLaterMessages(t *testing.T) {
	u := serve(t, nil)
	config := credproxy.Config{Listen: "127.0.0.1:0", Routes: []credproxy.Route{{Path: "/a/", Upstream: u.URL, Auth: bearer()}}}
	p := run(t, credproxy.Options{Roots: u.roots()}, config, nil)
	got := func(path string) string {
		t.Helper()
		p.do("GET", path, nil, nil)
		seen := u.requests()
		if len(seen) != 1 {
			return "nothing"
		}
		return strings.TrimPrefix(seen[0].Header.Get("Authorization"), "Bearer ")
	}
	applied, rejected := 0, 0
	apply := func(in inputs) {
		t.Helper()
		p.send(in.line())
		if applied++; p.wait("applied", applied) == nil {
			t.Fatal("it ended")
		}
	}
	reject := func(in inputs, want string) {
		t.Helper()
		p.send(in.line())
		rejected++
		if e := p.wait("rejected", rejected); e == nil || !strings.Contains(e["error"].(string), want) {
			t.Fatalf("%v, want %q", e, want)
		}
	}
	apply(inputs{slot: "new-value"})
	if v := got("/a/"); v != "new-value" {
		t.Errorf("after the refresh: %s", v)
	}
	other := config
	other.Routes = []credproxy.Route{{Path: "/b/", Upstream: u.URL, Auth: &credproxy.Auth{Scheme: "bearer", Secret: "second"}}}
	moved := config
	moved.Listen = "127.0.0.1:1"
	reject(inputs{slot: "bad\n"}, "line break")
	reject(inputs{"typo": "x"}, "no route uses typo")
	reject(inputs{"config": "{"}, "config: ")
	reject(inputs{"config": configJSON(t, other)}, "second has no value")
	reject(inputs{"config": configJSON(t, moved)}, "listen cannot change from 127.0.0.1:0")
	reject(inputs{"config": configJSON(t, credproxy.Config{})}, "no routes")
	reject(inputs{"ca.pem": "x"}, "wiring")
	if v := got("/a/"); v != "new-value" {
		t.Errorf("after bad messages: %s", v)
	}
	apply(inputs{"config": configJSON(t, other), "second": "value-two"})
	if v := got("/b/"); v != "value-two" {
		t.Errorf("with the new routes: %s", v)
	}
	if v := got("/a/"); v != "nothing" {
		t.Errorf("the old route: %s", v)
	}
	reject(inputs{slot: "x"}, "no route uses "+slot)
	reject(inputs{"config": configJSON(t, config)}, slot+" has no value") // it was forgotten with its route
}

// THREATS 14: what runs on a route ends when the route goes or is narrowed, and
// goes on when only its credential changes.
func TestRoutesAreRevoked(t *testing.T) {
	u := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "begin\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	config := credproxy.Config{Listen: "127.0.0.1:0", Routes: []credproxy.Route{
		{Path: "/stays/", Upstream: u.URL, Auth: bearer()}, {Path: "/narrowed/", Upstream: u.URL, Auth: bearer()}, {Path: "/goes/", Upstream: u.URL, Auth: bearer()},
	}}
	p := run(t, credproxy.Options{Roots: u.roots()}, config, nil)
	bodies := map[string]*bufio.Reader{}
	for _, r := range config.Routes {
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, p.URL+r.Path, nil)
		res, err := direct(t).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = res.Body.Close() })
		bodies[r.Path] = bufio.NewReader(res.Body)
		if line, _ := bodies[r.Path].ReadString('\n'); line != "begin\n" {
			t.Fatal(line)
		}
	}
	p.send(inputs{slot: canary + "2"}.line())
	p.wait("applied", 1)
	config.Routes = config.Routes[:2]
	config.Routes[1].Methods = []string{"POST"}
	p.send(inputs{"config": configJSON(t, config)}.line())
	p.wait("applied", 2)
	for _, path := range []string{"/goes/", "/narrowed/"} {
		if _, err := bodies[path].ReadByte(); err == nil {
			t.Errorf("%s goes on", path)
		}
	}
	if e := p.wait("request", 2); e["route"] == "/stays/" {
		t.Errorf("%v", e)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.events {
		if e["route"] == "/stays/" {
			t.Errorf("the route that stays ended: %v", e)
		}
	}
}

// Refreshes and requests do not disturb each other.
func TestRefreshUnderLoad(t *testing.T) {
	u := serve(t, nil)
	p := one(t, u, credproxy.Route{Auth: bearer()})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 50 {
			p.send(inputs{slot: strings.Repeat("v", 8+i%3)}.line())
		}
	}()
	for range 100 {
		if res, body := p.do("GET", "/api/", nil, nil); res.Code != 200 {
			t.Errorf("%d %s", res.Code, body)
		}
	}
	<-done
	for _, r := range u.requests() {
		if v := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "); v != canary && strings.Trim(v, "v") != "" {
			t.Errorf("the upstream got %q", v)
		}
	}
}
