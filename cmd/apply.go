package cmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bottle-run/bottle/runtime/control"
	"github.com/bottle-run/bottle/runtime/journal"
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
