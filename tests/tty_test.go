package tests_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/term"
)

// A screen is a pseudo terminal with a session on it.
type screen struct {
	*session
	ptmx, tty *os.File

	mu   sync.Mutex
	text bytes.Buffer
}

// onScreen starts the session on a terminal of 100 by 30 characters.
func onScreen(s *session) *screen {
	t := s.t
	t.Helper()
	c := &screen{session: s}
	var err error
	if c.ptmx, c.tty, err = pty.Open(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.ptmx.Close(); _ = c.tty.Close() })
	c.resize(100, 30)
	s.cmd.Stdin, s.cmd.Stdout, s.cmd.Stderr = c.tty, c.tty, c.tty
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := c.ptmx.Read(buf)
			c.mu.Lock()
			c.text.Write(buf[:n])
			c.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return c
}

func (c *screen) resize(width, height uint16) {
	c.t.Helper()
	if err := pty.Setsize(c.ptmx, &pty.Winsize{Cols: width, Rows: height}); err != nil {
		c.t.Fatal(err)
	}
}

func (c *screen) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.String()
}

func (c *screen) see(text string) {
	c.t.Helper()
	for end := time.Now().Add(time.Minute); !strings.Contains(c.String(), text); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			c.t.Fatalf("the screen does not show %q:\n%s", text, c)
		}
	}
}

func (c *screen) press(keys string) {
	c.t.Helper()
	if _, err := c.ptmx.WriteString(keys); err != nil {
		c.t.Fatal(err)
	}
}

func (c *screen) state() *term.State {
	c.t.Helper()
	state, err := term.GetState(int(c.tty.Fd()))
	if err != nil {
		c.t.Fatal(err)
	}
	return state
}

const anyAgent = `agent(image_rootfs("prober.tar"), entrypoint = ["/prober"], command = ["tty"])`

// TestTerminal runs an agent on a terminal: it has the terminal's size, also when
// that changes; keys reach it one by one, Ctrl-C too; afterwards the terminal is as
// it was.
func TestTerminal(t *testing.T) {
	s := newStage(t, anyAgent)
	l := s.launch(t, "--progress", "auto")
	c := onScreen(l)
	before := c.state()
	c.see("size 100x30")
	c.until("raw mode", time.Minute, func() bool { return !reflect.DeepEqual(before, c.state()) })
	c.resize(61, 17)
	c.see("size 61x17")
	c.press("\x03")
	c.see("got interrupt")
	c.press("hello\r")
	c.see(`read "hello\n"`)
	c.press("q\r")
	err := l.cmd.Wait()
	if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || exit.ExitCode() != 5 {
		t.Errorf("%v, want the agent's exit status 5\n%s", err, c)
	}
	if !reflect.DeepEqual(before, c.state()) {
		t.Error("the terminal was not restored")
	}
	l.gone()
}

// TestTerminalRestored: the terminal is as it was also when the launch fails, is
// ended by a signal, or reaches its time limit while the agent has it.
func TestTerminalRestored(t *testing.T) {
	t.Parallel()
	s := newStage(t, `agent(image_rootfs("prober.tar"), entrypoint = ["/prober"], command = ["tty"], timeout = "3s")`)
	for name, end := range map[string]func(*screen){
		"timeout": func(*screen) {},
		"signal":  func(c *screen) { _ = c.cmd.Process.Signal(syscall.SIGTERM) },
	} {
		t.Run(name, func(t *testing.T) {
			l := s.launch(t)
			c := onScreen(l)
			before := c.state()
			c.see("size 100x30")
			end(c)
			_ = l.cmd.Wait()
			if !reflect.DeepEqual(before, c.state()) {
				t.Error("the terminal was not restored")
			}
			l.gone()
		})
	}
}

// TestQuestion: on a terminal bottle asks, and only a yes goes ahead.
func TestQuestion(t *testing.T) {
	t.Parallel()
	s := newStage(t, `agent(image_rootfs("prober.tar"), entrypoint = ["/prober"], command = ["print", "1"])`)
	for answer, code := range map[string]int{"n\r": 125, "\r": 125, "maybe\r": 125, "\x04": 125, "y\r": 0, "YES\r": 0} {
		t.Run(strings.TrimSpace(answer), func(t *testing.T) {
			l := s.launch(t, "--yes=false")
			c := onScreen(l)
			c.see("Launch it? [y/N] ")
			if left := l.left(); left != "" {
				t.Errorf("made before the answer: %s", left)
			}
			c.press(answer)
			_ = l.cmd.Wait()
			if got := l.cmd.ProcessState.ExitCode(); got != code {
				t.Errorf("exit status %d, want %d:\n%s", got, code, c)
			}
			c.see(map[bool]string{true: "line 0", false: "not launched"}[code == 0])
			l.gone()
		})
	}
}

// TestQuickOutput: a program that prints and ends at once loses nothing, on a
// terminal and without, and the status line of the launch does not overwrite it.
func TestQuickOutput(t *testing.T) {
	s := newStage(t, `agent(image_rootfs("prober.tar"), entrypoint = ["/prober"], command = ["print", "100"])`)
	times := 5 // of each
	if isLong() {
		times = 25
	}
	runs := make([]int, 2*times)
	for i := range runs {
		runs[i] = i
	}
	all(t, runs, func(i int) string { return map[bool]string{true: "terminal", false: "pipe"}[i%2 == 0] }, func(t *testing.T, i int) {
		t.Helper()
		l := s.launch(t, "--progress", "auto")
		var out string
		if i%2 == 0 {
			c := onScreen(l)
			c.see("line 99")
			_ = l.cmd.Wait()
			out = strings.ReplaceAll(c.String(), "\r\n", "\n")
		} else {
			_ = l.cmd.Run()
			out = l.out.String()
		}
		l.gone()
		for n := range 100 {
			// At the beginning of a line: after the end of one, or where the status
			// line was cleared.
			want := "line " + strconv.Itoa(n) + "\n"
			if strings.Count("\n"+strings.ReplaceAll(out, "\x1b[K"+want, "\n"+want), "\n"+want) != 1 {
				t.Fatalf("%q is not there once:\n%q", want, out)
			}
		}
	})
}

// TestSignalsReachTheAgent: what is sent to bottle while the agent runs is sent on.
func TestSignalsReachTheAgent(t *testing.T) {
	s := newStage(t, `agent(image_rootfs("prober.tar"), entrypoint = ["/prober"], command = ["signal"])`)
	l := s.launch(t)
	if err := l.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	l.until("the agent listens", time.Minute, func() bool {
		return strings.Contains(l.out.String(), "listening") && strings.Contains(l.err.String(), "running after")
	})
	for sig, name := range map[syscall.Signal]string{syscall.SIGUSR1: "user defined signal 1", syscall.SIGUSR2: "user defined signal 2", syscall.SIGHUP: "hangup"} {
		_ = l.cmd.Process.Signal(sig)
		l.until(name, time.Minute, func() bool { return strings.Contains(l.out.String(), "got "+name) })
	}
	// SIGHUP was the first that ends; the second one ends the launch.
	_ = l.cmd.Process.Signal(syscall.SIGTERM)
	_ = l.cmd.Wait()
	if code := l.cmd.ProcessState.ExitCode(); code != 128+15 {
		t.Errorf("exit status %d:\n%s", code, l.err.String())
	}
	l.gone()
}
