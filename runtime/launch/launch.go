package launch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/bottle-run/bottle/runtime"
	"github.com/bottle-run/bottle/runtime/journal"
	"github.com/bottle-run/bottle/runtime/plan"
	"github.com/bottle-run/bottle/runtime/secret"
)

// Exit statuses of a launch that its agent does not decide.
const (
	ExitTimeout = 124 // as timeout(1)
	ExitFailure = 125 // as docker run: bottle itself failed
)

// stopGrace is how long an agent that was told to stop may take, as long as
// `docker stop` gives.
const stopGrace = 10 * time.Second

// teardownGrace bounds the removal of everything.
const teardownGrace = 60 * time.Second

// An Engine does what a plan says and lets its containers be watched.
type Engine interface {
	runtime.Engine
	// Wait returns the exit status of a started container, after all of its
	// output has been delivered.
	Wait(ctx context.Context, container plan.ID) (int, error)
	// Signal sends a signal, "SIGINT", to a container's first process.
	Signal(ctx context.Context, container plan.ID, signal string) error
	// Send hands further values to a sidecar and returns once they are in force.
	// A runtime.RejectedError means that nothing changed.
	Send(ctx context.Context, container plan.ID, values map[string][]byte) error
	// Died delivers the sidecars and services that ended before the launch did.
	Died() <-chan Death
	// Stale delivers the secrets that upstreams refuse.
	Stale() <-chan runtime.Stale
}

// A Death is a sidecar or service that ended by itself.
type Death = runtime.Death

// A Launch is one launch whose secrets have been found.
type Launch struct {
	Plan    *plan.Plan
	Journal *journal.Journal
	// Events is told of each step, from many goroutines; nil discards.
	Events func(runtime.Event)
	// Warn is told of what goes wrong without ending the launch.
	Warn func(string)
	// Running is called once everything is up, before the agents' end is waited for.
	Running func()
	// Keep leaves everything in place after a failure, for debugging.
	Keep bool
	// Signals are forwarded to the agents; the second one ends the launch at once.
	Signals <-chan os.Signal

	resolver *secret.Resolver
	material *material

	live atomic.Pointer[live] // while the agents run
}

// Prepare resolves every secret of p. Nothing exists yet when it fails, and its
// error names every missing secret.
func Prepare(ctx context.Context, p *plan.Plan, r *secret.Resolver, m Maker) (*Launch, error) {
	values, err := r.Resolve(ctx, p.Secrets())
	if err != nil {
		return nil, err
	}
	return &Launch{Plan: p, resolver: r, material: &material{secrets: values, maker: m}}, nil
}

// Material gives the bytes behind a source of the plan.
func (l *Launch) Material(ctx context.Context, s plan.Source) ([]byte, error) {
	return l.material.bytes(ctx, s)
}

// InterruptedError is the cause of a launch that a signal ended.
type InterruptedError struct{ Signal syscall.Signal }

func (e InterruptedError) Error() string { return "interrupted by " + e.Signal.String() }

// ExitCode is the exit status that shells give a process ended by the signal.
func (e InterruptedError) ExitCode() int { return 128 + int(e.Signal) }

// Run brings the plan up on e, waits for the agents, takes everything down and
// returns the exit status: that of the first agent of the plan that failed, or 0.
// An error means that bottle, not an agent, failed; the status then says how.
func (l *Launch) Run(ctx context.Context, e Engine) (int, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	agents := l.Plan.Containers(plan.Agent)
	sig := &signals{in: l.Signals, engine: e, agents: agents, cancel: cancel, warn: l.warn}
	defer sig.start(ctx)()

	kept := &keeper{Engine: e}
	x := &runtime.Executor{Engine: kept, Events: l.record, Grace: teardownGrace, Timeout: stepTimeout}
	kept.keep.Store(l.Keep)
	session, err := x.Up(ctx, l.Plan)
	if err != nil {
		return exitCode(err), err
	}
	kept.keep.Store(false)
	sig.forward.Store(true)
	if l.Running != nil {
		l.Running()
	}
	code, err := l.watch(ctx, e, agents)
	sig.forward.Store(false)
	if err != nil && l.Keep {
		return code, err
	}
	down, done := context.WithTimeout(context.WithoutCancel(ctx), teardownGrace)
	defer done()
	if downErr := session.Down(down); downErr != nil {
		err = errors.Join(err, downErr)
		if code == 0 {
			code = ExitFailure
		}
	}
	return code, err
}

// watch waits for the end of every agent, or for what ends the launch before.
func (l *Launch) watch(ctx context.Context, e Engine, agents []*plan.Node) (int, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	still, err := l.enliven(ctx, e)
	if err != nil {
		return ExitFailure, err
	}
	defer still()
	defer cancel(nil)
	ends := make(chan end, len(agents))
	for i, n := range agents {
		go func() { ends <- waitFor(ctx, e, i, n) }()
	}
	codes := make([]int, len(agents))
	var failure error
	for left := len(agents); left > 0; {
		select {
		case d := <-e.Died():
			if failure == nil {
				failure = fmt.Errorf("%s: %s: %w", d.Node.Place(), d.Node.ID, d.Err)
				cancel(failure)
			}
		case end := <-ends:
			left--
			codes[end.index] = end.code
			if end.err != nil && failure == nil {
				failure = end.err
				cancel(failure)
			}
		}
	}
	if failure != nil {
		return exitCode(failure), failure
	}
	return cmp.Or(codes...), nil
}

type end struct {
	index, code int
	err         error
}

func waitFor(ctx context.Context, e Engine, index int, n *plan.Node) end {
	op, _ := n.Op.(plan.Container)
	if limit := time.Duration(op.Limits.Timeout) * time.Second; limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, limit, timeoutError{n, limit})
		defer cancel()
	}
	code, err := e.Wait(ctx, n.ID)
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return end{index, code, err}
}

type timeoutError struct {
	node  *plan.Node
	limit time.Duration
}

func (t timeoutError) Error() string {
	return fmt.Sprintf("%s: %s: reached its time limit of %v", t.node.Place(), t.node.ID, t.limit)
}

// ExitCode is that of timeout(1).
func (timeoutError) ExitCode() int { return ExitTimeout }

// exitCode is the status that err asks for, or ExitFailure.
func exitCode(err error) int {
	var coded interface{ ExitCode() int }
	if errors.As(err, &coded) {
		return coded.ExitCode()
	}
	return ExitFailure
}

func (l *Launch) warn(text string) {
	if l.Warn != nil {
		l.Warn(text)
	}
}

// record writes the step down before anybody hears of it.
func (l *Launch) record(ev runtime.Event) {
	if l.Journal != nil {
		s := journal.Step{Time: time.Now().UTC(), Node: string(ev.Node.ID), State: string(ev.State)}
		if ev.Err != nil {
			s.Error = ev.Err.Error()
		}
		l.Journal.Record(s)
	}
	if l.Events != nil {
		l.Events(ev)
	}
}

// stepTimeout bounds a step: images may come over a slow line, the rest is the
// engine's own work.
func stepTimeout(n *plan.Node) time.Duration {
	switch n.Op.(type) {
	case plan.Image, plan.ImageBuild, plan.ImageRootfs, plan.ImageSidecar:
		return 30 * time.Minute
	case plan.Start:
		return 5 * time.Minute // a database may be healthy late
	case plan.Network, plan.Volume, plan.Container:
	}
	return 2 * time.Minute
}
