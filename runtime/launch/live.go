package launch

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/bottle-run/bottle/runtime"
	"github.com/bottle-run/bottle/runtime/plan"
	"github.com/bottle-run/bottle/runtime/secret"
)

// sendTimeout bounds the handing of a message to a sidecar, its answer included.
const sendTimeout = 15 * time.Second

// A live launch is one whose agents run: what its sidecars hold now.
type live struct {
	engine Engine
	keeper *secret.Keeper
	values *secret.Values
	warn   func(string)
	// changed says that there are other secrets to keep.
	changed chan struct{}

	mu sync.Mutex // one message at a time, so that none is about what another changes
	// inputs are what each sidecar reads, by container.
	inputs map[plan.ID][]plan.Input
	plan   []byte // JSON
	digest string
}

// enliven keeps the secrets of the launch fresh and lets Apply change it, until ctx
// is done and still, which waits for the end of that, is called.
func (l *Launch) enliven(ctx context.Context, e Engine) (still func(), err error) {
	v, err := l.newLive(e)
	if err != nil {
		return nil, err
	}
	kept := make(chan struct{})
	go func() { defer close(kept); v.keep(ctx) }()
	l.live.Store(v)
	return func() { l.live.Store(nil); <-kept }, nil
}

func (l *Launch) newLive(e Engine) (*live, error) {
	v := &live{engine: e, values: l.material.secrets, warn: l.warn, changed: make(chan struct{}, 1), inputs: map[plan.ID][]plan.Input{}, digest: l.Plan.Digest()}
	v.keeper = &secret.Keeper{
		Resolver: l.resolver, Values: v.values, Fresh: v.hand,
		Failed: func(ref plan.Secret, err error) { l.warn("fetching " + ref.String() + " again: " + err.Error()) },
	}
	for _, n := range l.Plan.Containers(plan.Sidecar) {
		op, _ := n.Op.(plan.Container)
		v.inputs[n.ID] = op.Stdin
	}
	var err error
	v.plan, err = l.Plan.MarshalJSON()
	return v, err
}

// keep fetches secrets again before they end, and once an upstream refuses them,
// and hands them to every sidecar that holds them. It returns when ctx is done and
// nothing is fetched any more.
func (v *live) keep(ctx context.Context) {
	defer v.keeper.Wait()
	v.keeper.Keep(ctx, v.secrets())
	for {
		select {
		case <-ctx.Done():
			return
		case <-v.changed:
			v.keeper.Keep(ctx, v.secrets())
		case s := <-v.engine.Stale():
			if ref, ok := v.secretOf(s); ok {
				v.keeper.Stale(ref)
			}
		}
	}
}

// secrets returns every secret that a sidecar holds, each once.
func (v *live) secrets() []plan.Secret {
	v.mu.Lock()
	defer v.mu.Unlock()
	return secretsOf(v.inputs)
}

func secretsOf(inputs map[plan.ID][]plan.Input) []plan.Secret {
	var refs []plan.Secret
	for _, id := range slices.Sorted(maps.Keys(inputs)) {
		for _, in := range inputs[id] {
			s, ok := in.Source.(plan.Secret)
			if ok && !slices.ContainsFunc(refs, func(r plan.Secret) bool { return r.String() == s.String() }) {
				refs = append(refs, s)
			}
		}
	}
	return refs
}

// secretOf returns the secret behind a slot that a sidecar names.
func (v *live) secretOf(s runtime.Stale) (plan.Secret, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, in := range v.inputs[s.Node.ID] {
		if ref, ok := in.Source.(plan.Secret); ok && in.Name == s.Slot {
			return ref, true
		}
	}
	return plan.Secret{}, false
}

// hand gives a fresh value to every sidecar that holds ref.
func (v *live) hand(ctx context.Context, ref plan.Secret, value []byte) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(v.inputs)) {
		for _, in := range v.inputs[id] {
			if s, ok := in.Source.(plan.Secret); !ok || s.String() != ref.String() {
				continue
			}
			if err := v.send(ctx, id, map[string][]byte{in.Name: value}); err != nil && ctx.Err() == nil {
				v.warn("handing a fresh " + ref.String() + " to " + id.Name() + ": " + err.Error())
			}
		}
	}
}

func (v *live) send(ctx context.Context, to plan.ID, values map[string][]byte) error {
	ctx, cancel := context.WithTimeoutCause(ctx, sendTimeout, fmt.Errorf("no answer within %v", sendTimeout))
	defer cancel()
	return v.engine.Send(ctx, to, values)
}

var errNotRunning = errors.New("the launch is not running: it is still coming up, or ending already")
