package launch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/bottle-run/bottle/runtime"
	"github.com/bottle-run/bottle/runtime/plan"
	"github.com/bottle-run/bottle/runtime/secret"
)

// configInput is the name of the input that a sidecar reads its configuration from.
const configInput = "config"

// A Change is a new plan for a running launch.
type Change struct {
	// From is the digest of the plan that the change was made for.
	From string `json:"from"`
	// Plan is the new plan in its JSON form.
	Plan []byte `json:"plan"`
	// Steps are the sidecars to change, in order.
	Steps []Step `json:"steps"`
	// Secrets are the values of those that the launch does not know yet.
	Secrets secret.Parcel `json:"secrets"`
}

// A Step puts a configuration in force in one sidecar.
type Step struct {
	Container plan.ID `json:"container"`
	// Interim is the configuration that is in force until a later step; nil is
	// that of the plan.
	Interim []byte `json:"interim,omitempty"`
}

// Apply changes the sidecars of a running launch, step by step. When a sidecar
// rejects its step, those that were changed before go back in reverse; then nothing
// has changed, and the error says why. It is safe for concurrent use.
func (l *Launch) Apply(ctx context.Context, c Change) error {
	v := l.live.Load()
	if v == nil {
		return errNotRunning
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if c.From != v.digest {
		return errors.New("the launch has changed meanwhile; look at what is different now, and apply again")
	}
	diff, err := plan.Compare(v.plan, c.Plan)
	if err != nil {
		return err
	}
	if err := checkSteps(diff, c.Steps); err != nil {
		return err
	}
	next := with(v.inputs, diff.Inputs)
	fresh, err := l.resolver.Unpack(c.Secrets, secretsOf(next))
	if err != nil {
		return err
	}
	// Who asks may go away; half a change must not stay.
	ctx = context.WithoutCancel(ctx)
	if err := v.apply(ctx, diff, c.Steps, fresh); err != nil {
		return err
	}
	v.inputs, v.plan, v.digest = next, c.Plan, diff.To
	v.values.Adopt(fresh)
	v.values.Retain(secretsOf(next))
	select {
	case v.changed <- struct{}{}:
	default: // said already
	}
	return l.recordChange(c.Plan, diff.To)
}

// checkSteps makes sure that the steps lead to the new plan, which must differ in
// nothing that cannot change.
func checkSteps(diff *plan.Comparison, steps []Step) error {
	if len(diff.Other) > 0 {
		lines := make([]string, len(diff.Other))
		for i, d := range diff.Other {
			lines[i] = d.String()
		}
		return errors.New("this cannot change while the launch runs:\n" + strings.Join(lines, "\n"))
	}
	final := map[plan.ID]bool{}
	for _, s := range steps {
		if _, ok := diff.Inputs[s.Container]; !ok {
			return fmt.Errorf("a step is about %s, which does not change", s.Container)
		}
		final[s.Container] = s.Interim == nil
	}
	for id := range diff.Inputs {
		if !final[id] {
			return fmt.Errorf("no step puts the new configuration of %s in force", id)
		}
	}
	return nil
}

func with(inputs, changed map[plan.ID][]plan.Input) map[plan.ID][]plan.Input {
	next := map[plan.ID][]plan.Input{}
	for id, in := range inputs {
		if to, ok := changed[id]; ok {
			in = to
		}
		next[id] = in
	}
	return next
}

// apply takes the steps, and those back that were taken when one fails. What a
// sidecar was in before a step is in back: the way back leads through the same
// states as the way there.
func (v *live) apply(ctx context.Context, diff *plan.Comparison, steps []Step, fresh *secret.Values) error {
	var back []func() error
	now := map[plan.ID]map[string][]byte{}
	for id, inputs := range diff.Former {
		m, err := v.message(inputs, nil, fresh)
		if err != nil {
			return err
		}
		now[id] = m
	}
	for _, s := range steps {
		to, err := v.message(diff.Inputs[s.Container], s.Interim, fresh)
		if err != nil {
			return err
		}
		before := now[s.Container]
		err = v.send(ctx, s.Container, to)
		var rejected runtime.RejectedError
		if err == nil || !errors.As(err, &rejected) { // whether it is in force is not known: it goes back too
			back = append(back, func() error { return v.send(ctx, s.Container, before) })
		}
		if err != nil {
			return v.goBack(fmt.Errorf("%s: %w", s.Container.Name(), err), back)
		}
		now[s.Container] = to
	}
	return nil
}

func (v *live) goBack(cause error, back []func() error) error {
	var failed []error
	for _, step := range slices.Backward(back) {
		if err := step(); err != nil {
			failed = append(failed, err)
		}
	}
	if len(failed) > 0 {
		return fmt.Errorf("%w\nand going back failed, so that a part of the launch may stay narrower than it was: %w", cause, errors.Join(failed...))
	}
	return fmt.Errorf("%w\nnothing has changed", cause)
}

// message is what puts a sidecar in the state of inputs: its configuration and, as
// an earlier one may have dropped them, its secrets. An interim configuration
// comes without: it uses none that is not there.
func (v *live) message(inputs []plan.Input, interim []byte, fresh *secret.Values) (map[string][]byte, error) {
	if interim != nil {
		return map[string][]byte{configInput: interim}, nil
	}
	m := map[string][]byte{}
	for _, in := range inputs {
		switch s := in.Source.(type) {
		case plan.Literal:
			m[in.Name] = s
		case plan.Secret:
			value, ok := v.values.Bytes(s)
			if !ok {
				value, ok = fresh.Bytes(s)
			}
			if !ok {
				return nil, fmt.Errorf("%s has no value: it was not sent along", s)
			}
			m[in.Name] = value
		case plan.Generated: // it stays
		}
	}
	return m, nil
}
