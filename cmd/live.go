package cmd

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"time"

	"github.com/bottle-run/bottle/runtime/control"
	"github.com/bottle-run/bottle/runtime/journal"
	"github.com/bottle-run/bottle/runtime/launch"
	"github.com/bottle-run/bottle/runtime/plan"
)

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
