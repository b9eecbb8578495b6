package secret

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-multierror"
	"golang.org/x/sync/errgroup"

	"github.com/bottle-run/bottle/runtime/plan"
)

// A Resolver looks references up. The zero Resolver reads the environment, files
// and commands of this process.
type Resolver struct {
	// Dir is what relative paths are relative to, and where commands run; empty
	// is the working directory.
	Dir string
	// LookupEnv stands in for os.LookupEnv in tests; nil is os.LookupEnv.
	LookupEnv func(string) (string, bool)
}

// Resolve looks up every reference, concurrently, and returns their values. It
// returns either all of them or one error with a line for each that is missing.
func (r *Resolver) Resolve(ctx context.Context, refs []plan.Secret) (*Values, error) {
	values := &Values{byRef: make(map[string][]byte, len(refs))}
	errs := make([]error, len(refs))
	var g errgroup.Group
	g.SetLimit(8) // commands such as `gh auth token` are processes
	for i, ref := range refs {
		g.Go(func() error {
			v, err := r.Lookup(ctx, ref)
			if err != nil {
				errs[i] = fmt.Errorf("%s: %w", ref, err)
				return nil // the others are looked up all the same
			}
			values.Set(ref, v)
			return nil
		})
	}
	_ = g.Wait() // the errors are in errs, in the plan's order
	if err := join(errs); err != nil {
		return nil, err
	}
	return values, nil
}

// Lookup returns the value behind one reference. One newline at its end is
// dropped, because that is how files and commands end; any other control
// character is an error, because no header can carry it.
func (r *Resolver) Lookup(ctx context.Context, ref plan.Secret) ([]byte, error) {
	v, err := r.read(ctx, ref)
	if err != nil {
		return nil, err
	}
	v = trimNewline(v)
	if len(v) == 0 {
		return nil, fmt.Errorf("is empty")
	}
	for _, b := range v {
		if b < ' ' || b == 0x7f {
			return nil, fmt.Errorf("holds a control character (a second line?), which no header can carry")
		}
	}
	return v, nil
}

func (r *Resolver) read(ctx context.Context, ref plan.Secret) ([]byte, error) {
	if len(ref.Args) == 0 {
		return nil, fmt.Errorf("names nothing")
	}
	switch ref.Kind {
	case plan.SecretEnv:
		lookup := r.LookupEnv
		if lookup == nil {
			lookup = os.LookupEnv
		}
		v, ok := lookup(ref.Args[0])
		if !ok {
			return nil, fmt.Errorf("is not set; export %s before running bottle", ref.Args[0])
		}
		return []byte(v), nil
	case plan.SecretFile:
		return r.readFile(ref.Args[0])
	case plan.SecretCommand:
		return r.run(ctx, ref.Args)
	}
	return nil, fmt.Errorf("%q is not a kind of secret that this bottle knows", ref.Kind)
}

func trimNewline(v []byte) []byte {
	s := strings.TrimSuffix(string(v), "\n")
	return []byte(strings.TrimSuffix(s, "\r"))
}

// Values are the values of a launch's secrets. It is safe for concurrent use.
type Values struct {
	mu    sync.RWMutex
	byRef map[string][]byte
}

// Bytes returns the value of ref, and whether there is one.
func (v *Values) Bytes(ref plan.Secret) ([]byte, bool) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	b, ok := v.byRef[ref.String()]
	return b, ok
}

// Set replaces the value of ref.
func (v *Values) Set(ref plan.Secret, value []byte) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.byRef[ref.String()] = value
}

// Format implements fmt.Formatter: it prints which values there are.
func (v *Values) Format(f fmt.State, _ rune) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	fmt.Fprintf(f, "values of %s, redacted", strings.Join(slices.Sorted(maps.Keys(v.byRef)), ", "))
}

// Refresh fetches the values of refs that have a time to live again, each when
// a tenth of its time is left, and calls fresh with the new value. A value that
// cannot be fetched is reported to failed and tried again after a tenth of its
// time. It returns when ctx is done.
func (r *Resolver) Refresh(ctx context.Context, refs []plan.Secret, fresh func(plan.Secret, []byte), failed func(plan.Secret, error)) {
	var wg sync.WaitGroup
	defer wg.Wait()
	for _, ref := range refs {
		if ref.TTL <= 0 {
			continue
		}
		wg.Go(func() { r.refresh(ctx, ref, fresh, failed) })
	}
}

func (r *Resolver) refresh(ctx context.Context, ref plan.Secret, fresh func(plan.Secret, []byte), failed func(plan.Secret, error)) {
	life := time.Duration(ref.TTL) * time.Second
	wait := life - life/10
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		v, err := r.Lookup(ctx, ref)
		if err != nil {
			failed(ref, err)
			wait = max(life/10, time.Second)
			continue
		}
		fresh(ref, v)
		wait = life - life/10
	}
}

// join makes one error of those that are not nil, a line each.
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
