package cmd

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/bottle-run/bottle/runtime/launch"
	"github.com/bottle-run/bottle/starlib"
)

// exitUsage is the status after a mistake of the user: in the arguments or in the
// script.
const exitUsage = 2

// Main runs the command line of this process and returns its exit status.
func Main() int {
	root := newRoot()
	return report(root.ExecuteContext(root.Context()))
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "bottle",
		Short: "Run AI agents that cannot reach out and hold no keys",
		Long: `bottle launches an AI coding agent, described by a script, in a container without a
route out. A gate lets through the hosts that the script names and reads what
leaves; a second sidecar adds credentials that the agent never sees.

EXIT STATUS
  the agent's own; 2 a mistake in the arguments or the script; 124 the time limit;
  125 bottle itself failed; 130 Ctrl-C`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noSuchCommand,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usage{fmt.Errorf("%w\ntry: %s --help", err, c.CommandPath())}
	})
	root.PersistentFlags().String("host", "", "the Docker engine's address; by default docker's own choice (DOCKER_HOST, the current context)")
	root.AddCommand(newRun(), newPlan(), newPS(), newRoutes(), newApply(), newPrune(), newDoctor(), newVersion(), newSidecar())
	for _, c := range root.Commands() {
		if args := c.Args; args != nil {
			c.Args = func(c *cobra.Command, given []string) error { return asUsage(args(c, given)) }
		}
	}
	return root
}

// noSuchCommand takes what is left of the arguments of bottle itself for the name of
// a command.
func noSuchCommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := "try: bottle --help"
	if near := c.SuggestionsFor(args[0]); len(near) > 0 {
		hint = "did you mean bottle " + near[0] + "?"
	}
	return usage{fmt.Errorf("there is no command %q\n%s", args[0], hint)}
}

// asUsage makes a mistake in the arguments of err.
func asUsage(err error) error {
	if err == nil {
		return nil
	}
	return usage{err}
}

// usage is a mistake in the arguments.
type usage struct{ error }

// Unwrap returns the mistake itself.
func (u usage) Unwrap() error { return u.error }

// exited is the end of an agent with a status of its own.
type exited int

func (e exited) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// report prints err and returns the exit status that it means.
func report(err error) int {
	var status exited
	var script *starlib.Error
	var mistake usage
	var coded interface{ ExitCode() int }
	switch {
	case err == nil:
		return 0
	case errors.As(err, &status):
		return int(status)
	case errors.As(err, &script):
		fmt.Fprint(os.Stderr, "bottle: ", script.Detail())
		return exitUsage
	case errors.As(err, &mistake):
		fmt.Fprintln(os.Stderr, "bottle:", err)
		return exitUsage
	}
	fmt.Fprintln(os.Stderr, "bottle:", err)
	if errors.As(err, &coded) {
		return coded.ExitCode()
	}
	return launch.ExitFailure
}
