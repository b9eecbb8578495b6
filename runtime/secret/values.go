package secret

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bottle-run/bottle/runtime/plan"
)

// Values are the values of a launch's secrets. The zero Values holds none. It is
// safe for concurrent use.
type Values struct {
	mu    sync.RWMutex
	byRef map[string]value
}

// A value is what was found behind a reference, and when it stops being good; the
// zero time is never.
type value struct {
	bytes []byte
	ends  time.Time
}

// Bytes returns the value of ref, and whether there is one.
func (v *Values) Bytes(ref plan.Secret) ([]byte, bool) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	b, ok := v.byRef[ref.String()]
	return b.bytes, ok
}

// Ends returns when the value of ref stops being good; the zero time is never.
func (v *Values) Ends(ref plan.Secret) time.Time {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.byRef[ref.String()].ends
}

// Set replaces the value of ref, which is good for life; zero is for ever.
func (v *Values) Set(ref plan.Secret, bytes []byte, life time.Duration) {
	var ends time.Time
	if life > 0 {
		ends = time.Now().Add(life)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.byRef == nil {
		v.byRef = map[string]value{}
	}
	v.byRef[ref.String()] = value{bytes, ends}
}

// Adopt takes over what others holds.
func (v *Values) Adopt(others *Values) {
	others.mu.RLock()
	defer others.mu.RUnlock()
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.byRef == nil {
		v.byRef = map[string]value{}
	}
	maps.Copy(v.byRef, others.byRef)
}

// Retain forgets the values of all but refs.
func (v *Values) Retain(refs []plan.Secret) {
	v.mu.Lock()
	defer v.mu.Unlock()
	maps.DeleteFunc(v.byRef, func(name string, _ value) bool {
		return !slices.ContainsFunc(refs, func(r plan.Secret) bool { return r.String() == name })
	})
}

// Format implements fmt.Formatter: it prints which values there are.
func (v *Values) Format(f fmt.State, _ rune) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	fmt.Fprintf(f, "values of %s, redacted", strings.Join(slices.Sorted(maps.Keys(v.byRef)), ", "))
}
