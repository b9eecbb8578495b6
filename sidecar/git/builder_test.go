package git_test

import (
	"bytes"
	"compress/zlib"
	"crypto/sha1"
	"encoding/binary"
	"slices"
)

// A piece is an object as a test puts it into a pack.
type piece struct {
	kind byte   // 1 to 4; 6 for a delta of what is back bytes before, 7 of base
	back int    // for 6: how many objects
	base []byte // for 7
	data []byte
	size int    // what its header says, if not the length of data
	raw  []byte // in place of the compressed data
}

func deflate(b []byte) []byte {
	var out bytes.Buffer
	z := zlib.NewWriter(&out)
	_, _ = z.Write(b)
	_ = z.Close()
	return out.Bytes()
}

// pack makes a pack, with the right checksum.
func pack(count int, pieces ...piece) []byte {
	out := []byte("PACK\x00\x00\x00\x02")
	out = binary.BigEndian.AppendUint32(out, uint32(count))
	var starts []int
	for _, p := range pieces {
		starts = append(starts, len(out))
		size := p.size
		if size == 0 {
			size = len(p.data)
		}
		c := p.kind<<4 | byte(size&15)
		for size >>= 4; size > 0; size >>= 7 {
			out = append(out, c|0x80)
			c = byte(size & 0x7f)
		}
		out = append(out, c)
		switch p.kind {
		case 6:
			at := 0
			if p.back < len(starts) {
				at = starts[len(starts)-1-p.back]
			}
			n := starts[len(starts)-1] - at
			offset := []byte{byte(n & 0x7f)}
			for n >>= 7; n > 0; n >>= 7 {
				n--
				offset = append(offset, byte(n&0x7f)|0x80)
			}
			slices.Reverse(offset)
			out = append(out, offset...)
		case 7:
			out = append(out, p.base...)
		}
		if p.raw == nil {
			p.raw = deflate(p.data)
		}
		out = append(out, p.raw...)
	}
	sum := sha1.Sum(out)
	return append(out, sum[:]...)
}

// delta is one that makes of size bytes what the instructions say.
func delta(from, to int, instructions ...byte) []byte {
	out := binary.AppendUvarint(nil, uint64(from))
	return append(binary.AppendUvarint(out, uint64(to)), instructions...)
}
