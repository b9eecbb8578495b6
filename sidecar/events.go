package sidecar

import (
	"bytes"
	"encoding/json"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

const (
	eventQueue = 4096                   // lines that wait for a slow reader
	eventWait  = 250 * time.Millisecond // what a full queue may cost one request
	eventFlush = 500 * time.Millisecond // what Close gives the reader
)

// Events writes what a sidecar reports. Its methods are safe for concurrent use
// and do not wait for a slow reader for long: when the queue stays full, events
// are dropped, counted, and the count is reported before the next event. Only the
// answers to messages, Applied and Rejected, wait: the launcher counts them.
type Events struct {
	lines   chan []byte
	closing chan struct{}
	done    chan struct{}
	once    sync.Once
	dropped atomic.Int64
}

// NewEvents returns an Events that writes to w until Close.
func NewEvents(w io.Writer) *Events {
	e := &Events{lines: make(chan []byte, eventQueue), closing: make(chan struct{}), done: make(chan struct{})}
	go e.write(w)
	return e
}

// Ready reports that the sidecar listens on the given addresses.
func (e *Events) Ready(listen ...string) {
	e.emit(struct {
		Event  string   `json:"event"`
		Listen []string `json:"listen,omitempty"`
	}{"ready", listen})
}

type outcome struct {
	Event string `json:"event"`
	Error string `json:"error,omitempty"`
}

// Fatal reports why the sidecar is about to exit with a failure.
func (e *Events) Fatal(err error) { e.emit(outcome{"fatal", err.Error()}) }

// Applied reports that a later message is in force.
func (e *Events) Applied() { e.answer(outcome{Event: "applied"}) }

// Rejected reports that a later message changed nothing, and why.
func (e *Events) Rejected(err error) { e.answer(outcome{"rejected", err.Error()}) }

func (e *Events) answer(o outcome) {
	select {
	case e.lines <- encodeLine(o):
	case <-e.closing:
		e.dropped.Add(1)
	}
}

// Stale reports that an upstream did not take the value of a slot.
func (e *Events) Stale(slot string) {
	e.emit(struct {
		Event  string `json:"event"`
		Secret string `json:"secret"`
	}{"stale", slot})
}

// Audit reports a decision.
func (e *Events) Audit(ev Event) { e.emit(ev.clean()) }

// Dropped returns how many events are lost and not yet reported.
func (e *Events) Dropped() int64 { return e.dropped.Load() }

// Close writes what is queued and ends. It gives a reader that does not read
// half a second, then leaves the writer's goroutine to the end of the process.
// What is emitted afterwards is dropped.
func (e *Events) Close() {
	e.once.Do(func() { close(e.closing) })
	timer := time.NewTimer(eventFlush)
	defer timer.Stop()
	select {
	case <-e.done:
	case <-timer.C:
	}
}

func (e *Events) emit(v any) {
	line := encodeLine(v)
	select {
	case <-e.closing:
		e.dropped.Add(1)
		return
	case e.lines <- line:
		return
	default:
	}
	timer := time.NewTimer(eventWait)
	defer timer.Stop()
	select {
	case e.lines <- line:
	case <-e.closing:
		e.dropped.Add(1)
	case <-timer.C:
		e.dropped.Add(1)
	}
}

// write owns w. A write that fails loses its event, which is counted like one
// that found no place in the queue.
func (e *Events) write(w io.Writer) {
	defer close(e.done)
	for {
		select {
		case line := <-e.lines:
			e.writeLine(w, line)
		case <-e.closing:
			for {
				select {
				case line := <-e.lines:
					e.writeLine(w, line)
				default:
					e.writeLine(w, nil)
					return
				}
			}
		}
	}
}

// writeLine writes line after what is to be said of dropped ones.
func (e *Events) writeLine(w io.Writer, line []byte) {
	if n := e.dropped.Swap(0); n > 0 {
		lost := encodeLine(struct {
			Event string `json:"event"`
			Count int64  `json:"count"`
		}{"dropped", n})
		if _, err := w.Write(lost); err != nil {
			e.dropped.Add(n)
		}
	}
	if line == nil {
		return
	}
	if _, err := w.Write(line); err != nil {
		e.dropped.Add(1)
	}
}

// encodeLine renders v as one line. HTML escapes would only make it harder to
// read and to search.
func encodeLine(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(err) // every event is plain data
	}
	return b.Bytes()
}
