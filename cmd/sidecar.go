package cmd

import (
	"context"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/bottle-run/bottle/sidecar/credproxy"
	"github.com/bottle-run/bottle/sidecar/pipelock"
)

// routesFile is where a cred-proxy that is given by image= finds its routes.
const routesFile = "/run/cred-proxy/routes.json"

// sidecarMemory is from where on the collector works harder, in bytes: three
// quarters of what the container has (package starlib, sidecarLimits).
const sidecarMemory = 384 << 20

// newSidecar are the verbs that bottle's own containers run. People never type
// them.
func newSidecar() *cobra.Command {
	c := &cobra.Command{Use: "sidecar", Short: "Be a sidecar; bottle starts these itself", Hidden: true}
	verb := func(name, short string, run func(context.Context) error) *cobra.Command {
		return &cobra.Command{Use: name, Short: short, Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error {
			harden()
			debug.SetMemoryLimit(sidecarMemory)
			ctx, stop := signal.NotifyContext(c.Context(), syscall.SIGTERM, syscall.SIGINT)
			defer stop()
			return run(ctx)
		}}
	}
	c.AddCommand(
		verb("pipelock", "The gate", func(ctx context.Context) error {
			return pipelock.Run(ctx, pipelock.Options{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr})
		}),
		verb("cred-proxy", "The holder of credentials", func(ctx context.Context) error {
			return credproxy.Run(ctx, credproxy.Options{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Routes: routesFile})
		}),
	)
	return c
}
