package cmd

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/bottle-run/bottle/runtime/launch"
	"github.com/bottle-run/bottle/runtime/plan"
	"github.com/bottle-run/bottle/runtime/secret"
)

// resolver looks secrets up for a script in dir.
func resolver(dir, root string, warn func(string)) *secret.Resolver {
	return &secret.Resolver{Dir: dir, Ask: asker(), Locks: filepath.Join(root, ".locks"), Warn: warn}
}

// prepare resolves the secrets.
func prepare(ctx context.Context, p *plan.Plan, r *secret.Resolver, signals <-chan os.Signal) (*launch.Launch, error) {
	ctx, done := untilSignal(ctx, signals)
	defer done()
	launched, err := launch.Prepare(ctx, p, r, maker{})
	if err != nil && ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("secrets are missing:\n%w", err)
	}
	return launched, nil
}

// untilSignal returns a context that a signal ends: a command may take its time, and
// a person at a prompt may change their mind.
func untilSignal(ctx context.Context, signals <-chan os.Signal) (_ context.Context, done func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	var listening sync.WaitGroup
	listening.Go(func() {
		select {
		case s := <-signals:
			sig, _ := s.(syscall.Signal)
			cancel(launch.InterruptedError{Signal: sig})
		case <-ctx.Done():
		}
	})
	return ctx, func() { cancel(nil); listening.Wait() }
}
