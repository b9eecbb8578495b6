package runtime

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/bottle-run/bottle/runtime/plan"
)

// An Engine does single steps. It is safe for concurrent use.
type Engine interface {
	// Do performs the operation of n. All that n depends on is done.
	Do(ctx context.Context, n *plan.Node) error
	// Undo removes what Do made, also what a Do that failed may have made. What
	// is not there counts as removed.
	Undo(ctx context.Context, n *plan.Node) error
}

// An Event says that a node changed its state.
type Event struct {
	Node  *plan.Node
	State State
	Err   error         // set only when State is Failed or Stuck
	Took  time.Duration // since the state before; zero for Started and Undoing
}

// A State is where a node is in its life.
type State string

// The states, in the order a node passes through them.
const (
	Started State = "started"
	Done    State = "done"
	Failed  State = "failed"
	Undoing State = "undoing"
	Undone  State = "undone"
	Stuck   State = "stuck" // its undo failed
)

// A Death is a container that ended though the launch still needs it.
type Death struct {
	Node *plan.Node
	Err  error
}

// Stale says that an upstream refuses the value that a sidecar holds in a slot.
type Stale struct {
	Node *plan.Node
	Slot string
}

// A RejectedError is a sidecar's word that it changed nothing, and why.
type RejectedError struct{ Reason string }

func (e RejectedError) Error() string { return e.Reason }

// defaultGrace is how long a rollback may take: removing a network takes an
// engine under load seconds.
const defaultGrace = time.Minute

// An Executor runs plans against one engine. Its fields must not change while
// Up runs.
type Executor struct {
	Engine  Engine
	Events  func(Event)                    // called from many goroutines; nil to discard
	Grace   time.Duration                  // how long a rollback may take; zero is a minute
	Limit   int                            // how many steps are under way at once; zero is 32
	Timeout func(*plan.Node) time.Duration // of one step; nil or zero is none
}

// Up performs every node of p, each as soon as its dependencies are done. The
// session it returns undoes them. If a node fails, or ctx is done, Up undoes
// what was begun and returns the first failure joined with whatever the rollback
// could not undo.
func (x *Executor) Up(ctx context.Context, p *plan.Plan) (*Session, error) {
	s := newSession(x, p)
	done := make(map[plan.ID]chan struct{}, len(p.Nodes()))
	for _, n := range p.Nodes() {
		done[n.ID] = make(chan struct{})
	}
	limit := x.Limit
	if limit == 0 {
		limit = 32
	}
	slots := make(chan struct{}, limit)
	var first firstError

	g, gctx := errgroup.WithContext(ctx)
	for _, n := range p.Nodes() {
		g.Go(func() error {
			if !await(gctx, n, done) || !acquire(gctx, slots) {
				return context.Cause(gctx)
			}
			err := x.perform(gctx, n, s)
			<-slots
			if err != nil {
				// done stays open on purpose: closing it before errgroup
				// cancels gctx would let a dependent start after a failure.
				return first.set(err)
			}
			close(done[n.ID])
			return nil
		})
	}
	err := g.Wait()
	if err == nil {
		return s, nil
	}
	return nil, s.fail(ctx, first.or(ctx, err))
}

// await reports whether everything that n depends on is done before ctx is.
func await(ctx context.Context, n *plan.Node, done map[plan.ID]chan struct{}) bool {
	for _, dep := range n.Deps {
		select {
		case <-done[dep]:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// acquire takes a slot. It prefers the end of ctx to a free slot, for nothing
// may begin after a failure.
func acquire(ctx context.Context, slots chan struct{}) bool {
	select {
	case slots <- struct{}{}:
	case <-ctx.Done():
		return false
	}
	if ctx.Err() != nil {
		<-slots
		return false
	}
	return true
}

func (x *Executor) perform(ctx context.Context, n *plan.Node, s *Session) error {
	s.begin(n)
	start := time.Now()
	x.emit(Event{Node: n, State: Started})
	if err := x.do(ctx, n); err != nil {
		err = fmt.Errorf("%s: %s: %w", n.Place(), n.ID, err)
		x.emit(Event{Node: n, State: Failed, Err: err, Took: time.Since(start)})
		return err
	}
	x.emit(Event{Node: n, State: Done, Took: time.Since(start)})
	return nil
}

func (x *Executor) do(ctx context.Context, n *plan.Node) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("bottle crashed: %v\n%s", r, debug.Stack())
		}
	}()
	if x.Timeout != nil {
		if limit := x.Timeout(n); limit > 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeoutCause(ctx, limit, fmt.Errorf("took longer than %v", limit))
			defer cancel()
		}
	}
	err = x.Engine.Do(ctx, n)
	if err != nil && ctx.Err() != nil && !errors.Is(err, context.Cause(ctx)) && isContextError(err) {
		err = context.Cause(ctx) // "took longer than 2m" says more than "deadline exceeded"
	}
	return err
}

func isContextError(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

func (x *Executor) emit(e Event) {
	if x.Events != nil {
		x.Events(e)
	}
}

// firstError is the failure that came first. Those that follow are mostly its
// consequence: steps that were under way when it cancelled them.
type firstError struct {
	mu  sync.Mutex
	err error
}

func (f *firstError) set(err error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		f.err = err
	}
	return err
}

// or returns what ended the launch: the cause of a cancelled ctx, else the first
// failure, else err.
func (f *firstError) or(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return f.err
	}
	return err
}
