package git

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// The modes that git writes into trees, and the one that old versions wrote.
const (
	modeTree    = "40000"
	modeFile    = "100644"
	modeGroup   = "100664"
	modeProgram = "100755"
	modeLink    = "120000"
	modeModule  = "160000"
)

// A treeEntry is a line of a tree.
type treeEntry struct {
	mode, name string
	id         oid
}

func (e treeEntry) isTree() bool { return e.mode == modeTree }

// isJump reports whether something else may be found below the entry than a tree
// of the repository: where a link leads, or a submodule.
func (e treeEntry) isJump() bool { return e.mode == modeLink || e.mode == modeModule }

// parseTree reads a tree. It refuses what git's fsck calls an error, and much of
// what it warns of: of such trees one reader sees other files than the next.
func parseTree(b []byte) ([]treeEntry, error) {
	var out []treeEntry
	for len(b) > 0 {
		mode, rest, ok1 := bytes.Cut(b, []byte(" "))
		name, rest, ok2 := bytes.Cut(rest, []byte{0})
		if !ok1 || !ok2 || len(rest) < len(oid{}) {
			return nil, errors.New("a tree is cut off")
		}
		e := treeEntry{mode: string(mode), name: string(name), id: oid(rest[:len(oid{})])}
		b = rest[len(oid{}):]
		switch e.mode {
		case modeTree, modeFile, modeGroup, modeProgram, modeLink, modeModule:
		default:
			return nil, fmt.Errorf("a tree has the mode %.12q, which git does not write", mode)
		}
		if e.name == "" || strings.Contains(e.name, "/") || isDotGit(e.name) || e.id.isZero() {
			return nil, fmt.Errorf("a tree has an entry %.60q, which no tree may have", name)
		}
		if n := len(out); n > 0 && sortName(out[n-1]) >= sortName(e) {
			return nil, fmt.Errorf("a tree is not sorted at %.60q, or has it twice", name)
		}
		out = append(out, e)
	}
	return out, unique(out)
}

// sortName is by what trees are sorted: as though directories ended in a slash.
func sortName(e treeEntry) string {
	if e.isTree() {
		return e.name + "/"
	}
	return e.name
}

// unique refuses a name that is there as a file and as a directory; others may
// stand between the two.
func unique(entries []treeEntry) error {
	seen := make(map[string]bool, len(entries))
	for _, e := range entries {
		if seen[e.name] {
			return fmt.Errorf("a tree has %.60q twice", e.name)
		}
		seen[e.name] = true
	}
	return nil
}
