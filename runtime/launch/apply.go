package launch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bottle-run/bottle/runtime"
	"github.com/bottle-run/bottle/runtime/journal"
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
	l.recordChange(c.Plan, diff.To)
	return nil
}

// recordChange writes down the plan that is in force from now on.
func (l *Launch) recordChange(p []byte, digest string) {
	if l.Journal == nil {
		return
	}
	l.Journal.Record(journal.Step{Time: time.Now().UTC(), Node: "plan", State: "applied " + digest})
	if err := l.Journal.WritePlan(p); err != nil {
		l.warn("the change is in force, but later ones will not fit it: " + err.Error())
	}
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

// apply takes the steps, and those back that were taken when one fails. The way back
// leads through the same states as the way there.
func (v *live) apply(ctx context.Context, diff *plan.Comparison, steps []Step, fresh *secret.Values) error {
	there, back, err := v.messages(diff, steps, fresh)
	if err != nil {
		return err
	}
	for i, s := range steps {
		err := v.send(ctx, s.Container, there[i])
		if err == nil {
			continue
		}
		taken := i + 1 // whether it is in force is not known: it goes back too
		if errors.As(err, new(runtime.RejectedError)) {
			taken = i
		}
		return v.goBack(ctx, fmt.Errorf("%s: %w", s.Container.Name(), err), steps[:taken], back)
	}
	return nil
}

// messages returns what each step sends, and what takes it back.
func (v *live) messages(diff *plan.Comparison, steps []Step, fresh *secret.Values) (there, back []map[string][]byte, err error) {
	now := map[plan.ID]map[string][]byte{}
	for id, inputs := range diff.Former {
		if now[id], err = v.message(inputs, nil, fresh); err != nil {
			return nil, nil, err
		}
	}
	for _, s := range steps {
		to, err := v.message(diff.Inputs[s.Container], s.Interim, fresh)
		if err != nil {
			return nil, nil, err
		}
		there, back = append(there, to), append(back, now[s.Container])
		now[s.Container] = to
	}
	return there, back, nil
}

func (v *live) goBack(ctx context.Context, cause error, taken []Step, back []map[string][]byte) error {
	var failed []error
	for i, s := range slices.Backward(taken) {
		if err := v.send(ctx, s.Container, back[i]); err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", s.Container.Name(), err))
		}
	}
	if len(failed) > 0 {
		return fmt.Errorf("%w\nand going back failed, so that some of it may stay closed until it is applied again: %w", cause, errors.Join(failed...))
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
