package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/bottle-run/bottle/runtime"
	"github.com/bottle-run/bottle/runtime/plan"
)

// A feed is the stream by which a sidecar gets its messages, and the answers to
// them: it answers every message but the first, in their order.
type feed struct {
	turn    chan struct{} // holds a token while nobody sends
	answers chan string   // why it changed nothing; empty when it did
	owed    int           // answers to messages that nobody waits for any more
	broken  error         // why the stream cannot be written to any more
}

func newFeed() feed {
	f := feed{turn: make(chan struct{}, 1), answers: make(chan string, 16)}
	f.turn <- struct{}{}
	return f
}

// answer hands the sidecar's answer to whoever waits for it. A sidecar that
// answers what was not asked is not listened to.
func (f *feed) answer(rejection string) {
	select {
	case f.answers <- rejection:
	default:
	}
}

// forget drops answers to nothing.
func (f *feed) forget() {
	for f.owed == 0 {
		select {
		case <-f.answers:
		default:
			return
		}
	}
}

// feeding reports whether the container reads our messages.
func (p *process) feeding() bool {
	c, _ := p.node.Op.(plan.Container)
	return len(c.Stdin) > 0
}

// write writes one message: a line of JSON, the values in base64. A message that
// was cut off ends the stream, whose next line would be a part of it.
func (p *process) write(ctx context.Context, values map[string][]byte) error {
	if p.input.broken != nil {
		return p.input.broken
	}
	line, err := json.Marshal(values)
	if err != nil {
		return err
	}
	line = append(line, '\n')
	defer clear(line) // it held secrets
	over := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		_ = p.conn.Conn.SetWriteDeadline(time.Unix(1, 0))
		close(over)
	})
	_, err = p.conn.Conn.Write(line)
	if !stop() {
		<-over
		_ = p.conn.Conn.SetWriteDeadline(time.Time{})
	}
	if err == nil {
		return nil
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = fmt.Errorf("it does not read: %w", context.Cause(ctx))
	}
	p.input.broken = fmt.Errorf("an earlier message was cut off: %w", err)
	p.closeInput() // the container then ends as if its launcher had
	return err
}

// feed sends the first message, whose answer is that the sidecar is ready.
func (e *Engine) feed(ctx context.Context, p *process, c plan.Container) error {
	values := make(map[string][]byte, len(c.Stdin))
	for _, in := range c.Stdin {
		v, err := e.l.Material(ctx, in.Source)
		if err != nil {
			return fmt.Errorf("its input %s: %w", in.Name, err)
		}
		values[in.Name] = v
	}
	if err := p.write(ctx, values); err != nil {
		return fmt.Errorf("writing its input: %w", err)
	}
	return nil
}

// Send hands further values to a sidecar, over the stream that it read its first
// ones from, and returns once they are in force there. A runtime.RejectedError means that
// the sidecar goes on as before; after any other error nobody knows.
func (e *Engine) Send(ctx context.Context, id plan.ID, values map[string][]byte) error {
	p, err := e.process(id)
	if err != nil {
		return err
	}
	if !p.feeding() {
		return fmt.Errorf("%s reads no values", id)
	}
	select {
	case <-p.input.turn:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { p.input.turn <- struct{}{} }()
	p.input.forget()
	if err := p.write(ctx, values); err != nil {
		return err
	}
	p.input.owed++
	for {
		select {
		case rejection := <-p.input.answers:
			p.input.owed--
			if p.input.owed > 0 {
				continue // the answer to a message that was given up
			}
			if rejection != "" {
				return runtime.RejectedError{Reason: rejection}
			}
			return nil
		case <-p.exited:
			return p.failure("ended instead of answering")
		case <-ctx.Done():
			return fmt.Errorf("it did not answer: %w", context.Cause(ctx))
		}
	}
}

// staleSlot tells that a sidecar's upstream refuses the value of a slot. What
// nobody listens to is dropped: a sidecar says it again when it matters again.
func (e *Engine) staleSlot(n *plan.Node, slot string) {
	select {
	case e.stale <- runtime.Stale{Node: n, Slot: slot}:
	default:
	}
}

// Stale delivers the secrets that upstreams refuse.
func (e *Engine) Stale() <-chan runtime.Stale { return e.stale }
