package pipelock

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/bottle-run/bottle/sidecar/dlp"
)

// wholeBody is up to which length a body is read to its end before any of it
// leaves.
const wholeBody = 1 << 20

// A blockedError is a reason to stop a body that is on its way.
type blockedError struct {
	reason  string
	finding *dlp.Finding // where a secret is the reason
}

func (e *blockedError) Error() string { return e.reason }

// refuseBody answers a request whose body was the reason.
func (x *exchange) refuseBody(v verdict, err error) {
	if blocked, ok := errors.AsType[*blockedError](err); ok {
		v.reason, v.finding = blocked.reason, blocked.finding
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
	mode := x.force.policy.mode(v)
	if mode == "off" || v.own {
		// What goes to the launch's own helpers has not left. What the cred-proxy
		// sends on comes through here again.
		return &outgoing{Reader: limited, closer: x.r.Body}, nil
	}
	body = &outgoing{closer: x.r.Body}
	x.look = &look{scanner: x.gate.scanner(), excuse: x.force.policy.excuse(x.target, x.r), block: mode == "block", told: &body.found}
	if err := x.look.parts(x.head(v)); err != nil {
		return nil, err
	}
	encoding := strings.Join(x.r.Header.Values("Content-Encoding"), ",")
	if x.r.ProtoMajor == 2 && isGRPC(x.r.Header.Get("Content-Type")) && (encoding == "" || encoding == "identity") {
		body.Reader = newMessages(x.look, limited, x.r.Header.Get("Grpc-Encoding"))
		return body, nil
	}
	start, err := io.ReadAll(io.LimitReader(limited, wholeBody+1))
	if err != nil {
		return nil, err
	}
	if len(start) <= wholeBody {
		if err := x.look.whole(start, encoding); err != nil {
			return nil, err
		}
		body.Reader = bytes.NewReader(start)
		return body, nil
	}
	body.Reader, err = newScanning(x.look, start, limited, encoding)
	return body, err
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
		return 0, &blockedError{reason: "the body is longer than the rule allows"}
	}
	return n, err
}
