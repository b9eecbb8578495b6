package runtime

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-multierror"

	"github.com/bottle-run/bottle/runtime/plan"
)

// A Session is everything that one Up began.
type Session struct {
	executor *Executor
	plan     *plan.Plan

	mu    sync.Mutex
	begun map[plan.ID]bool
}

func newSession(x *Executor, p *plan.Plan) *Session {
	return &Session{executor: x, plan: p, begun: make(map[plan.ID]bool, len(p.Nodes()))}
}

// begin registers the undo of n.
func (s *Session) begin(n *plan.Node) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.begun[n.ID] = true
}

// Down undoes every node that was begun, each as soon as all that depend on it
// are undone. It goes on past failures and returns all of them. A second Down
// does nothing.
func (s *Session) Down(ctx context.Context) error {
	return join(s.undo(ctx))
}

// fail rolls back after cause. The rollback outlives the cancellation of ctx,
// which is the most common cause, but not the grace period.
func (s *Session) fail(ctx context.Context, cause error) error {
	grace := s.executor.Grace
	if grace == 0 {
		grace = defaultGrace
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	return join(append([]error{cause}, s.undo(ctx)...))
}

func (s *Session) undo(ctx context.Context) []error {
	s.mu.Lock()
	begun := s.begun
	s.begun = map[plan.ID]bool{}
	s.mu.Unlock()

	// A node may go once every dependent of it has been tried, not only when it
	// went: going on past errors is the rule, and the engine refuses what is
	// still in use.
	tried := make(map[plan.ID]chan struct{}, len(begun))
	dependents := make(map[plan.ID][]plan.ID, len(begun))
	for _, n := range s.plan.Nodes() {
		if !begun[n.ID] {
			continue
		}
		tried[n.ID] = make(chan struct{})
		for _, dep := range n.Deps {
			dependents[dep] = append(dependents[dep], n.ID)
		}
	}
	errs := make([]error, len(s.plan.Nodes()))
	var wg sync.WaitGroup
	for i, n := range s.plan.Nodes() {
		if !begun[n.ID] {
			continue
		}
		wg.Go(func() {
			defer close(tried[n.ID])
			for _, d := range dependents[n.ID] {
				<-tried[d]
			}
			errs[i] = s.undoOne(ctx, n)
		})
	}
	wg.Wait()
	return errs
}

func (s *Session) undoOne(ctx context.Context, n *plan.Node) (err error) {
	x := s.executor
	start := time.Now()
	x.emit(Event{Node: n, State: Undoing})
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("undo %s: bottle crashed: %v", n.ID, r)
		}
		state := Undone
		if err != nil {
			state = Stuck
		}
		x.emit(Event{Node: n, State: state, Err: err, Took: time.Since(start)})
	}()
	if err := x.Engine.Undo(ctx, n); err != nil {
		return fmt.Errorf("undo %s: %w", n.ID, err)
	}
	return nil
}

// join makes one error of those that are not nil, a line each, and nil of none.
func join(errs []error) error {
	var m *multierror.Error
	for _, err := range errs {
		if err != nil {
			m = multierror.Append(m, err)
		}
	}
	if m == nil {
		return nil
	}
	m.ErrorFormat = func(errs []error) string {
		lines := make([]string, len(errs))
		for i, err := range errs {
			lines[i] = err.Error()
		}
		return strings.Join(lines, "\n")
	}
	return m
}
