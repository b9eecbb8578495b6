package secret_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zalando/go-keyring"

	"github.com/bottle-run/bottle/runtime/plan"
	"github.com/bottle-run/bottle/runtime/secret"
)

// A tokenServer is a token endpoint that takes each refresh token once and gives
// the next one with the access token, as the strict ones do.
type tokenServer struct {
	*httptest.Server
	answer func(http.ResponseWriter, *http.Request)

	mu      sync.Mutex
	current int // the refresh token is rt-N
	forms   []string
	atOnce  atomic.Int32
	crowded atomic.Bool
}

func newTokenServer(t *testing.T) *tokenServer {
	t.Helper()
	s := &tokenServer{}
	s.answer = s.rotate
	s.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.atOnce.Add(1) > 1 {
			s.crowded.Store(true)
		}
		defer s.atOnce.Add(-1)
		_ = r.ParseForm()
		s.mu.Lock()
		s.forms = append(s.forms, r.PostForm.Encode())
		s.mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		s.answer(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *tokenServer) rotate(w http.ResponseWriter, r *http.Request) {
	time.Sleep(5 * time.Millisecond) // long enough for a second one to come in between
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.PostFormValue("refresh_token") != fmt.Sprintf("rt-%d", s.current) {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"error":"invalid_grant","error_description":"reused"}`)
		return
	}
	s.current++
	fmt.Fprintf(w, `{"access_token":"at-%d","refresh_token":"rt-%d","token_type":"bearer","expires_in":600}`, s.current, s.current)
}

func (s *tokenServer) ref(from ...plan.Secret) plan.Secret {
	return plan.Secret{Kind: plan.SecretOAuth, Args: []string{s.URL, "client", ""}, From: from}
}

func file(path string) plan.Secret { return plan.Secret{Kind: plan.SecretFile, Args: []string{path}} }

// Several launches refresh by one file at once, with a server that takes each
// refresh token once: they take turns, and the file has the last one.
func TestRotatingRefreshTokenOfManyLaunches(t *testing.T) {
	rotateConcurrently(t, 4, 5, t.TempDir())
	rotateConcurrently(t, 1, 10, "")
}

func rotateConcurrently(t *testing.T, launches, each int, locks string) {
	t.Helper()
	s := newTokenServer(t)
	path := write(t, "refresh", "rt-0\n", 0o600)
	var wg sync.WaitGroup
	for range launches {
		r := &secret.Resolver{Client: s.Client(), Locks: locks}
		for range each {
			wg.Go(func() {
				if _, life, err := r.Lookup(t.Context(), s.ref(file(path))); err != nil || life < 590*time.Second || life > 600*time.Second {
					t.Errorf("life %v, %v", life, err)
				}
			})
		}
	}
	wg.Wait()
	if s.crowded.Load() {
		t.Error("two refreshes were under way at once")
	}
	want := fmt.Sprintf("rt-%d\n", launches*each)
	if b, err := os.ReadFile(path); err != nil || string(b) != want {
		t.Errorf("the file holds %q, %v; want %q", b, err, want)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file's mode is %v, %v", info.Mode(), err)
	}
}

// A refresh token that is replaced is not lost: a file and the keyring keep it;
// where nothing can be written it serves this launch, and that is said.
func TestReplacedRefreshTokenIsKept(t *testing.T) {
	secret.MockKeyring(t)
	if err := keyring.Set("svc", "me", "rt-0"); err != nil {
		t.Fatal(err)
	}
	link := t.TempDir() + "/link"
	target := write(t, "refresh", "rt-0", 0o600)
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		from plan.Secret
		warn string
		then func() string
	}{
		{file(link), "", func() string { b, _ := os.ReadFile(target); return strings.TrimSpace(string(b)) }},
		{plan.Secret{Kind: plan.SecretKeyring, Args: []string{"svc", "me"}}, "", func() string { v, _ := keyring.Get("svc", "me"); return v }},
		{plan.Secret{Kind: plan.SecretEnv, Args: []string{"RT"}}, "keep refresh tokens in secret.file", nil},
		{plan.Secret{Kind: plan.SecretCommand, Args: []string{"echo", "rt-0"}}, "keep refresh tokens in secret.file", nil},
		{file(write(t, "shared", "rt-0", 0o640)), "chmod 600", nil},
	} {
		s := newTokenServer(t)
		var warned []string
		r := &secret.Resolver{
			Client: s.Client(), Warn: func(text string) { warned = append(warned, text) },
			LookupEnv: func(string) (string, bool) { return "rt-0", true },
		}
		for n := 1; n <= 3; n++ {
			if v, _, err := r.Lookup(t.Context(), s.ref(c.from)); err != nil || string(v) != fmt.Sprintf("at-%d", n) {
				t.Fatalf("%s: %q, %v", c.from, v, err)
			}
		}
		all := strings.Join(warned, "\n")
		if (c.warn == "") != (all == "") || !strings.Contains(all, c.warn) || strings.Contains(all, "rt-1") {
			t.Errorf("%s: warned %q, want %q", c.from, all, c.warn)
		}
		if c.then != nil && c.then() != "rt-3" {
			t.Errorf("%s: holds %q afterwards, want rt-3", c.from, c.then())
		}
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link was replaced by a file: %v, %v", info.Mode(), err)
	}
}

// What is sent to the token endpoint: the scope, and the client's secret in the
// header, or in the form for a server that knows it only there. Nothing is sent
// twice after any other failure.
func TestRefreshRequest(t *testing.T) {
	s := newTokenServer(t)
	s.current = 0
	secretRef := plan.Secret{Kind: plan.SecretEnv, Args: []string{"S"}}
	r := &secret.Resolver{Client: s.Client(), LookupEnv: func(name string) (string, bool) {
		return map[string]string{"S": "client-secret", "RT": "rt-0"}[name], true
	}}
	ref := s.ref(plan.Secret{Kind: plan.SecretEnv, Args: []string{"RT"}}, secretRef)
	ref.Args[2] = "read write"
	s.answer = func(w http.ResponseWriter, q *http.Request) {
		if _, pass, ok := q.BasicAuth(); ok && pass == "client-secret" {
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, `{"error":"invalid_client"}`)
			return
		}
		fmt.Fprint(w, `{"access_token":"at","token_type":"bearer"}`)
	}
	if v, life, err := r.Lookup(t.Context(), ref); err != nil || string(v) != "at" || life != 0 {
		t.Fatalf("got %q for %v, %v", v, life, err)
	}
	want := "client_id=client&client_secret=client-secret&grant_type=refresh_token&refresh_token=rt-0&scope=read+write"
	if len(s.forms) != 2 || s.forms[1] != want {
		t.Errorf("sent %q", s.forms)
	}
	s.forms = nil
	s.answer = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }
	if _, _, err := r.Lookup(t.Context(), ref); err == nil || !strings.Contains(err.Error(), "502") {
		t.Errorf("got %v", err)
	}
	if len(s.forms) != 1 {
		t.Errorf("after a failure the refresh token was sent %d times", len(s.forms))
	}
}

// A refresh token goes to its endpoint and nowhere else: not after a redirect, nor
// in the clear.
func TestRefreshTokenStaysHome(t *testing.T) {
	s := newTokenServer(t)
	var elsewhere atomic.Bool
	other := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Store(true) }))
	t.Cleanup(other.Close)
	s.answer = func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
	}
	r := &secret.Resolver{Client: s.Client(), LookupEnv: func(string) (string, bool) { return "rt-0", true }}
	ref := s.ref(plan.Secret{Kind: plan.SecretEnv, Args: []string{"RT"}})
	if _, _, err := r.Lookup(t.Context(), ref); err == nil || elsewhere.Load() {
		t.Errorf("after a redirect: %v, followed: %v", err, elsewhere.Load())
	}
	for _, url := range []string{"http://idp.example/token", "http://10.0.0.1/token", "ftp://127.0.0.1/", "https://u:p@idp.example/", "token"} {
		ref.Args[0] = url
		if _, _, err := r.Lookup(t.Context(), ref); err == nil || !strings.Contains(err.Error(), "token endpoint") {
			t.Errorf("%s: %v", url, err)
		}
	}
}
