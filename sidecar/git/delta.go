package git

import (
	"errors"
	"fmt"
)

// applyDelta returns what delta makes of base (gitformat-pack, "Deltified
// representation"). What it makes is at most max bytes long.
func applyDelta(base, delta []byte, limit int64) ([]byte, error) {
	from, delta, ok1 := deltaSize(delta)
	to, delta, ok2 := deltaSize(delta)
	switch {
	case !ok1 || !ok2:
		return nil, errBadDelta
	case from != int64(len(base)):
		return nil, errors.New("a delta is of an object of another length")
	case to > limit:
		return nil, tooLarge(to)
	}
	out := make([]byte, 0, to)
	for len(delta) > 0 {
		piece, rest, err := deltaStep(base, delta)
		if err != nil {
			return nil, err
		}
		if int64(len(out)+len(piece)) > to {
			return nil, errors.New("a delta makes more than it says")
		}
		out, delta = append(out, piece...), rest
	}
	if int64(len(out)) != to {
		return nil, errors.New("a delta makes less than it says")
	}
	return out, nil
}

var errBadDelta = errors.New("a delta is malformed")

// deltaStep carries out the first instruction of a delta.
func deltaStep(base, delta []byte) (piece, rest []byte, err error) {
	op := delta[0]
	delta = delta[1:]
	if op == 0 {
		return nil, nil, errBadDelta // reserved
	}
	if op&0x80 == 0 { // that many bytes follow
		if int(op) > len(delta) {
			return nil, nil, errBadDelta
		}
		return delta[:op], delta[op:], nil
	}
	var args [7]int // four bytes of an offset, three of a length
	for i := range args {
		if op&(1<<i) == 0 {
			continue
		}
		if len(delta) == 0 {
			return nil, nil, errBadDelta
		}
		args[i], delta = int(delta[0]), delta[1:]
	}
	offset := args[0] | args[1]<<8 | args[2]<<16 | args[3]<<24
	n := args[4] | args[5]<<8 | args[6]<<16
	if n == 0 {
		n = 0x10000
	}
	if offset > len(base) || n > len(base)-offset {
		return nil, nil, errors.New("a delta reaches beyond its base")
	}
	return base[offset : offset+n], delta, nil
}

// deltaSize reads a length, in groups of seven bits, lowest first.
func deltaSize(b []byte) (n int64, rest []byte, ok bool) {
	for i, c := range b {
		if i >= 8 {
			break // git has no such objects
		}
		n |= int64(c&0x7f) << (7 * i)
		if c&0x80 == 0 {
			return n, b[i+1:], true
		}
	}
	return 0, nil, false
}

// tooLarge is about an object that must be held whole.
func tooLarge(n int64) error {
	return fmt.Errorf("an object of %d bytes is a delta or no file, and may be %d bytes at most: "+
		"for a large file, git -c core.bigFileThreshold=%dm push", n, maxWhole, maxWhole>>20)
}
