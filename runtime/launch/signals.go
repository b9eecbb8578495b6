package launch

import (
	"context"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/bottle-run/bottle/runtime/plan"
)

// signalNames are the signals that are passed on, by the name that an engine
// takes.
var signalNames = map[os.Signal]string{ //nolint:gochecknoglobals // a table
	syscall.SIGINT:  "SIGINT",
	syscall.SIGTERM: "SIGTERM",
	syscall.SIGHUP:  "SIGHUP",
	syscall.SIGQUIT: "SIGQUIT",
	syscall.SIGUSR1: "SIGUSR1",
	syscall.SIGUSR2: "SIGUSR2",
}

// signals turns the signals that bottle gets into those of the agents, and into
// the end of the launch: at once while it is being built, after stopGrace or at
// the second signal while an agent runs.
type signals struct {
	in      <-chan os.Signal
	engine  Engine
	agents  []*plan.Node
	cancel  context.CancelCauseFunc
	warn    func(string)
	forward atomic.Bool
}

// start begins to listen and returns what ends it.
func (s *signals) start(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	wg.Go(func() { s.loop(ctx) })
	return func() { cancel(); wg.Wait() }
}

func (s *signals) loop(ctx context.Context) {
	var deadline <-chan time.Time
	var first syscall.Signal
	for {
		select {
		case <-ctx.Done():
			return
		case <-deadline:
			s.warn("the agent did not stop within " + stopGrace.String() + ": killing it")
			s.cancel(InterruptedError{first})
			deadline = nil
		case in := <-s.in:
			sig, _ := in.(syscall.Signal)
			again := first != 0
			if ends(sig) {
				first = sig
			}
			if s.pass(ctx, sig, again) && deadline == nil && ends(sig) {
				deadline = time.After(stopGrace)
			}
		}
	}
}

// pass hands sig to the agents and reports whether it did. A signal that ends,
// with no agent to pass it to or for the second time, ends the launch.
func (s *signals) pass(ctx context.Context, sig syscall.Signal, again bool) bool {
	if !s.forward.Load() || (again && ends(sig)) {
		if ends(sig) {
			s.cancel(InterruptedError{sig})
		}
		return false
	}
	for _, a := range s.agents {
		if err := s.engine.Signal(ctx, a.ID, signalNames[sig]); err != nil {
			s.warn(err.Error())
		}
	}
	return true
}

func ends(sig syscall.Signal) bool {
	switch sig {
	case syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT:
		return true
	}
	return false
}
