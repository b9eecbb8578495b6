package git_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/bottle-run/bottle/sidecar/dlp"
	"github.com/bottle-run/bottle/sidecar/git"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// secret is made at run time, so that no scanner finds it in this file.
func secret() string {
	return "gh" + "p_" + strings.Join([]string{"aB3dE5gH7jK9", "mN1pQ3sT5vW7", "yZ2bC4dF6hJ8"}, "")
}

var scanner = sync.OnceValues(dlp.New)

// A world is a server with a repository, and a proxy in front of it that holds
// pushes against rules.
type world struct {
	*testing.T
	rules   *git.Rules
	server  string // the bare repository's directory
	url     string // the repository, by way of the proxy
	direct  string // the repository, not by way of it
	client  string // a clone of it
	mu      sync.Mutex
	refs    []git.Ref // of the latest push
	arrived int       // receive-pack requests that reached the server
}

// newWorld makes a repository with a first commit on main.
func newWorld(t *testing.T, rules git.Rules) *world {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("there is no git")
	}
	w := &world{T: t, rules: &rules}
	dir := t.TempDir()
	w.server, w.client = filepath.Join(dir, "server", "repo.git"), filepath.Join(dir, "client")
	w.run(dir, "init", "-q", "--bare", "-b", "main", w.server)
	w.run(w.server, "config", "http.receivepack", "true")
	w.serve(dir)
	first := filepath.Join(dir, "first")
	w.run(dir, "clone", "-q", w.direct, first)
	w.write(first, "README", "hello\n")
	w.write(first, ".github/workflows/ci.yml", "on: push\n")
	w.write(first, ".github/CODEOWNERS", "* @owner\n")
	w.write(first, "src/main.go", "package main\n")
	w.run(first, "add", "-A")
	w.run(first, "commit", "-qm", "first")
	w.run(first, "push", "-q", "origin", "HEAD:main")
	w.run(dir, "clone", "-q", w.url, w.client)
	return w
}

func (w *world) serve(dir string) {
	w.Helper()
	backend := &cgi.Handler{
		Path: "/usr/lib/git-core/git-http-backend",
		Env:  []string{"GIT_PROJECT_ROOT=" + filepath.Join(dir, "server"), "GIT_HTTP_EXPORT_ALL=1", "REMOTE_USER=tester"},
	}
	if out, err := exec.CommandContext(w.Context(), "git", "--exec-path").Output(); err == nil {
		backend.Path = filepath.Join(strings.TrimSpace(string(out)), "git-http-backend")
	}
	upstream := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/git-receive-pack") {
			w.mu.Lock()
			w.arrived++
			w.mu.Unlock()
		}
		r.TransferEncoding = nil // CGI has no word for it; git-http-backend reads to the end
		backend.ServeHTTP(rw, r)
	}))
	proxy := httptest.NewServer(w.handler(upstream.URL))
	w.Cleanup(func() {
		proxy.Close()
		upstream.Close()
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	})
	w.direct, w.url = upstream.URL+"/repo.git", proxy.URL+"/repo.git"
}

// handler is the proxy: what package credproxy does about git, without the rest.
func (w *world) handler(upstream string) http.Handler {
	to, err := url.Parse(upstream)
	if err != nil {
		w.Fatal(err)
	}
	pass := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) },
		ModifyResponse: func(res *http.Response) (err error) {
			if strings.HasSuffix(res.Header.Get("Content-Type"), "git-receive-pack-advertisement") {
				res.Body, err = git.Advertise(res.Body)
				res.Header.Del("Content-Length")
				res.ContentLength = -1
			}
			return err
		},
		ErrorHandler: func(rw http.ResponseWriter, _ *http.Request, err error) {
			if errors.Is(err, git.ErrRefused) {
				rw.Header().Set("X-Refused", "yes")
				return
			}
			http.Error(rw, err.Error(), http.StatusBadGateway)
		},
	}
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		repo, ok := strings.CutSuffix(r.URL.Path, "git-receive-pack")
		if !ok {
			pass.ServeHTTP(rw, r)
			return
		}
		ask := func(ctx context.Context, method, endpoint string, h http.Header, body string) (*http.Response, error) {
			req, err := http.NewRequestWithContext(ctx, method, upstream+repo+endpoint, strings.NewReader(body))
			if err != nil {
				return nil, err
			}
			req.Header = h
			return http.DefaultTransport.RoundTrip(req)
		}
		refs, err := w.rules.Serve(rw, r, ask, func(out *http.Request) bool {
			pass.ServeHTTP(rw, out)
			return rw.Header().Get("X-Refused") == ""
		})
		if err != nil {
			http.Error(rw, err.Error(), http.StatusBadRequest)
		}
		w.mu.Lock()
		w.refs = refs
		w.mu.Unlock()
	})
}

// try runs git and returns what it says.
func (w *world) try(dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(w.Context(), "git", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOME="+w.TempDir(), "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0", "LC_ALL=C",
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.com",
		"GIT_AUTHOR_DATE=2026-01-01T00:00:00Z", "GIT_COMMITTER_DATE=2026-01-01T00:00:00Z")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (w *world) run(dir string, args ...string) string {
	w.Helper()
	out, err := w.try(dir, args...)
	if err != nil {
		w.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(out)
}

// git runs git in the client.
func (w *world) git(args ...string) string {
	w.Helper()
	return w.run(w.client, args...)
}

func (w *world) write(dir, name, content string) {
	w.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		w.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		w.Fatal(err)
	}
}

// commit writes a file and commits all there is.
func (w *world) commit(name, content string) string {
	w.Helper()
	w.write(w.client, name, content)
	w.git("add", "-A")
	w.git("commit", "-qm", "change "+name)
	return w.git("rev-parse", "HEAD")
}

// refsOf returns the refs that the server has.
func (w *world) refsOf() string {
	w.Helper()
	return w.run(w.server, "for-each-ref", "--format=%(refname) %(objectname)")
}

// pushed pushes, which must succeed.
func (w *world) pushed(args ...string) string {
	w.Helper()
	out, err := w.try(w.client, append([]string{"push"}, args...)...)
	if err != nil {
		w.Fatalf("git push %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	w.run(w.server, "fsck", "--strict")
	return out
}

func newScanner(tb testing.TB) *dlp.Scanner {
	tb.Helper()
	s, err := scanner()
	if err != nil {
		tb.Fatal(err)
	}
	return s
}
