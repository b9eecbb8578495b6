package credproxy_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/bottle-run/bottle/sidecar/credproxy"
)

const (
	tokenA = "token-of-agent-a_0123456789abcdef"
	tokenB = "token-of-agent-b_0123456789abcdef"
)

// twoAgents is a cred-proxy with two agents, of which one may use less.
func twoAgents(t *testing.T, u *upstream) *running {
	t.Helper()
	return run(t, credproxy.Options{Roots: u.roots()}, credproxy.Config{
		Routes: []credproxy.Route{{Path: "/api/", Upstream: u.URL + "/base", Auth: bearer()}, {Path: "/api/admin/", Upstream: u.URL + "/adm", Auth: bearer()}, {Path: "/free/", Upstream: u.URL + "/free"}},
		Agents: []credproxy.Agent{{Name: "alice", Routes: []string{"/api/", "/api/admin/", "/free/"}}, {Name: "bob", Routes: []string{"/api/"}}},
	}, inputs{"agent:alice": tokenA, "agent:bob": tokenB})
}

func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

// THREATS 25: who may call which route is told by a token, which neither upstreams
// nor the audit get to see.
func TestAgents(t *testing.T) {
	u := serve(t, nil)
	p := twoAgents(t, u)
	nth := 0
	for _, test := range []struct {
		path, header, value string
		status              int
		client, want        string // of the audit, and what the upstream is asked for or the reason
	}{
		{"/~" + tokenA + "/api/x?q=1", "", "", 200, "alice", "/base/x?q=1"},
		{"/%7E" + tokenA + "/api/admin", "", "", 200, "alice", "/adm"},
		{"/~" + tokenB + "/api", "", "", 200, "bob", "/base"},
		{"/~" + tokenB + "/api/x", "Authorization", "Bearer " + tokenA, 200, "bob", "/base/x"},
		{"/api/x", "Authorization", "Bearer " + tokenB, 200, "bob", "/base/x"},
		{"/api/x", "Authorization", "token " + tokenB, 200, "bob", "/base/x"},
		{"/api/x", "Authorization", tokenB, 200, "bob", "/base/x"},
		{"/api/x", "Authorization", basic("user", tokenB), 200, "bob", "/base/x"},
		{"/api/x", "Authorization", basic(tokenB, ""), 200, "bob", "/base/x"},
		{"/api/x", "Authorization", "AWS4-HMAC-SHA256 Credential=" + tokenB + "/20260101/r/s/aws4_request, SignedHeaders=host", 200, "bob", "/base/x"},
		{"/api/x", "X-Api-Key", tokenB, 200, "bob", "/base/x"},
		{"/free/x", "X-Goog-Api-Key", tokenA, 200, "alice", "/free/x"},

		{"/api/x", "", "", 403, "", "it carries the token of no agent"},
		{"/api/x", "Authorization", "Bearer " + tokenB + "x", 403, "", "it carries the token of no agent"},
		{"/api/x", "X-Other", tokenB, 403, "", "it carries the token of no agent"},
		{"/api/x?key=" + tokenB, "", "", 403, "", "it carries the token of no agent"},
		{"/~/api/x", "", "", 403, "", "not that of an agent"},
		{"/~" + tokenB[:20] + "/api/x", "Authorization", "Bearer " + tokenB, 403, "", "not that of an agent"},
		{"/~" + tokenB + "%2Fapi/x", "", "", 403, "", "not that of an agent"},
		{"/~" + tokenB + ";a/api/x", "", "", 403, "", "not that of an agent"},
		{"/api/~" + tokenB + "/x", "", "", 403, "", "it carries the token of no agent"},
		{"/~" + tokenB + "/api/admin/x", "", "", 404, "bob", "no route for /api/admin/x; there are: /api/\""},
		{"/~" + tokenB + "/free/x", "", "", 404, "bob", "and in agent(routes = […]) of bob"},
		{"/~" + tokenB + "/api/Admin/x", "", "", 403, "bob", "may be read as one of route /api/admin/"},
		{"/~" + tokenB + "/api%2Fadmin/x", "", "", 404, "bob", "no route"},
		{"/~" + tokenB + "/api/x%2F..%2Fadmin", "", "", 403, "", `"..`},
		{"/~" + tokenB, "", "", 404, "bob", "no route for /;"},
		{"/~" + tokenB + "/~" + tokenA + "/api/x", "", "", 404, "bob", "no route"},
		{"//~" + tokenB + "/api/x", "", "", 403, "", "empty segment"},
		{"/%2e/%7e%74" + tokenB[1:] + "/api/x", "", "", 403, "", `"."`},
	} {
		h := http.Header{"Referer": {"http://cred-proxy/~" + tokenA + "/"}}
		if test.header != "" {
			h.Set(test.header, test.value)
		}
		res, body := p.do("GET", test.path, h, nil)
		seen := u.requests()
		what := fmt.Sprintf("%s %s: %s: %d %s", test.path, test.header, test.value, res.Code, body)
		switch {
		case res.Code != test.status:
			t.Error(what)
		case test.status == 200:
			if len(seen) != 1 || seen[0].RequestURI != test.want || strings.Contains(fmt.Sprint(seen[0].Header), "token-of") {
				t.Errorf("%s; the upstream got %s %v", what, seen[0].RequestURI, seen[0].Header)
			}
		case len(seen) != 0 || !strings.Contains(strings.ReplaceAll(body, `\"`, `"`), test.want):
			t.Errorf("%s, want %q; %d requests", what, test.want, len(seen))
		}
		nth++
		e := p.wait("request", nth)
		if client, _ := e["client"].(string); client != test.client || strings.Contains(fmt.Sprint(e), "oken-of-agent") || strings.Contains(body, "token-of-agent") {
			t.Errorf("%s; audited %v", what, e)
		}
	}
}

// Redirects and pages lead back to the route with the agent's token, if the
// request came that way.
func TestAgentsKeepTheirWay(t *testing.T) {
	u := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "/base/next")
		w.Header().Add("Link", `</base/x?page=2>; rel="next"; title="a <b>", <https://other.example/?a=<>; rel=last, </nowhere>; rel="\"first\""`)
		w.Header().Add("Link", "</adm/y>")
		w.WriteHeader(http.StatusFound)
	})
	p := twoAgents(t, u)
	for path, prefix := range map[string]string{"/~" + tokenA + "/api/": "/~" + tokenA, "/api/": ""} {
		res, _ := p.do("GET", path, http.Header{"Authorization": {"Bearer " + tokenA}}, nil)
		if got := res.Header.Get("Location"); got != prefix+"/api/next" {
			t.Errorf("Location: %s", got)
		}
		want := `<` + prefix + `/api/x?page=2>; rel="next"; title="a <b>", <https://other.example/?a=<>; rel=last, <` + u.URL + `/nowhere>; rel="\"first\""|<` + prefix + "/api/admin/y>"
		if got := strings.Join(res.Header["Link"], "|"); got != want {
			t.Errorf("Link: %s\nwant: %s", got, want)
		}
	}
}

// Tokens are needed, good and different; without agents nobody has one.
func TestAgentTokens(t *testing.T) {
	u := serve(t, nil)
	config := credproxy.Config{Listen: "127.0.0.1:0", Routes: []credproxy.Route{{Path: "/a/", Upstream: u.URL}}, Agents: []credproxy.Agent{{Name: "a", Routes: []string{"/a/"}}, {Name: "b"}}}
	for want, in := range map[string]inputs{
		"agent:b has no value of 16 bytes": {"agent:a": tokenA}, "agent:a has no value": {"agent:a": "short", "agent:b": tokenB},
		"none of base64url's": {"agent:a": tokenA + "/", "agent:b": tokenB}, "the agents a and b have the same token": {"agent:a": tokenA, "agent:b": tokenA},
	} {
		in["config"] = configJSON(t, config)
		p := launch(t, credproxy.Options{Roots: u.roots()}, in.line())
		if e := p.wait("fatal", 1); e == nil || !strings.Contains(e["error"].(string), want) || strings.Contains(e["error"].(string), tokenA) {
			t.Errorf("%v, want %q", e, want)
		}
	}
	p := run(t, credproxy.Options{Roots: u.roots()}, credproxy.Config{Routes: []credproxy.Route{{Path: "/", Upstream: u.URL}}}, nil)
	if p.do("GET", "/~user/repo", nil, nil); u.requests()[0].RequestURI != "/~user/repo" {
		t.Error("a tilde is taken for a token's though there are no agents")
	}
}
