package credproxy_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/bottle-run/bottle/sidecar/credproxy"
)

// picky is an upstream that takes one value, and echoes what it is sent.
func picky(t *testing.T, good string) *upstream {
	t.Helper()
	return serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+good {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if r.Header.Get("Upgrade") != "" {
			c, err := websocket.Accept(w, r, nil)
			if err == nil {
				_ = c.Close(websocket.StatusNormalClosure, "")
			}
			return
		}
		body, _ := io.ReadAll(r.Body)
		_, _ = fmt.Fprintf(w, "%s %d", good, len(body))
	})
}

// A value that the upstream does not take is reported once, and requests that can
// be sent again wait for the next and go on with it.
func TestStaleSecrets(t *testing.T) {
	const fresh = "the-second-value-of-the-secret"
	u := picky(t, fresh)
	p := one(t, u, credproxy.Route{Auth: bearer(), Uses: 20})
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		if e := p.wait("stale", 1); e["secret"] == slot {
			p.send(inputs{slot: fresh}.line())
		}
	}()
	var wg sync.WaitGroup
	for i := range 10 {
		wg.Go(func() {
			body := strings.Repeat("x", i*7000) // up to 63 kB
			if res, got := p.do("POST", "/api/", nil, strings.NewReader(body)); res.Code != 200 || got != fmt.Sprintf("%s %d", strings.Repeat("*", len(fresh)), len(body)) {
				t.Errorf("%d %s", res.Code, got)
			}
		})
	}
	wg.Wait()
	<-answered
	c, _, err := websocket.Dial(t.Context(), p.URL+"/api/", &websocket.DialOptions{HTTPClient: direct(t)}) //nolint:bodyclose // the library closes it
	if err != nil {
		t.Fatal(err)
	}
	_ = c.CloseNow()
	n := 0
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.events {
		if e["event"] == "stale" {
			n++
		}
	}
	if n != 1 {
		t.Errorf("reported %d times", n)
	}
}

// A 401 is passed on when the same value comes again, at once; and when the body
// is not here any more, though the value is reported.
func TestStaleWithoutCure(t *testing.T) {
	u := picky(t, "never")
	p := one(t, u, credproxy.Route{Auth: bearer()})
	began := time.Now()
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		p.wait("stale", 1)
		p.send(inputs{slot: canary}.line())
	}()
	if res, _ := p.do("GET", "/api/", nil, nil); res.Code != 401 {
		t.Errorf("%d", res.Code)
	}
	<-answered
	for range 5 {
		if res, _ := p.do("GET", "/api/", nil, nil); res.Code != 401 {
			t.Errorf("%d", res.Code)
		}
	}
	if took := time.Since(began); took > 9*time.Second {
		t.Errorf("it took %s: each waits", took)
	}
	if n := len(u.requests()); n != 6 {
		t.Errorf("%d requests", n)
	}
	const fresh = "the-second-value-of-the-secret"
	large := picky(t, fresh)
	p = one(t, large, credproxy.Route{Auth: bearer()})
	answered = make(chan struct{})
	go func() {
		defer close(answered)
		p.wait("stale", 1)
		p.send(inputs{slot: fresh}.line())
	}()
	if res, _ := p.do("POST", "/api/", nil, strings.NewReader(strings.Repeat("x", 100_000))); res.Code != 401 {
		t.Errorf("a large body: %d", res.Code)
	}
	<-answered
	p.wait("applied", 1)
	if res, _ := p.do("POST", "/api/", nil, strings.NewReader(strings.Repeat("x", 100_000))); res.Code != 200 {
		t.Errorf("after it: %d", res.Code)
	}
}

// Without an answer of the launcher's the wait is bounded, once for each value;
// and a 401 of a route without a credential is nobody's concern.
func TestStaleIsBounded(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for ten seconds")
	}
	u := picky(t, "never")
	p := one(t, u, credproxy.Route{Auth: bearer()})
	for i := range 2 {
		began := time.Now()
		res, _ := p.do("GET", "/api/", nil, nil)
		if took := time.Since(began); res.Code != 401 || i == 0 && took < 5*time.Second || i == 1 && took > 5*time.Second {
			t.Errorf("request %d: %d after %s", i, res.Code, took)
		}
	}
	free := one(t, u, credproxy.Route{})
	if res, _ := free.do("GET", "/api/", nil, nil); res.Code != 401 {
		t.Errorf("%d", res.Code)
	}
	free.mu.Lock()
	defer free.mu.Unlock()
	for _, e := range free.events {
		if e["event"] == "stale" {
			t.Error("reported for a route without a credential")
		}
	}
}

// Nobody has a secret fetched over and over by asking for what is refused.
func TestStaleIsNotSaidOften(t *testing.T) {
	u := picky(t, "never")
	p := one(t, u, credproxy.Route{Auth: bearer()})
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		p.wait("stale", 1)
		p.send(inputs{slot: "another-value-in-vain"}.line())
	}()
	began := time.Now()
	for range 3 {
		if res, _ := p.do("GET", "/api/", nil, nil); res.Code != 401 {
			t.Errorf("%d", res.Code)
		}
	}
	<-answered
	if took := time.Since(began); took > 9*time.Second {
		t.Errorf("it took %s: each waits", took)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, e := range p.events {
		if e["event"] == "stale" {
			n++
		}
	}
	if n != 1 {
		t.Errorf("reported %d times", n)
	}
}
