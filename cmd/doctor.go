package cmd

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bottle-run/bottle/runtime/docker"
	"github.com/bottle-run/bottle/runtime/journal"
)

func newDoctor() *cobra.Command {
	return &cobra.Command{
		Use: "doctor", Short: "Look at the engine, and what it means for isolation", Args: cobra.NoArgs,
		Long: `Finds the Docker engine as a launch would and says what its version and settings
mean for the isolation of agents, how full its disk is, and what launches left here.

EXIT STATUS
  0; 125 no engine answers`,
		RunE: func(c *cobra.Command, _ []string) error { return doctor(c) },
	}
}

func doctor(c *cobra.Command) error {
	client, err := connect(c)
	if err != nil {
		return err
	}
	defer client.Close()
	i, err := client.Info(c.Context())
	if err != nil {
		return err
	}
	state, err := stateRow()
	if err != nil {
		return err
	}
	slices.Sort(i.Runtimes)
	rows := [][2]string{
		{"engine", fmt.Sprintf("%s at %s (API %s)", i.Version, i.Host, i.API)},
		{"host", fmt.Sprintf("%s, %s, kernel %s", i.OS, i.Arch, i.Kernel)},
		{"isolation", i.Isolation},
		{"security", strings.Join(i.Security, " ")},
		{"runtimes", strings.Join(i.Runtimes, " ")},
		{"limits", fmt.Sprintf("memory %s, pids %s, cgroup v%s", yes(i.MemoryLimit), yes(i.PIDsLimit), i.CgroupVersion)},
		{"storage", i.Storage},
		{"disk", diskRow(c.Context(), client, i)},
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
}

// diskRow says how much room the engine has, where that can be seen, or else how much
// it takes.
func diskRow(ctx context.Context, client *docker.Client, i docker.Info) string {
	if free, total, ok := diskSpace(i.Root); ok && i.Local {
		return fmt.Sprintf("%s of %s free at %s", size1000(free), size1000(total), i.Root)
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second) // it may measure every volume
	defer cancel()
	used, err := client.DiskUsage(ctx)
	if err != nil {
		return "unknown: " + err.Error()
	}
	return "images, containers and volumes take " + size1000(used) + "; what is free cannot be seen from here"
}

// stateRow says what launches left on this machine.
func stateRow() (string, error) {
	root, err := journal.Root()
	if err != nil {
		return "", err
	}
	traces, err := journal.Traces(root)
	var bytes int64
	for _, t := range traces {
		bytes += t.Bytes
	}
	return fmt.Sprintf("%d launches, %s in %s", len(traces), size1000(bytes), root), err
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
