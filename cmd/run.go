package cmd

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/bottle-run/bottle/runtime/docker"
	"github.com/bottle-run/bottle/runtime/journal"
	"github.com/bottle-run/bottle/runtime/launch"
	"github.com/bottle-run/bottle/runtime/plan"
	"github.com/bottle-run/bottle/sidecar"
	"github.com/bottle-run/bottle/starlib"
)

// runOptions are the flags of bottle run.
type runOptions struct {
	script   scriptOptions
	name     string
	yes      bool
	keep     bool
	progress string
	pool     string
	command  []string
}

func newRun() *cobra.Command {
	var o runOptions
	c := &cobra.Command{
		Use:   "run launch.star [-- command...]",
		Short: "Run a launch",
		Long: `Evaluates a launch script, shows what the launch may reach and which credential goes
where, brings it up, attaches to its agent, and removes everything when the agent ends.
What follows -- replaces the agent's command.

"bottle run launch.star --help" describes the script and its parameters.

EXIT STATUS
  the agent's own; 2 a mistake in the arguments or the script; 124 the agent reached its
  time limit; 125 bottle itself failed, everything having been removed; 130 Ctrl-C`,
		Args: oneScript,
		RunE: func(c *cobra.Command, args []string) error {
			o.command = args[1:]
			return run(c, args[0], o)
		},
	}
	o.script.flags(c.Flags())
	c.Flags().StringVar(&o.name, "name", "", "the launch's name; by default the script's, and a random end")
	c.Flags().BoolVarP(&o.yes, "yes", "y", false, "do not ask")
	c.Flags().BoolVar(&o.keep, "keep", false, "after a failure leave everything in place, for debugging")
	c.Flags().StringVar(&o.progress, "progress", "auto", "how to show progress: auto, tty, plain, json or quiet")
	c.Flags().StringVar(&o.pool, "subnet-pool", docker.DefaultPool.String(), "the private IPv4 `prefix` that subnets are taken from")
	help := c.HelpFunc()
	c.SetHelpFunc(func(c *cobra.Command, args []string) {
		for _, a := range args {
			if strings.HasSuffix(a, ".star") {
				text, err := scriptHelp(c.Context(), a)
				if err != nil {
					report(err)
					return
				}
				fmt.Fprint(os.Stdout, text)
				return
			}
		}
		help(c, args)
	})
	return c
}

func run(c *cobra.Command, path string, o runOptions) error {
	ctx := c.Context()
	thrifty()
	pool, err := netip.ParsePrefix(o.pool)
	if err != nil || !pool.Addr().Is4() || !pool.Addr().IsPrivate() || pool.Bits() > 26 {
		return usage{fmt.Errorf("--subnet-pool %q: want a private IPv4 prefix such as %s, /26 or larger", o.pool, docker.DefaultPool)}
	}
	ui, err := newProgress(os.Stderr, o.progress)
	if err != nil {
		return err
	}
	s, err := openScript(path, o.script)
	if err != nil {
		return err
	}
	defer s.close()
	l, err := s.eval(ctx)
	if err != nil {
		return err
	}
	if len(o.command) > 0 {
		if err := l.Plan.SetCommand(o.command); err != nil {
			return usage{err}
		}
	}
	name, err := launchName(o.name, path)
	if err != nil {
		return err
	}
	if err := preflight(os.Stderr, l.Plan, name, o.yes); err != nil {
		return err
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2)
	defer signal.Stop(signals)

	// Secrets first: what is missing is said before anything exists.
	root, err := journal.Root()
	if err != nil {
		return err
	}
	launched, err := prepare(ctx, l.Plan, resolver(s.dir, root, ui.warn), signals)
	if err != nil {
		return err
	}
	client, err := connect(c)
	if err != nil {
		return err
	}
	defer client.Close()
	return start(ctx, started{client, path, o.command, launched, ui, l, s, name, pool, o.keep, signals})
}

// started is a launch that is about to begin.
type started struct {
	client  *docker.Client
	path    string
	command []string
	launch  *launch.Launch
	ui      *progress
	script  *starlib.Launch
	source  *script
	name    string
	pool    netip.Prefix
	keep    bool
	signals chan os.Signal
}

func start(ctx context.Context, s started) (err error) {
	root, err := journal.Root()
	if err != nil {
		return err
	}
	if err := noStrays(ctx, s.client, s.name); err != nil {
		return err
	}
	j, err := journal.Open(root, s.name)
	if errors.Is(err, journal.ErrRunning) {
		return fmt.Errorf("%w; choose another --name", err)
	} else if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, j.Close()) }()
	b, err := s.script.Plan.MarshalJSON()
	if err != nil {
		return err
	}
	if err := j.WritePlan(b); err != nil {
		return err
	}
	about := s.about()
	if err := j.WriteAbout(about); err != nil {
		return err
	}
	defer answerCommands(ctx, j.Dir, s.launch, s.ui.warn)()
	term := newTerminal(s.script.Plan, s.ui.yield)
	defer term.restore()
	engine := s.client.Launch(docker.Launch{
		Name: s.name, Owner: owner(), Journal: j.Dir, Digest: s.script.Plan.Digest(),
		Dir: s.source.dir, Cache: cacheDir(), Pool: s.pool, Executable: sidecarExecutable, SidecarImage: os.Getenv("BOTTLE_SIDECAR_IMAGE"),
		Material: s.launch.Material, Streams: term.streams, Progress: s.ui.note,
		Line: func(n *plan.Node, line []byte, isErr bool) { s.line(j, n, line, isErr) },
	})
	term.resized(func(id plan.ID, w, h uint) { _ = engine.Resize(ctx, id, w, h) })
	s.launch.Journal, s.launch.Events, s.launch.Warn = j, s.ui.event, s.ui.warn
	s.launch.Keep, s.launch.Signals = s.keep, s.signals
	s.launch.Running = func() {
		about.State = journal.Running
		if err := j.WriteAbout(about); err != nil {
			s.ui.warn(err.Error())
		}
		s.ui.running()
		term.raw()
	}
	code, err := s.launch.Run(ctx, engine)
	term.restore()
	for _, text := range engine.Remarks() {
		s.ui.warn(text)
	}
	about.State, about.Status = journal.Ended, code
	err = errors.Join(err, j.WriteAbout(about))
	s.ui.done()
	s.ui.summary(j.AuditPath())
	if err != nil {
		if s.keep {
			err = fmt.Errorf("%w\neverything was left in place; remove it with: bottle prune %s", err, s.name)
		}
		return coded{err, code}
	}
	if code != 0 {
		return exited(code)
	}
	return nil
}

// coded is a failure with the exit status that it means.
type coded struct {
	error
	code int
}

// ExitCode is the status.
func (c coded) ExitCode() int { return c.code }

// Unwrap returns the failure itself.
func (c coded) Unwrap() error { return c.error }

// noStrays makes sure that nothing is left of an earlier launch of the name.
func noStrays(ctx context.Context, c *docker.Client, name string) error {
	strays, err := c.Objects(ctx, name)
	if err != nil || len(strays) == 0 {
		return err
	}
	if alive, _ := journal.Alive(strays[0].Labels[docker.LabelJournal]); alive {
		return fmt.Errorf("a launch called %q %w; choose another --name", name, journal.ErrRunning)
	}
	return fmt.Errorf("the engine still has %d objects of an earlier launch called %q; remove them with: bottle prune %s", len(strays), name, name)
}

// maker makes the certificates of a launch.
type maker struct{}

func (maker) NewCA(name string) (cert, key []byte, err error) { return sidecar.NewCA(name) }
func (maker) Bundle(cert []byte) []byte                       { return sidecar.Bundle(cert) }

var _ launch.Maker = maker{}
