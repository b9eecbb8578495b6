package pipelock

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"sync/atomic"
)

// maxMessage is the longest WebSocket message that is let through where messages
// are looked through: it waits for its end.
const maxMessage = 4 << 20

// frames is a client's connection after the upgrade to WebSocket. It gives whole
// messages, each looked through together with the end of what came before, so that
// a secret that is spread over frames or messages is found when its last part
// comes.
type frames struct {
	net.Conn
	r    *bufio.Reader
	look sequence
	// control is what control frames hold together.
	control sequence
	stop    *atomic.Pointer[string] // why no more is read

	message []byte // of a message under way, unmasked
	held    []byte // the same as it came
	ready   []byte
	err     error
}

func newFrames(c net.Conn, l *look, stop *atomic.Pointer[string]) *frames {
	return &frames{Conn: c, r: bufio.NewReader(c), look: sequence{look: l}, control: sequence{look: l}, stop: stop}
}

// Read implements io.Reader.
func (f *frames) Read(p []byte) (int, error) {
	for len(f.ready) == 0 {
		if f.err == nil {
			f.err = f.next()
		}
		if f.err != nil {
			return 0, f.err
		}
	}
	n := copy(p, f.ready)
	f.ready = f.ready[n:]
	return n, nil
}

// next reads a frame (RFC 6455, 5.2), and releases what ends with it.
func (f *frames) next() error {
	head := make([]byte, 2, 14)
	if _, err := io.ReadFull(f.r, head); err != nil {
		return err
	}
	length := uint64(head[1] & 0x7f)
	more := map[uint64]int{126: 2, 127: 8}[length]
	if head[1]&0x80 == 0 || head[0]&0x70 != 0 {
		return f.refuse("a WebSocket frame is not masked, or uses an extension that nobody agreed on")
	}
	head = head[:2+more+4]
	if _, err := io.ReadFull(f.r, head[2:]); err != nil {
		return err
	}
	switch more {
	case 2:
		length = uint64(binary.BigEndian.Uint16(head[2:]))
	case 8:
		length = binary.BigEndian.Uint64(head[2:])
	}
	if length > maxMessage || len(f.held)+int(length) > maxMessage {
		return f.refuse("a WebSocket message is too long to be read")
	}
	payload := make([]byte, length)
	if _, err := io.ReadFull(f.r, payload); err != nil {
		return err
	}
	whole := append(head, payload...)
	for i := range payload {
		payload[i] ^= head[len(head)-4+i%4]
	}
	return f.frame(whole, payload)
}

// maxControl is the longest payload of a control frame (RFC 6455, 5.5), in bytes.
const maxControl = 125

// frame takes a frame. Those of control may come between the others, and are
// looked through among themselves.
func (f *frames) frame(whole, payload []byte) error {
	if control := whole[0]&0x08 != 0; control {
		if whole[0]&0x80 == 0 || len(payload) > maxControl {
			return f.refuse("a WebSocket control frame is too long, or comes in parts")
		}
		if err := f.control.next("a WebSocket message", payload); err != nil {
			return f.refuse(err.Error())
		}
		f.ready = append(f.ready, whole...)
		return nil
	}
	f.held, f.message = append(f.held, whole...), append(f.message, payload...)
	if last := whole[0]&0x80 != 0; !last {
		return nil
	}
	if err := f.look.next("a WebSocket message", f.message); err != nil {
		return f.refuse(err.Error())
	}
	f.ready, f.held, f.message = append(f.ready, f.held...), nil, nil
	return nil
}

func (f *frames) refuse(reason string) error {
	f.stop.Store(&reason)
	return &blockedError{reason: reason}
}

// CloseWrite ends the sending side.
func (f *frames) CloseWrite() error {
	if half, ok := f.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return f.Close()
}
