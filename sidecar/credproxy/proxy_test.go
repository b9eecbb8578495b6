package credproxy_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/bottle-run/bottle/sidecar/credproxy"
)

func TestCredentialIsAdded(t *testing.T) {
	u := serve(t, nil)
	for _, test := range []struct {
		auth         credproxy.Auth
		header, want string
	}{
		{credproxy.Auth{Scheme: "bearer", Secret: slot}, "Authorization", "Bearer " + canary},
		{credproxy.Auth{Scheme: "token", Secret: slot}, "Authorization", "token " + canary},
		{credproxy.Auth{Scheme: "basic", Secret: slot, User: "me"}, "Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte("me:"+canary))},
		{credproxy.Auth{Scheme: "header", Secret: slot, Header: "x-api-KEY"}, "X-Api-Key", canary},
		{credproxy.Auth{Scheme: "header", Secret: slot, Header: "Cookie"}, "Cookie", canary},
	} {
		p := one(t, u, credproxy.Route{Auth: &test.auth})
		res, body := p.do("GET", "/api/v1/x?q=1", http.Header{test.header: {"mine"}}, nil)
		if res.Code != 200 || body != "hello" {
			t.Errorf("%s: %d %s", test.auth.Scheme, res.Code, body)
		}
		r := u.requests()[0]
		if got := r.Header[test.header]; len(got) != 1 || got[0] != test.want {
			t.Errorf("%s: the upstream got %q", test.auth.Scheme, got)
		}
		if r.Host != u.host() || r.RequestURI != "/v1/x?q=1" {
			t.Errorf("%s: the upstream got %s %s", test.auth.Scheme, r.Host, r.RequestURI)
		}
	}
}

// THREATS 22: nobody brings a credential of their own, nor steers the server
// behind the upstream by headers.
func TestWhatClientsMayNotSay(t *testing.T) {
	u := serve(t, nil)
	gone := []string{
		"Authorization", "Proxy-Authorization", "Cookie", "X-Api-Key", "Api-Key", "X_api_key", "x-goog-api-key", "Private-Token", "X-Auth-Token", "X-Original-Authorization", "Ocp-Apim-Subscription-Key", "X-Shopify-Access-Token", "X-Amz-Security-Token",
		"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Prefix", "X_forwarded_host", "X-Real-Ip", "Via",
		"X-Http-Method-Override", "X-Original-Url", "X-Rewrite-Url", "Http2-Settings",
		"Keep-Alive", "Proxy-Connection", "Te", "X-Listed", "X-Route-Key", "X_route_key",
	}
	for _, auth := range []*credproxy.Auth{nil, {Scheme: "header", Secret: slot, Header: "X-Route-Key"}} {
		p := one(t, u, credproxy.Route{Auth: auth})
		h := http.Header{"Connection": {"close, X-Listed, X-Other"}, "Kept": {"yes"}, "Idempotency-Key": {"yes"}, "Sec-Websocket-Protocol": {"realtime, openai-insecure-api-key.mine", "Base64url.Bearer.authorization.k8s.io.mine,v4"}}
		for _, name := range gone {
			if auth != nil || !strings.Contains(strings.ToLower(name), "route") {
				h[name] = []string{"mine", "mine too"}
			}
		}
		p.do("POST", "/api/x?a=1&key=mine&b=%zz;c&API_KEY=mine&access%5Ftoken=mine&x=y;key=mine&_method=DELETE&d", h, strings.NewReader("body"))
		r := u.requests()[0]
		for _, name := range gone {
			if got, ok := r.Header[name]; ok && (auth == nil || name != "X-Route-Key" || len(got) != 1 || got[0] != canary) {
				t.Errorf("the upstream got %s: %q", name, got)
			}
		}
		if r.Header.Get("Kept") != "yes" || r.Header.Get("Accept-Encoding") != "identity" || r.Header.Get("Idempotency-Key") != "yes" || strings.Join(r.Header["Sec-Websocket-Protocol"], "|") != "realtime, v4" {
			t.Errorf("the upstream got %q", r.Header)
		}
		want := "a=1&key=mine&b=%zz;c&API_KEY=mine&access%5Ftoken=mine&x=y;key=mine&d"
		if auth != nil {
			want = "a=1&b=%zz;c&d"
		}
		if r.URL.RawQuery != want {
			t.Errorf("the upstream got ?%s", r.URL.RawQuery)
		}
	}
}

func TestUpstreamFails(t *testing.T) {
	u := serve(t, nil)
	p := one(t, u, credproxy.Route{Auth: bearer()})
	other := serve(t, nil) // signs with a certificate that p trusts; close it to refuse
	other.Close()
	gone := run(t, credproxy.Options{Roots: u.roots()}, credproxy.Config{Routes: []credproxy.Route{{Path: "/api/", Upstream: other.URL, Auth: bearer()}}}, nil)
	distrusted := run(t, credproxy.Options{}, credproxy.Config{Routes: []credproxy.Route{{Path: "/api/", Upstream: u.URL, Auth: bearer()}}}, nil)
	for name, test := range map[string]struct {
		p    *running
		want string
	}{"refused": {gone, "connection refused"}, "untrusted": {distrusted, "certificate"}} {
		res, body := test.p.do("GET", "/api/", nil, nil)
		if res.Code != 502 || !strings.Contains(body, test.want) || !strings.Contains(body, `"error":"upstream failed"`) {
			t.Errorf("%s: %d %s", name, res.Code, body)
		}
		if e := test.p.wait("request", 1); e["status"] != 502.0 || e["decision"] != "allow" || !strings.Contains(e["reason"].(string), test.want) {
			t.Errorf("%s: %v", name, e)
		}
	}
	if n := len(u.requests()); n != 0 {
		t.Errorf("%d requests to an upstream that is not trusted", n)
	}
	if res, _ := p.do("GET", "/api/", nil, nil); res.Code != 200 {
		t.Error("the control fails")
	}
}

// Redirects are passed on, and those within a route's upstream lead back to it.
func TestRedirects(t *testing.T) {
	var location string
	u := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", location)
		w.WriteHeader(http.StatusTemporaryRedirect)
	})
	p := run(t, credproxy.Options{Roots: u.roots()}, credproxy.Config{Routes: []credproxy.Route{
		{Path: "/api/", Upstream: u.URL + "/base", Auth: bearer()}, {Path: "/other/", Upstream: u.URL + "/else"}, {Path: "/", Upstream: u.URL + "/root"},
	}}, nil)
	for there, want := range map[string]string{
		u.URL + "/base/y?q=1#f":                "/api/y?q=1#f",
		u.URL + "/base":                        "/api",
		"/base/y":                              "/api/y",
		"y":                                    "/api/y",
		"../else/y":                            "/other/y",
		u.URL + "/basement":                    u.URL + "/basement",
		"/nowhere":                             u.URL + "/nowhere",
		u.URL + "/root":                        "/",
		u.URL + "/root//evil.com":              u.URL + "/root//evil.com",
		"https://evil.com/base/":               "https://evil.com/base/",
		"//evil.com/base/":                     "https://evil.com/base/",
		"http://" + u.host() + "/base/y":       "http://" + u.host() + "/base/y",
		"https://user@" + u.host() + "/base/y": "https://user@" + u.host() + "/base/y",
		"https://evil.com/?" + canary:          "https://evil.com/?" + strings.Repeat("*", len(canary)),
		u.URL + "/base/" + strings.ToLower("?A=%2F%2e"): "/api/?a=%2f%2e",
	} {
		location = there
		res, _ := p.do("GET", "/api/x", nil, nil)
		if got := res.Header.Get("Location"); res.Code != 307 || got != want {
			t.Errorf("Location %s became %d %s, want %s", there, res.Code, got, want)
		}
	}
	if n := len(u.requests()); n != 15 {
		t.Errorf("%d requests: a redirect was followed", n)
	}
}

func TestHealth(t *testing.T) {
	u := serve(t, nil)
	if res, body := one(t, u, credproxy.Route{}).do("GET", "/healthz", nil, nil); res.Code != 200 || body != "ok\n" {
		t.Errorf("%d %s", res.Code, body)
	}
	if len(u.requests()) != 0 {
		t.Error("the upstream was asked")
	}
	if _, body := one(t, u, credproxy.Route{Path: "/"}).do("GET", "/healthz", nil, nil); body != "hello" {
		t.Errorf("with a route that claims it: %s", body)
	}
}

// One event per request: where it went, by which route, with which slot, never a
// query, a body or a header.
func TestAudit(t *testing.T) {
	u := serve(t, nil)
	p := one(t, u, credproxy.Route{Auth: bearer(), Pos: "launch.star:3:5", Methods: []string{"POST"}})
	p.do("POST", "/api/%76?secret=1", http.Header{"X": {"header-value"}}, strings.NewReader("the body"))
	want := map[string]any{
		"event": "request", "client": "agent", "method": "POST", "host": u.host(), "path": "/v", "status": 200.0, "decision": "allow", "rule": "launch.star:3:5",
		"bytes_in": 8.0, "bytes_out": 5.0, "route": "/api/", "credential": slot,
	}
	check := func(nth int) {
		t.Helper()
		e := p.wait("request", nth)
		if _, err := json.Marshal(e["time"]); err != nil || e["time"] == "" || e["ms"] == nil {
			t.Errorf("%v", e)
		}
		delete(e, "time")
		delete(e, "ms")
		got, _ := json.Marshal(e)
		if wanted, _ := json.Marshal(want); string(got) != string(wanted) {
			t.Errorf("audited\n%s\nwant\n%s", got, wanted)
		}
	}
	check(1)
	p.do("GET", "/api/x?secret=2", nil, nil)
	want["method"], want["path"], want["status"], want["decision"], want["bytes_in"] = "GET", "/api/x", 403.0, "deny", 0.0
	want["reason"] = "route /api/ allows POST, not GET"
	delete(want, "credential")
	want["bytes_out"] = p.wait("request", 2)["bytes_out"]
	check(2)
}

// Sessions that a credential opened stay here.
func TestAnswersLoseCookies(t *testing.T) {
	u := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		for _, name := range []string{"Set-Cookie", "Alt-Svc", "X-Kept"} {
			w.Header().Set(name, "x")
		}
	})
	res, _ := one(t, u, credproxy.Route{Auth: bearer()}).do("GET", "/api/", nil, nil)
	if res.Header["Set-Cookie"] != nil || res.Header["Alt-Svc"] != nil || res.Header.Get("X-Kept") != "x" {
		t.Errorf("%v", res.Header)
	}
}
