package secret

import (
	"context"
	"fmt"
	"time"

	"github.com/bottle-run/bottle/runtime/plan"
)

// A Parcel is values on their way from the process that looked them up to the one
// that keeps them. It prints as nothing; its JSON holds them.
type Parcel struct {
	// Values are the values of references, by the script's spelling.
	Values map[string]Item `json:"values,omitempty"`
	// Held are those that the other process cannot look up itself: what stood in
	// the environment, and what a person typed.
	Held map[string][]byte `json:"held,omitempty"`
}

// An Item is a value, and when it stops being good; the zero time is never.
type Item struct {
	Value []byte    `json:"value"`
	Ends  time.Time `json:"ends,omitzero"`
}

// Format implements fmt.Formatter.
func (p Parcel) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "parcel of %d, redacted", len(p.Values)) }

// Format implements fmt.Formatter.
func (Item) Format(f fmt.State, _ rune) { fmt.Fprint(f, "redacted") }

// Pack packs what values has of refs, with what they are obtained by.
func (r *Resolver) Pack(ctx context.Context, values *Values, refs []plan.Secret) (Parcel, error) {
	p := Parcel{map[string]Item{}, map[string][]byte{}}
	for _, ref := range refs {
		v, ok := values.Bytes(ref)
		if !ok {
			return Parcel{}, fmt.Errorf("%s was not resolved", ref)
		}
		p.Values[ref.String()] = Item{v, values.Ends(ref)}
	}
	for _, ref := range leaves(refs) {
		if ref.Kind != plan.SecretEnv && ref.Kind != plan.SecretPrompt {
			continue
		}
		v, _, err := r.Lookup(ctx, ref)
		if err != nil {
			return Parcel{}, fmt.Errorf("%s: %w", ref, err)
		}
		p.Held[ref.String()] = v
	}
	return p, nil
}

// Unpack returns the values of those of refs that p has. What only the sender could
// look up is held, for the time when they are fetched again.
func (r *Resolver) Unpack(p Parcel, refs []plan.Secret) (*Values, error) {
	values := &Values{byRef: map[string]value{}}
	for _, ref := range refs {
		item, ok := p.Values[ref.String()]
		if !ok {
			continue
		}
		if err := check(item.Value); err != nil {
			return nil, fmt.Errorf("%s: %w", ref, err)
		}
		values.byRef[ref.String()] = value{item.Value, item.Ends}
	}
	for _, ref := range leaves(refs) {
		if v, ok := p.Held[ref.String()]; ok {
			r.held.Set(ref, v, 0)
		}
	}
	return values, nil
}
