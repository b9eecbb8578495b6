package git

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // what packs end in; objects are named by one that detects collisions
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
)

// A packReader reads one pack into a store.
type packReader struct {
	*store
	tap  *tap
	scan *scan // nil to search for nothing
	// partial has it pass over files: of a pack that is asked for its trees only.
	partial bool
	scratch []byte
}

// errThin is the one malformation that has an ordinary cause.
var errThin = errors.New("a delta is of an object that is not in the pack before it: if the client made a thin pack, use git push --no-thin")

// readPack reads all of a pack but the checksum at its end, which it compares and
// returns. Nothing of that is handed on by the tap.
func (p *packReader) readPack() (trailer []byte, err error) {
	if err := p.tap.settle(); err != nil {
		return nil, err
	}
	sum := sha1.New() //nolint:gosec // see above
	p.tap.hash = sum
	start := p.tap.offset()
	var head [12]byte
	if _, err := io.ReadFull(p.tap, head[:]); err != nil {
		return nil, cutOff(err)
	}
	version, count := binary.BigEndian.Uint32(head[4:]), binary.BigEndian.Uint32(head[8:])
	switch {
	case string(head[:4]) != "PACK" || version != 2:
		return nil, errors.New("it is no pack of version 2")
	case count > maxObjects:
		return nil, fmt.Errorf("it has %d objects, more than %d: push fewer commits at once", count, maxObjects)
	}
	for range count {
		if err := p.next(p.tap.offset() - start); err != nil {
			return nil, cutOff(err)
		}
	}
	return p.trailer(sum)
}

func (p *packReader) trailer(sum hash.Hash) ([]byte, error) {
	if err := p.tap.settle(); err != nil {
		return nil, err
	}
	p.tap.hash, p.tap.out = nil, nil
	trailer := make([]byte, sum.Size())
	if _, err := io.ReadFull(p.tap, trailer); err != nil {
		return nil, cutOff(err)
	}
	if !bytes.Equal(trailer, sum.Sum(nil)) {
		return nil, errors.New("its checksum is wrong")
	}
	return trailer, nil
}

// next reads the object that begins at offset.
func (p *packReader) next(offset int64) error {
	e := entry{offset: offset, base: -1}
	declared, size, err := readHeader(p.tap)
	if err != nil {
		return err
	}
	e.kind, e.size = declared, size
	if e.kind == offsetDelta || e.kind == refDelta {
		if err := p.readBase(&e); err != nil {
			return err
		}
	}
	if err := p.tap.settle(); err != nil {
		return err
	}
	if e.kind != blobKind || !p.partial && e.size <= maxWhole {
		p.scratch = p.scratch[:0]
		p.tap.keep = &p.scratch
	}
	err = p.body(&e)
	if err == nil {
		err = p.tap.settle()
	}
	if p.tap.keep != nil {
		e.raw = bytes.Clone(p.scratch)
	}
	p.tap.keep = nil
	if err != nil {
		return err
	}
	return p.keep(e)
}

// readBase reads whose delta e is, and takes over its kind.
func (p *packReader) readBase(e *entry) error {
	var found bool
	if e.kind == refDelta {
		var id oid
		if _, err := io.ReadFull(p.tap, id[:]); err != nil {
			return err
		}
		e.base, found = p.byID[id]
		if !found && p.partial {
			e.kind, e.base = blobKind, -1 // of a file that was passed over
			return nil
		}
	} else {
		back, err := readOffset(p.tap)
		if err != nil {
			return err
		}
		e.base, found = p.at(e.offset - back)
	}
	if !found {
		return errThin
	}
	base := &p.entries[e.base]
	e.kind, e.depth = base.kind, base.depth+1
	if e.depth > maxDepth {
		return fmt.Errorf("it has a chain of more than %d deltas", maxDepth)
	}
	return nil
}

// body reads what an object is.
func (p *packReader) body(e *entry) error {
	if e.kind == blobKind && (p.partial || e.base < 0) {
		return p.pass(e)
	}
	data, err := p.inflate(p.tap, e.size)
	if err != nil {
		return err
	}
	if e.base >= 0 {
		base, err := p.content(e.base)
		if err != nil {
			return err
		}
		if data, err = p.apply(base, data); err != nil {
			return err
		}
	}
	h, err := newDigest(e.kind, int64(len(data)))
	if err != nil {
		return err
	}
	_, _ = h.Write(data) // never fails
	if err := p.name(e, h); err != nil {
		return err
	}
	p.hold(int32(len(p.entries)), data) //nolint:gosec // at most maxObjects
	if p.scan != nil {
		p.scan.object(e, data)
	}
	return p.understand(e, data)
}

// pass reads a file through, however long it is.
func (p *packReader) pass(e *entry) error {
	z, err := p.unpacker(p.tap)
	if err != nil {
		return badStream(err)
	}
	h, err := newDigest(blobKind, e.size)
	if err != nil {
		return err
	}
	to := io.Writer(h)
	if p.scan != nil {
		to = io.MultiWriter(h, p.scan)
	}
	if err := p.spend(e.size); err != nil {
		return err
	}
	if n, err := io.CopyN(to, z, e.size); err != nil {
		return badStream(err)
	} else if n != e.size {
		return badStream(io.ErrUnexpectedEOF)
	}
	if err := ended(z); err != nil {
		return err
	}
	if e.base >= 0 {
		return nil // a delta that is passed over has no name
	}
	if err := p.name(e, h); err != nil {
		return err
	}
	if p.scan != nil {
		p.scan.end(e)
	}
	return nil
}

// name gives e its name.
func (p *packReader) name(e *entry, h digest) error {
	id, err := h.oid()
	if err != nil {
		return err
	}
	if _, twice := p.byID[id]; twice {
		return fmt.Errorf("it has the object %s twice", id)
	}
	e.id = id
	p.byID[id] = int32(len(p.entries)) //nolint:gosec // at most maxObjects
	return nil
}

// understand takes from an object what is judged.
func (p *packReader) understand(e *entry, data []byte) (err error) {
	switch e.kind {
	case commitKind:
		p.commits[e.id], err = parseCommit(data)
	case tagKind:
		p.tags[e.id], err = parseTag(data)
	case treeKind:
		_, err = parseTree(data)
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w", e.kind, e.id.short(), err)
	}
	return nil
}
