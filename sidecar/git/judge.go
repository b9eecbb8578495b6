package git

import (
	"context"
	"fmt"
	"strings"
)

// A judge decides about a push whose pack is read.
type judge struct {
	rules *Rules
	*history
	commands []command
}

// judge returns why the push does not pass; nil if it may.
func (j *judge) judge(ctx context.Context, found *scan) *Refusal {
	for _, check := range []func(context.Context) *Refusal{j.forward, j.files} {
		if r := check(ctx); r != nil {
			return r
		}
	}
	return j.secrets(ctx, found)
}

// forward makes sure that each ref moves forward, and to a commit.
func (j *judge) forward(ctx context.Context) *Refusal {
	reasons := map[string]string{}
	var advice []string
	for _, c := range j.commands {
		tip, reason := j.peel(c)
		if reason == "" && !c.from.isZero() && c.from != c.to {
			ahead, err := j.ahead(ctx, tip, c.from)
			switch {
			case err != nil:
				reason = fmt.Sprintf("that %s moves forward cannot be seen: %v", c.ref, err)
			case !ahead:
				reason = fmt.Sprintf("%s would not move forward, and is not forced over this route", c.ref)
				advice = []string{"rebase on what the branch is now, or push to a new one"}
			}
		}
		if reason != "" {
			reasons[c.ref] = reason
		}
	}
	if len(reasons) == 0 {
		return nil
	}
	return refuse(j.commands, reasons, advice...)
}

// peel returns the commit that a ref becomes.
func (j *judge) peel(c command) (oid, string) {
	id := c.to
	for range 10 {
		i, pushed := j.pushed.byID[id]
		if !pushed {
			return id, "" // the server has it
		}
		switch j.pushed.entries[i].kind {
		case commitKind:
			return id, ""
		case tagKind:
			if !strings.HasPrefix(c.ref, "refs/tags/") {
				return id, c.ref + " would be a tag and not a commit"
			}
			id = j.pushed.tags[id].object
		default:
			return id, c.ref + " would be no commit"
		}
	}
	return id, c.ref + " would be a tag of too many tags"
}

// ahead reports whether from is in the history of to. What was pushed shows it,
// or else the server.
func (j *judge) ahead(ctx context.Context, to, from oid) (bool, error) {
	edge, found := reach(j.pushed, []oid{to}, from)
	if found {
		return true, nil
	}
	for _, id := range edge {
		s, err := j.remote.between(ctx, id, from)
		if err != nil {
			return false, fmt.Errorf("asking the server: %w", err)
		}
		if _, found = reach(s, []oid{id}, from); found {
			return true, nil
		}
	}
	return false, nil
}

// reach walks from ids through the commits of s. It returns whether it came to
// goal, and to which commits that are not in s.
func reach(s *store, ids []oid, goal oid) (edge []oid, found bool) {
	seen := map[oid]bool{}
	for len(ids) > 0 {
		id := ids[len(ids)-1]
		ids = ids[:len(ids)-1]
		if id == goal {
			return nil, true
		}
		if seen[id] {
			continue
		}
		seen[id] = true
		if c, ok := s.commits[id]; ok {
			ids = append(ids, c.parents...)
		} else {
			edge = append(edge, id)
		}
	}
	return edge, false
}
