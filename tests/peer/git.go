package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/cgi" //nolint:gosec // CVE-2016-5386 is of Go before 1.6.3
	"os"
	"os/exec"
	"strings"
)

const repositories = "/srv/git"

// gitBackend serves one repository by git's own git-http-backend, to be read and
// written.
func gitBackend() (http.Handler, error) {
	repo := repositories + "/hello.git"
	if err := os.MkdirAll(repo, 0o755); err != nil { //nolint:gosec // a container of its own
		return nil, err
	}
	for _, step := range []struct {
		args  []string
		stdin string
	}{
		{[]string{"init", "-q", "--bare", "-b", "main"}, ""},
		{[]string{"config", "http.receivepack", "true"}, ""},
		{[]string{"config", "receive.denyDeletes", "false"}, ""},
		{[]string{"fast-import", "--quiet"}, "commit refs/heads/main\ncommitter A <a@b> 1700000000 +0000\ndata 5\nfirst\nM 644 inline README\ndata 6\nhello\n\n"},
	} {
		c := exec.Command("git", append([]string{"-C", repo}, step.args...)...) //nolint:gosec,noctx // see above
		c.Stdin = strings.NewReader(step.stdin)
		if out, err := c.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("git %s: %w\n%s", step.args[0], err, out)
		}
	}
	backend := &cgi.Handler{
		Path: "/usr/lib/git-core/git-http-backend", Stderr: os.Stderr,
		Env: []string{"GIT_PROJECT_ROOT=" + repositories, "GIT_HTTP_EXPORT_ALL=1", "REMOTE_USER=agent"},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength < 0 { // CGI has no way to say "until it ends"
			if err := spool(r); err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
		}
		backend.ServeHTTP(w, r)
	}), nil
}

// spool gives a chunked body a length.
func spool(r *http.Request) error {
	f, err := os.CreateTemp("", "body")
	if err != nil {
		return err
	}
	_ = os.Remove(f.Name()) // it lives while it is open
	n, err := io.Copy(f, r.Body)
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		_ = f.Close()
		return err
	}
	r.Body, r.ContentLength, r.TransferEncoding = f, n, nil
	return nil
}
