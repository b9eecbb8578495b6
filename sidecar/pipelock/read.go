package pipelock

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/bottle-run/bottle/sidecar/dlp"
)

const (
	// wholeBody is up to which length a body is read to its end before any of it
	// leaves.
	wholeBody = 1 << 20
	// holdBack is how much of a longer body waits for what follows it, so that no
	// part of a secret leaves before its end came.
	holdBack = dlp.Overlap
	// maxUnpacked bounds what a compressed body of wholeBody may become.
	maxUnpacked = 64 << 20
)

// A blockedError is a reason to stop a body that is on its way.
type blockedError struct{ reason string }

func (e *blockedError) Error() string { return e.reason }

// refuseBody answers a request whose body was the reason.
func (x *exchange) refuseBody(v verdict, err error) {
	if blocked, ok := errors.AsType[*blockedError](err); ok {
		v.reason = blocked.reason
		x.refuse(http.StatusForbidden, v)
		return
	}
	x.refuse(http.StatusBadRequest, verdict{rule: v.rule, reason: "reading the body: " + err.Error()})
}

// read looks for secrets in the request, and returns the body to send on. A
// secret is an error, or with dlp "warn" a remark.
func (x *exchange) read(v verdict) (body *outgoing, err error) {
	limited := io.Reader(x.r.Body)
	if v.rule != nil && v.rule.MaxBody > 0 {
		limited = &bounded{x.r.Body, v.rule.MaxBody}
	}
	mode := x.force.policy.DLP
	if mode == "off" || v.own {
		// What goes to the launch's own helpers has not left. What the cred-proxy
		// sends on comes through here again.
		return &outgoing{Reader: limited, closer: x.r.Body}, nil
	}
	body = &outgoing{closer: x.r.Body}
	remark := func(where, rule string) error {
		reason := fmt.Sprintf("%s holds what looks like a secret (gitleaks rule %s)", where, rule)
		if mode == "block" {
			return &blockedError{reason}
		}
		body.found.Store(&reason)
		return nil
	}
	if where, rule := x.scanHead(v); rule != "" {
		if err := remark(where, rule); err != nil {
			return nil, err
		}
	}
	start, err := io.ReadAll(io.LimitReader(limited, wholeBody+1))
	if err != nil {
		return nil, err
	}
	s := &scanning{scanner: x.gate.scanner, src: limited, remark: remark, block: mode == "block", encoding: strings.Join(x.r.Header.Values("Content-Encoding"), ",")}
	if len(start) <= wholeBody {
		if err := s.whole(start); err != nil {
			return nil, err
		}
		body.Reader = bytes.NewReader(start)
		return body, nil
	}
	if s.encoding != "" && !strings.EqualFold(s.encoding, "identity") && s.block {
		return nil, &blockedError{fmt.Sprintf("a compressed body of more than %d bytes cannot be read", wholeBody)}
	}
	s.pending = start
	body.Reader = s
	return body, nil
}

// bounded is a body that may not be longer than its rule says.
type bounded struct {
	io.Reader
	left int64
}

// Read implements io.Reader.
func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, &blockedError{"the body is longer than the rule allows"}
	}
	return n, err
}

// scanning looks through a body that is too long to be read first.
type scanning struct {
	scanner  *dlp.Scanner
	src      io.Reader
	remark   func(where, rule string) error
	block    bool // what cannot be read does not leave
	encoding string

	pending []byte // scanned with what came before, not yet released
	ready   []byte // released
	ended   error
	told    bool
	scanned bool // whether pending has been looked through
}

// whole looks through a body of which nothing has left.
func (s *scanning) whole(body []byte) error {
	plain, err := unpack(body, s.encoding)
	if err != nil && s.block {
		return &blockedError{"the body cannot be read: " + err.Error()}
	}
	return s.look(plain)
}

func (s *scanning) look(text []byte) error {
	if s.told {
		return nil
	}
	f, ok, err := s.scanner.Search(text, nil)
	if err != nil && s.block {
		return &blockedError{"the body cannot be read: " + err.Error()}
	}
	if !ok {
		return nil
	}
	s.told = true
	return s.remark("the body", f.Rule)
}

// Read implements io.Reader: it gives what is further than holdBack from the end
// of what has come.
func (s *scanning) Read(p []byte) (int, error) {
	for len(s.ready) == 0 {
		if s.ended != nil {
			return 0, s.ended
		}
		if err := s.more(); err != nil {
			s.ended = err
			return 0, err
		}
	}
	n := copy(p, s.ready)
	s.ready = s.ready[n:]
	return n, nil
}

// more reads on until it can release something, or the end.
func (s *scanning) more() error {
	if s.scanned {
		chunk := make([]byte, 256<<10)
		n, err := io.ReadFull(s.src, chunk)
		s.pending = append(s.pending, chunk[:n]...)
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return err
		}
		if err != nil {
			s.ended = io.EOF
		}
	}
	s.scanned = true
	if err := s.look(s.pending); err != nil {
		return err
	}
	keep := min(holdBack, len(s.pending))
	if s.ended != nil {
		keep = 0
	}
	cut := len(s.pending) - keep
	s.ready = s.pending[:cut:cut]
	s.pending = bytes.Clone(s.pending[cut:])
	if len(s.ready) == 0 && s.ended != nil {
		return s.ended
	}
	return nil
}

// unpack undoes a Content-Encoding.
func unpack(body []byte, encoding string) ([]byte, error) {
	var r io.Reader
	var err error
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "", "identity":
		return body, nil
	case "gzip", "x-gzip":
		r, err = gzip.NewReader(bytes.NewReader(body))
	case "deflate":
		r, err = zlib.NewReader(bytes.NewReader(body))
	default:
		return nil, fmt.Errorf("its encoding %q is not known to the gate; send it without", encoding)
	}
	if err != nil {
		return nil, err
	}
	plain, err := io.ReadAll(io.LimitReader(r, maxUnpacked+1))
	if err == nil && len(plain) > maxUnpacked {
		err = fmt.Errorf("it unpacks to more than %d bytes", maxUnpacked)
	}
	return plain, err
}
