package tests_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

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
