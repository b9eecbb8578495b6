package credproxy

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"maps"
	"net/http"
	"sync"
	"time"
)

const (
	// renewalWait is how long a request waits for a secret that the upstream did
	// not take to be fetched again: a command or a token endpoint answers by then.
	renewalWait = 10 * time.Second
	// renewalPause is what lies between two reports of one slot at least, so that
	// nobody has it fetched again and again by asking for what is refused.
	renewalPause = 30 * time.Second
	// maxHeld is the longest body that is kept until its answer, to send it again.
	maxHeld = 64 << 10
)

// A carrier sends one request with the credential of its route; and once more when
// the upstream answers 401 and the credential has got another value by then.
type carrier struct {
	proxy *proxy
	table *table
	route *route // the one whose credential was sent last
	body  *heldBody
}

// RoundTrip implements http.RoundTripper.
func (c *carrier) RoundTrip(r *http.Request) (*http.Response, error) {
	cred := c.route.cred
	if cred == nil {
		return c.table.transport.RoundTrip(r)
	}
	if hasBody(r) {
		r.GetBody = c.body.again
	}
	res, err := cred.send(c.table.transport, r)
	if err != nil || res.StatusCode != http.StatusUnauthorized {
		return res, err
	}
	table, next := c.proxy.renewed(r, c.route)
	again := repeat(r)
	if next == nil || again == nil {
		return res, nil
	}
	_ = res.Body.Close()
	c.table, c.route = table, next
	return next.cred.send(table.transport, again)
}

// copyRequest returns a copy of r with a header and a URL of its own.
func copyRequest(r *http.Request) *http.Request {
	out := new(http.Request)
	*out = *r
	out.Header = make(http.Header, len(r.Header)+2)
	maps.Copy(out.Header, r.Header)
	return out
}

// repeat returns r once more, before a credential went into it; nil when its body
// is not here any more.
func repeat(r *http.Request) *http.Request {
	out := copyRequest(r)
	if hasBody(r) {
		body, err := r.GetBody()
		if err != nil {
			return nil
		}
		out.Body = body
	}
	return out
}

func hasBody(r *http.Request) bool { return r.Body != nil && r.Body != http.NoBody }

// renewals are the secrets that upstreams did not take. Each value is reported
// once, and waited for until its deadline by whoever is told 401.
type renewals struct {
	mu    sync.Mutex
	slots map[string]*renewal
}

type renewal struct {
	print    [sha256.Size]byte // of the value that was reported last
	reported time.Time
	deadline time.Time
}

// renewed reports that the upstream did not take the credential of was, and waits
// for another value. It returns the table and the route with that; nil for none.
func (p *proxy) renewed(r *http.Request, was *route) (*table, *route) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		now := p.table.Load()
		next := now.same(was)
		if next == nil || next.grant != was.grant {
			return nil, nil
		}
		if next.cred.print != was.cred.print {
			return now, next
		}
		wait := time.Until(p.report(was.cred))
		if wait <= 0 {
			return nil, nil
		}
		timer.Reset(wait)
		select {
		case <-now.replaced:
		case <-timer.C:
		case <-r.Context().Done():
			return nil, nil
		}
	}
}

// report reports the slots of c, each value once, and returns until when another
// one may be hoped for.
func (p *proxy) report(c *credential) time.Time {
	s := &p.renewals
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.slots == nil {
		s.slots = map[string]*renewal{}
	}
	var deadline time.Time
	now := time.Now()
	for _, slot := range c.slots {
		last := s.slots[slot]
		switch {
		case last == nil || last.print != c.print && now.Sub(last.reported) >= renewalPause:
			last = &renewal{c.print, now, now.Add(renewalWait)}
			s.slots[slot] = last
			p.events.Stale(slot)
		case last.print != c.print:
			continue // too soon
		}
		deadline = last.deadline
	}
	return deadline
}

// settle ends the wait for slots that came again as they were. To be called
// before the table that they came for is in force.
func (p *proxy) settle(slots []string) {
	p.renewals.mu.Lock()
	defer p.renewals.mu.Unlock()
	for _, slot := range slots {
		if r := p.renewals.slots[slot]; r != nil {
			r.deadline = time.Time{}
		}
	}
}

// A heldBody keeps what is read of it, while that is little.
type heldBody struct {
	io.ReadCloser
	mu    sync.Mutex
	held  []byte
	over  bool
	whole bool
}

// Read implements io.Reader.
func (b *heldBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.held)+n > maxHeld {
		b.held, b.over = nil, true
	}
	if !b.over {
		b.held = append(b.held, p[:n]...)
		b.whole = b.whole || errors.Is(err, io.EOF)
	}
	return n, err
}

// errNotHeld says that a body is not here as a whole.
var errNotHeld = errors.New("the body is gone")

// again returns the body once more, for http.Request.GetBody.
func (b *heldBody) again() (io.ReadCloser, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.whole {
		return nil, errNotHeld
	}
	return io.NopCloser(bytes.NewReader(b.held)), nil
}
