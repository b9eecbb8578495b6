package cmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/bottle-run/bottle/runtime/journal"
	"github.com/bottle-run/bottle/runtime/launch"
	"github.com/bottle-run/bottle/runtime/plan"
	"github.com/bottle-run/bottle/sidecar/pipelock"
	"github.com/bottle-run/bottle/starlib"
)

// compare compares a script with the launch that keeps its journal in dir, and
// returns the change that leads from one to the other, without its secrets.
func compare(dir, name string, l *starlib.Launch) (*plan.Comparison, *launch.Change, error) {
	old, err := journal.ReadPlan(dir)
	if err != nil {
		return nil, nil, err
	}
	next, err := l.Plan.MarshalJSON()
	if err != nil {
		return nil, nil, err
	}
	diff, err := plan.Compare(old, next)
	if err != nil {
		return nil, nil, err
	}
	if len(diff.Other) > 0 {
		lines := make([]string, len(diff.Other))
		for i, d := range diff.Other {
			lines[i] = "  " + d.String()
		}
		return nil, nil, fmt.Errorf("this cannot change while %s runs; end it and launch it again:\n%s", name, strings.Join(lines, "\n"))
	}
	change := &launch.Change{From: diff.From, Plan: next}
	change.Steps, err = steps(diff)
	return diff, change, err
}

// steps orders a change so that at no time more is allowed than by one of the two
// configurations: each gate first lets through only what both do, then the
// cred-proxies change, whose every request goes through a gate or which have none,
// then the gates get what they are to have.
func steps(diff *plan.Comparison) ([]launch.Step, error) {
	var first, proxies, last []launch.Step
	for _, id := range slices.Sorted(maps.Keys(diff.Inputs)) {
		if !strings.HasSuffix(id.Name(), "pipelock") {
			proxies = append(proxies, launch.Step{Container: id})
			continue
		}
		var was, will pipelock.Config
		if err := errors.Join(json.Unmarshal(configOf(diff.Former[id]), &was), json.Unmarshal(configOf(diff.Inputs[id]), &will)); err != nil {
			return nil, err
		}
		common, err := json.Marshal(pipelock.Common(was, will))
		if err != nil {
			return nil, err
		}
		switch {
		case same(common, configOf(diff.Inputs[id])): // it only gets narrower
			first = append(first, launch.Step{Container: id})
			continue
		case !same(common, configOf(diff.Former[id])):
			first = append(first, launch.Step{Container: id, Interim: common})
		}
		last = append(last, launch.Step{Container: id})
	}
	return slices.Concat(first, proxies, last), nil
}

// same reports whether two configurations of a gate allow the same.
func same(a, b []byte) bool {
	x, err1 := exactParts(a)
	y, err2 := exactParts(b)
	return err1 == nil && err2 == nil && maps.EqualFunc(x, y, slices.Equal)
}

// addSecrets looks up what the launch does not know yet.
func addSecrets(ctx context.Context, change *launch.Change, dir, root string, diff *plan.Comparison, l *starlib.Launch) error {
	known := map[string]bool{}
	old, err := plan.Inputs(change.Plan)
	if err != nil {
		return err
	}
	for id, inputs := range old {
		if former, changed := diff.Former[id]; changed {
			inputs = former
		}
		for _, in := range inputs {
			known[in.Name] = true
		}
	}
	refs := slices.DeleteFunc(l.Plan.Secrets(), func(r plan.Secret) bool { return known[r.String()] })
	if len(refs) == 0 {
		return nil
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)
	ctx, done := untilSignal(ctx, signals)
	defer done()
	r := resolver(dir, root, func(text string) { fmt.Fprintln(os.Stderr, "bottle:", text) })
	values, err := r.Resolve(ctx, refs)
	if err == nil {
		change.Secrets, err = r.Pack(ctx, values, refs)
	}
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return fmt.Errorf("secrets are missing, nothing has changed:\n%w", err)
	}
	return nil
}
