package git

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// A packet is a pkt-line (gitprotocol-common), or one of the special ones.
type packet struct {
	data []byte
	mark int // pktFlush or pktDelim; 0 for one with data
}

// Special packets; their names are those of gitprotocol-v2.
const (
	pktFlush = 1
	pktDelim = 2
)

// maxPacket is the longest packet with its length, in bytes (LARGE_PACKET_MAX).
const maxPacket = 65520

// readPacket reads one packet. Its error is io.EOF only where none begins.
func readPacket(r io.Reader) (packet, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			err = errors.New("a packet is cut off")
		}
		return packet{}, err
	}
	n, err := strconv.ParseUint(string(head[:]), 16, 16)
	switch {
	case err != nil || n == 2 || n == 3 || n > maxPacket:
		return packet{}, fmt.Errorf("%q is not the length of a packet", head[:])
	case n == 0:
		return packet{mark: pktFlush}, nil
	case n == 1:
		return packet{mark: pktDelim}, nil
	}
	data := make([]byte, n-4)
	if _, err := io.ReadFull(r, data); err != nil {
		return packet{}, cutOff(err)
	}
	return packet{data: data}, nil
}

// cutOff makes of an end of the stream in the middle of something what it is.
func cutOff(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("it ends in the middle")
	}
	return err
}

// line returns the data as text, without the line feed that senders may add.
func (p packet) line() string { return strings.TrimSuffix(string(p.data), "\n") }

// Packets as they are written.
const (
	flush = "0000"
	delim = "0001"
)

// pkt returns s as a packet. It is short.
func pkt(s string) string { return fmt.Sprintf("%04x%s", len(s)+4, s) }
