package cmd

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/bottle-run/bottle/runtime/control"
	"github.com/bottle-run/bottle/runtime/docker"
	"github.com/bottle-run/bottle/runtime/journal"
	"github.com/bottle-run/bottle/runtime/launch"
	"github.com/bottle-run/bottle/runtime/plan"
	"github.com/bottle-run/bottle/runtime/secret"
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

// resolver looks secrets up for a script in dir.
func resolver(dir, root string, warn func(string)) *secret.Resolver {
	return &secret.Resolver{Dir: dir, Ask: asker(), Locks: filepath.Join(root, ".locks"), Warn: warn}
}

// prepare resolves the secrets.
func prepare(ctx context.Context, p *plan.Plan, r *secret.Resolver, signals <-chan os.Signal) (*launch.Launch, error) {
	ctx, done := untilSignal(ctx, signals)
	defer done()
	launched, err := launch.Prepare(ctx, p, r, maker{})
	if err != nil && ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("secrets are missing:\n%w", err)
	}
	return launched, nil
}

// untilSignal returns a context that a signal ends: a command may take its time, and
// a person at a prompt may change their mind.
func untilSignal(ctx context.Context, signals <-chan os.Signal) (_ context.Context, done func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	var listening sync.WaitGroup
	listening.Go(func() {
		select {
		case s := <-signals:
			sig, _ := s.(syscall.Signal)
			cancel(launch.InterruptedError{Signal: sig})
		case <-ctx.Done():
		}
	})
	return ctx, func() { cancel(nil); listening.Wait() }
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

// about says what the launch is.
func (s started) about() journal.About {
	a := journal.About{Name: s.name, Script: s.path, Args: s.source.options.Args, Command: s.command, Started: time.Now().UTC(), State: journal.Starting}
	if abs, err := filepath.Abs(s.path); err == nil {
		a.Script = abs
	}
	for _, n := range s.script.Plan.Containers(plan.Agent) {
		a.Agents = append(a.Agents, n.ID.Name())
	}
	return a
}

// answerCommands lets other bottle commands change the launch, and returns what ends
// that. A launch that cannot be changed is still one.
func answerCommands(ctx context.Context, dir string, l *launch.Launch, warn func(string)) (stop func()) {
	server, err := control.Listen(ctx, dir, map[string]control.Handler{
		opApply: func(ctx context.Context, args json.RawMessage) (any, error) {
			var c launch.Change
			if err := json.Unmarshal(args, &c); err != nil {
				return nil, errors.New("the change cannot be read")
			}
			return nil, l.Apply(ctx, c)
		},
	})
	if err != nil {
		warn("bottle apply will not reach this launch: " + err.Error())
		return func() {}
	}
	return server.Close
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

// line writes what a sidecar or service says where it belongs: decisions to the
// audit, the rest to the terminal.
func (s started) line(j *journal.Journal, n *plan.Node, line []byte, isErr bool) {
	op, _ := n.Op.(plan.Container)
	if op.Role == plan.Sidecar && !isErr {
		if s.ui.audit(n, line) {
			j.Audit(signed(n, line))
		}
		return
	}
	s.ui.said(n, line)
}

// signed adds to a decision, which is a JSON object, whose it was.
func signed(n *plan.Node, line []byte) []byte {
	return append([]byte(`{"sidecar":"`+n.ID.Name()+`",`), line[1:]...)
}

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

// names are what a launch may be called: a part of the names of its objects, and
// of a directory.
var names = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,39}$`)

func launchName(name, path string) (string, error) {
	if name != "" {
		if !names.MatchString(name) {
			return "", usage{fmt.Errorf("--name %q: a name has up to 40 lower-case letters, digits and hyphens", name)}
		}
		return name, nil
	}
	base := strings.ToLower(strings.TrimSuffix(filepath.Base(path), ".star"))
	base = regexp.MustCompile(`[^a-z0-9]+`).ReplaceAllString(base, "-")
	base = strings.Trim(base[:min(len(base), 30)], "-")
	if base == "" {
		base = "launch"
	}
	var random [4]byte
	_, _ = rand.Read(random[:]) // never fails
	return base + "-" + hex.EncodeToString(random[:]), nil
}

// owner says who launched, for people; the journal's lock says whether they live.
func owner() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	var random [8]byte
	_, _ = rand.Read(random[:]) // never fails
	return fmt.Sprintf("%s:%d:%s", host, os.Getpid(), hex.EncodeToString(random[:]))
}

// maker makes the certificates of a launch.
type maker struct{}

func (maker) NewCA(name string) (cert, key []byte, err error) { return sidecar.NewCA(name) }
func (maker) Bundle(cert []byte) []byte                       { return sidecar.Bundle(cert) }

var _ launch.Maker = maker{}
