package secret

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"

	"github.com/bottle-run/bottle/runtime/plan"
)

// turn waits until nobody else of this user's launches uses the refresh token
// behind ref, and returns what lets the next one go on. A lock is a file that is
// named by a digest of the reference and empty.
func (r *Resolver) turn(ctx context.Context, ref plan.Secret) (done func(), err error) {
	key := r.lockKey(ref)
	r.mu.Lock()
	if r.turns == nil {
		r.turns = map[string]chan struct{}{}
	}
	own := r.turns[key]
	if own == nil {
		own = make(chan struct{}, 1)
		r.turns[key] = own
	}
	r.mu.Unlock()
	select {
	case own <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if r.Locks == "" {
		return func() { <-own }, nil
	}
	defer func() {
		if err != nil {
			<-own
		}
	}()
	if err := os.MkdirAll(r.Locks, 0o700); err != nil {
		return nil, err
	}
	lock := flock.New(filepath.Join(r.Locks, key), flock.SetPermissions(0o600))
	ctx, cancel := context.WithTimeoutCause(ctx, 2*exchangeTimeout, fmt.Errorf("another launch of yours has been refreshing it for %v", 2*exchangeTimeout))
	defer cancel()
	if _, err := lock.TryLockContext(ctx, 20*time.Millisecond); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return nil, err
	}
	return func() { _ = lock.Unlock(); <-own }, nil
}

// lockKey names the refresh token behind ref. A file is named by its place, which
// scripts in several directories may spell differently.
func (r *Resolver) lockKey(ref plan.Secret) string {
	name := ref.String()
	if ref.Kind == plan.SecretFile && len(ref.Args) == 1 {
		if path, err := r.path(ref.Args[0]); err == nil {
			name = path
		}
	}
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:16])
}
