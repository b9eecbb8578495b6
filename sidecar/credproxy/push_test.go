package credproxy_test

import (
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/bottle-run/bottle/sidecar/credproxy"
)

// A gitWorld is a repository on a server that demands the token, and a
// cred-proxy before it.
type gitWorld struct {
	*testing.T
	*running
	bare, work string
	posts      atomic.Int64 // pushes that reached the server
}

func newGitWorld(t *testing.T, push *credproxy.Push) *gitWorld {
	t.Helper()
	path, err := exec.CommandContext(t.Context(), "git", "--exec-path").Output()
	if err != nil {
		t.Skipf("not run: there is no git: %v", err)
	}
	dir := t.TempDir()
	w := &gitWorld{T: t, bare: filepath.Join(dir, "srv", "repo.git"), work: filepath.Join(dir, "work")}
	w.git(dir, "init", "-q", "--bare", "-b", "main", w.bare)
	w.git(w.bare, "config", "http.receivepack", "true")
	backend := &cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(string(path)), "git-http-backend"),
		Env:  []string{"GIT_PROJECT_ROOT=" + filepath.Join(dir, "srv"), "GIT_HTTP_EXPORT_ALL=1", "REMOTE_USER=x"},
	}
	upstream := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "x-access-token" || password != canary {
			http.Error(rw, "who are you?", http.StatusUnauthorized)
			return
		}
		if strings.HasSuffix(r.URL.Path, "/git-receive-pack") {
			w.posts.Add(1)
		}
		r.TransferEncoding = nil // CGI has no word for it
		backend.ServeHTTP(rw, r)
	}))
	t.Cleanup(upstream.Close)
	w.git(dir, "init", "-q", "-b", "main", w.work)
	w.commit("README", "hello\n")
	w.commit(".github/workflows/ci.yml", "on: push\n")
	w.git(w.work, "push", "-q", w.bare, "main")
	w.running = run(t, credproxy.Options{}, credproxy.Config{Listen: "127.0.0.1:0", Routes: []credproxy.Route{{
		Path: "/git/", Upstream: upstream.URL, PlainHTTP: true, Pos: "launch.star:3:5", Push: push,
		Auth: &credproxy.Auth{Scheme: "basic", User: "x-access-token", Secret: `secret.env("T")`},
	}}}, nil)
	w.git(w.work, "remote", "add", "origin", w.URL+"/git/repo.git")
	return w
}

func (w *gitWorld) try(dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(w.Context(), "git", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOME="+w.TempDir(), "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0", "LC_ALL=C", "no_proxy=*",
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.com")
	out, err := cmd.CombinedOutput()
	if strings.Contains(string(out), canary) {
		w.Errorf("git %s: the secret is in %s", strings.Join(args, " "), out)
	}
	return string(out), err
}

func (w *gitWorld) git(dir string, args ...string) string {
	w.Helper()
	out, err := w.try(dir, args...)
	if err != nil {
		w.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

func (w *gitWorld) commit(name, content string) {
	w.Helper()
	path := filepath.Join(w.work, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		w.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		w.Fatal(err)
	}
	w.git(w.work, "add", "-A")
	w.git(w.work, "commit", "-qm", name)
}

// git works by way of the cred-proxy with the token outside: clone, fetch, and
// the pushes that the route names; the rest git prints, and the audit has it.
func TestGit(t *testing.T) {
	w := newGitWorld(t, &credproxy.Push{Refs: []string{"refs/heads/agent/*"}, Protect: []string{".github/workflows/**"}, Scan: true})
	w.git(w.TempDir(), "clone", "-q", w.URL+"/git/repo.git", "clone")
	w.git(w.work, "fetch", "-q", "origin")
	w.commit("a", "1\n")
	w.git(w.work, "push", "-q", "origin", "HEAD:refs/heads/agent/one")
	if got, want := w.git(w.bare, "rev-parse", "agent/one"), w.git(w.work, "rev-parse", "HEAD"); got != want {
		t.Errorf("the server has %s, want %s", got, want)
	}
	e := w.wait("push", 1)
	if e["decision"] != "allow" || e["ref"] != "refs/heads/agent/one" || e["client"] != "agent" || e["route"] != "/git/" || e["rule"] != "launch.star:3:5" {
		t.Errorf("%v", e)
	}
	posts := w.posts.Load()
	for i, c := range []struct{ file, content, ref, want string }{
		{"b", "2\n", "refs/heads/main", `[remote rejected] HEAD -> main (bottle: refs/heads/main is not in push = ["refs/heads/agent/*"])`},
		{".github/workflows/ci.yml", "on: [push]\n", "refs/heads/agent/one", "(bottle: .github/workflows/ci.yml, which is protected"},
		{"c", "token = '" + "gh" + "p_" + "aB3dE5gH7jK9mN1pQ3sT5vW7yZ2bC4dF6hJ8'\n", "refs/heads/agent/one", "holds what looks like a secret"},
	} {
		w.commit(c.file, c.content)
		out, err := w.try(w.work, "push", "origin", "HEAD:"+c.ref)
		if err == nil || !strings.Contains(out, c.want) || !strings.Contains(out, "remote: bottle") {
			t.Errorf("%v: %s\nwant %s", err, out, c.want)
		}
		e := w.wait("push", i+2)
		if e["decision"] != "deny" || e["ref"] != c.ref || e["reason"] == "" {
			t.Errorf("%v", e)
		}
		w.git(w.work, "reset", "-q", "--hard", "HEAD~1")
	}
	if n := w.posts.Load(); n != posts {
		t.Errorf("%d refused pushes reached the server", n-posts)
	}
}

// A route without push lets none through, and git says why.
func TestGitWithoutPush(t *testing.T) {
	w := newGitWorld(t, nil)
	w.git(w.TempDir(), "clone", "-q", w.URL+"/git/repo.git", "clone")
	out, err := w.try(w.work, "push", "origin", "HEAD:refs/heads/agent/one")
	if want := `fatal: remote error: bottle: route /git/ lets no git push through; to allow it: push = ["refs/heads/agent/*"] in the route`; err == nil || !strings.Contains(out, want) {
		t.Errorf("%v: %s\nwant %s", err, out, want)
	}
	for _, path := range []string{"/git/repo.git/git-receive-pack", "/git/repo.git/git-receive-pack/", "/git/repo.git/Git-Receive-Pack;x", "/git/repo.git/git-receive-pac%6b", "/git/repo.git%2fgit-receive-pack"} {
		for _, method := range []string{"POST", "GET", "PUT"} {
			if a, body := w.do(method, path, nil, strings.NewReader("0000")); a.Code != http.StatusForbidden {
				t.Errorf("%s %s: %d %s", method, path, a.Code, body)
			}
		}
	}
	if n := w.posts.Load(); n != 0 {
		t.Errorf("%d requests reached the server", n)
	}
}

// A route with rules for pushes lets nothing else through that changes what is
// there.
func TestPushRouteDeniesOtherWays(t *testing.T) {
	w := newGitWorld(t, &credproxy.Push{Refs: []string{"refs/heads/agent/*"}})
	for _, c := range [][2]string{
		{"PUT", "/git/repo.git/refs/heads/main"}, // WebDAV
		{"MKCOL", "/git/repo.git/objects/aa"},
		{"POST", "/git/repo.git/info/lfs/objects/batch"},
		{"GET", "/git/repo.git/info/lfs/locks"},
		{"POST", "/git/repo.git/git-receive-pack/"},
		{"POST", "/git/repo.git/git-receive-pack;x"},
		{"POST", "/git/repo.git/GIT-RECEIVE-PACK"},
		{"POST", "/git/repo.git%2fgit-receive-pack"},
		{"PUT", "/git/repo.git/git-receive-pack"},
		{"POST", "/git/api/v1/repos"},
	} {
		if a, body := w.do(c[0], c[1], nil, strings.NewReader("0000")); a.Code != http.StatusForbidden {
			t.Errorf("%s %s: %d %s", c[0], c[1], a.Code, body)
		}
	}
	for _, body := range []string{"", "xxxx", "0003", "0000PACK", "00000000"} {
		if a, answer := w.do("POST", "/git/repo.git/git-receive-pack", http.Header{"Content-Type": {"application/x-git-receive-pack-request"}}, strings.NewReader(body)); a.Code == http.StatusOK && w.posts.Load() > 0 {
			t.Errorf("%q: %d %s", body, a.Code, answer)
		}
	}
	if n := w.posts.Load(); n != 0 {
		t.Errorf("%d requests reached the server", n)
	}
}
