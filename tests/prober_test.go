package tests_test

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// buildProber builds tests/prober once.
var buildProber = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "prober")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	exe := filepath.Join(dir, "prober")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", exe, "./prober")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, out)
	}
	return os.ReadFile(exe)
})

// A stage is a directory with a launch script and prober.tar, an image of the
// prober that no other test has. What the test makes on the engine goes with it.
type stage struct {
	dir   string
	image string // what bottle will call it
}

func newStage(t *testing.T, script string) stage {
	t.Helper()
	engine(t)
	exe, err := buildProber()
	if err != nil {
		t.Fatal(err)
	}
	var own [8]byte
	_, _ = rand.Read(own[:])
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	for name, data := range map[string][]byte{"prober": exe, "own": own[:]} {
		_ = w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o755, Size: int64(len(data))})
		_, _ = w.Write(data)
	}
	_ = w.Close()
	s := stage{dir: t.TempDir(), image: rootfsName(archive.Bytes())}
	for name, data := range map[string][]byte{"prober.tar": archive.Bytes(), "launch.star": []byte(script)} {
		if err := os.WriteFile(filepath.Join(s.dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	removeImages(t, s.image, s.label())
	return s
}

// rootfsName is what bottle calls the image of an archive.
func rootfsName(archive []byte) string {
	return fmt.Sprintf("bottle-rootfs:%x", sha256.Sum256(archive))[:len("bottle-rootfs:")+16]
}

// label is on what the engine builds of the stage's files.
func (s stage) label() string { return "bottle-test=" + strings.TrimPrefix(s.image, "bottle-rootfs:") }

// removeImages removes, when the test has ended, an image and what was built with a
// label.
func removeImages(t *testing.T, name, label string) {
	t.Helper()
	t.Cleanup(func() {
		remove := "docker rmi -f " + name + "; docker images -aq --filter label=" + label + " | xargs -r docker rmi -f"
		_ = exec.Command("sh", "-c", remove).Run() //nolint:noctx // also after the test's end
	})
}

// launch prepares a run of the stage's script.
func (s stage) launch(t *testing.T, args ...string) *session {
	t.Helper()
	return launchScript(t, t.Context(), filepath.Join(s.dir, "launch.star"), nil, args...)
}

// run runs the stage's script to its end and returns the exit status.
func (s stage) run(t *testing.T, args ...string) (*session, int) {
	t.Helper()
	l := s.launch(t, args...)
	if err := l.cmd.Run(); err != nil && l.cmd.ProcessState == nil {
		t.Fatal(err)
	}
	l.gone()
	return l, l.cmd.ProcessState.ExitCode()
}

// A probing is a program that tries what it is told to.
type probing struct {
	t   *testing.T
	in  io.WriteCloser
	out *bufio.Scanner
	err *said
}

// probe starts a command that answers probes on its standard streams.
func probe(t *testing.T, cmd *exec.Cmd) *probing {
	t.Helper()
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, w := io.Pipe()
	p := &probing{t: t, in: in, out: bufio.NewScanner(out), err: new(said)}
	cmd.Stdout = w
	if cmd.Stderr == nil {
		cmd.Stderr = p.err
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); _ = w.Close(); close(ended) }()
	t.Cleanup(func() { _ = in.Close(); <-ended })
	if p.line() != "ready" {
		t.Fatalf("it does not answer:\n%v", cmd.Stderr)
	}
	return p
}

func (p *probing) line() string {
	if !p.out.Scan() {
		return ""
	}
	return p.out.Text()
}

// ask has it try one thing, "tcp=10.1.2.3:80".
func (p *probing) ask(what string) {
	p.t.Helper()
	if _, err := io.WriteString(p.in, what+"\n"); err != nil {
		p.t.Fatal(err)
	}
}

// verdict returns whether the next thing that was asked was reached, and how or why
// not.
func (p *probing) verdict() (reached bool, how string) {
	p.t.Helper()
	verdict, how, ok := strings.Cut(p.line(), "\t")
	if !ok || verdict != "reached" && verdict != "refused" {
		p.t.Fatalf("no verdict: %q %q", verdict, how)
	}
	return verdict == "reached", how
}

// dockerLine runs docker and returns what it says.
func dockerLine(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(context.WithoutCancel(t.Context()), "docker", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("docker %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}
