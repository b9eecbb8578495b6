package tests_test

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// escapes are the ways out. The agent itself is the control of its gate: a name
// that the script allows gets through the same way.
func (w *world) escapes(agent *probing) []escape {
	var all []escape
	for _, group := range [][]escape{w.toHost(), w.toNeighbours(), w.toServices(agent), w.byNames(agent), w.byAddresses(agent), w.byKernel()} {
		all = append(all, group...)
	}
	return all
}

// toHost are the ways to this machine.
func (w *world) toHost() []escape {
	var found []escape
	for _, addr := range w.addrs {
		found = append(found, escape{name: "host at " + addr, what: "tcp=" + addr + ":" + w.host, control: w.plain})
	}
	first := netip.MustParseAddr(w.address(w.launch, "agent", "default"))
	for range int(first.As4()[3]) % 16 { // the first address of the /28 is where a gateway would be
		first = first.Prev()
	}
	fe80 := fmt.Sprintf("[%s%%eth0]:%s", w.bridge6, w.host)
	own := fe80
	if w.own6 != "" {
		own = fmt.Sprintf("[%s%%eth0]:%s", w.own6, w.host)
	}
	return append(
		found,
		escape{name: "host at the gateway's address", what: "tcp=" + first.Next().String() + ":" + w.host, control: w.plain, allowed: "tcp=172.17.0.1:" + w.host},
		escape{name: "host at its link-local address", what: "tcp=" + own, control: w.six, allowed: "tcp=" + fe80},
		escape{name: "host at a link-local address of another bridge", what: "tcp=" + fe80, control: w.six},
		escape{name: "ICMP to the host", what: "ping=172.17.0.1", control: w.plain},
		escape{name: "metadata address", what: "tcp=169.254.169.254:80", control: w.metadata},
		escape{name: "metadata address over HTTP", what: "direct=http://169.254.169.254/latest/meta-data/", control: w.metadata},
	)
}

// toNeighbours are the ways to containers of others.
func (w *world) toNeighbours() []escape {
	theirs := w.address(w.other, "agent", "default")
	gate := w.address(w.other, "pipelock", "default")
	return []escape{
		{name: "a container on the engine's bridge", what: "tcp=" + w.server + ":8080", control: w.plain},
		{name: "UDP to a container on the engine's bridge", what: "udp=" + w.server + ":9053", control: w.plain},
		{name: "ICMP to a container on the engine's bridge", what: "ping=" + w.server, control: w.plain},
		{name: "another bottle's agent", what: "tcp=" + theirs + ":8080", control: w.within},
		{name: "another bottle's gate", what: "tcp=" + gate + ":8888", control: w.within},
	}
}

// toServices are the ways past the sidecars to what stands behind them.
func (w *world) toServices(agent *probing) []escape {
	network := "default-egress"
	return []escape{
		{name: "an allowed host directly", what: "direct=http://" + w.address(w.launch, "world", network) + "/", control: w.egress},
		{name: "an allowed host directly by name, NO_PROXY ignored", what: "direct=http://world/", control: agent, allowed: "gate=http://world/"},
		{name: "the upstream of a route directly", what: "tcp=" + w.address(w.launch, "upstream", network) + ":80", control: w.egress},
		{name: "the upstream of a route through the gate", what: "gate=http://upstream/", control: agent, allowed: "direct=http://cred-proxy:9099/api/"},
		{name: "the upstream of a route in a tunnel", what: "connect=upstream:80", control: agent, allowed: "connect=world:80"},
		{name: "a path of the cred-proxy without a route", what: "direct=http://cred-proxy:9099/other/", control: agent, allowed: "direct=http://cred-proxy:9099/api/"},
		{name: "a host not allowed", what: "gate=http://secretive/", control: agent, allowed: "gate=http://world/"},
		{name: "a host not allowed in a tunnel", what: "connect=secretive:80", control: agent, allowed: "connect=world:80"},
		{name: "another port of an allowed host", what: "gate=http://world:8080/", control: agent, allowed: "gate=http://world/"},
		{name: "the gate's side of the outside", what: "tcp=" + w.address(w.launch, "pipelock", network) + ":8888", control: w.egress},
	}
}

// byNames are the ways by DNS. A neighbour that answers every name shows that the
// agent's own lookups work.
func (w *world) byNames(agent *probing) []escape {
	inside := w.address(w.launch, "neighbour", "default")
	outside := w.address(w.launch, "world", "default-egress")
	gate := w.address(w.launch, "pipelock", "default")
	return []escape{
		{name: "a name by the resolver", what: "name=probe.test", control: agent, allowed: "name=neighbour"},
		{name: "an allowed host's name by the resolver", what: "name=world", control: agent, allowed: "name=neighbour"},
		{name: "DNS over UDP to the engine's resolver", what: "dns-udp=127.0.0.11", control: agent, allowed: "dns-udp=" + inside},
		{name: "DNS over TCP to the engine's resolver", what: "dns-tcp=127.0.0.11", control: agent, allowed: "dns-tcp=" + inside},
		{name: "DNS over UDP to the gate", what: "dns-udp=" + gate, control: agent, allowed: "dns-udp=" + inside},
		{name: "DNS over TCP to the gate", what: "dns-tcp=" + gate, control: agent, allowed: "dns-tcp=" + inside},
		{name: "DNS over UDP to a server outside", what: "dns-udp=" + outside, control: w.egress},
		{name: "DNS over TCP to a server outside", what: "dns-tcp=" + outside, control: w.egress},
		{name: "DNS over UDP to a neighbour of the host", what: "dns-udp=" + w.server, control: w.plain},
		{name: "DNS over TCP to a neighbour of the host", what: "dns-tcp=" + w.server, control: w.plain},
		{name: "DNS in a tunnel", what: "connect=world:53", control: agent, allowed: "connect=world:80"},
	}
}

// byAddresses are addresses in place of names, in the spellings that parsers differ
// about. The server there is one that the gate reaches, and may be asked by name.
func (w *world) byAddresses(agent *probing) []escape {
	a := netip.MustParseAddr(w.address(w.launch, "world", "default-egress"))
	b := a.As4()
	spellings := map[string]string{
		"plain":                a.String(),
		"decimal":              fmt.Sprint(binary.BigEndian.Uint32(b[:])),
		"hexadecimal":          fmt.Sprintf("0x%08x", binary.BigEndian.Uint32(b[:])),
		"octal parts":          fmt.Sprintf("0%o.0%o.0%o.0%o", b[0], b[1], b[2], b[3]),
		"hexadecimal parts":    fmt.Sprintf("0x%x.0x%x.0x%x.0x%x", b[0], b[1], b[2], b[3]),
		"two parts":            fmt.Sprintf("%d.%d", b[0], int(b[1])<<16|int(b[2])<<8|int(b[3])),
		"trailing dot":         a.String() + ".",
		"mapped":               "[::ffff:" + a.String() + "]",
		"mapped, hexadecimal":  fmt.Sprintf("[::ffff:%x:%x]", int(b[0])<<8|int(b[1]), int(b[2])<<8|int(b[3])),
		"NAT64":                fmt.Sprintf("[64:ff9b::%x:%x]", int(b[0])<<8|int(b[1]), int(b[2])<<8|int(b[3])),
		"with a zone":          "[::ffff:" + a.String() + "%25eth0]",
		"behind user info":     "world@" + a.String(),
		"the gate itself":      "127.0.0.1",
		"the gate's localhost": "localhost",
		"the metadata address": "169.254.169.254",
	}
	var found []escape
	for name, s := range spellings {
		found = append(
			found,
			escape{name: "address through the gate, " + name, what: "absolute=http://" + s + "/", control: agent, allowed: "absolute=http://world/"},
			escape{name: "tunnel to an address, " + name, what: "connect=" + s + ":80", control: agent, allowed: "connect=world:80"},
		)
	}
	return found
}

// byKernel are the ways through what the container has of the host.
func (w *world) byKernel() []escape {
	return []escape{
		{name: "a raw socket", what: "raw=", control: w.plain},
		{name: "a packet socket", what: "packet=", control: w.plain},
		{name: "capabilities", what: "caps=", control: w.plain},
		{name: "new privileges", what: "new-privs=", control: w.plain},
		{name: "the engine's socket", what: "file=/var/run/docker.sock", control: w.sockets},
		{name: "the engine's socket in /run", what: "file=/run/docker.sock", control: w.sockets},
		{name: "mount", what: "mount=", control: w.privileged},
		{name: "a user namespace", what: "userns=", control: w.privileged},
		{name: "a device of the host's disk", what: "mknod=", control: w.plain},
		{name: "kernel settings", what: "write=/proc/sys/kernel/core_pattern", control: w.privileged},
		{name: "network settings", what: "write=/proc/sys/net/ipv6/conf/all/disable_ipv6", control: w.privileged},
	}
}
