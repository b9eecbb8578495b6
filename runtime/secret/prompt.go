package secret

import (
	"context"
	"errors"

	"github.com/bottle-run/bottle/runtime/plan"
)

var errNobody = errors.New("must be typed, and there is no terminal to ask at; where nobody sits, use secret.env or secret.file")

// prompts returns the prompts of ref, itself or those that it is obtained by.
func prompts(ref plan.Secret) []plan.Secret {
	if ref.Kind == plan.SecretPrompt {
		return []plan.Secret{ref}
	}
	var found []plan.Secret
	for _, from := range ref.From {
		found = append(found, prompts(from)...)
	}
	return found
}

// ask asks for the value of a prompt, once, and holds it.
func (r *Resolver) ask(ctx context.Context, ref plan.Secret) error {
	if _, ok := r.held.Bytes(ref); ok {
		return nil
	}
	if len(ref.Args) != 1 {
		return errors.New("does not say what to ask for")
	}
	v, err := r.Ask(ctx, ref.Args[0])
	if err != nil {
		return err
	}
	if v = trimNewline(v); check(v) != nil {
		return check(v)
	}
	r.held.Set(ref, v, 0)
	return nil
}

// Hold makes Lookup return value for ref, which this process cannot look up itself.
func (r *Resolver) Hold(ref plan.Secret, value []byte) { r.held.Set(ref, value, 0) }

// Portable returns the values that refs need and that only this process can look
// up: those of its environment and those that a person typed, also where another
// secret is obtained by them. Resolve must have found them.
func (r *Resolver) Portable(ctx context.Context, refs []plan.Secret) (map[string][]byte, error) {
	found := map[string][]byte{}
	for _, ref := range leaves(refs) {
		if ref.Kind != plan.SecretEnv && ref.Kind != plan.SecretPrompt {
			continue
		}
		v, _, err := r.Lookup(ctx, ref)
		if err != nil {
			return nil, err
		}
		found[ref.String()] = v
	}
	return found, nil
}

// leaves returns refs and all that they are obtained by.
func leaves(refs []plan.Secret) []plan.Secret {
	var all []plan.Secret
	for _, ref := range refs {
		all = append(append(all, ref), leaves(ref.From)...)
	}
	return all
}
