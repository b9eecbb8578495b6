package sidecar

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// MaxMessage is the size in bytes of the longest message that a sidecar reads.
const MaxMessage = 16 << 20

// A Message is what one line of the launcher's stream holds: values by name.
type Message map[string]Secret

// errMessage marks a message that is wrong while the stream is still good.
var errMessage = errors.New("message")

// A Feed reads the launcher's messages. It is not safe for concurrent use.
type Feed struct {
	r *bufio.Reader
}

// NewFeed returns a Feed that reads r.
func NewFeed(r io.Reader) *Feed { return &Feed{r: bufio.NewReader(r)} }

// Next returns the next message. io.EOF means that the launcher is gone, also
// when it went in the middle of a message. After [IsBadMessage] errors the
// following message can be read; after others none.
func (f *Feed) Next() (Message, error) {
	line, err := f.line()
	if err != nil {
		return nil, err
	}
	defer clear(line) // it held secrets
	return parseMessage(line)
}

// IsBadMessage reports whether err is about one message, not about the stream.
func IsBadMessage(err error) bool { return errors.Is(err, errMessage) }

// parseMessage reads a message. Its errors hold nothing of the line: whatever
// is wrong with it, it may be a secret.
func parseMessage(line []byte) (Message, error) {
	if first := bytes.TrimLeft(line, " \t\r"); len(first) == 0 || first[0] != '{' {
		return nil, fmt.Errorf("%w is not a JSON object", errMessage)
	}
	var m Message
	if err := json.Unmarshal(line, &m); err != nil {
		return nil, fmt.Errorf("%w is not a JSON object of names and base64 values", errMessage)
	}
	if len(m) == 0 {
		return nil, fmt.Errorf("%w names no value", errMessage)
	}
	w := walker{data: line, dec: json.NewDecoder(bytes.NewReader(line))}
	if err := w.value(nil, ""); err != nil {
		return nil, fmt.Errorf("%w: %w", errMessage, err) // a name given twice
	}
	return m, nil
}

// line returns the next line without its newline. It holds at most MaxMessage
// bytes of a longer one, whose rest it skips.
func (f *Feed) line() ([]byte, error) {
	var line []byte
	long := false
	for {
		part, err := f.r.ReadSlice('\n')
		if long = long || len(line)+len(part) > MaxMessage+1; !long {
			line = append(line, part...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err != nil:
			return nil, err // a line without its newline was cut off: not whole
		case long:
			return nil, fmt.Errorf("%w is longer than %d bytes", errMessage, MaxMessage)
		default:
			return bytes.TrimSuffix(line, []byte("\n")), nil
		}
	}
}
