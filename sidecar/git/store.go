package git

import (
	"bytes"
	"compress/zlib"
	"container/list"
	"errors"
	"fmt"
	"io"
	"slices"
)

// What one pack may cost. See the package's comment.
const (
	maxObjects = 1 << 18  // number of objects
	maxWhole   = 16 << 20 // bytes of a commit, tree or tag, and of a file with a delta
	maxFrame   = 32 << 20 // compressed bytes of commits, trees and tags
	maxBases   = 32 << 20 // compressed bytes of files kept for deltas
	maxCache   = 24 << 20 // unpacked bytes at hand
	maxWork    = 16 << 30 // bytes unpacked in all: what there is, and over again for deltas
	maxDepth   = 4095     // length of a chain of deltas; git makes none longer
)

// An entry is an object of a pack.
type entry struct {
	offset int64
	id     oid
	kind   kind
	depth  uint16 // of its chain of deltas
	base   int32  // whose delta it is; -1 for none
	size   int64  // of what raw unpacks to
	raw    []byte // as it is in the pack; nil when it is not kept
}

// A store is a pack as far as it was read.
type store struct {
	entries []entry
	byID    map[oid]int32
	commits map[oid]commit
	tags    map[oid]tag

	frame, bases int64 // compressed bytes kept
	oldest       int   // no file before it is kept
	work         int64
	inflater     io.ReadCloser

	cached map[int32]*list.Element
	recent list.List // of cachedObject, the latest first
	cache  int64     // bytes in it
}

type cachedObject struct {
	index int32
	data  []byte
}

func newStore() *store {
	return &store{byID: map[oid]int32{}, commits: map[oid]commit{}, tags: map[oid]tag{}, cached: map[int32]*list.Element{}}
}

// at returns the index of the object that begins at offset.
func (s *store) at(offset int64) (int32, bool) {
	i, ok := slices.BinarySearchFunc(s.entries, offset, func(e entry, at int64) int {
		return int(min(max(e.offset-at, -1), 1))
	})
	return int32(i), ok //nolint:gosec // at most maxObjects
}

// keep makes e the next object, and lets go of old files when there are too many.
func (s *store) keep(e entry) error {
	if e.kind == blobKind {
		s.bases += int64(len(e.raw))
	} else {
		s.frame += int64(len(e.raw))
	}
	s.entries = append(s.entries, e)
	if s.frame > maxFrame {
		return fmt.Errorf("its commits and trees are more than %d bytes: push fewer commits at once", maxFrame)
	}
	for ; s.bases > maxBases; s.oldest++ {
		if old := &s.entries[s.oldest]; old.kind == blobKind {
			s.bases -= int64(len(old.raw))
			old.raw = nil
		}
	}
	return nil
}

// spend counts n bytes of unpacking.
func (s *store) spend(n int64) error {
	if s.work += n; s.work > maxWork {
		return fmt.Errorf("it takes more than %d bytes of unpacking: push fewer commits at once", int64(maxWork))
	}
	return nil
}

// unpacker returns what unpacks the stream at the start of r.
func (s *store) unpacker(r io.Reader) (io.Reader, error) {
	if s.inflater == nil {
		z, err := zlib.NewReader(r)
		s.inflater = z
		return z, err
	}
	return s.inflater, s.inflater.(zlib.Resetter).Reset(r, nil)
}

// inflate unpacks a stream that is size bytes long.
func (s *store) inflate(r io.Reader, size int64) ([]byte, error) {
	if size > maxWhole {
		return nil, tooLarge(size)
	}
	if err := s.spend(size); err != nil {
		return nil, err
	}
	z, err := s.unpacker(r)
	if err != nil {
		return nil, badStream(err)
	}
	out := make([]byte, size)
	if _, err := io.ReadFull(z, out); err != nil {
		return nil, badStream(err)
	}
	return out, ended(z)
}

// ended makes sure that a stream is as long as it should be, and its checksum
// right.
func ended(z io.Reader) error {
	var more [1]byte
	switch n, err := io.ReadFull(z, more[:]); {
	case n > 0:
		return errors.New("an object is longer than it says")
	case !errors.Is(err, io.EOF):
		return badStream(err)
	}
	return nil
}

func badStream(err error) error {
	return fmt.Errorf("unpacking an object: %w", cutOff(err))
}

// content returns an object as it is unpacked. The caller does not change it.
func (s *store) content(i int32) ([]byte, error) {
	var chain []int32
	var data []byte
	for data == nil {
		if at, ok := s.cached[i]; ok {
			s.recent.MoveToFront(at)
			data = at.Value.(cachedObject).data
			break
		}
		e := &s.entries[i]
		if e.raw == nil {
			return nil, errors.New("a delta is of a file that came too long before it: push fewer commits at once")
		}
		if e.base < 0 {
			whole, err := s.inflate(bytes.NewReader(e.raw), e.size)
			if err != nil {
				return nil, err
			}
			data = s.hold(i, whole)
			break
		}
		chain = append(chain, i)
		i = e.base
	}
	for _, j := range slices.Backward(chain) {
		delta, err := s.inflate(bytes.NewReader(s.entries[j].raw), s.entries[j].size)
		if err != nil {
			return nil, err
		}
		if data, err = s.apply(data, delta); err != nil {
			return nil, err
		}
		s.hold(j, data)
	}
	return data, nil
}

func (s *store) apply(base, delta []byte) ([]byte, error) {
	out, err := applyDelta(base, delta, maxWhole)
	if err != nil {
		return nil, err
	}
	return out, s.spend(int64(len(out)))
}

// hold keeps data at hand for a while.
func (s *store) hold(i int32, data []byte) []byte {
	s.cached[i] = s.recent.PushFront(cachedObject{i, data})
	for s.cache += int64(len(data)); s.cache > maxCache; {
		last := s.recent.Remove(s.recent.Back()).(cachedObject)
		delete(s.cached, last.index)
		s.cache -= int64(len(last.data))
	}
	return data
}
