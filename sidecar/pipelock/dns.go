package pipelock

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/bottle-run/bottle/sidecar"
)

// A refuser is a name server that refuses every question at once and forwards
// none. Without it lookups of outside names hang, or leave by the host.
type refuser struct {
	events *sidecar.Events

	mu     sync.Mutex
	since  time.Time
	seen   map[string]bool
	unsaid int
}

// A flood of questions must not become a flood of events: in a period each name
// is told once, and so many names at most.
const (
	tellPeriod = 10 * time.Second
	tellNames  = 256
)

// serve answers on both until ctx is done, and closes them.
func (f *refuser) serve(ctx context.Context, udp net.PacketConn, tcp net.Listener) {
	var conns sidecar.Conns
	var wg sync.WaitGroup
	wg.Go(func() { f.serveUDP(udp) })
	wg.Go(func() { f.serveTCP(conns.Listen(tcp), &conns) })
	<-ctx.Done()
	_ = udp.Close()
	_ = tcp.Close()
	conns.Shut()
	wg.Wait()
}

func (f *refuser) serveUDP(c net.PacketConn) {
	buf := make([]byte, 4096)
	for {
		n, from, err := c.ReadFrom(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(10 * time.Millisecond) // an ICMP error of an earlier answer
			continue
		}
		if answer := f.answer(buf[:n]); answer != nil {
			_, _ = c.WriteTo(answer, from) // who asked and left needs none
		}
	}
}

// maxDNSConns bounds the connections of those who ask over TCP.
const maxDNSConns = 64

func (f *refuser) serveTCP(l net.Listener, conns *sidecar.Conns) {
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(10 * time.Millisecond)
			continue
		}
		if conns.Len() > maxDNSConns {
			_ = c.Close()
			continue
		}
		wg.Go(func() { f.serveConn(c) })
	}
}

func (f *refuser) serveConn(c net.Conn) {
	defer c.Close()
	for {
		_ = c.SetDeadline(time.Now().Add(5 * time.Second))
		var size [2]byte
		if _, err := io.ReadFull(c, size[:]); err != nil {
			return
		}
		msg := make([]byte, binary.BigEndian.Uint16(size[:]))
		if _, err := io.ReadFull(c, msg); err != nil {
			return
		}
		answer := f.answer(msg)
		if answer == nil {
			return
		}
		out := binary.BigEndian.AppendUint16(nil, uint16(len(answer))) //nolint:gosec // an answer is shorter than its question
		if _, err := c.Write(append(out, answer...)); err != nil {
			return
		}
	}
}

// answer returns the refusal of a question, or nil for what is none.
func (f *refuser) answer(msg []byte) []byte {
	var p dnsmessage.Parser
	head, err := p.Start(msg)
	if err != nil || head.Response {
		return nil
	}
	q, err := p.Question()
	if err != nil {
		return nil
	}
	f.tell(strings.TrimSuffix(q.Name.String(), "."), strings.TrimPrefix(q.Type.String(), "Type"))
	out := dnsmessage.Message{
		Header: dnsmessage.Header{
			ID: head.ID, Response: true, OpCode: head.OpCode,
			RecursionDesired: head.RecursionDesired, RecursionAvailable: true, RCode: dnsmessage.RCodeRefused,
		},
		Questions: []dnsmessage.Question{q},
	}
	packed, err := out.Pack()
	if err != nil {
		return nil
	}
	return packed
}

func (f *refuser) tell(name, kind string) {
	f.mu.Lock()
	now := time.Now()
	unsaid := 0
	if now.Sub(f.since) > tellPeriod {
		unsaid, f.unsaid, f.since, f.seen = f.unsaid, 0, now, map[string]bool{}
	}
	key := kind + " " + name
	say := !f.seen[key] && len(f.seen) < tellNames
	if say {
		f.seen[key] = true
	} else {
		f.unsaid++
	}
	f.mu.Unlock()
	if unsaid > 0 {
		f.events.Audit(sidecar.Event{Kind: sidecar.KindDNS, Client: sidecar.ClientAgent, Decision: sidecar.Deny, Reason: fmt.Sprintf("%d further lookups refused", unsaid)})
	}
	if say {
		f.events.Audit(sidecar.Event{
			Kind: sidecar.KindDNS, Client: sidecar.ClientAgent, Method: kind, Host: name, Decision: sidecar.Deny,
			Reason: "names are looked up by the gate, for requests that go through it",
		})
	}
}
