package pipelock_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/bottle-run/bottle/sidecar/pipelock"
)

// helper is a sidecar in plain HTTP that answers with what it got.
func helper(t *testing.T) *httptest.Server {
	t.Helper()
	u := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/moved") {
			there := strings.TrimSuffix(r.URL.Path, "moved") + "there?x=1"
			w.Header().Set("Location", there)
			w.Header().Set("Content-Location", "/elsewhere")
			w.Header().Set("Link", "<"+there+`>; rel="next", </p?page=9>; rel="last", <https://other.example/p>; rel="x", <//p/y>`)
			w.WriteHeader(http.StatusFound)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]string{"host": r.Host, "uri": r.RequestURI, "auth": r.Header.Get("Authorization")})
	}))
	t.Cleanup(u.Close)
	return u
}

var aliases = pipelock.Config{
	Sidecars: []string{"cred-proxy:9099"},
	Allow:    []pipelock.Rule{{Host: "api.example", Paths: []string{"/open/**"}, Pos: "launch.star:1:1"}},
	Aliases: []pipelock.Alias{
		{Host: "cred-proxy", Sidecar: "cred-proxy:9099"},
		{Host: "api.example", Prefix: "/npm", Sidecar: "cred-proxy:9099", Path: "/n"},
		{Host: "api.example", Prefix: "/npm/private", Sidecar: "cred-proxy:9099", Path: "/p"},
	},
}

// TestAliases: what clients ask in https of the cred-proxy, or of an upstream by its
// own URL, goes to the cred-proxy, which alone decides; nothing else does.
func TestAliases(t *testing.T) {
	g := run(t, helper(t), aliases, []string{"10.213.0.3"})
	for ask, want := range map[string]string{
		"https://cred-proxy/v2/":                   "/v2/",
		"https://cred-proxy:443/api/graphql?q=1":   "/api/graphql?q=1",
		"https://CRED-PROXY/a%2Db":                 "/a%2Db",
		"https://cred-proxy/npm/@scope%2fname":     "/npm/@scope%2fname",
		"https://api.example/npm/a%2Db":            "/n/a-b",
		"https://api.example/npm":                  "/n",
		"https://api.example/npm/left-pad":         "/n/left-pad",
		"https://api.example/npm/private/x?y=%2e":  "/p/x?y=%2e",
		"https://api.example/npm/privateer":        "/n/privateer",
		"https://api.example/npm/%70rivate/secret": "/p/secret",
	} {
		code, body := g.do(http.MethodGet, ask, http.Header{"Authorization": {"Bearer " + secret()}}, nil)
		var got map[string]string
		if err := json.Unmarshal([]byte(body), &got); code != http.StatusOK || err != nil {
			t.Errorf("%s: %d %s", ask, code, body)
			continue
		}
		if got["uri"] != want || got["host"] != "cred-proxy:9099" || got["auth"] == "" {
			t.Errorf("%s arrives as %v, want %s", ask, got, want)
		}
	}
	for _, dialed := range g.dials() {
		if dialed != "10.213.0.3:9099" {
			t.Errorf("the gate dialed %s", dialed)
		}
	}
	before := len(g.dials())
	for _, ask := range []string{
		"https://cred-proxy:9099/", "https://cred-proxy:8443/", "http://cred-proxy/", "https://x.cred-proxy/", "https://pipelock/",
		"https://api.example/", "https://api.example/npmjs", "https://api.example/npm%2fprivate", "https://api.example/x/../npm", "http://api.example/npm/x", "https://api.example:8443/npm/x",
	} {
		if code, body := g.do(http.MethodGet, ask, nil, nil); code == http.StatusOK {
			t.Errorf("%s: %d %s", ask, code, body)
		}
	}
	if n := len(g.dials()); n != before {
		t.Errorf("the refused were dialed: %v", g.dials()[before:])
	}
}

// TestAliasInAbsoluteForm: a client may also ask https of the gate itself, when the
// answer does not leave the launch.
func TestAliasInAbsoluteForm(t *testing.T) {
	g := run(t, helper(t), aliases, []string{"10.213.0.3"})
	for ask, want := range map[string]int{"https://cred-proxy/v2/": 200, "https://api.example/npm/x": 200, "https://api.example/open/x": 400, "https://other.example/": 400, "ftp://cred-proxy/": 400} {
		u, err := url.Parse(ask)
		if err != nil {
			t.Fatal(err)
		}
		conn, err := net.Dial("tcp", g.addr) //nolint:noctx // of a test
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", ask, u.Host)
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		_ = conn.Close()
		if res.StatusCode != want && (want != 400 || res.StatusCode < 400) {
			t.Errorf("%s: %d %s, want %d", ask, res.StatusCode, body, want)
		}
	}
}

// TestAliasRedirects: where the cred-proxy sends a client is found again at the alias.
func TestAliasRedirects(t *testing.T) {
	g := run(t, helper(t), aliases, []string{"10.213.0.3"})
	for ask, want := range map[string]string{"https://cred-proxy/a/moved": "/a/there?x=1", "https://api.example/npm/private/moved": "/npm/private/there?x=1"} {
		client := g.client(nil)
		client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		res, err := client.Get(ask) //nolint:noctx // of a test
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if got := res.Header.Get("Location"); got != want {
			t.Errorf("%s leads to %q, want %q", ask, got, want)
		}
		last := map[bool]string{true: "/npm/private?page=9", false: "/p?page=9"}[strings.Contains(ask, "private")]
		links := "<" + want + `>; rel="next", <` + last + `>; rel="last", <https://other.example/p>; rel="x", <//p/y>`
		if got := res.Header.Get("Link"); got != links || res.Header.Get("Content-Location") != "/elsewhere" {
			t.Errorf("%s links to %s, want %s", ask, got, links)
		}
	}
}

// TestAliasesAreNotForTheCredProxy: its own requests go to the upstream, not in a circle.
func TestAliasesAreNotForTheCredProxy(t *testing.T) {
	c := aliases
	c.Upstreams = []pipelock.Rule{{Host: "api.example", Credentials: []string{"Authorization"}, Parameters: []string{"key"}}}
	g := run(t, world(t, nil), c)
	known := url.UserPassword("cred-proxy", token)
	for ask, want := range map[string]int{
		"https://api.example/npm/x?key=" + secret():         200,
		"https://api.example/npm/x?a=b&key=" + secret():     200,
		"https://api.example/npm/x?yek=" + secret():         403,
		"https://api.example/npm/x?key=1&other=" + secret(): 403,
	} {
		res, err := g.client(known).Get(ask) //nolint:noctx // of a test
		if err != nil {
			t.Error(err) // the certificate of the world is not for this name: then it was asked
			continue
		}
		_ = res.Body.Close()
		if res.StatusCode != want && (want == http.StatusForbidden || res.StatusCode == http.StatusForbidden) {
			t.Errorf("%s: %d, want %d", ask, res.StatusCode, want)
		}
	}
	if slices.ContainsFunc(g.dials(), func(s string) bool { return strings.HasSuffix(s, ":9099") }) {
		t.Error("the cred-proxy was sent to itself")
	}
}

// TestAliasesAreChecked: a configuration that a client could not rely on is refused.
func TestAliasesAreChecked(t *testing.T) {
	for _, x := range []pipelock.Alias{
		{Host: "Cred-Proxy", Sidecar: "cred-proxy:9099"},
		{Host: "cred-proxy", Sidecar: "cred-proxy"},
		{Host: "cred-proxy", Sidecar: "evil.example:9099"},
		{Host: "cred-proxy", Sidecar: "cred-proxy:9099", Prefix: "/a/"},
		{Host: "cred-proxy", Sidecar: "cred-proxy:9099", Path: "/a/../b"},
		{Host: "cred-proxy", Sidecar: "cred-proxy:9099", Path: "a"},
	} {
		c := pipelock.Config{Listen: ":1", DNS: ":2", DLP: "block", Sidecars: []string{"cred-proxy:9099", "cred-proxy"}, Aliases: []pipelock.Alias{x}}
		if err := c.Validate(); err == nil {
			t.Errorf("%+v is taken", x)
		}
	}
}

// TestAliasWithTicket: an agent that its cred-proxy tells from others reaches its own
// routes under the upstream's name, and sees nothing of the ticket in what comes back.
func TestAliasWithTicket(t *testing.T) {
	g := run(t, helper(t), aliases, []string{"10.213.0.3"})
	client := g.client(url.UserPassword("agent", "t1ck3t"))
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	for ask, want := range map[string]string{
		"https://api.example/npm/x":           "/~t1ck3t/n/x",
		"https://api.example/npm/private/x":   "/~t1ck3t/p/x",
		"https://cred-proxy/~t1ck3t/n/x":      "/~t1ck3t/n/x",
		"http://cred-proxy:9099/~t1ck3t/n/x":  "/~t1ck3t/n/x",
		"https://api.example/npm/x?a=~t1ck3t": "/~t1ck3t/n/x?a=~t1ck3t",
	} {
		res, err := client.Get(ask) //nolint:noctx // of a test
		if err != nil {
			t.Fatal(err)
		}
		var got map[string]string
		if err := json.NewDecoder(res.Body).Decode(&got); err != nil || got["uri"] != want {
			t.Errorf("%s arrives as %v, want %s; %v", ask, got, want, err)
		}
		_ = res.Body.Close()
	}
	for range 5 {
		if e := g.wait("request"); strings.Contains(e["path"].(string), "t1ck3t") {
			t.Errorf("the ticket is in the audit: %v", e)
		}
	}
	res, err := client.Get("https://api.example/npm/private/moved") //nolint:noctx // of a test
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if got := res.Header.Get("Location"); got != "/npm/private/there?x=1" {
		t.Errorf("it leads to %q", got)
	}
	for _, user := range []*url.Userinfo{
		url.UserPassword("agent", ""), url.UserPassword("agent", "a/../b"), url.UserPassword("agent", "a b"), url.UserPassword("agent", strings.Repeat("x", 129)), url.UserPassword("other", "t1ck3t"),
	} {
		res, err := g.client(user).Get("https://api.example/npm/x") //nolint:noctx // of a test
		if err == nil {
			_ = res.Body.Close()
			t.Errorf("%s: %s", user, res.Status)
		}
	}
}
