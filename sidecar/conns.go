package sidecar

import (
	"net"
	"sync"
)

// Conns is a set of connections that can be shut at once, whoever holds them.
// The zero Conns is empty and open. It is safe for concurrent use.
type Conns struct {
	mu   sync.Mutex
	open map[*trackedConn]struct{}
	shut bool
}

// Add puts c in the set and returns it in a form that leaves the set when it is
// closed. When the set is shut, c is closed before Add returns.
func (s *Conns) Add(c net.Conn) net.Conn {
	t := &trackedConn{Conn: c, set: s}
	s.mu.Lock()
	shut := s.shut
	if !shut {
		if s.open == nil {
			s.open = make(map[*trackedConn]struct{})
		}
		s.open[t] = struct{}{}
	}
	s.mu.Unlock()
	if shut {
		abort(c)
	}
	return t
}

// Shut closes every connection of the set, and from now on those that are added.
// What was written and not yet sent is thrown away.
func (s *Conns) Shut() {
	s.mu.Lock()
	conns := s.open
	s.open, s.shut = nil, true
	s.mu.Unlock()
	for t := range conns {
		abort(t.Conn)
	}
}

// Len returns the number of open connections.
func (s *Conns) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.open)
}

// Listen returns l with what it accepts put in the set.
func (s *Conns) Listen(l net.Listener) net.Listener { return &trackedListener{l, s} }

func (s *Conns) remove(t *trackedConn) {
	s.mu.Lock()
	delete(s.open, t)
	s.mu.Unlock()
}

// abort closes c without waiting for what the kernel still holds of it.
func abort(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Close()
}

type trackedListener struct {
	net.Listener
	set *Conns
}

func (l *trackedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return l.set.Add(c), nil
}

type trackedConn struct {
	net.Conn
	set *Conns
}

func (c *trackedConn) Close() error {
	c.set.remove(c)
	return c.Conn.Close()
}

// CloseWrite ends the sending side, where the connection has two.
func (c *trackedConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}
