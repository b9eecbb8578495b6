package secret

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-multierror"
	"golang.org/x/sync/errgroup"

	"github.com/bottle-run/bottle/runtime/plan"
)

// A Resolver looks references up. The zero Resolver reads the environment, files,
// commands and keyring of this process, and asks nobody. Its fields must not
// change once it is used; it is safe for concurrent use.
type Resolver struct {
	// Dir is what relative paths are relative to, and where commands run; empty
	// is the working directory.
	Dir string
	// LookupEnv stands in for os.LookupEnv in tests; nil is os.LookupEnv.
	LookupEnv func(string) (string, bool)
	// Ask asks a person for a value, which does not appear on the screen. Nil is
	// where there is nobody to ask.
	Ask func(ctx context.Context, label string) ([]byte, error)
	// Locks is a directory of this user's, for the locks by which launches take
	// turns with a refresh token; empty for this Resolver alone.
	Locks string
	// Client calls token endpoints; nil is one that verifies them by the system's
	// roots.
	Client *http.Client
	// Warn is told of what goes wrong without a value missing; nil discards.
	Warn func(string)

	// held are the values that cannot be looked up again: those that a person
	// typed, and refresh tokens that replaced what their source still says.
	held Values

	mu    sync.Mutex
	turns map[string]chan struct{}
}

// Format implements fmt.Formatter: it holds values.
func (r *Resolver) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "resolver in %q, %v", r.Dir, &r.held)
}

// Resolve looks up every reference, concurrently, and returns their values. It
// returns either all of them or one error with a line for each that is missing. A
// person is asked, one value after the other, once all the rest is there.
func (r *Resolver) Resolve(ctx context.Context, refs []plan.Secret) (*Values, error) {
	values := new(Values)
	var typed, rest []int
	for i, ref := range refs {
		if len(prompts(ref)) > 0 {
			typed = append(typed, i)
		} else {
			rest = append(rest, i)
		}
	}
	errs := make([]error, len(refs))
	r.lookupAll(ctx, refs, rest, values, errs)
	for _, i := range typed {
		if r.Ask == nil {
			errs[i] = fmt.Errorf("%s: %w", refs[i], errNobody)
		}
	}
	if err := join(errs); err != nil {
		return nil, err
	}
	for _, i := range typed {
		for _, p := range prompts(refs[i]) {
			if err := r.ask(ctx, p); err != nil {
				return nil, fmt.Errorf("%s: %w", p, err)
			}
		}
	}
	r.lookupAll(ctx, refs, typed, values, errs)
	if err := join(errs); err != nil {
		return nil, err
	}
	return values, nil
}

// lookupAll looks up those of refs that which names.
func (r *Resolver) lookupAll(ctx context.Context, refs []plan.Secret, which []int, values *Values, errs []error) {
	var g errgroup.Group
	g.SetLimit(8) // commands such as `gh auth token` are processes
	for _, i := range which {
		g.Go(func() error {
			v, life, err := r.Lookup(ctx, refs[i])
			if err != nil {
				errs[i] = fmt.Errorf("%s: %w", refs[i], err)
				return nil // the others are looked up all the same
			}
			values.Set(refs[i], v, life)
			return nil
		})
	}
	_ = g.Wait() // the errors are in errs, in the plan's order
}

// Lookup returns the value behind one reference, and for how long it is good; zero
// is for ever. One newline at its end is dropped, because that is how files and
// commands end; any other control character is an error, because no header can
// carry it.
func (r *Resolver) Lookup(ctx context.Context, ref plan.Secret) ([]byte, time.Duration, error) {
	if v, ok := r.held.Bytes(ref); ok {
		return v, 0, nil
	}
	v, life, err := r.read(ctx, ref)
	if err != nil {
		return nil, 0, err
	}
	v = trimNewline(v)
	return v, life, check(v)
}

// check refuses what no header can carry.
func check(v []byte) error {
	switch {
	case len(v) == 0:
		return fmt.Errorf("is empty")
	case len(v) > maxValue:
		return fmt.Errorf("is longer than %d bytes, which no header can carry", maxValue)
	case slices.ContainsFunc(v, func(b byte) bool { return b < ' ' || b == 0x7f }):
		return fmt.Errorf("holds a control character (a second line?), which no header can carry")
	}
	return nil
}

func (r *Resolver) read(ctx context.Context, ref plan.Secret) ([]byte, time.Duration, error) {
	if want := arity[ref.Kind]; len(ref.Args) == 0 || want > 0 && len(ref.Args) != want {
		return nil, 0, fmt.Errorf("does not say what it means: it has %d arguments", len(ref.Args))
	}
	ttl := time.Duration(ref.TTL) * time.Second
	var v []byte
	var err error
	switch ref.Kind {
	case plan.SecretEnv:
		v, err = r.readEnv(ref.Args[0])
	case plan.SecretFile:
		v, err = r.readFile(ref.Args[0])
	case plan.SecretCommand:
		v, err = r.run(ctx, ref.Args)
	case plan.SecretKeyring:
		v, err = readKeyring(ctx, ref.Args[0], ref.Args[1])
	case plan.SecretPrompt:
		err = errNobody // what was typed is held
	case plan.SecretOAuth:
		return r.access(ctx, ref)
	default:
		err = fmt.Errorf("%q is not a kind of secret that this bottle knows", ref.Kind)
	}
	return v, ttl, err
}

// arity is how many arguments a kind of secret has; others have one or more.
var arity = map[plan.SecretKind]int{ //nolint:gochecknoglobals // a table
	plan.SecretEnv: 1, plan.SecretFile: 1, plan.SecretKeyring: 2, plan.SecretPrompt: 1, plan.SecretOAuth: 3,
}

func (r *Resolver) readEnv(name string) ([]byte, error) {
	lookup := r.LookupEnv
	if lookup == nil {
		lookup = os.LookupEnv
	}
	v, ok := lookup(name)
	if !ok {
		return nil, fmt.Errorf("is not set; export %s before running bottle", name)
	}
	return []byte(v), nil
}

func (r *Resolver) warn(format string, args ...any) {
	if r.Warn != nil {
		r.Warn(fmt.Sprintf(format, args...))
	}
}

func trimNewline(v []byte) []byte {
	s := strings.TrimSuffix(string(v), "\n")
	return []byte(strings.TrimSuffix(s, "\r"))
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
