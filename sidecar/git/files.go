package git

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// files makes sure that no commit changes a protected file.
func (j *judge) files(ctx context.Context) *Refusal {
	if len(j.guard.patterns) == 0 {
		return nil
	}
	anchors, err := j.anchors(ctx)
	if err != nil {
		return j.unseen(err)
	}
	for _, c := range j.commands {
		tip, _ := j.peel(c)
		path, err := j.unlike(ctx, tip, anchors)
		if err != nil {
			return j.unseen(err)
		}
		if path != "" {
			return j.protected(map[string]string{c.ref: fmt.Sprintf("%s, which is protected, would not be as in %s: %s", path, j.like(c), j.guard.list())})
		}
	}
	for i := range j.pushed.entries {
		e := &j.pushed.entries[i]
		if e.kind != commitKind {
			continue
		}
		bases := append(slices.Clone(j.pushed.commits[e.id].parents), anchors...)
		path, err := j.unlike(ctx, e.id, bases)
		if err != nil {
			return j.unseen(err)
		}
		if path != "" {
			return j.protected(map[string]string{"": fmt.Sprintf("commit %s changes %s, which is protected: %s", e.id.short(), path, j.guard.list())})
		}
	}
	return nil
}

// list writes the globs as the script has them.
func (g guard) list() string { return "protect = " + quoted(g.globs) }

// like says what a ref was compared with.
func (j *judge) like(c command) string {
	if c.from.isZero() {
		return "the default branch"
	}
	return "the branch"
}

// protected refuses for the sake of files; the reason of "" is that of all refs.
func (j *judge) protected(reasons map[string]string) *Refusal {
	advice := "leave these files as they are on the server's branches (rebase on the latest if they changed there), or change protect = […] of the route" + j.rules.at()
	if all, ok := reasons[""]; ok {
		return refuseAll(j.commands, all, advice)
	}
	return refuse(j.commands, reasons, advice)
}

// unseen refuses what could not be compared.
func (j *judge) unseen(err error) *Refusal {
	return refuseAll(j.commands, fmt.Sprintf("whether protected files change cannot be seen (%s): %v", j.guard.list(), err))
}

// anchors returns the commits of the server that hold the protected files as
// they should be: what the refs were, the default branch, and those branches that
// the push builds on. Not just any commit that the server has: anybody may bring
// one there, with a pull request.
func (j *judge) anchors(ctx context.Context) ([]oid, error) {
	if err := j.remote.open(ctx); err != nil {
		return nil, fmt.Errorf("asking the server for its branches: %w", err)
	}
	var tips, out []oid
	for _, c := range j.commands {
		tip, _ := j.peel(c)
		tips = append(tips, tip)
		if j.remote.heads[c.from] { // what it was is the client's word
			out = append(out, c.from)
		}
	}
	if !j.remote.main.isZero() || len(j.remote.heads) == 0 {
		out = append(out, j.remote.main) // zero is the empty repository
	}
	edge, _ := reach(j.pushed, tips, oid{})
	if len(edge) > maxAsking {
		return nil, errors.New("it joins too many branches")
	}
	for _, id := range edge {
		if j.remote.heads[id] {
			out = append(out, id)
		}
	}
	slices.SortFunc(out, func(a, b oid) int { return strings.Compare(string(a[:]), string(b[:])) })
	out = slices.Compact(out)
	switch {
	case len(out) > maxAsking:
		return nil, errors.New("it changes too many branches at once")
	case len(out) == 0:
		return nil, errors.New("the server has no default branch to compare with")
	}
	return out, j.learn(ctx, slices.Concat(out, edge))
}

// unlike returns a protected file in which a commit differs from each of others,
// "" if it is like one of them.
func (j *judge) unlike(ctx context.Context, id oid, others []oid) (string, error) {
	if slices.Contains(others, id) {
		return "", nil
	}
	mine, err := j.commit(ctx, id)
	if err != nil {
		return "", err
	}
	first := ""
	for _, other := range others {
		var theirs commit // of the zero oid: no files
		if !other.isZero() {
			if theirs, err = j.commit(ctx, other); err != nil {
				return "", err
			}
		}
		path, err := j.changed(ctx, mine.tree, theirs.tree)
		if path == "" || err != nil {
			return "", err
		}
		if first == "" {
			first = path
		}
	}
	return first, nil
}
