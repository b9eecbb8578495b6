package cmd

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
)

func newPlan() *cobra.Command {
	var script scriptOptions
	var asJSON, asDOT bool
	c := &cobra.Command{
		Use:   "plan launch.star",
		Short: "Show what a launch would do; needs no engine and touches nothing",
		Long: `Evaluates a launch script and prints its plan: a node a line, with what it waits for
and its place in the script. The same script and arguments give the same bytes. docs/plan.md
describes the JSON form.

EXIT STATUS
  0; 2 a mistake in the arguments or the script`,
		Args: oneScript,
		RunE: func(c *cobra.Command, args []string) error {
			s, err := openScript(args[0], script)
			if err != nil {
				return err
			}
			defer s.close()
			l, err := s.eval(c.Context())
			if err != nil {
				return err
			}
			switch {
			case asJSON:
				b, err := l.Plan.MarshalJSON()
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(os.Stdout, "%s\n", b)
				return err
			case asDOT:
				_, err = fmt.Fprint(os.Stdout, l.Plan.DOT())
				return err
			}
			_, err = fmt.Fprintf(os.Stdout, "%s\n%s\n", l.Plan, l.Plan.Digest())
			return err
		},
	}
	script.flags(c.Flags())
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.Flags().BoolVar(&asDOT, "dot", false, "print Graphviz DOT")
	c.MarkFlagsMutuallyExclusive("json", "dot")
	return c
}

// oneScript wants exactly one argument, before a --.
func oneScript(c *cobra.Command, args []string) error {
	n := len(args)
	if at := c.ArgsLenAtDash(); at >= 0 {
		n = at
	}
	if n != 1 {
		return usage{fmt.Errorf("want one launch script, got %d arguments\ntry: %s --help", n, c.CommandPath())}
	}
	return nil
}
