package pipelock

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"strings"

	"github.com/bottle-run/bottle/sidecar/dlp"
)

// A sequence is what comes in messages: each is looked through alone and together
// with the end of those before it.
type sequence struct {
	*look
	before []byte
}

func (s *sequence) next(where string, message []byte) error {
	together := append(s.before, message...)
	if err := s.text(where, together); err != nil {
		return err
	}
	if len(s.before) > 0 { // what runs into it may hide its beginning
		if err := s.text(where, message); err != nil {
			return err
		}
	}
	s.before = append([]byte(nil), together[len(together)-min(holdBack, len(together)):]...)
	return nil
}

// isGRPC reports whether a body is a sequence of gRPC messages, which a client may
// send in answer to what comes back: it cannot be read to its end first.
func isGRPC(contentType string) bool {
	return strings.HasPrefix(contentType, "application/grpc")
}

// messages is a gRPC body. It gives whole messages that were looked through.
type messages struct {
	r        *bufio.Reader
	look     sequence
	encoding string
	ready    []byte
	err      error
}

func newMessages(l *look, r io.Reader, encoding string) *messages {
	return &messages{r: bufio.NewReader(r), look: sequence{look: l}, encoding: encoding}
}

// Read implements io.Reader.
func (m *messages) Read(p []byte) (int, error) {
	for len(m.ready) == 0 {
		if m.err == nil {
			m.err = m.next()
		}
		if len(m.ready) == 0 && m.err != nil {
			return 0, m.err
		}
	}
	n := copy(p, m.ready)
	m.ready = m.ready[n:]
	return n, nil
}

// next reads a message: whether it is compressed, its length, itself (gRPC over
// HTTP/2, "Length-Prefixed-Message").
func (m *messages) next() error {
	head := make([]byte, 5)
	if _, err := io.ReadFull(m.r, head); err != nil {
		return err // also io.EOF, between messages
	}
	if head[0] > 1 {
		return &blockedError{reason: fmt.Sprintf("a gRPC message has the flags %#x, which nobody has defined", head[0])}
	}
	length := binary.BigEndian.Uint32(head[1:])
	if length > maxMessage {
		return &blockedError{reason: fmt.Sprintf("a gRPC message of %d bytes is too long to be read", length)}
	}
	whole := append(head, make([]byte, length)...)
	if _, err := io.ReadFull(m.r, whole[5:]); err != nil {
		return err
	}
	const where = "a gRPC message"
	if err := m.look.next(where, whole[5:]); err != nil {
		return err
	}
	if whole[0] == 1 {
		if err := m.look.compressed(where, whole[5:], m.encoding); err != nil {
			return err
		}
	}
	m.ready = whole
	return nil
}

// compressed looks through what is in a coding.
func (l *look) compressed(where string, text []byte, encoding string) error {
	if l.told.Load() != nil {
		return nil
	}
	r, err := dlp.Decode(encoding, strings.NewReader(string(text)))
	if err != nil {
		return l.result(where, dlp.Finding{}, false, err)
	}
	f, found, err := l.scanner.SearchReader(r, []string{encoding}, l.excuse)
	return l.result(where, f, found, err)
}
