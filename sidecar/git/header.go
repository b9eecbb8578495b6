package git

import (
	"errors"
	"fmt"
	"io"
)

// readHeader reads the type and the length of an object.
func readHeader(r io.ByteReader) (kind, int64, error) {
	c, err := r.ReadByte()
	if err != nil {
		return 0, 0, err
	}
	k, size := kind(c>>4&7), int64(c&15)
	for shift := 4; c&0x80 != 0; shift += 7 {
		if shift > 53 {
			return 0, 0, errors.New("an object has no length")
		}
		if c, err = r.ReadByte(); err != nil {
			return 0, 0, err
		}
		size |= int64(c&0x7f) << shift
	}
	switch k {
	case commitKind, treeKind, blobKind, tagKind, offsetDelta, refDelta:
		return k, size, nil
	}
	return 0, 0, fmt.Errorf("it has an %s", k)
}

// readOffset reads how far before a delta its base begins: groups of seven bits,
// highest first, each one more than it seems but for the last.
func readOffset(r io.ByteReader) (int64, error) {
	c, err := r.ReadByte()
	if err != nil {
		return 0, err
	}
	n := int64(c & 0x7f)
	for c&0x80 != 0 {
		if n > 1<<48 {
			return 0, errors.New("a delta is of nothing")
		}
		if c, err = r.ReadByte(); err != nil {
			return 0, err
		}
		n = (n+1)<<7 | int64(c&0x7f)
	}
	if n <= 0 {
		return 0, errors.New("a delta is of itself")
	}
	return n, nil
}
