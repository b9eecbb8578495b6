package launch

import (
	"context"

	"github.com/bottle-run/bottle/runtime/plan"
)

// refresh fetches the secrets that have a time to live again and hands them to
// every sidecar that holds them.
func (l *Launch) refresh(ctx context.Context, e Engine) {
	l.resolver.Refresh(ctx, l.Plan.Secrets(), func(ref plan.Secret, value []byte) {
		l.material.secrets.Set(ref, value)
		for _, n := range l.Plan.Containers(plan.Sidecar) {
			name, ok := inputOf(n, ref)
			if !ok {
				continue
			}
			if err := e.Send(ctx, n.ID, map[string][]byte{name: value}); err != nil {
				l.warn("handing a fresh " + ref.String() + " to " + n.ID.Name() + ": " + err.Error())
			}
		}
	}, func(ref plan.Secret, err error) {
		l.warn("fetching " + ref.String() + " again: " + err.Error())
	})
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
