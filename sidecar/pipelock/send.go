package pipelock

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httputil"
	"strings"

	"github.com/bottle-run/bottle/sidecar"
)

// send hands the request to the upstream and its answer to the client.
func (x *exchange) send(v verdict, body *outgoing) {
	body.grant, x.r.Body = x.grant, body
	x.r.Trailer = nil // nobody read it
	answer := &counting{ResponseWriter: x.w, look: x.look, grant: x.grant}
	decision := sidecar.Allow
	status := 0
	// It flushes what has no known length at once: what the upstream says now is read
	// now. The rest has an end, and each flush is a system call more.
	proxy := &httputil.ReverseProxy{
		Transport:  x.force.ways[x.client],
		BufferPool: buffers,
		ErrorLog:   x.gate.log,
		Rewrite: func(p *httputil.ProxyRequest) {
			p.Out.URL.Scheme, p.Out.URL.Host = x.target.scheme, x.target.String()
			p.Out.Host = x.target.authority()
			// What was scanned is what is sent, also where Go would mend it.
			p.Out.URL.RawQuery = p.In.URL.RawQuery
			p.Out.Header.Del("Proxy-Authorization")
			p.Out.Header.Del("Proxy-Connection")
			if x.look != nil { // else nobody could read the frames
				p.Out.Header.Del("Sec-Websocket-Extensions")
			}
			if v.alias != nil {
				v.alias.with(x.ticket).rewrite(p.Out, x.path)
			}
		},
		ModifyResponse: func(r *http.Response) error {
			if status = r.StatusCode; v.alias != nil {
				v.alias.with(x.ticket).back(r.Header)
			}
			return nil
		},
		ErrorHandler: func(_ http.ResponseWriter, _ *http.Request, err error) {
			status, v.reason = x.failed(err)
			if status == http.StatusForbidden {
				decision = sidecar.Deny
			}
		},
	}
	defer func() {
		if stop := answer.stop.Load(); stop != nil {
			decision, v.reason = sidecar.Deny, *stop
		}
		if found := body.found.Load(); found != nil && decision == sidecar.Allow {
			decision = sidecar.Warn
			v.reason = strings.TrimPrefix(v.reason+"; "+*found, "; ")
		}
		ev := x.event(decision, status, v)
		ev.BytesIn, ev.BytesOut = body.n.Load(), answer.n.Load()
		x.gate.events.Audit(ev)
	}()
	proxy.ServeHTTP(answer, x.r)
}

// failed answers a request that could not be sent, or not to its end.
func (x *exchange) failed(err error) (status int, reason string) {
	status = http.StatusBadGateway
	blocked, isBlocked := errors.AsType[*blockedError](err)
	spent, isSpent := errors.AsType[*exhausted](err)
	switch {
	case isSpent:
		status, reason = http.StatusForbidden, spent.Error()
	case isBlocked:
		status, reason = http.StatusForbidden, blocked.Error()
	case errors.Is(err, errPrivate):
		status, reason = http.StatusForbidden, err.Error()
	case context.Cause(x.r.Context()) != nil:
		reason = context.Cause(x.r.Context()).Error()
	default:
		reason = "the upstream failed: " + err.Error()
	}
	f := sidecar.Refusal{Reason: reason, Host: x.target.host}
	if status == http.StatusBadGateway {
		f.Error = "the gate could not reach the upstream"
	} else if errors.Is(err, errPrivate) {
		f.Allow = fmt.Sprintf("pipelock(private = [%q])", x.target.host)
	}
	x.w.Header().Set("Connection", "close")
	f.Write(x.w, status) // the refusal itself does not count
	return status, reason
}
