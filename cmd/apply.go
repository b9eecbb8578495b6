package cmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/bottle-run/bottle/runtime/control"
	"github.com/bottle-run/bottle/runtime/journal"
	"github.com/bottle-run/bottle/runtime/launch"
	"github.com/bottle-run/bottle/runtime/plan"
	"github.com/bottle-run/bottle/sidecar/pipelock"
	"github.com/bottle-run/bottle/starlib"
)

// opApply asks a launcher for launch.Apply.
const opApply = "apply"

type applyOptions struct {
	script  scriptOptions
	name    string
	yes     bool
	command []string
}

func newApply() *cobra.Command {
	var o applyOptions
	c := &cobra.Command{
		Use:   "apply launch.star [-- command...]",
		Short: "Change the routes and hosts of a running launch",
		Long: `Evaluates an edited launch script, compares it with the running launch, shows what the
agent may reach from now on and what no longer, asks, and puts the routes and the gate's
rules in force. Connections that are not allowed any more end. At no time more is allowed
than by the script before or by the script after. When a sidecar does not accept its part,
everything stays as it was, and it is said why.

The script's arguments, and the command after --, are those of bottle run where they are
not given again. New secrets are looked up by this command, before anything changes. What
cannot change while a launch runs (images, mounts, variables of the agent, networks) is
named, and nothing is done then.

EXIT STATUS
  0; 2 a mistake in the arguments or the script; 125 the change was not made`,
		Args: oneScript,
		RunE: func(c *cobra.Command, args []string) error {
			o.command = args[1:]
			return apply(c.Context(), args[0], o)
		},
	}
	o.script.flags(c.Flags())
	c.Flags().StringVar(&o.name, "name", "", "the launch; by default the one that was started from the script")
	c.Flags().BoolVarP(&o.yes, "yes", "y", false, "do not ask")
	_ = c.RegisterFlagCompletionFunc("name", completeRunning) // it fails only for a flag that is not there
	return c
}

func apply(ctx context.Context, path string, o applyOptions) error {
	root, err := journal.Root()
	if err != nil {
		return err
	}
	about, dir, err := runningLaunch(root, o.name, path)
	if err != nil {
		return err
	}
	s, l, err := evalAgain(ctx, path, o, about)
	if err != nil {
		return err
	}
	defer s.close()
	diff, change, err := compare(dir, about.Name, l)
	if err != nil {
		return err
	}
	some, err := showChange(os.Stderr, diff)
	if err != nil {
		return err
	}
	if !some {
		fmt.Fprintf(os.Stderr, "nothing changes for %s\n", about.Name)
		return nil
	}
	if err := confirm(os.Stderr, "Apply it?", "not applied", o.yes); err != nil {
		return err
	}
	if err := addSecrets(ctx, change, s.dir, root, diff, l); err != nil {
		return err
	}
	var refused control.RefusedError
	if err := control.Call(ctx, dir, opApply, change, nil); errors.As(err, &refused) {
		return fmt.Errorf("not applied: %w", err)
	} else if err != nil {
		return fmt.Errorf("asking the launcher of %s: %w", about.Name, err)
	}
	fmt.Fprintf(os.Stderr, "applied to %s\n", about.Name)
	return nil
}

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

// runningLaunch finds the launch that is meant.
func runningLaunch(root, name, path string) (journal.About, string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return journal.About{}, "", err
	}
	if name == "" {
		if name, err = launchOf(root, abs); err != nil {
			return journal.About{}, "", err
		}
	}
	about, dir, err := journal.Find(root, name)
	switch {
	case err != nil:
		return about, "", usage{err}
	case about.State != journal.Running:
		return about, "", fmt.Errorf("the launch %q is not running (%s)", name, about.State)
	case filepath.Dir(about.Script) != filepath.Dir(abs):
		return about, "", usage{fmt.Errorf("the launch %q was started from a script in %s: the same relative paths mean other files in %s", name, filepath.Dir(about.Script), filepath.Dir(abs))}
	}
	return about, dir, nil
}

// launchOf returns the name of the one running launch of a script.
func launchOf(root, script string) (string, error) {
	running, err := journal.List(root, false)
	if err != nil {
		return "", err
	}
	var names []string
	for _, a := range running {
		if a.Script == script {
			names = append(names, a.Name)
		}
	}
	switch len(names) {
	case 0:
		return "", usage{fmt.Errorf("no launch of %s is running; `bottle ps` lists those that are", script)}
	case 1:
		return names[0], nil
	}
	return "", usage{fmt.Errorf("several launches of %s are running (%s): say which with --name", script, strings.Join(names, ", "))}
}

// evalAgain evaluates a script with the arguments of the launch, where it still has
// such parameters and no others are given.
func evalAgain(ctx context.Context, path string, o applyOptions, about journal.About) (*script, *starlib.Launch, error) {
	s, err := openScript(path, o.script)
	if err != nil {
		return nil, nil, err
	}
	quiet := s.options
	quiet.Print = nil
	params, _, err := starlib.Params(ctx, quiet)
	if err != nil {
		params = nil // Eval says what is wrong
	}
	for _, p := range params {
		was, had := about.Args[p.Name]
		if _, given := s.options.Args[p.Name]; had && !given {
			s.options.Args[p.Name] = was
		}
	}
	l, err := s.eval(ctx)
	if err != nil {
		s.close()
		return nil, nil, err
	}
	command := about.Command
	if len(o.command) > 0 {
		command = o.command
	}
	if len(command) > 0 {
		if err := l.Plan.SetCommand(command); err != nil {
			s.close()
			return nil, nil, usage{err}
		}
	}
	return s, l, nil
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
