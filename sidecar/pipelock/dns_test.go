package pipelock_test

import (
	"encoding/binary"
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/bottle-run/bottle/sidecar/pipelock"
)

func question(tb testing.TB, name string) []byte {
	tb.Helper()
	m := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: 4711, RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(name), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}},
	}
	b, err := m.Pack()
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func TestLookupsAreRefused(t *testing.T) {
	g := run(t, world(t, nil), pipelock.Config{Allow: allow("example.com")})
	for _, network := range []string{"udp", "tcp"} {
		c, err := net.Dial(network, g.dns) //nolint:noctx // of a test
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetDeadline(time.Now().Add(5 * time.Second))
		if network == "udp" {
			_, _ = c.Write([]byte("no question")) // has no answer
		}
		for range 2 {
			msg := question(t, network+".example.")
			if network == "tcp" {
				msg = append(binary.BigEndian.AppendUint16(nil, uint16(len(msg))), msg...)
			}
			_, _ = c.Write(msg)
			answer := make([]byte, 512)
			if network == "tcp" {
				var size [2]byte
				if _, err := io.ReadFull(c, size[:]); err != nil {
					t.Fatal(err)
				}
				answer = make([]byte, binary.BigEndian.Uint16(size[:]))
			}
			n, err := c.Read(answer)
			if err != nil {
				t.Fatal(network, err)
			}
			var m dnsmessage.Message
			if err := m.Unpack(answer[:n]); err != nil || m.ID != 4711 || !m.Response || m.RCode != dnsmessage.RCodeRefused || len(m.Answers) != 0 {
				t.Error(network, m, err)
			}
		}
		_ = c.Close()
		if e := g.wait("dns"); e["host"] != network+".example" || e["method"] != "A" || e["decision"] != "deny" {
			t.Error(e)
		}
	}
	if g.names.calls() != 0 {
		t.Error("looked up", g.names.asked)
	}
}
