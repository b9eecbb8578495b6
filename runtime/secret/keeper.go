package secret

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/bottle-run/bottle/runtime/plan"
)

// How often a secret is fetched again because its upstream refuses it. An agent
// that can make the upstream say so, or finds one that always does, must not make
// bottle run `gh auth token` in a loop.
const (
	minPause = 10 * time.Second // between the first two
	maxPause = 10 * time.Minute // doubled up to it while they go on
)

// A Keeper keeps values fresh: those that end are fetched again before, those
// that an upstream refuses once it says so. Each secret is fetched by one
// goroutine alone, so never twice at once. Its fields must be set before use; it
// is safe for concurrent use.
type Keeper struct {
	Resolver *Resolver
	Values   *Values
	// Fresh is given a value that was fetched again, which is in Values.
	Fresh func(context.Context, plan.Secret, []byte)
	// Failed is told of a value that could not be fetched; it is tried again.
	Failed func(plan.Secret, error)

	mu   sync.Mutex
	kept map[string]*kept
	wg   sync.WaitGroup
}

type kept struct {
	ref    plan.Secret
	stale  chan struct{}
	cancel context.CancelFunc
}

// Keep keeps refs, and no others any more, until ctx is done.
func (k *Keeper) Keep(ctx context.Context, refs []plan.Secret) {
	k.mu.Lock()
	defer k.mu.Unlock()
	old := k.kept
	k.kept = map[string]*kept{}
	for _, ref := range refs {
		name := ref.String()
		if s := old[name]; s != nil {
			k.kept[name] = s
			delete(old, name)
			continue
		}
		ctx, cancel := context.WithCancel(ctx)
		s := &kept{ref, make(chan struct{}, 1), cancel}
		k.kept[name] = s
		k.wg.Go(func() { k.keep(ctx, s) })
	}
	for _, s := range old {
		s.cancel()
	}
}

// Wait returns once nothing is fetched any more, after the context of every Keep
// is done.
func (k *Keeper) Wait() { k.wg.Wait() }

// Stale says that an upstream refuses the value of ref.
func (k *Keeper) Stale(ref plan.Secret) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if s := k.kept[ref.String()]; s != nil {
		select {
		case s.stale <- struct{}{}:
		default: // said already
		}
	}
}

// errOnce is why some secrets are not fetched again.
var errOnce = errors.New("the upstream refuses it, and it cannot be fetched again while the launch runs: is it wrong, or has it ended?")

func (k *Keeper) keep(ctx context.Context, s *kept) {
	defer s.cancel()
	p := pace{pause: minPause}
	due := k.due(s.ref)
	for {
		timer := newTimer(due)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-s.stale:
			timer.Stop()
			if !again(s.ref) {
				k.Failed(s.ref, errOnce)
				return
			}
			if at := p.ask(time.Now()); due.IsZero() || at.Before(due) {
				due = at
			}
			if time.Until(due) > 0 {
				k.Failed(s.ref, fmt.Errorf("the upstream refuses it again; the next try is in %v", time.Until(due).Round(time.Second)))
			}
			continue
		case <-timer.C:
		}
		due = k.fetch(ctx, s.ref, &p)
	}
}

// fetch fetches ref and returns when to do so again.
func (k *Keeper) fetch(ctx context.Context, ref plan.Secret, p *pace) time.Time {
	p.fetched(time.Now())
	v, life, err := k.Resolver.Lookup(ctx, ref)
	if ctx.Err() != nil {
		return time.Time{}
	}
	if err != nil {
		k.Failed(ref, err)
		p.failures++
		return time.Now().Add(min(time.Second<<min(p.failures, 10), maxPause))
	}
	p.failures = 0
	k.Values.Set(ref, v, life)
	k.Fresh(ctx, ref, v)
	return k.due(ref)
}

// due is when a value is fetched again: when a tenth of its time is left.
func (k *Keeper) due(ref plan.Secret) time.Time {
	ends := k.Values.Ends(ref)
	if ends.IsZero() {
		return ends
	}
	return ends.Add(-time.Until(ends) / 10)
}

// again reports whether a second look may find another value. The environment of a
// process does not change, and nobody is asked in the middle of a launch.
func again(ref plan.Secret) bool {
	return ref.Kind != plan.SecretEnv && ref.Kind != plan.SecretPrompt
}

// A pace spreads the fetches that an upstream's refusals ask for.
type pace struct {
	pause    time.Duration
	next     time.Time // not before
	asked    bool
	failures int
}

// ask returns when a fetch that is asked for now may happen.
func (p *pace) ask(now time.Time) time.Time {
	p.asked = true
	if p.next.Before(now) {
		return now
	}
	return p.next
}

// fetched counts a fetch.
func (p *pace) fetched(now time.Time) {
	if !p.asked {
		return
	}
	p.asked = false
	if now.Sub(p.next) > 2*p.pause {
		p.pause = minPause // it was quiet for long
	} else {
		p.pause = min(2*p.pause, maxPause)
	}
	p.next = now.Add(p.pause)
}

// newTimer returns a timer that fires at due; never, if that is zero.
func newTimer(due time.Time) *time.Timer {
	if due.IsZero() {
		t := time.NewTimer(time.Hour)
		t.Stop()
		return t
	}
	return time.NewTimer(time.Until(due))
}
