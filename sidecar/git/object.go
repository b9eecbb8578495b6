package git

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"

	"github.com/pjbgf/sha1cd"
)

// An oid is the name of an object, its SHA-1.
type oid [20]byte

func (o oid) String() string { return hex.EncodeToString(o[:]) }
func (o oid) short() string  { return hex.EncodeToString(o[:6]) }
func (o oid) isZero() bool   { return o == oid{} }

// parseOID reads an oid in lower-case hexadecimal.
func parseOID(s string) (oid, bool) {
	var o oid
	if len(s) != 2*len(o) {
		return o, false
	}
	_, err := hex.Decode(o[:], []byte(s))
	return o, err == nil && o.String() == s
}

// A kind is the type of an object in a pack (gitformat-pack).
type kind uint8

const (
	commitKind  kind = 1
	treeKind    kind = 2
	blobKind    kind = 3
	tagKind     kind = 4
	offsetDelta kind = 6
	refDelta    kind = 7
)

// emptyTree is the tree without entries, which every repository has.
const emptyTree = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"

func (k kind) String() string {
	switch k {
	case commitKind:
		return "commit"
	case treeKind:
		return "tree"
	case blobKind:
		return "blob"
	case tagKind:
		return "tag"
	}
	return "object of type " + strconv.Itoa(int(k))
}

// A digest names an object while it is read.
type digest struct{ sha1cd.CollisionResistantHash }

func newDigest(k kind, size int64) (digest, error) {
	d, err := rawDigest()
	if err == nil {
		_, _ = fmt.Fprintf(d, "%s %d\x00", k, size) // never fails
	}
	return d, err
}

func rawDigest() (digest, error) {
	h, ok := sha1cd.New().(sha1cd.CollisionResistantHash)
	if !ok {
		return digest{}, errors.New("this SHA-1 does not detect collisions")
	}
	return digest{h}, nil
}

func (d digest) oid() (oid, error) {
	sum, collision := d.CollisionResistantSum(nil)
	if collision {
		return oid{}, errors.New("an object is part of an attack on SHA-1")
	}
	return oid(sum), nil
}

// A commit is what is read of one.
type commit struct {
	tree    oid
	parents []oid
}

// parseCommit reads the head of a commit exactly as git does: the tree, then the
// parents, then the author.
func parseCommit(b []byte) (commit, error) {
	var c commit
	line, rest := cutLine(b)
	id, ok := parseOID(string(bytes.TrimPrefix(line, []byte("tree "))))
	if !ok || !bytes.HasPrefix(line, []byte("tree ")) {
		return c, errors.New("a commit does not begin with its tree")
	}
	c.tree = id
	for {
		line, rest = cutLine(rest)
		hexID, isParent := bytes.CutPrefix(line, []byte("parent "))
		if !isParent {
			break
		}
		if id, ok = parseOID(string(hexID)); !ok {
			return c, errors.New("a commit has a parent that is no object name")
		}
		c.parents = append(c.parents, id)
	}
	if !bytes.HasPrefix(line, []byte("author ")) || bytes.IndexByte(b, 0) >= 0 {
		return c, errors.New("a commit has another form than git's")
	}
	return c, nil
}

func cutLine(b []byte) (line, rest []byte) {
	line, rest, found := bytes.Cut(b, []byte("\n"))
	if !found {
		return nil, nil
	}
	return line, rest
}

// A tag is what is read of an annotated one.
type tag struct {
	object oid
	kind   string
}

func parseTag(b []byte) (tag, error) {
	first, rest := cutLine(b)
	second, _ := cutLine(rest)
	hexID, ok1 := bytes.CutPrefix(first, []byte("object "))
	name, ok2 := bytes.CutPrefix(second, []byte("type "))
	id, ok3 := parseOID(string(hexID))
	if !ok1 || !ok2 || !ok3 {
		return tag{}, errors.New("a tag has another form than git's")
	}
	return tag{id, string(name)}, nil
}
