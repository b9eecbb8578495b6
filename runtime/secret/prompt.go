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

// leaves returns refs and all that they are obtained by.
func leaves(refs []plan.Secret) []plan.Secret {
	var all []plan.Secret
	for _, ref := range refs {
		all = append(append(all, ref), leaves(ref.From)...)
	}
	return all
}
