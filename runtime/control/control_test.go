package control_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/bottle-run/bottle/runtime/control"
)

func TestMain(m *testing.M) {
	if path := os.Getenv("CONTROL_TEST_STRANGER"); path != "" {
		os.Exit(stranger(path))
	}
	goleak.VerifyTestMain(m)
}

func handlers() map[string]control.Handler {
	return map[string]control.Handler{
		"double": func(_ context.Context, args json.RawMessage) (any, error) {
			var n int
			if err := json.Unmarshal(args, &n); err != nil {
				return nil, errors.New("not a number")
			}
			return 2 * n, nil
		},
		"wait": func(ctx context.Context, _ json.RawMessage) (any, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		},
	}
}

func listen(t *testing.T, dir string) *control.Server {
	t.Helper()
	s, err := control.Listen(t.Context(), dir, handlers())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// A question gets its answer, or the words of the refusal, also in a directory whose
// name is longer than that of a socket may be, and where a dead launcher left one.
func TestCall(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("long-", 30), strings.Repeat("long-", 30))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "control.sock"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := listen(t, dir)
	var n int
	if err := control.Call(t.Context(), dir, "double", 21, &n); err != nil || n != 42 {
		t.Errorf("got %d, %v", n, err)
	}
	var refused control.RefusedError
	if err := control.Call(t.Context(), dir, "double", "x", &n); !errors.As(err, &refused) || refused.Reason != "not a number" {
		t.Errorf("got %v", err)
	}
	if err := control.Call(t.Context(), dir, "halve", 1, &n); !errors.As(err, &refused) || !strings.Contains(err.Error(), "another version") {
		t.Errorf("got %v", err)
	}
	if info, err := os.Stat(filepath.Join(dir, "control.sock")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the socket: %v, %v", info, err)
	}
	s.Close()
	if err := control.Call(t.Context(), dir, "double", 1, &n); !errors.Is(err, control.ErrNobody) {
		t.Errorf("after the end: %v", err)
	}
}

// Neither end waits for the other for ever: a client stops when it is told to, a
// server that closes ends what it was doing.
func TestEnds(t *testing.T) {
	dir := t.TempDir()
	s := listen(t, dir)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := control.Call(ctx, dir, "wait", nil, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	done := make(chan error, 1)
	go func() { done <- control.Call(t.Context(), dir, "wait", nil, nil) }()
	silent, err := net.Dial("unix", filepath.Join(dir, "control.sock")) //nolint:noctx // it says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	time.Sleep(50 * time.Millisecond)
	s.Close()
	if err := <-done; err == nil {
		t.Error("a question was answered by a server that is gone")
	}
}

// Another user is not heard, whatever the modes of the directory and the socket: the
// kernel says who it is.
func TestStrangers(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("not run: only root can play another user")
	}
	dir, err := os.MkdirTemp("/tmp", "control") //nolint:usetesting // another user must reach it
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	listen(t, dir)
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	exe, socket := filepath.Join(dir, "stranger"), filepath.Join(dir, "control.sock")
	if err := errors.Join(os.WriteFile(exe, self, 0o755), os.Chmod(dir, 0o777), os.Chmod(socket, 0o666)); err != nil {
		t.Fatal(err)
	}
	for uid, want := range map[uint32]string{0: `{"result":42}`, 65534: "nothing"} {
		c := exec.CommandContext(t.Context(), exe)
		c.Env = append(os.Environ(), "CONTROL_TEST_STRANGER="+socket)
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
		out, err := c.CombinedOutput()
		if err != nil || strings.TrimSpace(string(out)) != want {
			t.Errorf("user %d got %q, %v; want %s", uid, out, err, want)
		}
	}
	// And nothing is sent to a launcher that is another user's.
	old := syscall.Getuid()
	if err := syscall.Setreuid(-1, 65534); err != nil {
		t.Fatal(err)
	}
	err = control.Call(t.Context(), dir, "double", 1, nil)
	if back := syscall.Setreuid(-1, old); back != nil {
		t.Fatal(back)
	}
	if err == nil || !strings.Contains(err.Error(), "another user's") {
		t.Errorf("asked another user's launcher: %v", err)
	}
}

// stranger asks and prints the answer.
func stranger(path string) int {
	c, err := net.Dial("unix", path) //nolint:noctx // a process of its own
	if err != nil {
		fmt.Println(err)
		return 1
	}
	defer c.Close()
	fmt.Fprintln(c, `{"version":1,"op":"double","args":21}`)
	b := make([]byte, 1000)
	n, err := c.Read(b)
	if err != nil {
		fmt.Println("nothing")
		return 0
	}
	fmt.Print(string(b[:n]))
	return 0
}
