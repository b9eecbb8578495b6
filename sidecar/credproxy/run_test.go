package credproxy_test

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bottle-run/bottle/sidecar/credproxy"
)

// THREATS 18, 30: what is not whole does not start, and says why.
func TestWiringErrors(t *testing.T) {
	u := serve(t, nil)
	route := credproxy.Route{Path: "/a/", Upstream: "https://example.com", Auth: bearer(), Pos: "launch.star:3:5"}
	config := configJSON(t, credproxy.Config{Routes: []credproxy.Route{route}})
	gated := configJSON(t, credproxy.Config{Routes: []credproxy.Route{route}, Proxy: "http://pipelock:8888"})
	ca := certPEM(u)
	for name, test := range map[string]struct {
		in   inputs
		want string
	}{
		"no config":         {inputs{slot: canary}, "no routes: the first message has no config"},
		"no routes":         {inputs{"config": `{"listen":":0","routes":[]}`}, "no routes: a cred-proxy needs one at least"},
		"unknown field":     {inputs{"config": `{"listen":":0","rutes":[]}`}, "config: rutes (line 1, column 22): unknown field"},
		"not JSON":          {inputs{"config": "listen: 1"}, "config: line 1, column 1: invalid character"},
		"no value":          {inputs{"config": config}, `launch.star:3:5: route "/a/": secret.env("TOKEN") has no value`},
		"empty value":       {inputs{"config": config, slot: ""}, "has no value"},
		"newline":           {inputs{"config": config, slot: canary + "\n"}, `the value of secret.env("TOKEN") has a line break`},
		"CR LF":             {inputs{"config": config, slot: canary + "\r\nX: y"}, "has a line break"},
		"NUL":               {inputs{"config": config, slot: canary + "\x00"}, "has the control byte 0x00"},
		"space":             {inputs{"config": config, slot: " " + canary}, "begins or ends with a space"},
		"unknown slot":      {inputs{"config": config, slot: canary, "typo": canary}, "no route uses typo"},
		"proxy alone":       {inputs{"config": gated, slot: canary}, "wiring: there is a proxy and no ca.pem"},
		"proxy, no CA":      {inputs{"config": gated, slot: canary, "proxy-token": token}, "wiring: there is a proxy and no ca.pem"},
		"proxy, no token":   {inputs{"config": gated, slot: canary, "ca.pem": ca}, "wiring: there is a proxy and no proxy-token"},
		"CA, no proxy":      {inputs{"config": config, slot: canary, "ca.pem": ca}, "wiring: there is a ca.pem and no proxy"},
		"token, no proxy":   {inputs{"config": config, slot: canary, "proxy-token": token}, "wiring: there is a proxy-token and no proxy"},
		"CA is none":        {inputs{"config": gated, slot: canary, "ca.pem": "x", "proxy-token": token}, "ca.pem holds no certificate"},
		"token with a line": {inputs{"config": gated, slot: canary, "ca.pem": ca, "proxy-token": token + "\n"}, "the value of proxy-token has a line break"},
		"port taken":        {inputs{"config": strings.Replace(config, "127.0.0.1:0", u.host(), 1), slot: canary}, "address already in use"},
	} {
		p := launch(t, credproxy.Options{}, test.in.line())
		fatal := p.wait("fatal", 1)
		if err := <-p.ended; err == nil || !strings.Contains(err.Error(), test.want) || fatal == nil || fatal["error"] != err.Error() {
			t.Errorf("%s: %v, reported %v", name, err, fatal)
		} else if strings.Contains(err.Error(), canary) || strings.Contains(err.Error(), token) {
			t.Errorf("%s: the secret is in the error: %v", name, err)
		}
	}
}

// The routes may lie in a file; a config in the first message goes before it.
func TestRoutesFromAFile(t *testing.T) {
	u := serve(t, nil)
	file := filepath.Join(t.TempDir(), "routes.json")
	config := configJSON(t, credproxy.Config{Routes: []credproxy.Route{{Path: "/file/", Upstream: u.URL, Auth: bearer()}}})
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	o := credproxy.Options{Roots: u.roots(), Routes: file}
	p := launch(t, o, inputs{slot: canary}.line())
	p.URL = "http://" + p.wait("ready", 1)["listen"].([]any)[0].(string)
	p.send(inputs{slot: canary + "2"}.line()) // a refresh still finds the routes
	if p.wait("applied", 1) == nil {
		t.Fatal("not applied")
	}
	p.do("GET", "/file/x", nil, nil)
	if seen := u.requests(); len(seen) != 1 || seen[0].Header.Get("Authorization") != "Bearer "+canary+"2" {
		t.Errorf("the upstream got %v", seen)
	}
	p = run(t, o, credproxy.Config{Routes: []credproxy.Route{{Path: "/config/", Upstream: u.URL}}}, nil)
	if res, _ := p.do("GET", "/file/x", nil, nil); res.Code != 404 {
		t.Errorf("%d", res.Code)
	}
	bad := launch(t, credproxy.Options{Routes: filepath.Dir(file)}, inputs{slot: canary}.line())
	if err := <-bad.ended; err == nil || !strings.Contains(err.Error(), "reading the routes") {
		t.Error(err)
	}
	missing := launch(t, credproxy.Options{Routes: file + "x"}, inputs{slot: canary}.line())
	if err := <-missing.ended; err == nil || !strings.Contains(err.Error(), "wiring: no routes") {
		t.Error(err)
	}
}

// THREATS 18: the end of the launcher's stream closes every connection at once,
// streams and WebSockets included.
func TestTheLauncherDies(t *testing.T) {
	entered := make(chan struct{}, 2)
	u := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "" {
			c, brw, _ := http.NewResponseController(w).Hijack()
			defer func() { _ = c.Close() }()
			_, _ = brw.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
			_ = brw.Flush()
			entered <- struct{}{}
			_, _ = io.Copy(io.Discard, c)
			return
		}
		_ = http.NewResponseController(w).Flush()
		entered <- struct{}{}
		<-r.Context().Done()
	})
	p := one(t, u, credproxy.Route{Auth: bearer()})
	var conns []net.Conn
	for _, request := range []string{
		"GET /api/ HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", "GET /api/ HTTP/1.1\r\nHost: x\r\n\r\n", "GET /api/ HTTP/1.1\r\nHo", "",
	} {
		c, err := net.Dial("tcp", p.Addr) //nolint:noctx // of a test
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		_, _ = io.WriteString(c, request)
		conns = append(conns, c)
	}
	<-entered
	<-entered
	start := time.Now()
	_ = p.stdin.Close()
	for i, c := range conns {
		_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
		if _, err := io.Copy(io.Discard, c); err != nil && strings.Contains(err.Error(), "timeout") {
			t.Errorf("connection %d lives", i)
		}
	}
	if err := <-p.ended; err != nil {
		t.Error(err)
	}
	if d := time.Since(start); d > 900*time.Millisecond {
		t.Errorf("it took %v", d)
	}
	if p.wait("request", 2) == nil {
		t.Error("what was running is not in the audit")
	}
}

func TestConfigIsWhatTheContractSays(t *testing.T) {
	in := credproxy.Config{Listen: ":9099", Proxy: "http://pipelock:8888", Routes: []credproxy.Route{{
		Path: "/a/", Upstream: "https://a", PlainHTTP: true, Auth: &credproxy.Auth{Scheme: "basic", Secret: "s", User: "u"}, Methods: []string{"GET"}, Paths: []string{"/x"}, Roles: []string{"r"}, Pos: "p",
	}}}
	b, _ := json.Marshal(in)
	const want = `{"listen":":9099","routes":[{"path":"/a/","upstream":"https://a","plain_http":true,"auth":{"scheme":"basic","secret":"s","user":"u"},"methods":["GET"],"paths":["/x"],"roles":["r"],"pos":"p"}],"proxy":"http://pipelock:8888"}`
	if string(b) != want {
		t.Errorf("%s", b)
	}
}
