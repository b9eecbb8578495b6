package git

import (
	"bytes"
	"context"
	"io"
)

// ReadPack reads a pack, and returns the names of its objects in their order.
func ReadPack(b []byte) ([]string, error) {
	t := newTap(bytes.NewReader(b))
	p := &packReader{store: newStore(), tap: t}
	if _, err := p.readPack(); err != nil {
		return nil, err
	}
	if err := t.fill(); err != io.EOF { //nolint:errorlint // it is not wrapped
		return nil, errEarly
	}
	var out []string
	for _, e := range p.entries {
		out = append(out, e.id.String())
	}
	return out, nil
}

// ReadOpening reads the commands of a push, and returns its refs.
func ReadOpening(b []byte) ([]string, error) {
	o, err := readOpening(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	var refs []string
	for _, c := range o.commands {
		refs = append(refs, c.ref)
	}
	return refs, nil
}

// ApplyDelta is applyDelta.
func ApplyDelta(base, delta []byte) ([]byte, error) { return applyDelta(base, delta, maxWhole) }

// ParseTree reads a tree, and returns how many entries it has.
func ParseTree(b []byte) (int, error) {
	entries, err := parseTree(b)
	return len(entries), err
}

// Covers reports whether path is protected by globs.
func Covers(path string, globs ...string) bool {
	covers, _ := newGuard(globs).look(foldPath(path))
	return covers
}

// OpenBytes opens a push that is b, of a server that cannot be asked.
func OpenBytes(ctx context.Context, r *Rules, b []byte) (*Push, error) {
	return r.Open(ctx, bytes.NewReader(b), "", nil)
}

// Name names bytes that are no object.
func Name(b []byte) error {
	d, err := rawDigest()
	if err != nil {
		return err
	}
	_, _ = d.Write(b)
	_, err = d.oid()
	return err
}

// Limits that tests go above.
const (
	MaxWhole  = maxWhole
	MaxDepth  = maxDepth
	MaxBases  = maxBases
	ShortPush = shortPush
)
