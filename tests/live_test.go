package tests_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// liveScript is a launch whose agent does what the test tells it.
const liveScript = `
def world(name):
    return service(
        name,
        image_rootfs("peer.tar"),
        entrypoint = ["/peer", "serve"],
        env = {"PEER_KEY": param("key")},
        files = [file("/tls/ca.pem", src = "ca.pem"), file("/tls/ca-key.pem", src = "ca-key.pem")],
        outside = True,
    )

[world(name) for name in ["api", "world", "other", "third"]]
keys = cred_proxy([%s])
pipelock([%s], trust = ["ca.pem"])
agent(image_rootfs("peer.tar"), entrypoint = ["/peer", "obey"]%s)
`

// A lively session is one whose agent is told what to do, and whose script changes.
type lively struct {
	*session
	dir    string
	script string
	in     io.Writer
	lines  chan string
}

func (l *lively) write(routes, allow, more string) {
	l.t.Helper()
	must(l.t, os.WriteFile(l.script, fmt.Appendf(nil, liveScript, routes, allow, more), 0o600))
}

// live starts a launch in a directory that peer made.
func live(t *testing.T, dir, routes string, env ...string) *lively {
	t.Helper()
	l := &lively{dir: dir, script: filepath.Join(dir, "live.star"), lines: make(chan string, 100)}
	l.session = launchScript(t, context.WithoutCancel(t.Context()), l.script, env, "--arg", "key="+canary)
	l.write(routes, `"world"`, "")
	return l.begin()
}

// begin starts the launch and waits until its agent answers.
func (l *lively) begin() *lively {
	l.t.Helper()
	in, err := l.cmd.StdinPipe()
	must(l.t, err)
	l.in = in
	r, w := io.Pipe()
	l.cmd.Stdout = w
	must(l.t, l.cmd.Start())
	go func() {
		for s := bufio.NewScanner(r); s.Scan(); {
			l.lines <- s.Text()
		}
	}()
	l.t.Cleanup(func() {
		_ = in.Close() // then the agent ends
		if err := l.cmd.Wait(); err != nil {
			l.t.Errorf("%v\n%s", err, l.err.String())
		}
		_ = w.Close()
		l.gone()
		if strings.Contains(l.err.String(), canary) {
			l.t.Errorf("the key is in what bottle says:\n%s", l.err.String())
		}
	})
	return l
}

// tell makes the agent do something and returns what it says.
func (l *lively) tell(what string) string {
	l.t.Helper()
	_, err := io.WriteString(l.in, what+"\n")
	must(l.t, err)
	return l.hear(what)
}

func (l *lively) hear(of string) string {
	l.t.Helper()
	select {
	case line := <-l.lines:
		return line
	case <-time.After(90 * time.Second):
		l.t.Fatalf("no answer to %s\n%s", of, l.err.String())
	}
	return ""
}

// want tells the agent to do something, and what comes of it.
func (l *lively) want(what, answer string) {
	l.t.Helper()
	got := l.tell(what)
	for range 5 { // the engine's own resolver is slow on a slow day
		if !strings.Contains(got, "i/o timeout") {
			break
		}
		got = l.tell(what)
	}
	if !strings.Contains(got, answer) {
		l.t.Errorf("%s: got %q, want %q", what, got, answer)
	}
}

// refused tells the agent to ask for what the gate lets through no more: it says so
// on a connection that the agent still has, or refuses it a new one.
func (l *lively) refused(what string) {
	l.t.Helper()
	if got := l.tell(what); !strings.Contains(got, "is not an allowed host") && !strings.Contains(got, "Forbidden") {
		l.t.Errorf("%s: got %q, want a refusal", what, got)
	}
}

// bottle runs another command of bottle's, and returns its exit status and all that
// it says.
func (l *lively) bottle(args ...string) (int, string) {
	l.t.Helper()
	c := exec.CommandContext(l.t.Context(), "../bin/bottle", args...)
	c.Env = l.cmd.Env
	out, err := c.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		l.t.Fatal(err)
	}
	return c.ProcessState.ExitCode(), string(out)
}

func (l *lively) apply(status int, want ...string) {
	l.t.Helper()
	code, out := l.bottle("apply", l.script, "--yes")
	if code != status {
		l.t.Errorf("apply: exit status %d, want %d\n%s", code, status, out)
	}
	for _, w := range want {
		if !strings.Contains(out, w) {
			l.t.Errorf("apply does not say %q:\n%s", w, out)
		}
	}
	if strings.Contains(out, canary) {
		l.t.Errorf("the key is in what apply says:\n%s", out)
	}
}
