package docker

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	cerrdefs "github.com/containerd/errdefs"

	"github.com/bottle-run/bottle/runtime"
	"github.com/bottle-run/bottle/runtime/plan"
)

// The labels by which an object says what and whose it is.
const (
	LabelLaunch  = "bottle.launch"  // the launch's name
	LabelNode    = "bottle.node"    // the node's ID
	LabelOwner   = "bottle.owner"   // the launcher: host, process, start
	LabelJournal = "bottle.journal" // the launch's directory on the owner's host
	LabelPlan    = "bottle.plan"    // the plan's digest
	LabelImage   = "bottle.image"   // on images that outlive launches: their kind
	LabelKeep    = "bottle.keep"    // on volumes that outlive launches: their name
)

// DefaultPool is where the subnets of launches come from.
var DefaultPool = netip.MustParsePrefix("10.213.0.0/16") //nolint:gochecknoglobals // a constant in all but syntax

// Streams are the standard streams of an agent. In may be nil.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
	// TTY gives the container a terminal; Err is then unused, and Size is asked
	// for its size when it starts.
	TTY  bool
	Size func() (width, height uint)
}

// A Launch is what an engine must know of a launch besides its plan. Its
// functions are called concurrently; Material and Executable must not be nil.
type Launch struct {
	Name, Owner, Journal, Digest string
	// Dir is what relative host paths of the plan are relative to.
	Dir string
	// Cache is a directory of the user's for what need not be found out again;
	// empty for none. It may go away at any time.
	Cache string
	// Pool is where subnets come from; the zero prefix is DefaultPool.
	Pool netip.Prefix
	// Executable returns the static Linux executable of bottle for an
	// architecture ("amd64").
	Executable func(arch string) (string, error)
	// SidecarImage names an image to use instead of one made of Executable.
	SidecarImage string
	// Material gives the bytes behind a source.
	Material func(context.Context, plan.Source) ([]byte, error)
	// Streams gives the streams of an agent; nil discards its output.
	Streams func(*plan.Node) Streams
	// Line gets each line that a sidecar or a service writes: standard output
	// when err is false.
	Line func(n *plan.Node, line []byte, err bool)
	// Progress gets what is known of a long step.
	Progress func(n *plan.Node, text string)
}

// An Engine does the steps of one launch. It is safe for concurrent use.
type Engine struct {
	c     *Client
	l     Launch
	died  chan runtime.Death
	stale chan runtime.Stale

	mu      sync.Mutex
	named   map[plan.ID]string // by image or volume node: what the engine calls it
	subnets map[plan.ID]netip.Prefix
	created map[plan.ID]*plan.Node
	running map[plan.ID]*process // by container node
	unsure  map[plan.ID]bool     // nodes whose create had no answer
	ids     map[plan.ID]string   // containers and networks whose create had one
	remarks []string             // see Remarks
}

var _ runtime.Engine = (*Engine)(nil)

// Launch returns the engine of one launch.
func (c *Client) Launch(l Launch) *Engine {
	if !l.Pool.IsValid() {
		l.Pool = DefaultPool
	}
	return &Engine{
		c: c, l: l, died: make(chan runtime.Death, 64), stale: make(chan runtime.Stale, 64),
		named: map[plan.ID]string{}, subnets: map[plan.ID]netip.Prefix{},
		created: map[plan.ID]*plan.Node{}, running: map[plan.ID]*process{}, unsure: map[plan.ID]bool{}, ids: map[plan.ID]string{},
	}
}

// Do implements runtime.Engine.
func (e *Engine) Do(ctx context.Context, n *plan.Node) error {
	switch op := n.Op.(type) {
	case plan.Image, plan.ImageBuild, plan.ImageRootfs, plan.ImageSidecar:
		ref, err := e.image(ctx, n)
		if err == nil {
			e.mu.Lock()
			e.named[n.ID] = ref
			e.mu.Unlock()
		}
		return err
	case plan.Network:
		return e.create(ctx, n, func(ctx context.Context) error { return e.createNetwork(ctx, n, op) })
	case plan.Volume:
		return e.create(ctx, n, func(ctx context.Context) error { return e.createVolume(ctx, n, op) })
	case plan.Container:
		return e.create(ctx, n, func(ctx context.Context) error { return e.createContainer(ctx, n, op) })
	case plan.Start:
		return e.start(ctx, n, op)
	}
	return fmt.Errorf("an operation of type %T is not known", n.Op)
}

// Undo implements runtime.Engine.
func (e *Engine) Undo(ctx context.Context, n *plan.Node) error {
	switch op := n.Op.(type) {
	case plan.Network:
		e.deserted(ctx, n.ID)
		return e.remove(ctx, n, networks{e.c})
	case plan.Volume:
		if op.Keep != "" {
			return nil
		}
		return e.remove(ctx, n, volumes{e.c})
	case plan.Container:
		defer e.left(n.ID)
		return e.remove(ctx, n, containers{e.c})
	case plan.Start:
		return e.stop(ctx, op)
	case plan.Image, plan.ImageBuild, plan.ImageRootfs, plan.ImageSidecar: // they outlive launches
	}
	return nil
}

// patience is for how long a create is still waited for when its launch has been
// given up. Mostly it is over in a tenth of that, and then what is to be undone is
// known: without an answer the undo has to look for it for lateCreate.
const patience = 5 * time.Second

// create runs a step that makes an object of n's. It remembers one whose outcome
// nobody knows: the request may still be on its way through the engine when its
// undo begins.
func (e *Engine) create(ctx context.Context, n *plan.Node, f func(context.Context) error) error {
	long, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	defer context.AfterFunc(ctx, func() {
		select {
		case <-time.After(patience):
			cancel(context.Cause(ctx))
		case <-long.Done():
		}
	})()
	err := f(long)
	if err != nil && !answered(err) {
		e.mu.Lock()
		e.unsure[n.ID] = e.ids[n.ID] == "" // else the create itself was answered
		e.mu.Unlock()
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
	}
	return err
}

// answered reports whether err is the engine's own word.
func answered(err error) bool {
	return cerrdefs.IsInternal(err) || cerrdefs.IsNotFound(err) || cerrdefs.IsConflict(err) || cerrdefs.IsInvalidArgument(err) ||
		cerrdefs.IsPermissionDenied(err) || cerrdefs.IsUnauthorized(err) || cerrdefs.IsNotImplemented(err)
}

// nameParts is what may not stand in the name of an object.
var nameParts = regexp.MustCompile(`[^a-zA-Z0-9_.-]+`)

// name is the name of n's object on the engine.
func (e *Engine) name(id plan.ID) string {
	return "bottle-" + e.l.Name + "-" + nameParts.ReplaceAllString(id.Name(), "-")
}

func (e *Engine) labels(n *plan.Node) map[string]string {
	return map[string]string{
		LabelLaunch: e.l.Name, LabelNode: string(n.ID), LabelOwner: e.l.Owner,
		LabelJournal: e.l.Journal, LabelPlan: e.l.Digest,
	}
}

// hostPath returns the absolute path, without links, that the plan's path means.
func (e *Engine) hostPath(path string) (string, error) {
	if path == "~" || strings.HasPrefix(path, "~/") {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", err
		}
		path = filepath.Join(home, path[1:])
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(e.l.Dir, path)
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(path)
}

func (e *Engine) progress(n *plan.Node, format string, args ...any) {
	if e.l.Progress != nil {
		e.l.Progress(n, fmt.Sprintf(format, args...))
	}
}
