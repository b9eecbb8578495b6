package git

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// errUnseen is about objects that neither the push nor the server showed.
var errUnseen = errors.New("cannot be seen")

// A history is what is pushed together with what the server has of it, as far as
// it was asked.
type history struct {
	pushed *store
	known  []*store
	remote *remote
	guard  guard
}

// tree returns the entries of a tree; of the zero oid, none.
func (h *history) tree(ctx context.Context, id oid) (map[string]treeEntry, error) {
	out := map[string]treeEntry{}
	if id.isZero() || id.String() == emptyTree {
		return out, nil
	}
	data, err := h.object(ctx, id, treeKind)
	if err != nil {
		return nil, err
	}
	entries, err := parseTree(data)
	for _, e := range entries {
		out[e.name] = e
	}
	return out, err
}

// commit returns a commit, pushed or not.
func (h *history) commit(ctx context.Context, id oid) (commit, error) {
	if c, ok := h.pushed.commits[id]; ok {
		return c, nil
	}
	data, err := h.object(ctx, id, commitKind)
	if err != nil {
		return commit{}, err
	}
	return parseCommit(data)
}

// object returns an object. What is not there is asked for.
func (h *history) object(ctx context.Context, id oid, want kind) ([]byte, error) {
	for range 2 {
		for _, s := range append([]*store{h.pushed}, h.known...) {
			i, ok := s.byID[id]
			switch {
			case !ok:
			case s.entries[i].kind != want:
				return nil, fmt.Errorf("%s is no %s", id.short(), want)
			default:
				return s.content(i)
			}
		}
		if err := h.learn(ctx, []oid{id}); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("%s %s %w", want, id.short(), errUnseen)
}

// learn asks the server for what is not known yet of ids.
func (h *history) learn(ctx context.Context, ids []oid) error {
	ids = slices.DeleteFunc(slices.Clone(ids), func(id oid) bool {
		has := func(s *store) bool { _, ok := s.byID[id]; return ok }
		return id.isZero() || has(h.pushed) || slices.ContainsFunc(h.known, has)
	})
	if len(ids) == 0 {
		return nil
	}
	s, err := h.remote.snapshot(ctx, ids)
	if err != nil {
		return fmt.Errorf("asking the server for %s: %w", ids[0].short(), err)
	}
	h.known = append(h.known, s)
	return nil
}

// changed returns the first protected file in which two trees differ, "" for
// none.
func (h *history) changed(ctx context.Context, a, b oid) (string, error) {
	if a == b {
		return "", nil
	}
	return h.differ(ctx, "", a, b)
}

// maxNesting is how deep directories may lie in one another.
const maxNesting = 128

func (h *history) differ(ctx context.Context, dir string, a, b oid) (string, error) {
	if strings.Count(dir, "/") > maxNesting {
		return "", fmt.Errorf("its directories are more than %d deep", maxNesting)
	}
	as, err := h.tree(ctx, a)
	if err != nil {
		return "", err
	}
	bs, err := h.tree(ctx, b)
	if err != nil {
		return "", err
	}
	all := maps.Clone(bs)
	maps.Copy(all, as)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if x, y := as[name], bs[name]; x != y {
			if path, err := h.entry(ctx, dir+name, x, y); path != "" || err != nil {
				return path, err
			}
		}
	}
	return "", nil
}

// entry compares what stands under the same path in two trees and is not the
// same. What is not there is the zero entry.
func (h *history) entry(ctx context.Context, path string, x, y treeEntry) (string, error) {
	covers, mayHold := h.guard.look(foldPath(path))
	switch {
	case covers && !x.isTree() && !y.isTree(), mayHold && (x.isJump() || y.isJump()):
		return path, nil
	case !covers && !mayHold:
		return "", nil
	}
	var below, there oid
	if x.isTree() {
		below = x.id
	}
	if y.isTree() {
		there = y.id
	}
	if below == there {
		return "", nil // two files, of which neither is protected
	}
	found, err := h.differ(ctx, path+"/", below, there)
	if found == "" && covers { // also where it could not be looked into
		return path, nil
	}
	return found, err
}
