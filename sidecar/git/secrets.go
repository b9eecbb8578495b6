package git

import (
	"context"
	"fmt"
)

// secrets refuses objects with secrets, and says where they are.
func (j *judge) secrets(_ context.Context, found []finding) *Refusal {
	if len(found) == 0 {
		return nil
	}
	f := found[0]
	return refuseAll(j.commands, fmt.Sprintf("%s holds what looks like a secret (gitleaks rule %s)", j.locate(f), f.rule),
		"take the secret out of every commit that is pushed (git rebase -i), not only out of the last; if it was a real one elsewhere already, replace it there",
		"if it is none, allow it in the script with scan = False in the route"+j.rules.at())
}

// locate says where an object is: the first commit that has it, and as which
// file.
func (j *judge) locate(f finding) string {
	if f.kind != blobKind && f.kind != treeKind {
		return fmt.Sprintf("%s %s", f.kind, f.id.short())
	}
	for i := len(j.pushed.entries) - 1; i >= 0; i-- { // git writes the latest commit first
		e := &j.pushed.entries[i]
		if e.kind != commitKind {
			continue
		}
		if path, ok := j.find(j.pushed.commits[e.id].tree, f.id, map[oid]bool{}); ok {
			return fmt.Sprintf("commit %s: %s", e.id.short(), path)
		}
	}
	return fmt.Sprintf("%s %s", f.kind, f.id.short())
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
