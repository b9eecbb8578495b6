package secret_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bottle-run/bottle/runtime/plan"
	"github.com/bottle-run/bottle/runtime/secret"
)

// A record is what a Keeper did, and when.
type record struct {
	mu     sync.Mutex
	start  time.Time
	fresh  []time.Duration
	failed []string
}

func (r *record) keeper(values *secret.Values) *secret.Keeper {
	r.start = time.Now()
	return &secret.Keeper{
		Resolver: &secret.Resolver{}, Values: values,
		Fresh: func(context.Context, plan.Secret, []byte) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.fresh = append(r.fresh, time.Since(r.start))
		},
		Failed: func(_ plan.Secret, err error) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.failed = append(r.failed, err.Error())
		},
	}
}

// did returns when values were fetched, and what was said of those that were not.
func (r *record) did() (fresh []time.Duration, failed []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.fresh), slices.Clone(r.failed)
}

// pass lets time go by, and what is due happen.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// A value with a time to live is fetched again when a tenth of it is left; when
// that fails, soon again and then less often.
func TestKeepsFresh(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, []byte("one"), 0o600); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		ref := plan.Secret{Kind: plan.SecretFile, Args: []string{path}, TTL: 100}
		values := new(secret.Values)
		values.Set(ref, []byte("one"), 100*time.Second)
		var r record
		k := r.keeper(values)
		ctx, cancel := context.WithCancel(t.Context())
		k.Keep(ctx, []plan.Secret{ref})
		pass(89 * time.Second)
		if fresh, _ := r.did(); len(fresh) != 0 {
			t.Errorf("fetched at %v, before it had to be", fresh)
		}
		if err := os.WriteFile(path, []byte("two"), 0o600); err != nil {
			t.Fatal(err)
		}
		pass(2 * time.Second)
		fresh, _ := r.did()
		if v, _ := values.Bytes(ref); len(fresh) != 1 || string(v) != "two" {
			t.Errorf("fetched at %v, got %q", fresh, v)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		pass(180 * time.Second) // due at 180; tries at 2, 4, 8, 16, … seconds
		if _, failed := r.did(); len(failed) < 4 || len(failed) > 7 {
			t.Errorf("%d tries within 91 s", len(failed))
		}
		cancel()
		k.Wait()
	})
}

// A refused value is fetched at once, then ever less often while the refusals go
// on, however many there are; after a quiet time at once again. Nothing is lost:
// the fetch that was put off happens.
func TestRefusedValueIsFetchedAtAPace(t *testing.T) {
	path := write(t, "key", "v", 0o600)
	synctest.Test(t, func(t *testing.T) {
		ref := file(path)
		values := new(secret.Values)
		values.Set(ref, []byte("v"), 0)
		var r record
		k := r.keeper(values)
		ctx, cancel := context.WithCancel(t.Context())
		k.Keep(ctx, []plan.Secret{ref})
		for range 6000 { // ten minutes of an agent that tries
			k.Stale(ref)
			pass(100 * time.Millisecond)
		}
		fresh, _ := r.did()
		if len(fresh) < 5 || len(fresh) > 8 || fresh[0] > time.Second {
			t.Errorf("fetched at %v", fresh)
		}
		for i := 2; i < len(fresh); i++ {
			if fresh[i]-fresh[i-1] < fresh[i-1]-fresh[i-2] {
				t.Errorf("the pauses do not grow: %v", fresh)
			}
		}
		pass(2 * time.Hour)
		before, _ := r.did()
		k.Stale(ref)
		pass(time.Second)
		if after, _ := r.did(); len(after) != len(before)+1 {
			t.Errorf("after a quiet time not at once: %v", after)
		}
		cancel()
		k.Wait()
	})
}

// What cannot be fetched again is not: it is said, once.
func TestRefusedForGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r record
		k := r.keeper(new(secret.Values))
		ctx, cancel := context.WithCancel(t.Context())
		k.Keep(ctx, []plan.Secret{env("K"), prompt("p")})
		for range 5 {
			k.Stale(env("K"))
			pass(time.Second)
		}
		if fresh, failed := r.did(); len(failed) != 1 || len(fresh) != 0 {
			t.Errorf("said %q, fetched %v", failed, fresh)
		}
		cancel()
		k.Wait()
	})
}

// Keep with other references begins to keep the new ones and stops with the old.
func TestKeepOthers(t *testing.T) {
	one, two := write(t, "one", "1", 0o600), write(t, "two", "2", 0o600)
	synctest.Test(t, func(t *testing.T) {
		a, b := file(one), file(two)
		a.TTL, b.TTL = 100, 100
		values := new(secret.Values)
		values.Set(a, []byte("1"), 100*time.Second)
		values.Set(b, []byte("2"), 100*time.Second)
		var r record
		k := r.keeper(values)
		ctx, cancel := context.WithCancel(t.Context())
		k.Keep(ctx, []plan.Secret{a})
		pass(50 * time.Second)
		k.Keep(ctx, []plan.Secret{a, b})
		pass(46 * time.Second)
		if fresh, _ := r.did(); len(fresh) != 2 {
			t.Errorf("fetched at %v, want both once", fresh)
		}
		k.Keep(ctx, []plan.Secret{b})
		k.Stale(a)
		pass(90 * time.Second)
		if fresh, _ := r.did(); len(fresh) != 3 {
			t.Errorf("fetched at %v, want only the second once more", fresh)
		}
		cancel()
		k.Wait()
	})
}
