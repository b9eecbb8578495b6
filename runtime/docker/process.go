package docker

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"

	"github.com/bottle-run/bottle/runtime"
	"github.com/bottle-run/bottle/runtime/plan"
)

// A process is a container to whose streams this process is attached.
type process struct {
	node    *plan.Node
	name    string
	streams Streams
	conn    types.HijackedResponse
	release func() // ends the requests that live as long as the launch
	input   feed

	ready    chan struct{} // closed when it said so
	stale    func(slot string)
	drained  chan struct{} // closed when all of its output has been delivered
	exited   chan struct{} // closed when code, limit and waitErr are set and drained is closed
	removed  chan struct{} // closed when the removal of the container was tried
	code     int
	limit    string // which one it reached, if that is known
	waitErr  error
	stopping atomic.Bool

	counting sync.WaitGroup               // of its processes, until drained
	reached  func(context.Context) string // asks the engine for limit

	mu    sync.Mutex
	fatal string   // a sidecar's own word of why it ends
	tail  []string // its last lines of standard error
}

// maxLine bounds a line of a sidecar; a longer one is cut.
const maxLine = 1 << 20

// tailLines is how many lines of standard error an error quotes.
const tailLines = 5

// output delivers what the container writes until it ends.
func (p *process) output(c plan.Container, line func(*plan.Node, []byte, bool)) {
	defer close(p.drained)
	if c.Role == plan.Agent {
		out, errOut := orDiscard(p.streams.Out), orDiscard(p.streams.Err)
		if p.streams.TTY {
			_, _ = io.Copy(out, p.conn.Reader)
		} else {
			_, _ = stdcopy.StdCopy(out, errOut, p.conn.Reader)
		}
		return
	}
	outR, outW := io.Pipe()
	errR, errW := io.Pipe()
	var readers sync.WaitGroup
	readers.Go(func() { lines(outR, func(b []byte) { p.stdout(b, c, line) }) })
	readers.Go(func() { lines(errR, func(b []byte) { p.stderr(b, line) }) })
	_, _ = stdcopy.StdCopy(outW, errW, p.conn.Reader)
	_ = outW.Close()
	_ = errW.Close()
	readers.Wait()
}

func orDiscard(w io.Writer) io.Writer {
	if w == nil {
		return io.Discard
	}
	return w
}

// lines calls f with each line of r, cut at maxLine, until r ends.
func lines(r io.Reader, f func([]byte)) {
	br := bufio.NewReaderSize(r, 64<<10)
	var line []byte
	for {
		part, err := br.ReadSlice('\n')
		if room := maxLine - len(line); len(part) > room {
			part = part[:room]
		}
		line = append(line, part...)
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if line = bytes.TrimRight(line, "\r\n"); len(line) > 0 {
			f(line)
		}
		line = line[:0]
		if err != nil {
			return
		}
	}
}

// stdout reads a line of a sidecar's standard output; see package sidecar for
// what it may say. Services may write what they like.
func (p *process) stdout(b []byte, c plan.Container, line func(*plan.Node, []byte, bool)) {
	if c.Role == plan.Sidecar && bytes.HasPrefix(b, []byte("{")) {
		var said struct{ Event, Error, Secret string }
		if json.Unmarshal(b, &said) == nil {
			switch said.Event {
			case "applied":
				p.input.answer("")
				return
			case "rejected":
				p.input.answer(cmp.Or(said.Error, "it gave no reason"))
				return
			case "stale":
				p.stale(said.Secret)
				return
			case "ready":
				select {
				case <-p.ready:
				default:
					close(p.ready)
				}
				return
			case "fatal":
				p.mu.Lock()
				p.fatal = said.Error
				p.mu.Unlock()
			}
		}
	}
	if line != nil {
		line(p.node, b, false)
	}
}

func (p *process) stderr(b []byte, line func(*plan.Node, []byte, bool)) {
	p.mu.Lock()
	p.tail = append(p.tail, string(b))
	if len(p.tail) > tailLines {
		p.tail = p.tail[1:]
	}
	p.mu.Unlock()
	if line != nil {
		line(p.node, b, true)
	}
}

// limitTimeout bounds the question why a container failed: its end matters more.
const limitTimeout = 2 * time.Second

func (p *process) wait(ctx context.Context, exit <-chan container.WaitResponse, failed <-chan error) {
	select {
	case r := <-exit:
		p.code = int(r.StatusCode)
		if r.Error != nil {
			p.waitErr = errors.New(r.Error.Message)
		}
	case err := <-failed:
		p.waitErr = fmt.Errorf("waiting for its end: %w", err)
		p.conn.Close()
	}
	<-p.drained
	p.counting.Wait()
	if p.code != 0 && !p.stopping.Load() {
		ctx, cancel := context.WithTimeout(ctx, limitTimeout)
		p.limit = p.reached(ctx)
		cancel()
	}
	p.conn.Close()
	p.release()
	close(p.exited)
}

// copyInput copies the user's input. It is not waited for: a read of a terminal
// ends when a key is pressed.
func (p *process) copyInput() {
	_, _ = io.Copy(p.conn.Conn, p.streams.In)
	p.closeInput()
}

func (p *process) closeInput() { _ = p.conn.CloseWrite() }

// failure says why the container ended, in its own words where it left some. It
// must be called after exited is closed.
func (p *process) failure(what string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	said := p.fatal
	if said == "" {
		said = strings.Join(p.tail, "\n")
	}
	if said != "" {
		said = ": " + said
	}
	if p.limit != "" {
		said = ": it " + p.limit + said
	}
	if p.waitErr != nil {
		return fmt.Errorf("%s: %w%s", what, p.waitErr, said)
	}
	return fmt.Errorf("%s, with exit status %d%s", what, p.code, said)
}

// report tells died when the container ends before it is stopped.
func (p *process) report(died chan<- runtime.Death) {
	go func() {
		<-p.exited
		if !p.stopping.Load() {
			died <- runtime.Death{Node: p.node, Err: p.failure("ended while the launch needs it")}
		}
	}()
}
