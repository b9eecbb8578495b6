package tests_test

import (
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// A tokens is a token endpoint on this machine that takes each refresh token once.
type tokens struct {
	*httptest.Server
	mu      sync.Mutex
	refresh int    // the token that it takes is rt-N
	access  string // what it gives
}

func (s *tokens) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	if r.PostFormValue("refresh_token") != fmt.Sprintf("rt-canary-%d", s.refresh) {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"error":"invalid_grant"}`)
		return
	}
	s.refresh++
	fmt.Fprintf(w, `{"access_token":%q,"refresh_token":"rt-canary-%d","token_type":"bearer","expires_in":3600}`, s.access, s.refresh)
}

func (s *tokens) give(access string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.access = access
}

// TestOAuth runs two launches by one refresh token that the server replaces at each
// use: each gets access tokens of its own, the file has the last refresh token, an
// access token that the upstream does not take any more is replaced under a request,
// and neither kind of token is anywhere else.
func TestOAuth(t *testing.T) {
	dir := peer(t)
	s := &tokens{access: canary}
	s.Server = httptest.NewTLSServer(s)
	t.Cleanup(s.Close)
	roots := filepath.Join(dir, "token-roots.pem")
	must(t, os.WriteFile(roots, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600))
	refresh := filepath.Join(dir, "refresh")
	must(t, os.WriteFile(refresh, []byte("rt-canary-0\n"), 0o600))
	t.Setenv("SSL_CERT_FILE", roots)

	routes := fmt.Sprintf(`
    route("/api/", upstream = "https://api/private", auth = bearer(secret.oauth(%q, refresh_token = secret.file("refresh"), client_id = "bottle"))),
    route("/change/", upstream = "https://api"),
`, s.URL+"/token")
	state := "XDG_STATE_HOME=" + t.TempDir() // of one user
	var launches []*lively
	for range 2 {
		launches = append(launches, live(t, dir, routes, state))
	}
	for i, l := range launches {
		l.want("GET "+route+"/whoami", "200")
		next := fmt.Sprintf("%s-next-%d", canary, i)
		s.give(next)
		l.want("POST http://cred-proxy:9099/change/key "+next, "changed")
		l.want("POST "+route+"/sink body", "200 4")
		l.want("GET "+route+"/whoami", "200")
	}
	if b, err := os.ReadFile(refresh); err != nil || string(b) != "rt-canary-4\n" {
		t.Errorf("the file holds %q, %v; want the last of four refresh tokens", b, err)
	}
	for _, l := range launches {
		for _, word := range []string{"-next-", "rt-canary"} {
			if out, err := exec.CommandContext(t.Context(), "grep", "-r", word, filepath.Dir(l.state())).CombinedOutput(); err == nil {
				t.Errorf("a token is in the state directory: %s", out)
			}
			if strings.Contains(l.err.String(), word) {
				t.Errorf("a token is in what bottle says:\n%s", l.err.String())
			}
		}
	}
}
