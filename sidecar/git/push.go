package git

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
)

// A Push is a receive-pack request that is read and judged on its way to the
// server. It is a ReadCloser of what the server may have, which ends in an error
// when the push is refused. Its methods are for one goroutine, but for Close.
type Push struct {
	rules   *Rules
	ask     Ask
	opening *opening

	head   bytes.Buffer // the first bytes, while they are few
	whole  bool         // head is all there is, and judged
	reader *io.PipeReader
	writer *io.PipeWriter
	full   chan struct{} // closed when head is
	work   sync.WaitGroup
	once   sync.Once

	mu      sync.Mutex
	refusal *Refusal
}

// shortPush is up to which length a push is read to its end before the server is
// asked anything.
const shortPush = 1 << 20

// reading lets one push be read at a time: its memory is the sidecar's.
var reading = make(chan struct{}, 1) //nolint:gochecknoglobals // as is the memory

// Open begins to read a push. It returns when it knows that the push is refused,
// or that it may pass, or that it is long: then judging goes on while it is read.
// An error is about a request that is no push at all. The caller calls Close, and
// Wait before it returns to the client.
func (r *Rules) Open(ctx context.Context, body io.Reader, encoding string, ask Ask) (*Push, error) {
	switch encoding {
	case "", "identity":
	case "gzip", "x-gzip":
		z, err := gzip.NewReader(body)
		if err != nil {
			return nil, fmt.Errorf("unpacking the push: %w", cutOff(err))
		}
		body = z
	default:
		return nil, fmt.Errorf("a push in the encoding %.40q cannot be read", encoding)
	}
	p := &Push{rules: r, ask: ask, full: make(chan struct{})}
	p.reader, p.writer = io.Pipe()
	t := newTap(body)
	t.out = (*pushed)(p)
	opening, err := readOpening(t)
	if err != nil {
		return nil, fmt.Errorf("reading the push: %w", err)
	}
	p.opening, p.refusal = opening, r.checkCommands(opening.commands)
	if p.whole = p.refusal != nil; p.whole {
		return p, nil
	}
	select {
	case reading <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	ended := make(chan struct{})
	p.work.Go(func() {
		defer func() { <-reading }()
		defer close(ended)
		p.run(ctx, t)
	})
	select {
	case <-ended:
		p.whole = p.head.Len() <= shortPush
	case <-p.full:
	}
	return p, nil
}

// run reads and judges, and then lets the end of the push go.
func (p *Push) run(ctx context.Context, t *tap) {
	trailer, refusal := p.read(ctx, t)
	p.mu.Lock()
	p.refusal = refusal
	p.mu.Unlock()
	if refusal == nil {
		if _, err := (*pushed)(p).Write(trailer); err == nil {
			_ = p.writer.Close() // never fails
			return
		}
	}
	_ = p.writer.CloseWithError(ErrRefused)
}

// ErrRefused ends what the server gets of a refused push.
var ErrRefused = errors.New("the push is refused")

// errEarly ends a push to which the server answered before it had the end.
var errEarly = errors.New("the server answered before it had all of the push")

// read returns what is still to be sent when the push may pass.
func (p *Push) read(ctx context.Context, t *tap) ([]byte, *Refusal) {
	bad := func(err error) *Refusal {
		refused := refuseAll(p.opening.commands, "the push cannot be read: "+err.Error())
		refused.cause = err
		return refused
	}
	var trailer []byte
	in := &packReader{store: newStore(), tap: t}
	if p.rules.Scanner != nil {
		in.scan = &scan{scanner: p.rules.Scanner}
	}
	if p.opening.hasPack() {
		var err error
		if trailer, err = in.readPack(); err != nil {
			return nil, bad(err)
		}
	}
	switch err := t.fill(); {
	case err == nil:
		return nil, bad(errors.New("something follows its end"))
	case !errors.Is(err, io.EOF):
		return nil, bad(err)
	}
	j := &judge{rules: p.rules, commands: p.opening.commands, history: &history{
		pushed: in.store, remote: &remote{ask: p.ask}, guard: newGuard(p.rules.Protect),
	}}
	return trailer, j.judge(ctx, in.scan)
}

// pushed is a Push as what writes for its reader.
type pushed Push

// Write implements io.Writer: into the head, then into the pipe.
func (p *pushed) Write(b []byte) (int, error) {
	select {
	case <-p.full:
		return p.writer.Write(b)
	default:
	}
	p.head.Write(b)
	if p.head.Len() > shortPush {
		close(p.full)
	}
	return len(b), nil
}

// Refusal returns why the push is refused; nil as long as it is not.
func (p *Push) Refusal() *Refusal {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.refusal
}

// Length returns how long the push is, in bytes; -1 for one that is still read.
func (p *Push) Length() int64 {
	if !p.whole {
		return -1
	}
	return int64(p.head.Len())
}

// Refs returns the refs that the push is about, with the reasons of its refusal.
func (p *Push) Refs() []Ref {
	if r := p.Refusal(); r != nil {
		return r.Refs
	}
	var out []Ref
	for _, c := range p.opening.commands {
		out = append(out, Ref{Name: c.ref})
	}
	return out
}

// Read implements io.Reader.
func (p *Push) Read(b []byte) (int, error) {
	if p.whole && p.Refusal() != nil {
		return 0, ErrRefused
	}
	if n, _ := p.head.Read(b); n > 0 || len(b) == 0 {
		return n, nil
	}
	if p.whole {
		return 0, io.EOF
	}
	return p.reader.Read(b)
}

// Close ends the reading: what comes from the client then goes nowhere.
func (p *Push) Close() error {
	p.once.Do(func() { _ = p.reader.CloseWithError(errEarly) })
	return nil
}

// Wait returns when nothing is read from the client any more. Close came first.
func (p *Push) Wait() { p.work.Wait() }

// Report writes the answer to a refused push.
func (p *Push) Report(w http.ResponseWriter) error { return p.opening.report(w, p.Refusal()) }
