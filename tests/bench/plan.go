package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
)

// A container is one of a bottle plan, as `bottle plan --json` prints it
// (docs/plan.md).
type container struct {
	Role       string
	Entrypoint []string
	Command    []string
	Env        map[string]string
	Networks   []struct {
		Network string
		Aliases []string
		Host    int
	}
	DNS   *struct{ Host int }
	Files []struct {
		Path   string
		Mode   int64
		Source source
	}
	Stdin []struct {
		Name   string
		Source source
	}
	Limits   struct{ Memory, PIDs int64 }
	ReadOnly bool `json:"read_only"`
}

// A source says where bytes come from. Of a file of the host the plan has only the
// digest.
type source struct {
	JSON      json.RawMessage
	Generated string
	Secret    string
	SHA256    string
}

// A launch is what a plan brings up.
type launch struct {
	internal   map[string]bool // by network
	containers map[string]container
}

// planOf returns the plan of the demo.
func planOf(ctx context.Context, root string) (launch, error) {
	l := launch{map[string]bool{}, map[string]container{}}
	out, err := exec.CommandContext(ctx, filepath.Join(root, "bin/bottle"), "plan", "--json", filepath.Join(root, demo)).Output() //nolint:gosec // the repository's own
	if err != nil {
		return l, fmt.Errorf("bottle plan: %w", err)
	}
	var p struct {
		Nodes []struct {
			ID, Op string
			With   json.RawMessage
		}
	}
	if err := json.Unmarshal(out, &p); err != nil {
		return l, err
	}
	for _, n := range p.Nodes {
		switch n.Op {
		case "network":
			var with struct{ Internal bool }
			if err := json.Unmarshal(n.With, &with); err != nil {
				return l, err
			}
			l.internal[n.ID] = with.Internal
		case "container":
			var c container
			if err := json.Unmarshal(n.With, &c); err != nil {
				return l, err
			}
			l.containers[n.ID] = c
		}
	}
	return l, nil
}
