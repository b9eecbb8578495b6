package credproxy_test

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/bottle-run/bottle/sidecar/credproxy"
)

// refusalOf reads a refusal: every one says what to change.
func refusalOf(t *testing.T, body string) (reason string) {
	t.Helper()
	var r struct{ Error, Reason, Host, Allow string }
	if err := json.Unmarshal([]byte(body), &r); err != nil || r.Error != "blocked by bottle" || r.Allow == "" {
		t.Errorf("not a refusal that helps: %s", body)
	}
	return r.Reason
}

// Each limit lets through as much as it says and refuses what follows.
func TestLimits(t *testing.T) {
	u := serve(t, nil) // answers 5 bytes
	for name, test := range map[string]struct {
		route  credproxy.Route
		body   string
		passes int
		status int
		reason string
	}{
		"requests": {credproxy.Route{MaxRequests: 3}, "", 3, 429, "has carried 3 requests"},
		"uses":     {credproxy.Route{Uses: 2}, "", 2, 403, "it was for 2 uses"},
		"rate":     {credproxy.Route{Rate: &credproxy.Rate{Requests: 4, Seconds: 3600}}, "", 4, 429, "takes 4 requests in 3600 seconds"},
		"bytes":    {credproxy.Route{MaxBytes: 30}, "12345", 3, 429, "may carry 30 bytes, and 0 are left"},
		"upload":   {credproxy.Route{MaxBytes: 30}, strings.Repeat("x", 31), 0, 429, "may carry 30 bytes, and 30 are left"},
	} {
		p := one(t, u, test.route)
		for i := range test.passes + 2 {
			res, body := p.do("POST", "/api/", nil, strings.NewReader(test.body))
			p.wait("request", i+1) // which may come after the answer
			n := len(u.requests())
			if i < test.passes && (res.Code != 200 || n != 1) {
				t.Errorf("%s, request %d: %d %s", name, i+1, res.Code, body)
			}
			if i >= test.passes && (res.Code != test.status || n != 0 || !strings.Contains(refusalOf(t, body), test.reason)) {
				t.Errorf("%s, request %d: %d %s", name, i+1, res.Code, body)
			}
			if after, _ := strconv.Atoi(res.Header.Get("Retry-After")); (after > 0) != (name == "rate" && res.Code == 429) || after > 900 {
				t.Errorf("%s: Retry-After %d", name, after)
			}
		}
		if e := p.wait("request", test.passes+1); e["decision"] != "deny" || e["route"] != "/api/" || !strings.Contains(e["reason"].(string), test.reason) {
			t.Errorf("%s: %v", name, e)
		}
	}
}

// What a route refuses for another reason is no use of it.
func TestRefusedRequestsCostNothing(t *testing.T) {
	u := serve(t, nil)
	p := one(t, u, credproxy.Route{Uses: 1, Methods: []string{"GET", "POST"}, Paths: []string{"/v1"}, Protocol: "graphql", Operations: []string{"query.a"}})
	p.do("PUT", "/api/v1", nil, nil)
	p.do("GET", "/api/v2", nil, nil)
	p.do("GET", "/api/v1?query={b}", nil, nil)
	if res, body := p.do("GET", "/api/v1?query={a}", nil, nil); res.Code != 200 {
		t.Errorf("%d %s", res.Code, body)
	}
	if res, _ := p.do("GET", "/api/v1?query={a}", nil, nil); res.Code != 403 {
		t.Error("a second use")
	}
}

// A body of unknown length is cut where the limit is, up and down and in a
// WebSocket.
func TestBytesAreCut(t *testing.T) {
	const limit = 100_000
	u := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("Upgrade") != "":
			c, err := websocket.Accept(w, r, nil)
			if err != nil {
				return
			}
			defer func() { _ = c.CloseNow() }()
			for err == nil {
				err = c.Write(r.Context(), websocket.MessageText, make([]byte, 1000))
			}
		case r.Method == http.MethodPost:
			n, _ := io.Copy(io.Discard, r.Body)
			_, _ = io.WriteString(w, strconv.FormatInt(n, 10))
		case r.URL.Path == "/known":
			w.Header().Set("Content-Length", strconv.Itoa(limit+1))
			_, _ = w.Write(make([]byte, limit+1))
		default:
			for range 200 {
				_, _ = w.Write(make([]byte, 1000))
				_ = http.NewResponseController(w).Flush()
			}
		}
	})
	start := func() *running { return one(t, u, credproxy.Route{Auth: bearer(), MaxBytes: limit}) }
	if res, body := start().do("POST", "/api/", nil, io.MultiReader(strings.NewReader(strings.Repeat("x", limit+1)))); res.Code != 429 || refusalOf(t, body) == "" {
		t.Errorf("up: %d %s", res.Code, body)
	}
	if res, body := start().do("GET", "/api/known", nil, nil); res.Code != 429 || refusalOf(t, body) == "" {
		t.Errorf("down, of known length: %d %s", res.Code, body)
	}
	p := start()
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, p.URL+"/api/", nil)
	res, err := direct(t).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
	if n > limit || n < limit/2 || err == nil {
		t.Errorf("down: %d bytes, %v", n, err)
	}
	if e := p.wait("request", 1); e["decision"] != "deny" || !strings.Contains(e["reason"].(string), "as many bytes as it may") {
		t.Errorf("%v", e)
	}
	c, _, err := websocket.Dial(t.Context(), start().URL+"/api/", &websocket.DialOptions{HTTPClient: direct(t)}) //nolint:bodyclose // the library closes it
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.CloseNow() }()
	got := 0
	for err == nil {
		var b []byte
		_, b, err = c.Read(t.Context())
		got += len(b)
	}
	if got > limit || got < limit/2 {
		t.Errorf("WebSocket: %d bytes", got)
	}
}

// A grant that is over ends what runs on it.
func TestGrantEnds(t *testing.T) {
	u := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "begin\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	began := time.Now()
	p := one(t, u, credproxy.Route{Auth: bearer(), For: 2})
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, p.URL+"/api/", nil)
	res, err := direct(t).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	r := bufio.NewReader(res.Body)
	if line, _ := r.ReadString('\n'); line != "begin\n" {
		t.Fatal(line)
	}
	if _, err := r.ReadByte(); err == nil || time.Since(began) < time.Second {
		t.Errorf("%v after %s", err, time.Since(began))
	}
	if e := p.wait("request", 1); e["decision"] != "deny" || !strings.Contains(e["reason"].(string), "the time of the route is over") {
		t.Errorf("%v", e)
	}
	if res, body := p.do("GET", "/api/", nil, nil); res.Code != 403 || !strings.Contains(refusalOf(t, body), "it was for 2s") {
		t.Errorf("%d %s", res.Code, body)
	}
}

// What was used of a route is not forgotten by a new configuration that has it as
// it was, wherever it stands; one that changes it is a new grant.
func TestLimitsSurvive(t *testing.T) {
	u := serve(t, nil)
	config := credproxy.Config{Listen: "127.0.0.1:0", Routes: []credproxy.Route{{Path: "/a/", Upstream: u.URL, Auth: bearer(), Uses: 2, Pos: "l:1:1"}}}
	p := run(t, credproxy.Options{Roots: u.roots()}, config, nil)
	status := func() int {
		t.Helper()
		res, _ := p.do("GET", "/a/", nil, nil)
		return res.Code
	}
	applied := 0
	apply := func() {
		t.Helper()
		p.send(inputs{"config": configJSON(t, config)}.line())
		if applied++; p.wait("applied", applied) == nil {
			t.Fatal("it ended")
		}
	}
	if status() != 200 {
		t.Fatal("no first use")
	}
	config.Routes = append(config.Routes, credproxy.Route{Path: "/b/", Upstream: u.URL})
	config.Routes[0].Pos, config.Routes[0].Roles = "l:9:1", []string{"env:A"}
	apply()
	if first, second := status(), status(); first != 200 || second != 403 {
		t.Errorf("%d, %d", first, second)
	}
	config.Trust = certPEM(u) // another way out
	apply()
	if got := status(); got != 403 {
		t.Errorf("with another trust: %d", got)
	}
	config.Routes[0].Uses = 3
	apply()
	if got := status(); got != 200 {
		t.Errorf("as a new grant: %d", got)
	}
}
