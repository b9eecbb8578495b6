package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"

	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
)

// patience is how long a probe waits for an answer that does not come.
const patience = 1500 * time.Millisecond

// probes are the ways out, by name. Each returns an error when it was refused.
func probes() map[string]func(where string) (string, error) {
	return map[string]func(string) (string, error){
		"tcp": func(a string) (string, error) { return "connected", dial("tcp", a) },
		"udp": func(a string) (string, error) { return query("udp", a, "probe.test.") },
		// DNS over TCP and UDP; over UDP it stands for every datagram.
		"dns-udp": func(a string) (string, error) { return query("udp", net.JoinHostPort(a, "53"), "probe.test.") },
		"dns-tcp": func(a string) (string, error) { return query("tcp", net.JoinHostPort(a, "53"), "probe.test.") },
		"name": func(name string) (string, error) {
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			addrs, err := net.DefaultResolver.LookupHost(ctx, name)
			return fmt.Sprint(addrs), err
		},
		"ping":    ping,
		"gate":    func(u string) (string, error) { return get(u, http.ProxyFromEnvironment) },
		"direct":  func(u string) (string, error) { return get(u, nil) },
		"connect": func(a string) (string, error) { return ask("CONNECT " + a + " HTTP/1.1\r\nHost: " + a + "\r\n\r\n") },
		"absolute": func(u string) (string, error) {
			return ask("GET " + u + " HTTP/1.1\r\nHost: world\r\nConnection: close\r\n\r\n")
		},
		"raw":       rawSocket,
		"packet":    packetSocket,
		"file":      func(path string) (string, error) { _, err := os.Stat(path); return "it is there", err },
		"write":     writable,
		"caps":      func(string) (string, error) { return status("CapBnd", "CapEff", "CapPrm", "CapInh", "CapAmb") },
		"new-privs": func(string) (string, error) { return newPrivileges() },
		"mount":     func(string) (string, error) { return mountSomething() },
		"userns":    func(string) (string, error) { return unshareUser() },
		"mknod":     func(string) (string, error) { return makeDevice() },
	}
}

func dial(network, addr string) error {
	c, err := (&net.Dialer{Timeout: patience}).DialContext(context.Background(), network, addr)
	if err == nil {
		_ = c.Close()
	}
	return err
}

// query asks a server for a name and returns its answer.
func query(network, addr, name string) (string, error) {
	msg := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: 7, RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(name), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}},
	}
	packed, err := msg.Pack()
	if err != nil {
		return "", err
	}
	c, err := (&net.Dialer{Timeout: patience}).DialContext(context.Background(), network, addr)
	if err != nil {
		return "", err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return "", err
	}
	if network == "tcp" {
		packed = append(binary.BigEndian.AppendUint16(nil, uint16(len(packed))), packed...) //nolint:gosec // short
	}
	if _, err := c.Write(packed); err != nil {
		return "", err
	}
	reply := make([]byte, 1500)
	n, err := c.Read(reply)
	if err != nil {
		return "", err
	}
	if network == "tcp" {
		reply, n = reply[2:], n-2
	}
	if err := msg.Unpack(reply[:n]); err != nil {
		return "", err
	}
	if msg.RCode != dnsmessage.RCodeSuccess || len(msg.Answers) == 0 {
		return "", fmt.Errorf("the server said %v", msg.RCode)
	}
	return "answered", nil
}

// ping sends an ICMP echo the way that needs no privilege.
func ping(addr string) (string, error) {
	c, err := icmp.ListenPacket("udp4", "0.0.0.0")
	if err != nil {
		return "", err
	}
	defer c.Close()
	msg := icmp.Message{Type: ipv4.ICMPTypeEcho, Body: &icmp.Echo{ID: 1, Seq: 1, Data: []byte("data")}}
	packed, err := msg.Marshal(nil)
	if err != nil {
		return "", err
	}
	if _, err := c.WriteTo(packed, &net.UDPAddr{IP: net.ParseIP(addr)}); err != nil {
		return "", err
	}
	if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return "", err
	}
	n, _, err := c.ReadFrom(make([]byte, 1500))
	return fmt.Sprintf("%d bytes came back", n), err
}

func get(where string, proxy func(*http.Request) (*url.URL, error)) (string, error) {
	client := http.Client{Transport: &http.Transport{Proxy: proxy, DisableKeepAlives: true}, Timeout: 5 * time.Second}
	resp, err := client.Get(where) //nolint:noctx // the client has a timeout
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	return said(resp)
}

func said(resp *http.Response) (string, error) {
	b, err := io.ReadAll(io.LimitReader(resp.Body, 4096))
	if err != nil {
		return "", err
	}
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%d: %s", resp.StatusCode, b)
	}
	return string(b), nil
}

// ask writes a request to the gate as it is, in spellings that no client's parser
// would let through.
func ask(request string) (string, error) {
	gate, err := url.Parse(os.Getenv("HTTP_PROXY"))
	if err != nil || gate.Host == "" {
		return "", errors.New("there is no gate")
	}
	c, err := (&net.Dialer{Timeout: patience}).DialContext(context.Background(), "tcp", gate.Host)
	if err != nil {
		return "", err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return "", err
	}
	if _, err := io.WriteString(c, request); err != nil {
		return "", err
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if request[0] == 'C' && resp.StatusCode == http.StatusOK {
		return "a tunnel", nil
	}
	return said(resp)
}
