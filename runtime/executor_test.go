package runtime_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/bottle-run/bottle/runtime"
	"github.com/bottle-run/bottle/runtime/plan"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// engine is an in-memory engine that behaves as badly as a real one: a step that
// fails has taken effect all the same.
type engine struct {
	mu    sync.Mutex
	log   []string
	live  map[plan.ID]bool
	fail  map[plan.ID]error // by the node whose Do fails
	stuck map[plan.ID]error // by the node whose Undo fails
	hang  plan.ID           // its Do waits for the end of ctx
	panic plan.ID
}

func (e *engine) Do(ctx context.Context, n *plan.Node) error {
	e.mu.Lock()
	e.log = append(e.log, "+"+string(n.ID))
	if e.live == nil {
		e.live = map[plan.ID]bool{}
	}
	e.live[n.ID] = true
	e.mu.Unlock()
	if n.ID == e.hang {
		<-ctx.Done()
		return ctx.Err()
	}
	if n.ID == e.panic {
		panic("boom")
	}
	return e.fail[n.ID]
}

func (e *engine) Undo(_ context.Context, n *plan.Node) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.log = append(e.log, "-"+string(n.ID))
	if err := e.stuck[n.ID]; err != nil {
		return err
	}
	delete(e.live, n.ID)
	return nil
}

func randomPlan(tb testing.TB, n int) *plan.Plan {
	tb.Helper()
	p := new(plan.Plan)
	for i := range n {
		node := &plan.Node{ID: plan.ID(fmt.Sprintf("volume:%d", i)), Op: plan.Volume{}, Pos: plan.Pos{File: "x.star", Line: i + 1, Col: 1}}
		for range rand.IntN(3) {
			if i > 0 {
				node.Deps = append(node.Deps, plan.ID(fmt.Sprintf("volume:%d", rand.IntN(i))))
			}
		}
		if err := p.Add(node); err != nil {
			tb.Fatal(err)
		}
	}
	return p
}

// TestFailureLeavesNothing fails each node of random plans in turn: no dependent of
// a failure begins, nothing is left, and the error names the node and its place.
func TestFailureLeavesNothing(t *testing.T) {
	for range 100 {
		p := randomPlan(t, 12)
		for _, bad := range p.Nodes() {
			boom := errors.New("boom")
			e := &engine{fail: map[plan.ID]error{bad.ID: boom}}
			s, err := (&runtime.Executor{Engine: e}).Up(t.Context(), p)
			if s != nil || !errors.Is(err, boom) {
				t.Fatalf("Up = %v, %v; want nil, boom", s, err)
			}
			if want := bad.Pos.String() + ": " + string(bad.ID) + ": boom"; err.Error() != want {
				t.Fatalf("error is %q, want %q: bystanders are not to be heard", err, want)
			}
			if len(e.live) != 0 {
				t.Fatalf("left behind %v after %v", e.live, e.log)
			}
			for _, n := range p.Nodes() {
				if slices.Contains(n.Deps, bad.ID) && slices.Contains(e.log, "+"+string(n.ID)) {
					t.Fatalf("%s began after its dependency %s failed", n.ID, bad.ID)
				}
			}
		}
	}
}

// TestDownIsReverseOfUp: a node is undone before what it depends on, and each once.
func TestDownIsReverseOfUp(t *testing.T) {
	for range 50 {
		p, e := randomPlan(t, 30), new(engine)
		s, err := (&runtime.Executor{Engine: e}).Up(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		up := len(e.log)
		if err := s.Down(t.Context()); err != nil {
			t.Fatal(err)
		}
		down := e.log[up:]
		if len(down) != up {
			t.Fatalf("%d undone of %d", len(down), up)
		}
		for _, n := range p.Nodes() {
			for _, dep := range n.Deps {
				if slices.Index(down, "-"+string(n.ID)) > slices.Index(down, "-"+string(dep)) {
					t.Fatalf("%s was undone before %s, which needs it", dep, n.ID)
				}
			}
		}
		if err := s.Down(t.Context()); err != nil || len(e.log) != 2*up {
			t.Fatalf("the second Down did something: %v", err)
		}
	}
}

// TestRollbackGoesOn: an undo that fails stops no other, and its error is joined
// with the cause, which comes first.
func TestRollbackGoesOn(t *testing.T) {
	p := randomPlan(t, 12)
	last := p.Nodes()[11]
	e := &engine{fail: map[plan.ID]error{last.ID: errors.New("cause")}, stuck: map[plan.ID]error{"volume:0": errors.New("stuck")}}
	_, err := (&runtime.Executor{Engine: e}).Up(t.Context(), p)
	if err == nil || !strings.Contains(err.Error(), "cause\nundo volume:0: stuck") && slices.Contains(e.log, "+volume:0") {
		t.Fatalf("err = %v", err)
	}
	for id := range e.live {
		if id != "volume:0" {
			t.Errorf("%s was left because of another", id)
		}
	}
}

// TestCancelledUpRollsBack: the cause of the cancellation is the error, and the
// rollback outlives it.
func TestCancelledUpRollsBack(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	interrupted := errors.New("interrupted")
	e := &engine{hang: "volume:5"}
	x := &runtime.Executor{Engine: e, Events: func(ev runtime.Event) {
		if ev.Node.ID == "volume:5" && ev.State == runtime.Started {
			cancel(interrupted)
		}
	}}
	_, err := x.Up(ctx, randomPlan(t, 12))
	if !errors.Is(err, interrupted) || len(e.live) != 0 {
		t.Fatalf("err = %v, left %v", err, e.live)
	}
}

// TestStepLimit: a step that takes too long says so, by name.
func TestStepLimit(t *testing.T) {
	x := &runtime.Executor{Engine: &engine{hang: "volume:0"}, Timeout: func(*plan.Node) time.Duration { return time.Millisecond }}
	_, err := x.Up(t.Context(), randomPlan(t, 1))
	if err == nil || err.Error() != "x.star:1:1: volume:0: took longer than 1ms" {
		t.Fatalf("err = %v", err)
	}
}

// TestPanicIsAnError: a crash in a step rolls back like a failure.
func TestPanicIsAnError(t *testing.T) {
	e := &engine{panic: "volume:3"}
	_, err := (&runtime.Executor{Engine: e}).Up(t.Context(), randomPlan(t, 6))
	if err == nil || !strings.Contains(err.Error(), "volume:3: bottle crashed: boom") || len(e.live) != 0 {
		t.Fatalf("err = %v, left %v", err, e.live)
	}
}

func BenchmarkUpDown(b *testing.B) {
	p := randomPlan(b, 10_000)
	for b.Loop() {
		s, err := (&runtime.Executor{Engine: new(engine)}).Up(b.Context(), p)
		if err != nil {
			b.Fatal(err)
		}
		_ = s.Down(b.Context())
	}
}
