package credproxy_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/bottle-run/bottle/sidecar/credproxy"
)

// A credential in the query is the only one of its name, and comes back in no
// redirect, event or error.
func TestQueryCredential(t *testing.T) {
	u := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/again?"+r.URL.RawQuery, http.StatusFound)
	})
	p := one(t, u, credproxy.Route{Auth: &credproxy.Auth{Scheme: "query", Query: "my_key", Secret: slot}})
	for query, want := range map[string]string{"": "", "?a=1;b": "a=1;b&", "?my_key=mine&a=1&my%5Fkey=x&My-Key=y&my_key[]=z&key=q": "a=1&"} {
		res, _ := p.do("GET", "/api/x"+query, nil, nil)
		if r := u.requests()[0]; r.URL.RawQuery != want+"my_key="+url.QueryEscape(canary) {
			t.Errorf("%s became ?%s", query, r.URL.RawQuery)
		}
		if there := res.Header.Get("Location"); leaks(there, canary) || !strings.HasPrefix(there, "/api/again?") {
			t.Errorf("Location: %s", there)
		}
	}
	if e := p.wait("request", 3); leaks(fmt.Sprint(e), canary) || e["path"] != "/x" {
		t.Errorf("%v", e)
	}
}

// The parameter of one route's credential is no client's to send on another: the
// gate looks into it on none.
func TestQueryOfAnotherRoute(t *testing.T) {
	u := serve(t, nil)
	p := run(t, credproxy.Options{Roots: u.roots()}, credproxy.Config{Routes: []credproxy.Route{
		{Path: "/priv/", Upstream: u.URL, Auth: &credproxy.Auth{Scheme: "query", Query: "appid", Secret: slot}},
		{Path: "/pub/", Upstream: u.URL},
	}}, nil)
	p.do("GET", "/pub/x?appid=mine&a=1&APPID=mine", nil, nil)
	if got := u.requests(); len(got) != 1 || got[0].URL.RawQuery != "a=1" {
		t.Errorf("%d requests, %+v", len(got), got)
	}
}

// Nobody copies with the route's signature from where the route does not lead.
func TestS3Copies(t *testing.T) {
	u := serve(t, nil)
	auth := &credproxy.Auth{Scheme: "sigv4", Secret: slot, AccessKey: "key", Region: "eu-central-1", Service: "s3"}
	p := run(t, credproxy.Options{Roots: u.roots()}, credproxy.Config{Routes: []credproxy.Route{{Path: "/api/", Upstream: u.URL, Auth: auth, Paths: []string{"/bucket/**"}}}},
		inputs{"key": "AKIDEXAMPLE"})
	for _, name := range []string{"X-Amz-Copy-Source", "x-amz-copy_source", "X-Amz-Rename-Source"} {
		res, body := p.do("PUT", "/api/bucket/x", http.Header{name: {"/other/secret"}}, nil)
		if res.Code != 403 || !strings.Contains(body, "need not lead to") || len(u.requests()) != 0 {
			t.Errorf("%s: %d %s", name, res.Code, body)
		}
	}
}

// verifyAWS checks a signature by making it again of what arrived, as a server
// does.
func verifyAWS(r *http.Request, service string, keys aws.Credentials) error {
	_, list, _ := strings.Cut(r.Header.Get("Authorization"), "SignedHeaders=")
	list, _, _ = strings.Cut(list, ",")
	again := &http.Request{Method: r.Method, Host: r.Host, Header: http.Header{}, ContentLength: r.ContentLength}
	again.URL = &url.URL{Scheme: "https", Host: r.Host, Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: r.URL.RawQuery}
	if service == "s3" { // which escapes the path in its own way, whatever was sent
		again.URL.Opaque = "//" + r.Host
		for _, c := range []byte(r.URL.Path) {
			if strings.ContainsRune("/-._~ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", rune(c)) {
				again.URL.Opaque += string(c)
			} else {
				again.URL.Opaque += fmt.Sprintf("%%%02X", c)
			}
		}
	}
	for name := range strings.SplitSeq(list, ";") {
		if v := r.Header.Values(name); len(v) > 0 {
			again.Header[http.CanonicalHeaderKey(name)] = v
		}
	}
	body, _ := io.ReadAll(r.Body)
	sum := sha256.Sum256(body)
	hash := hex.EncodeToString(sum[:])
	if given := r.Header.Get("X-Amz-Content-Sha256"); service == "s3" && given != hash {
		if given != "UNSIGNED-PAYLOAD" {
			return fmt.Errorf("the hash is %s", given)
		}
		hash = given
	}
	at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if err != nil {
		return err
	}
	if err := v4.NewSigner().SignHTTP(r.Context(), keys, again, hash, service, "eu-central-1", at, func(o *v4.SignerOptions) { o.DisableURIPathEscaping = service == "s3" }); err != nil {
		return err
	}
	if got, want := r.Header.Get("Authorization"), again.Header.Get("Authorization"); got != want {
		return fmt.Errorf("signed %s, want %s", got, want)
	}
	return nil
}

// Requests are signed anew, with what is left of them, and no other way of the
// client's to authenticate arrives.
func TestSigV4(t *testing.T) {
	keys := aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: canary, SessionToken: "session-token-of-the-test"}
	service := ""
	u := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if err := verifyAWS(r, service, keys); err != nil {
			http.Error(w, err.Error()+" "+r.RequestURI, http.StatusForbidden)
			return
		}
		_, _ = fmt.Fprint(w, r.Header, r.RequestURI)
	})
	for service = range map[string]bool{"s3": true, "dynamodb": true} {
		auth := &credproxy.Auth{Scheme: "sigv4", Secret: slot, AccessKey: "key", SessionToken: "session", Region: "eu-central-1", Service: service}
		p := run(t, credproxy.Options{Roots: u.roots()}, credproxy.Config{Routes: []credproxy.Route{{Path: "/api/", Upstream: u.URL, Auth: auth}}},
			inputs{"key": keys.AccessKeyID, "session": keys.SessionToken})
		mine := http.Header{
			"Authorization": {"AWS4-HMAC-SHA256 Credential=placeholder/20260101/x/y/aws4_request, SignedHeaders=host, Signature=00"}, "X-Amz-Date": {"20200101T000000Z"},
			"X-Amz-Security-Token": {"mine"}, "X-Amz-Meta-A": {"b"}, "Content-Type": {"text/plain"}, "Expect": {""}, "X-Other": {"x"},
		}
		for _, path := range []string{"/bucket/a.txt", "/bucket/?list-type=2&prefix=a%2Fb&X-Amz-Signature=mine&X-Amz-Algorithm=mine&x-id=1", "/b/%C3%BC%20x", "/b/a:b+c(d)@e", "/?b=2&a=1"} {
			for _, method := range []string{"GET", "PUT"} {
				var body io.Reader
				if method == "PUT" {
					body = strings.NewReader("the body")
				}
				res, got := p.do(method, "/api"+path, mine, body)
				if res.Code != 200 || strings.Contains(got, "mine") || strings.Contains(got, "placeholder") || !strings.Contains(got, "SignedHeaders") || leaks(got, keys.SessionToken) {
					t.Errorf("%s %s %s: %d %s", service, method, path, res.Code, got)
				}
			}
		}
		u.requests()
		if res, body := p.do("PUT", "/api/x", http.Header{"X-Amz-Content-Sha256": {"STREAMING-AWS4-HMAC-SHA256-PAYLOAD"}}, strings.NewReader("x")); res.Code != 403 || !strings.Contains(body, "piece by piece") || len(u.requests()) != 0 {
			t.Errorf("%d %s", res.Code, body)
		}
	}
	service = "dynamodb"
	p := run(t, credproxy.Options{Roots: u.roots()}, credproxy.Config{Routes: []credproxy.Route{
		{Path: "/api/", Upstream: u.URL, Auth: &credproxy.Auth{Scheme: "sigv4", Secret: slot, AccessKey: "key", SessionToken: "session", Region: "eu-central-1", Service: service}},
	}}, inputs{"key": keys.AccessKeyID, "session": keys.SessionToken})
	long := strings.Repeat("x", 16<<20)
	if res, body := p.do("POST", "/api/", nil, strings.NewReader(long)); res.Code != 200 {
		t.Errorf("%d %.200s", res.Code, body)
	}
	if res, body := p.do("POST", "/api/", nil, strings.NewReader(long+"x")); res.Code != 413 || !strings.Contains(body, "longer than") {
		t.Errorf("%d %.200s", res.Code, body)
	}
}

// A registry's token flow is done outside: the secret goes to the realm of the
// script and nowhere else, a token to the registry, and neither comes back.
func TestRegistry(t *testing.T) {
	issued := 0
	expires := 300
	realm := serve(t, func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		if user != "me" || password != canary {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		issued++
		_ = json.NewEncoder(w).Encode(map[string]any{"token": fmt.Sprintf("token-%d-for-%s", issued, r.URL.Query().Get("scope")), "expires_in": expires})
	})
	evil := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("the registry's own realm was asked: %v", r.Header)
	}))
	t.Cleanup(evil.Close)
	u := serve(t, func(w http.ResponseWriter, r *http.Request) {
		scope := "repository:team/app:pull"
		if r.Method != http.MethodGet {
			scope += ",push"
		}
		body, _ := io.ReadAll(r.Body)
		if !strings.HasSuffix(r.Header.Get("Authorization"), "-for-"+scope) {
			w.Header().Set("Www-Authenticate", `Bearer realm="`+evil.URL+`",service="reg",scope="`+scope+`"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = fmt.Fprintf(w, "%s|%s", body, r.Header.Get("Authorization"))
	})
	roots := u.roots()
	roots.AddCert(realm.Certificate())
	p := run(t, credproxy.Options{Roots: roots}, credproxy.Config{Routes: []credproxy.Route{
		{Path: "/reg/", Upstream: u.URL, Auth: &credproxy.Auth{Scheme: "registry", User: "me", Secret: slot, Realm: realm.URL + "/token"}},
	}}, nil)
	get := func(method, path, sent string) {
		t.Helper()
		var body io.Reader
		if sent != "" {
			body = strings.NewReader(sent)
		}
		if res, got := p.do(method, path, http.Header{"Authorization": {"Bearer mine"}}, body); res.Code != 200 || !strings.HasPrefix(got, sent+"|Bearer ***") || strings.Contains(got, "token") {
			t.Errorf("%s %s: %d %s", method, path, res.Code, got)
		}
	}
	get("GET", "/reg/v2/team/app/manifests/latest", "")
	get("GET", "/reg/v2/team/app/blobs/sha256:aa", "")
	get("POST", "/reg/v2/team/app/blobs/uploads/", "small")
	get("PUT", "/reg/v2/team/app/blobs/uploads/1", strings.Repeat("large ", 100_000)) // not held: the token must be there before
	if n := len(u.requests()); issued != 2 || n != 6 {
		t.Errorf("%d tokens for %d requests", issued, n)
	}
	for _, r := range realm.requests() {
		if r.URL.Query().Get("service") != "reg" || r.URL.Path != "/token" {
			t.Errorf("the realm was asked for %s", r.RequestURI)
		}
	}
	p.send(inputs{slot: "not-the-password"}.line())
	p.wait("applied", 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if p.wait("stale", 1)["secret"] == slot {
			p.send(inputs{slot: canary}.line())
		}
	}()
	get("GET", "/reg/v2/team/app/manifests/latest", "")
	<-done
	for _, r := range u.requests() {
		if r.Header.Get("Authorization") != "" && !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer token-") {
			t.Errorf("the registry got %q", r.Header)
		}
	}
}
