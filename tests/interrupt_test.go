package tests_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bottle-run/bottle/tests/faultproxy"
)

// TestInterruptAtEveryStep ends the demo by Ctrl-C after each of its steps, in CI
// after every second one.
func TestInterruptAtEveryStep(t *testing.T) {
	engine(t)
	last := len(demoNodes(t))
	var steps []int
	for n := 1; n <= last; n++ {
		if isLong() || n%2 == last%2 {
			steps = append(steps, n)
		}
	}
	all(t, steps, func(n int) string { return fmt.Sprint(n) }, func(t *testing.T, n int) {
		t.Helper()
		s := launch(t, t.Context(), nil)
		r, w := io.Pipe()
		s.cmd.Stderr = io.MultiWriter(&s.err, w)
		if err := s.cmd.Start(); err != nil {
			t.Fatal(err)
		}
		go interrupt(s.cmd.Process, r, n)
		err := s.cmd.Wait()
		_ = w.Close()
		s.gone()
		// The last step is the start of the agent, to whom the signal then goes.
		code := s.cmd.ProcessState.ExitCode()
		if code != 130 && (err != nil || n < last-1) {
			t.Errorf("exit status %d, want 130:\n%s", code, s.err.String())
		}
	})
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

// TestEngineAway: an engine that does not answer for a while, as when it is
// restarted, while bottle takes the launch down: bottle goes on when it is back.
func TestEngineAway(t *testing.T) {
	t.Parallel()
	engine(t)
	proxy, err := faultproxy.New(t.Context(), "/var/run/docker.sock", t.TempDir(), faultproxy.Fail, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer proxy.Close()
	s := launch(t, t.Context(), []string{"DOCKER_HOST=" + proxy.Host}, "--", "-wait")
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.until("it runs", time.Minute, func() bool { return strings.Contains(s.err.String(), "running after") })
	proxy.Outage(5 * time.Second)
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	_ = s.cmd.Process.Signal(syscall.SIGTERM) // the first one cannot be passed on
	err = s.cmd.Wait()
	s.gone()
	if code := s.cmd.ProcessState.ExitCode(); code != 143 {
		t.Errorf("%v, want exit status 143:\n%s", err, s.err.String())
	}
}
