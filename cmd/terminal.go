package cmd

import (
	"bytes"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"golang.org/x/term"

	"github.com/bottle-run/bottle/runtime/docker"
	"github.com/bottle-run/bottle/runtime/plan"
)

// A terminal is what the agents of a launch speak to: the user's terminal or
// pipes for one agent, lines with a name before them for several.
type terminal struct {
	agents []*plan.Node
	tty    bool

	mu    sync.Mutex
	saved *term.State
	over  bool       // restore was called
	out   sync.Mutex // one line at a time
	first sync.Once  // the first byte that an agent writes
	// begins is called before it: the status line must make room.
	begins func()
	stop   func()
}

func newTerminal(p *plan.Plan, begins func()) *terminal {
	t := &terminal{agents: p.Containers(plan.Agent), stop: func() {}, begins: begins}
	t.tty = len(t.agents) == 1 && term.IsTerminal(int(os.Stdin.Fd())) && term.IsTerminal(int(os.Stdout.Fd()))
	return t
}

// streams gives an agent its streams.
func (t *terminal) streams(n *plan.Node) docker.Streams {
	if len(t.agents) > 1 {
		name := n.ID.Name()
		return docker.Streams{Out: &prefixed{t: t, w: &yielding{t, os.Stdout}, prefix: name + " | "}, Err: &prefixed{t: t, w: &yielding{t, os.Stderr}, prefix: name + " | "}}
	}
	return docker.Streams{In: os.Stdin, Out: &yielding{t, os.Stdout}, Err: &yielding{t, os.Stderr}, TTY: t.tty, Size: size}
}

// yielding has the status line make room before the first byte, and the terminal
// leave the ends of lines as the agent's own terminal made them.
type yielding struct {
	t *terminal
	w io.Writer
}

// Write implements io.Writer.
func (y *yielding) Write(b []byte) (int, error) {
	y.t.first.Do(func() { y.t.begins(); y.t.raw() })
	return y.w.Write(b)
}

func size() (width, height uint) {
	w, h, err := term.GetSize(int(os.Stdout.Fd()))
	if err != nil || w < 0 || h < 0 {
		return 80, 24
	}
	return uint(w), uint(h)
}

// raw hands the keys to the agent, Ctrl-C too, until restore. It may be called again.
func (t *terminal) raw() {
	if !t.tty {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.saved != nil || t.over {
		return
	}
	if state, err := term.MakeRaw(int(os.Stdin.Fd())); err == nil {
		t.saved = state
	}
}

// restore gives the terminal back. It may be called again.
func (t *terminal) restore() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.over = true
	if t.saved != nil {
		_ = term.Restore(int(os.Stdin.Fd()), t.saved)
		t.saved = nil
	}
	t.stop()
}

// resized calls f when the terminal's size changes, until restore.
func (t *terminal) resized(f func(id plan.ID, width, height uint)) {
	if !t.tty {
		return
	}
	changes := make(chan os.Signal, 1)
	signal.Notify(changes, syscall.SIGWINCH)
	done := make(chan struct{})
	var once sync.Once
	t.stop = func() { once.Do(func() { signal.Stop(changes); close(done) }) }
	go func() {
		for {
			select {
			case <-done:
				return
			case <-changes:
				w, h := size()
				f(t.agents[0].ID, w, h)
			}
		}
	}()
}

// prefixed writes whole lines with a prefix.
type prefixed struct {
	t      *terminal
	w      io.Writer
	prefix string
	rest   []byte
}

// Write implements io.Writer.
func (p *prefixed) Write(b []byte) (int, error) {
	p.rest = append(p.rest, b...)
	for {
		i := bytes.IndexByte(p.rest, '\n')
		if i < 0 {
			return len(b), nil
		}
		p.t.out.Lock()
		_, err := p.w.Write(append([]byte(p.prefix), p.rest[:i+1]...))
		p.t.out.Unlock()
		if err != nil {
			return 0, err
		}
		p.rest = p.rest[i+1:]
	}
}
