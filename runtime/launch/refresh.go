package launch

import (
	"context"
	"time"

	"github.com/bottle-run/bottle/runtime/plan"
	"github.com/bottle-run/bottle/runtime/secret"
)

// sendTimeout bounds the handing of a message to a sidecar, its answer included.
const sendTimeout = 15 * time.Second

// keepFresh fetches secrets again before they end, and once an upstream refuses
// them, and hands them to every sidecar that holds them. It returns when ctx is
// done and nothing is fetched any more.
func (l *Launch) keepFresh(ctx context.Context, e Engine) {
	keeper := &secret.Keeper{
		Resolver: l.resolver, Values: l.material.secrets,
		Fresh: func(ctx context.Context, ref plan.Secret, value []byte) { l.hand(ctx, e, ref, value) },
		Failed: func(ref plan.Secret, err error) {
			l.warn("fetching " + ref.String() + " again: " + err.Error())
		},
	}
	defer keeper.Wait()
	keeper.Keep(ctx, l.Plan.Secrets())
	for {
		select {
		case <-ctx.Done():
			return
		case s := <-e.Stale():
			if ref, ok := secretOf(s.Node, s.Slot); ok {
				keeper.Stale(ref)
			}
		}
	}
}

// hand gives a fresh value to every sidecar that holds ref.
func (l *Launch) hand(ctx context.Context, e Engine, ref plan.Secret, value []byte) {
	for _, n := range l.Plan.Containers(plan.Sidecar) {
		name, ok := inputOf(n, ref)
		if !ok {
			continue
		}
		bounded, cancel := context.WithTimeout(ctx, sendTimeout)
		if err := e.Send(bounded, n.ID, map[string][]byte{name: value}); err != nil && ctx.Err() == nil {
			l.warn("handing a fresh " + ref.String() + " to " + n.ID.Name() + ": " + err.Error())
		}
		cancel()
	}
}

// inputOf returns the name under which the container of n reads ref.
func inputOf(n *plan.Node, ref plan.Secret) (string, bool) {
	op, _ := n.Op.(plan.Container)
	for _, in := range op.Stdin {
		if s, ok := in.Source.(plan.Secret); ok && s.String() == ref.String() {
			return in.Name, true
		}
	}
	return "", false
}

// secretOf returns the secret that the container of n reads under a name.
func secretOf(n *plan.Node, name string) (plan.Secret, bool) {
	op, _ := n.Op.(plan.Container)
	for _, in := range op.Stdin {
		if s, ok := in.Source.(plan.Secret); ok && in.Name == name {
			return s, true
		}
	}
	return plan.Secret{}, false
}
