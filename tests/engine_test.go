package tests_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bottle-run/bottle/tests/faultproxy"
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

// A session is one run of the demo by the real binary.
type session struct {
	t        *testing.T
	name     string
	cmd      *exec.Cmd
	out, err bytes.Buffer
}

func launch(t *testing.T, ctx context.Context, env []string, args ...string) *session {
	t.Helper()
	s := &session{t: t, name: fmt.Sprintf("t-%d-%d", os.Getpid(), time.Now().UnixNano()%1e9)}
	args = append([]string{"run", "../examples/hello.star", "--yes", "--progress", "plain", "--name", s.name}, args...)
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
		"docker ps -aq --filter label=bottle.launch=%s | xargs -r docker rm -f",
		"docker network ls -q --filter label=bottle.launch=%s | xargs -r docker network rm",
	} {
		_ = exec.Command("sh", "-c", fmt.Sprintf(script, s.name)).Run() //nolint:noctx // also after the test's end
	}
}

func (s *session) gone() {
	s.t.Helper()
	if left := s.left(); left != "" {
		s.t.Errorf("left on the engine:\n%s\nafter:\n%s", left, s.err.String())
	}
}

// TestDemo runs the demo: the agent's own checks of what it can reach, the exit
// status, and nothing left.
func TestDemo(t *testing.T) {
	engine(t)
	s := launch(t, t.Context(), nil)
	if err := s.cmd.Run(); err != nil {
		t.Fatalf("%v\n%s%s", err, s.out.String(), s.err.String())
	}
	s.gone()
	if strings.Contains(s.out.String()+s.err.String(), canary) {
		t.Error("the key is in the output")
	}
	for _, want := range []string{"you have the right key", "gitleaks rule github-pat"} {
		if !strings.Contains(s.out.String(), want) {
			t.Errorf("the agent did not say %q:\n%s", want, s.out.String())
		}
	}
}

// TestFaultAtEveryCall breaks each call of the demo that changes something, one at
// a time and in both ways. Whatever breaks, the launch fails with the place in the
// script and nothing is left.
func TestFaultAtEveryCall(t *testing.T) {
	engine(t)
	for _, mode := range []faultproxy.Mode{faultproxy.Fail, faultproxy.Drop} {
		for nth := 1; nth < 40; nth++ {
			proxy, err := faultproxy.New(t.Context(), "/var/run/docker.sock", t.TempDir(), nth, mode)
			if err != nil {
				t.Fatal(err)
			}
			s := launch(t, t.Context(), []string{"DOCKER_HOST=" + proxy.Host}, "--", "-quit")
			runErr := s.cmd.Run()
			_ = proxy.Close()
			s.gone()
			if len(proxy.Calls()) < nth {
				t.Logf("%s: broke each of %d calls", mode, nth-1)
				break
			}
			broken := proxy.Calls()[nth-1]
			if strings.HasPrefix(broken, "DELETE") {
				continue // a removal is tried again, so the launch may well succeed
			}
			if runErr == nil {
				t.Errorf("%s of call %d (%s) went unnoticed:\n%s", mode, nth, broken, s.err.String())
			}
			if !strings.Contains(s.err.String(), "bottle: hello.star:") {
				t.Errorf("%s of %s: the error names no place in the script:\n%s", mode, broken, s.err.String())
			}
			if mode == faultproxy.Fail && !strings.Contains(s.err.String(), faultproxy.Message) {
				t.Errorf("%s of %s: the engine's message is missing:\n%s", mode, broken, s.err.String())
			}
			if t.Failed() {
				return
			}
		}
	}
}

// TestInterruptAtEveryStep ends the demo by Ctrl-C after each of its steps.
func TestInterruptAtEveryStep(t *testing.T) {
	engine(t)
	for step := 1; step <= 16; step += 3 {
		s := launch(t, t.Context(), nil)
		r, w := io.Pipe()
		s.cmd.Stderr = io.MultiWriter(&s.err, w)
		if err := s.cmd.Start(); err != nil {
			t.Fatal(err)
		}
		go interrupt(s.cmd.Process, r, step)
		err := s.cmd.Wait()
		_ = w.Close()
		s.gone()
		if code := s.cmd.ProcessState.ExitCode(); err != nil && code != 130 {
			t.Errorf("after %d steps: exit status %d, want 130 (or 0 when it was too late):\n%s", step, code, s.err.String())
		}
	}
}

// interrupt sends SIGINT once the steps have been reported.
func interrupt(p *os.Process, r io.Reader, steps int) {
	buf := make([]byte, 4096)
	seen := 0
	for {
		n, err := r.Read(buf)
		if err != nil {
			return
		}
		if seen < steps {
			if seen += bytes.Count(buf[:n], []byte("done ")); seen >= steps {
				_ = p.Signal(syscall.SIGINT)
			}
		}
	}
}

// TestKilledLauncher kills bottle with SIGKILL while its agent runs: the sidecars
// end at once, so the agent has no way out, and prune removes the rest.
// The canary is nowhere on the engine meanwhile.
func TestKilledLauncher(t *testing.T) {
	engine(t)
	s := launch(t, t.Context(), nil, "--", "-wait")
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.until("container is running", 60*time.Second, func() bool { return strings.Contains(s.docker("ps", "-q", "--filter", "name=-agent"), "\n") })
	s.noCanary()
	if err := s.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = s.cmd.Wait()
	// Two seconds is the promise; the limit leaves room for an engine that other
	// tests keep busy.
	killed := time.Now()
	s.until("sidecars ended", 15*time.Second, func() bool {
		return s.docker("ps", "-q", "--filter", "name=-pipelock")+s.docker("ps", "-q", "--filter", "name=-cred-proxy") == ""
	})
	t.Logf("the sidecars ended within %v", time.Since(killed).Round(10*time.Millisecond))
	prune := exec.CommandContext(t.Context(), "../bin/bottle", "prune", s.name)
	prune.Env = s.cmd.Env
	if out, err := prune.CombinedOutput(); err != nil {
		t.Errorf("prune: %v\n%s", err, out)
	}
	s.gone()
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

// noCanary looks for the key in everything that the engine knows of the launch's
// containers: their configuration, environment, arguments and file systems, and
// in the state directory.
func (s *session) noCanary() {
	s.t.Helper()
	ids := strings.Fields(s.docker("ps", "-aq"))
	if len(ids) < 4 {
		s.t.Errorf("%d containers, want 4", len(ids))
	}
	for _, id := range ids {
		s.clean("docker inspect", exec.CommandContext(s.t.Context(), "docker", "inspect", id))
		s.clean("docker export", exec.CommandContext(s.t.Context(), "docker", "export", id))
		pid, err := exec.CommandContext(s.t.Context(), "docker", "inspect", "-f", "{{.State.Pid}}", id).Output()
		if err != nil {
			s.t.Fatal(err)
		}
		for _, file := range []string{"environ", "cmdline"} {
			path := filepath.Join("/proc", strings.TrimSpace(string(pid)), file)
			b, err := os.ReadFile(path)
			if err != nil {
				s.t.Logf("not run: %v", err)
			}
			if bytes.Contains(b, []byte(canary)) {
				s.t.Errorf("the key is in %s of %s", path, id)
			}
		}
	}
	for _, env := range s.cmd.Env {
		if dir, ok := strings.CutPrefix(env, "XDG_STATE_HOME="); ok {
			if out, err := exec.CommandContext(s.t.Context(), "grep", "-r", canary, dir).CombinedOutput(); err == nil {
				s.t.Errorf("the key is in the state directory: %s", out)
			}
		}
	}
}

// clean makes sure that the output of a command holds no key.
func (s *session) clean(what string, c *exec.Cmd) {
	s.t.Helper()
	out, err := c.Output()
	if err != nil || len(out) == 0 {
		s.t.Errorf("%s: %v, %d bytes", what, err, len(out))
	}
	if bytes.Contains(out, []byte(canary)) {
		s.t.Errorf("the key is in the output of %s", what)
	}
}

// TestManyAtOnce runs several launches of the demo at once on one engine.
func TestManyAtOnce(t *testing.T) {
	engine(t)
	const n = 6 // twenty with BOTTLE_LONG, see make test-long
	count := n
	if os.Getenv("BOTTLE_LONG") != "" {
		count = 20
	}
	sessions := make([]*session, count)
	for i := range sessions {
		sessions[i] = launch(t, t.Context(), nil)
		if err := sessions[i].cmd.Start(); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range sessions {
		if err := s.cmd.Wait(); err != nil {
			t.Errorf("%s: %v\n%s%s", s.name, err, s.out.String(), s.err.String())
		}
		s.gone()
	}
}
