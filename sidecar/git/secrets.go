package git

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/bottle-run/bottle/sidecar/dlp"
)

// secrets refuses objects with secrets, and says where they are.
func (j *judge) secrets(ctx context.Context, s *scan) *Refusal {
	if s == nil {
		return nil
	}
	for _, f := range s.found {
		at := j.locate(f)
		if !s.more && j.hadIt(ctx, s.scanner, f, at) {
			continue
		}
		return refuseAll(j.commands, fmt.Sprintf("%s holds %s", at, f.what),
			"take the secret out of every commit that is pushed (git rebase -i), not only out of the last; if it was a real one elsewhere already, replace it there",
			"if it is none, allow it in the script with scan = False in the route"+j.rules.at())
	}
	return nil
}

// A place is where an object was found: the first commit that has it, and as
// which file.
type place struct {
	object string // what to call it without a file
	commit oid
	path   string
}

func (p place) String() string {
	if p.path == "" {
		return p.object
	}
	return fmt.Sprintf("commit %s: %s", p.commit.short(), p.path)
}

func (j *judge) locate(f finding) place {
	at := place{object: fmt.Sprintf("%s %s", f.kind, f.id.short())}
	if f.kind != blobKind && f.kind != treeKind {
		return at
	}
	for i := len(j.pushed.entries) - 1; i >= 0; i-- { // git writes the latest commit first
		e := &j.pushed.entries[i]
		if e.kind != commitKind {
			continue
		}
		if path, ok := j.find(j.pushed.commits[e.id].tree, f.id, map[oid]bool{}); ok {
			at.commit, at.path = e.id, path
			return at
		}
	}
	return at
}

// find looks for an object below a tree, as far as trees were pushed.
func (j *judge) find(root, id oid, seen map[oid]bool) (string, bool) {
	if root == id {
		return "the names of files", true
	}
	i, ok := j.pushed.byID[root]
	if !ok || seen[root] || j.pushed.entries[i].kind != treeKind {
		return "", false
	}
	seen[root] = true
	data, err := j.pushed.content(i)
	if err != nil {
		return "", false
	}
	entries, err := parseTree(data)
	if err != nil {
		return "", false
	}
	for _, e := range entries {
		if e.id == id {
			return e.name, true
		}
		if path, ok := j.find(e.id, id, seen); ok && e.isTree() {
			return e.name + "/" + path, true
		}
	}
	return "", false
}

// hadIt reports whether all that looks like a secret in a file was in the same
// file before, in a parent of the commit: then it is not this push that brings it
// there. What a parent that is pushed too brings is found there.
func (j *judge) hadIt(ctx context.Context, scanner *dlp.Scanner, f finding, at place) bool {
	if f.kind != blobKind || at.path == "" {
		return false
	}
	data, err := j.pushed.content(j.pushed.byID[f.id])
	if err != nil {
		return false
	}
	for _, parent := range j.pushed.commits[at.commit].parents {
		before, err := j.file(ctx, parent, at.path)
		if err != nil {
			continue
		}
		old := map[string]bool{}
		_, _, err = scanner.Search(before, func(f dlp.Finding) bool { old[f.Hash] = true; return true })
		if err != nil {
			continue
		}
		if _, found, err := scanner.Search(data, func(f dlp.Finding) bool { return old[f.Hash] }); !found && err == nil {
			return true
		}
	}
	return false
}

// file returns a file of a commit.
func (j *judge) file(ctx context.Context, id oid, path string) ([]byte, error) {
	c, err := j.commit(ctx, id)
	if err != nil {
		return nil, err
	}
	e := treeEntry{mode: modeTree, id: c.tree}
	for name := range strings.SplitSeq(path, "/") {
		if !e.isTree() {
			return nil, errors.New("it is no directory")
		}
		entries, err := j.tree(ctx, e.id)
		if err != nil {
			return nil, err
		}
		e = entries[name]
	}
	if e.id.isZero() || e.isTree() || e.mode == modeModule {
		return nil, errors.New("it is no file")
	}
	if i, ok := j.pushed.byID[e.id]; ok {
		return j.pushed.content(i)
	}
	s, err := j.remote.fetch(ctx, []oid{e.id}, "", false)
	if err != nil {
		return nil, err
	}
	i, ok := s.byID[e.id]
	if !ok {
		return nil, errUnseen
	}
	return s.content(i)
}
