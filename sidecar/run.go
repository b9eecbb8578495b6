package sidecar

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"time"
)

// A Service is a sidecar that has read its first message and listens.
type Service interface {
	// Listening returns the addresses on which the service listens.
	Listening() []string
	// Apply puts a later message in force, whole, or returns an error and
	// changes nothing. inputs are all values, those of the message included;
	// message is what came now. Apply may keep inputs, and delete from it what
	// is not needed any more. It is called by one goroutine at a time, while
	// Serve runs.
	Apply(inputs, message Message) error
	// Serve serves until ctx is done, closes everything and returns nil.
	Serve(ctx context.Context) error
}

// A Start makes a Service of the first message. It opens the listeners, so that
// a client that connects as soon as the sidecar reports ready is served. When it
// fails, it leaves nothing open.
type Start func(ctx context.Context, inputs Message, events *Events) (Service, error)

// Streams are the standard streams by which a sidecar and its launcher speak.
type Streams struct {
	// Stdin is closed when Run returns, if it is an io.Closer, so that nothing
	// goes on reading it.
	Stdin  io.Reader
	Stdout io.Writer
}

// Run is the life of a sidecar: it reads the first message, starts the service,
// reports ready, applies later messages, and shuts everything when the stream of
// messages ends or ctx is done. It returns nil when it was ended in one of these
// two ways, and reports as fatal whatever else it returns.
func Run(ctx context.Context, std Streams, start Start) error {
	events := NewEvents(std.Stdout)
	defer events.Close()
	err := run(ctx, std.Stdin, events, start)
	if err != nil {
		events.Fatal(err)
	}
	return err
}

func run(ctx context.Context, stdin io.Reader, events *Events, start Start) error {
	ctx, cancel := context.WithCancel(ctx)
	f := &follower{
		feed:    NewFeed(stdin),
		events:  events,
		first:   make(chan first, 1),
		started: make(chan Service, 1),
		done:    make(chan struct{}),
	}
	go f.follow(ctx, cancel)
	defer f.stop(cancel, stdin)

	var in first
	select {
	case in = <-f.first:
	case <-ctx.Done():
		// Both may be: the launcher went away after, or instead of, a message.
		select {
		case in = <-f.first:
		default:
			return nil
		}
	}
	if in.err != nil {
		return fmt.Errorf("reading the first message: %w", in.err)
	}
	service, err := start(ctx, in.inputs, events)
	if err != nil {
		return err
	}
	events.Ready(service.Listening()...)
	f.started <- service
	return service.Serve(ctx)
}

// first is the outcome of reading the first message.
type first struct {
	inputs Message
	err    error
}

// A follower reads the stream in a goroutine of its own.
type follower struct {
	feed    *Feed
	events  *Events
	first   chan first
	started chan Service
	done    chan struct{}
}

// follow hands out the first message, and later ones to the service once that
// has started. It ends with the stream, and cancels then.
func (f *follower) follow(ctx context.Context, cancel context.CancelFunc) {
	defer close(f.done)
	defer cancel()
	inputs, err := f.feed.Next()
	if errors.Is(err, io.EOF) {
		err = errors.New("standard input ended before it: a sidecar is started by bottle, not by hand")
	}
	f.first <- first{maps.Clone(inputs), err}
	if err != nil {
		return
	}
	var service Service
	select {
	case service = <-f.started:
	case <-ctx.Done():
		return
	}
	for ctx.Err() == nil {
		message, err := f.feed.Next()
		switch {
		case err == nil:
			inputs = f.apply(service, inputs, message)
		case IsBadMessage(err):
			f.events.Rejected(err)
		default:
			return // whatever the error, nobody is there any more
		}
	}
}

// apply returns the values that are in force after message.
func (f *follower) apply(service Service, inputs, message Message) Message {
	merged := maps.Clone(inputs)
	maps.Copy(merged, message)
	if err := service.Apply(merged, message); err != nil {
		f.events.Rejected(err)
		return inputs
	}
	f.events.Applied()
	return merged
}

// stop ends follow. A read of a terminal or of a blocking pipe cannot be
// interrupted by closing it; then the goroutine ends with the process.
func (f *follower) stop(cancel context.CancelFunc, stdin io.Reader) {
	cancel()
	if c, ok := stdin.(io.Closer); ok {
		_ = c.Close()
	}
	timer := time.NewTimer(100 * time.Millisecond)
	defer timer.Stop()
	select {
	case <-f.done:
	case <-timer.C:
	}
}
