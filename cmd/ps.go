package cmd

import (
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/bottle-run/bottle/runtime/journal"
)

func newPS() *cobra.Command {
	var all, asJSON bool
	c := &cobra.Command{
		Use:   "ps",
		Short: "List the launches that are running",
		Long: `Lists the launches of this user on this machine whose launcher lives: their script, their
agents, since when and how far they are.

EXIT STATUS
  0`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			root, err := journal.Root()
			if err != nil {
				return err
			}
			found, err := journal.List(root, all)
			if err != nil {
				return err
			}
			if asJSON {
				if found == nil {
					found = []journal.About{}
				}
				return printJSON(found)
			}
			w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "NAME\tSTATE\tSINCE\tAGENTS\tSCRIPT")
			for _, a := range found {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", a.Name, a.State, a.Started.Local().Format(time.DateTime), strings.Join(a.Agents, " "), a.Script)
			}
			return w.Flush()
		},
	}
	c.Flags().BoolVarP(&all, "all", "a", false, "also those that have ended")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// completeRunning completes the name of a running launch.
func completeRunning(_ *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
	root, err := journal.Root()
	if err != nil || len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	running, _ := journal.List(root, false)
	var names []string
	for _, a := range running {
		if strings.HasPrefix(a.Name, prefix) {
			names = append(names, a.Name)
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
