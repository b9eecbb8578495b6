package docker

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/container"

	"github.com/bottle-run/bottle/runtime/plan"
)

// detachKeys is a sequence that nobody types: two bytes that no UTF-8 holds. By
// default the engine swallows Ctrl-P, which is how shells and editors go up a
// line, and it holds back whatever begins the sequence until the next key.
const detachKeys = "\xff,\xfe"

// attach connects to the streams of a created container and registers for its
// exit, both before it starts.
func (e *Engine) attach(ctx context.Context, n *plan.Node, c plan.Container) (*process, error) {
	p := &process{
		node: n, name: e.name(n.ID), streams: e.streams(n, c),
		ready: make(chan struct{}), drained: make(chan struct{}), exited: make(chan struct{}), removed: make(chan struct{}),
		input: newFeed(), stale: func(slot string) { e.staleSlot(n, slot) },
	}
	var err error
	if p.conn, err = e.hijack(ctx, p.name, len(c.Stdin) > 0 || p.streams.In != nil); err != nil {
		return nil, fmt.Errorf("attaching: %w", err)
	}
	exit, failed, err := e.ending(ctx, p)
	if err != nil {
		p.conn.Close()
		return nil, fmt.Errorf("registering for its end: %w", err)
	}
	p.reached = func(ctx context.Context) string { return e.memoryGone(ctx, p.name, c) }
	if c.Role == plan.Agent {
		e.watchLimits(ctx, p, c)
	}
	go p.output(c, e.l.Line)
	go p.wait(context.WithoutCancel(ctx), exit, failed)
	if p.streams.In != nil {
		go p.copyInput()
	}
	return p, nil
}

// ending asks the engine to tell when the container ends. The request lives as long
// as the launch; until the engine has taken it, the end of ctx ends it.
func (e *Engine) ending(ctx context.Context, p *process) (<-chan container.WaitResponse, <-chan error, error) {
	long, release := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, release)
	exit, failed := e.c.api.ContainerWait(long, p.name, container.WaitConditionNextExit)
	taken := stop()
	select {
	case err := <-failed:
		release()
		if !taken {
			err = context.Cause(ctx)
		}
		return nil, nil, err
	default:
	}
	if !taken {
		return nil, nil, context.Cause(ctx)
	}
	p.release = release
	return exit, failed, nil
}

// hijack opens the streams of a container: POST /containers/NAME/attach of the
// Engine API, as an upgraded connection. The client's own call heeds no context
// once it has asked, and drops what the engine says when it refuses.
func (e *Engine) hijack(ctx context.Context, name string, stdin bool) (types.HijackedResponse, error) {
	var none types.HijackedResponse
	query := url.Values{"stream": {"1"}, "stdout": {"1"}, "stderr": {"1"}, "detachKeys": {detachKeys}}
	if stdin {
		query.Set("stdin", "1")
	}
	address := fmt.Sprintf("http://docker/v%s/containers/%s/attach?%s", e.c.api.ClientVersion(), name, query.Encode())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, http.NoBody)
	if err != nil {
		return none, err
	}
	req.Header.Set("Connection", "Upgrade")
	req.Header.Set("Upgrade", "tcp")
	conn, err := e.c.api.Dialer()(ctx)
	if err != nil {
		return none, err
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true}) // an agent may think for hours
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	br, err := upgrade(conn, req)
	if !stop() {
		err = context.Cause(ctx)
	}
	if err != nil {
		_ = conn.Close()
		return none, err
	}
	return types.HijackedResponse{Conn: conn, Reader: br}, nil
}

// upgrade sends req and reads the answer, but not what follows it.
func upgrade(conn net.Conn, req *http.Request) (*bufio.Reader, error) {
	if err := req.Write(conn); err != nil {
		return nil, err
	}
	br := bufio.NewReader(conn)
	resp, err := http.ReadResponse(br, req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return br, nil
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return nil, err
	}
	var said struct{ Message string }
	if json.Unmarshal(b, &said) != nil || said.Message == "" {
		said.Message = resp.Status
	}
	return nil, errors.New("the engine said: " + said.Message)
}
