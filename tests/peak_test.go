package tests_test

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// frugal makes sure that no sidecar has needed more than so many bytes until now.
func (s *session) frugal(what string, limit int64) {
	s.t.Helper()
	for _, name := range []string{"pipelock", "cred-proxy"} {
		peak := s.peak(name)
		s.t.Logf("%s: %s has needed up to %d MiB", what, name, peak>>20)
		if peak > limit {
			s.t.Errorf("%s: %s needs %d MiB", what, name, peak>>20)
		}
	}
}

// A waiter calls onWait for each line "waiting WHAT".
type waiter struct {
	mu     sync.Mutex
	buf    *said
	line   []byte
	onWait func(what string)
}

// Write implements io.Writer.
func (w *waiter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, _ = w.buf.Write(p)
	w.line = append(w.line, p...)
	for {
		line, rest, ok := bytes.Cut(w.line, []byte("\n"))
		if !ok {
			return len(p), nil
		}
		w.line = rest
		if what, ok := strings.CutPrefix(string(line), "waiting "); ok {
			w.onWait(what)
		}
	}
}

// peak is the most memory, in bytes, that a sidecar's process has had resident.
func (s *session) peak(name string) int64 {
	s.t.Helper()
	id := strings.TrimSpace(s.docker("ps", "-q", "--filter", "name=-"+name))
	pid, err := exec.CommandContext(s.t.Context(), "docker", "inspect", "-f", "{{.State.Pid}}", id).Output()
	if err != nil {
		s.t.Error(err)
		return 0
	}
	status, err := os.Open(filepath.Join("/proc", strings.TrimSpace(string(pid)), "status"))
	if err != nil {
		s.t.Logf("not run: %v", err) // the engine is on another machine
		return 0
	}
	defer status.Close()
	for lines := bufio.NewScanner(status); lines.Scan(); {
		var kib int64
		if n, _ := fmt.Sscanf(lines.Text(), "VmHWM: %d kB", &kib); n == 1 {
			return kib << 10
		}
	}
	s.t.Error("no VmHWM")
	return 0
}
