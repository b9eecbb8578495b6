package tests_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// canary is the demo's key in every test here. It must never be seen.
const canary = "acme-key-canary-7c1f9e2a"

// engine skips the test without an engine, or fails it where there must be one.
func engine(t *testing.T) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), "docker", "version").CombinedOutput(); err != nil {
		if os.Getenv("BOTTLE_REQUIRE_DOCKER") != "" {
			t.Fatalf("no Docker engine answers, and BOTTLE_REQUIRE_DOCKER is set: %v\n%s", err, out)
		}
		t.Skip("no Docker engine answers")
	}
	for _, file := range []string{"../bin/bottle", "../examples/build/agent.tar"} {
		if _, err := os.Stat(file); err != nil {
			t.Fatalf("%v: run these tests with `make test`", err)
		}
	}
}

// sessions counts the launches of this process, for their names.
var sessions atomic.Int64

// A session is one run of the real binary.
type session struct {
	t        *testing.T
	name     string
	cmd      *exec.Cmd
	out, err said
}

// said is what a process wrote so far: a test may read it while it grows.
type said struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (s *said) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.Write(b)
}

func (s *said) String() string { return string(s.Bytes()) }

func (s *said) Bytes() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return bytes.Clone(s.buf.Bytes())
}

// launch prepares a run of the demo.
func launch(t *testing.T, ctx context.Context, env []string, args ...string) *session {
	t.Helper()
	return launchScript(t, ctx, "../examples/hello.star", env, args...)
}

// launchScript prepares a run of a script. Later flags of args win.
func launchScript(t *testing.T, ctx context.Context, script string, env []string, args ...string) *session {
	t.Helper()
	s := &session{t: t, name: fmt.Sprintf("t-%d-%d", os.Getpid(), sessions.Add(1))}
	args = append([]string{"run", script, "--yes", "--progress", "plain", "--name", s.name}, args...)
	s.cmd = exec.CommandContext(ctx, "../bin/bottle", args...)
	s.cmd.Env = append(append(os.Environ(), "ACME_API_KEY="+canary, "XDG_STATE_HOME="+t.TempDir()), env...)
	s.cmd.Stdout, s.cmd.Stderr = &s.out, &s.err
	t.Cleanup(func() { s.sweep() })
	return s
}

// left returns the objects of the launch that are still on the engine.
func (s *session) left() string {
	s.t.Helper()
	var all bytes.Buffer
	for _, args := range [][]string{{"ps", "-aq"}, {"network", "ls", "-q"}, {"volume", "ls", "-q"}} {
		args = append(args, "--filter", "label=bottle.launch="+s.name)
		out, err := exec.Command("docker", args...).Output() //nolint:noctx // also after the test's end
		if err != nil {
			s.t.Error(err)
		}
		all.Write(out)
	}
	return strings.TrimSpace(all.String())
}

// sweep removes what a failed test left.
func (s *session) sweep() {
	for _, script := range []string{
		"docker ps -aq --filter label=bottle.launch=%s | xargs -r docker rm -fv",
		"docker network ls -q --filter label=bottle.launch=%s | xargs -r docker network rm",
		"docker volume ls -q --filter label=bottle.launch=%s | xargs -r docker volume rm -f",
	} {
		_ = exec.Command("sh", "-c", fmt.Sprintf(script, s.name)).Run() //nolint:noctx // also after the test's end
	}
}

// gone makes sure that nothing is left on the engine.
func (s *session) gone() {
	s.t.Helper()
	if left := s.left(); left != "" {
		s.t.Errorf("left on the engine:\n%s\nafter:\n%s", left, s.err.String())
	}
}

// docker asks the engine about the objects of the launch.
func (s *session) docker(args ...string) string {
	out, err := exec.CommandContext(s.t.Context(), "docker", append(args, "--filter", "label=bottle.launch="+s.name)...).Output()
	if err != nil {
		s.t.Error(err)
	}
	return string(out)
}

func (s *session) until(what string, limit time.Duration, ok func() bool) {
	s.t.Helper()
	for end := time.Now().Add(limit); !ok(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			s.t.Fatalf("not after %v: %s\n%s", limit, what, s.err.String())
		}
	}
}

// all runs f for each case as a subtest, atOnce at a time: launches wait for the
// engine, not for a processor.
func all[T any](t *testing.T, cases []T, name func(T) string, f func(*testing.T, T)) {
	t.Helper()
	const atOnce = 4
	var g errgroup.Group
	g.SetLimit(atOnce)
	for _, c := range cases {
		g.Go(func() error { t.Run(name(c), func(t *testing.T) { f(t, c) }); return nil })
	}
	_ = g.Wait() // the errors are the subtests'
}

// isLong reports whether tests may take minutes: then they try what CI does only the
// half of.
func isLong() bool { return os.Getenv("BOTTLE_LONG") != "" }

// long skips a test that takes minutes, unless it is asked for.
func long(t *testing.T) {
	t.Helper()
	if !isLong() {
		t.Skip("takes minutes; set BOTTLE_LONG, or run make test-long")
	}
}
