package launch

import (
	"context"
	"sync/atomic"

	"github.com/bottle-run/bottle/runtime/plan"
)

// A keeper undoes nothing while it keeps: `bottle run --keep` wants to look at
// what a failure left.
type keeper struct {
	Engine
	keep atomic.Bool
}

// Undo implements runtime.Engine.
func (k *keeper) Undo(ctx context.Context, n *plan.Node) error {
	if k.keep.Load() {
		return nil
	}
	return k.Engine.Undo(ctx, n)
}
