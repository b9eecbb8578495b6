package cmd

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bottle-run/bottle/runtime/docker"
	"github.com/bottle-run/bottle/runtime/journal"
)

func newDoctor() *cobra.Command {
	return &cobra.Command{
		Use: "doctor", Short: "Look at the engine, and what it means for isolation", Args: cobra.NoArgs,
		Long: `Finds the Docker engine as a launch would and says what its version and settings
mean for the isolation of agents.

EXIT STATUS
  0; 125 no engine answers`,
		RunE: func(c *cobra.Command, _ []string) error {
			client, err := connect(c)
			if err != nil {
				return err
			}
			defer client.Close()
			i, err := client.Info(c.Context())
			if err != nil {
				return err
			}
			slices.Sort(i.Runtimes)
			state, err := journal.Root()
			if err != nil {
				return err
			}
			rows := [][2]string{
				{"engine", fmt.Sprintf("%s at %s (API %s)", i.Version, i.Host, i.API)},
				{"host", fmt.Sprintf("%s, %s, kernel %s", i.OS, i.Arch, i.Kernel)},
				{"isolation", i.Isolation},
				{"security", strings.Join(i.Security, " ")},
				{"runtimes", strings.Join(i.Runtimes, " ")},
				{"limits", fmt.Sprintf("memory %s, pids %s, cgroup v%s", yes(i.MemoryLimit), yes(i.PIDsLimit), i.CgroupVersion)},
				{"storage", i.Storage},
				{"networks", fmt.Sprintf("%d; launches take theirs from %s", i.Networks, docker.DefaultPool)},
				{"state", state},
			}
			for _, r := range rows {
				fmt.Fprintf(os.Stdout, "%-10s %s\n", r[0], r[1])
			}
			for _, w := range i.Warnings {
				fmt.Fprintf(os.Stdout, "warning    %s\n", w)
			}
			return nil
		},
	}
}

func yes(b bool) string {
	if b {
		return "enforced"
	}
	return "NOT enforced by this engine"
}

// connect finds the engine that --host or the environment names.
func connect(c *cobra.Command) (*docker.Client, error) {
	host, err := c.Flags().GetString("host")
	if err != nil {
		return nil, err
	}
	return docker.Connect(c.Context(), host)
}
