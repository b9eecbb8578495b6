package control

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// socketFile is the socket in a launch's directory.
const socketFile = "control.sock"

// Version is that of the questions. A launcher and a command of other versions do
// not speak to each other.
const Version = 1

// maxQuestion bounds a question: a plan and the values of its secrets.
const maxQuestion = 32 << 20

// readTimeout bounds the reading of a question.
const readTimeout = 10 * time.Second

// ErrNobody says that no launcher listens.
var ErrNobody = errors.New("nobody listens there: the launch has ended, or was started by another version of bottle")

// A Handler answers a question. Its result is encoded as JSON; its error is passed
// on in words.
type Handler func(ctx context.Context, args json.RawMessage) (any, error)

type question struct {
	Version int             `json:"version"`
	Op      string          `json:"op"`
	Args    json.RawMessage `json:"args,omitempty"`
}

type answer struct {
	Result json.RawMessage `json:"result,omitempty"`
	Error  string          `json:"error,omitempty"`
}

// A Server answers for a launch.
type Server struct {
	listener *net.UnixListener
	handlers map[string]Handler
	cancel   context.CancelFunc
	wg       sync.WaitGroup
}

// Listen begins to answer at the socket in dir, which must be this user's alone.
// What an earlier launcher left there is replaced: the caller holds the lock of the
// directory. Close ends it.
func Listen(ctx context.Context, dir string, handlers map[string]Handler) (*Server, error) {
	address, done, err := address(dir)
	if err != nil {
		return nil, fmt.Errorf("listening for other commands: %w", err)
	}
	defer done()
	if err := os.Remove(filepath.Join(dir, socketFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("listening for other commands: %w", err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: address, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("listening for other commands: %w", err)
	}
	l.SetUnlinkOnClose(false) // by address, which may be a descriptor that is closed by then
	if err := os.Chmod(filepath.Join(dir, socketFile), 0o600); err != nil {
		_ = l.Close()
		return nil, fmt.Errorf("listening for other commands: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	s := &Server{listener: l, handlers: handlers, cancel: cancel}
	s.wg.Go(func() { s.accept(ctx, dir) })
	return s, nil
}

// Close ends the server and removes its socket. It waits for answers under way,
// whose context ends.
func (s *Server) Close() {
	s.cancel()
	_ = s.listener.Close()
	s.wg.Wait()
}

func (s *Server) accept(ctx context.Context, dir string) {
	defer os.Remove(filepath.Join(dir, socketFile))
	for {
		c, err := s.listener.AcceptUnix()
		if err != nil {
			return
		}
		s.wg.Go(func() {
			defer c.Close()
			s.serve(ctx, c)
		})
	}
}

// serve answers one question. A stranger gets no word.
func (s *Server) serve(ctx context.Context, c *net.UnixConn) {
	if uid, err := peer(c); err != nil || uid != 0 && uid != os.Geteuid() {
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	_ = c.SetReadDeadline(time.Now().Add(readTimeout))
	var q question
	if err := json.NewDecoder(io.LimitReader(c, maxQuestion)).Decode(&q); err != nil {
		return
	}
	result, err := s.answer(ctx, q)
	var a answer
	if err == nil {
		a.Result, err = json.Marshal(result)
	}
	if err != nil {
		a = answer{Error: err.Error()}
	}
	_ = c.SetWriteDeadline(time.Now().Add(readTimeout))
	_ = json.NewEncoder(c).Encode(a)
}

func (s *Server) answer(ctx context.Context, q question) (any, error) {
	h := s.handlers[q.Op]
	if q.Version != Version || h == nil {
		return nil, errors.New("the launch was started by another version of bottle, which does not know how to answer")
	}
	return h(ctx, q.Args)
}

// A RefusedError is the launcher's own word.
type RefusedError struct{ Reason string }

func (e RefusedError) Error() string { return e.Reason }

// Call asks the launcher that listens in dir and decodes its answer into result,
// which may be nil. A RefusedError is the launcher's own word.
func Call(ctx context.Context, dir, op string, args, result any) error {
	c, err := dial(ctx, dir)
	if err != nil {
		return err
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if uid, err := peer(c); err != nil || uid != os.Geteuid() {
		return fmt.Errorf("the socket in %s is another user's: nothing was sent", dir)
	}
	q := question{Version: Version, Op: op}
	if q.Args, err = json.Marshal(args); err != nil {
		return err
	}
	if err := json.NewEncoder(c).Encode(q); err != nil {
		return interrupted(ctx, err)
	}
	var a answer
	if err := json.NewDecoder(bufio.NewReader(c)).Decode(&a); err != nil {
		return interrupted(ctx, fmt.Errorf("the launcher went away without an answer: %w", err))
	}
	switch {
	case a.Error != "":
		return RefusedError{a.Error}
	case result == nil:
		return nil
	}
	return json.Unmarshal(a.Result, result)
}

func dial(ctx context.Context, dir string) (*net.UnixConn, error) {
	address, done, err := address(dir)
	if err != nil {
		return nil, err
	}
	defer done()
	c, err := new(net.Dialer).DialContext(ctx, "unix", address)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return nil, ErrNobody
	} else if err != nil {
		return nil, err
	}
	unix, _ := c.(*net.UnixConn)
	return unix, nil
}

func interrupted(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}
