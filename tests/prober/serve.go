package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// listen answers HTTP on 80 and 8080, DNS on 53 of both transports and on UDP 9053.
func listen() {
	http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "here I am") })
	for _, addr := range []string{":80", ":8080"} {
		go func() {
			server := &http.Server{Addr: addr, ReadHeaderTimeout: time.Minute}
			log.Fatal(server.ListenAndServe())
		}()
	}
	l, err := net.Listen("tcp", ":53") //nolint:noctx,gosec // for good, and for everybody
	if err != nil {
		log.Fatal(err)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				log.Fatal(err)
			}
			go func() { defer c.Close(); streamed(c) }()
		}
	}()
	for _, addr := range []string{":53", ":9053"} {
		p, err := net.ListenPacket("udp", addr) //nolint:noctx // for good
		if err != nil {
			log.Fatal(err)
		}
		go datagrams(p)
	}
	fmt.Println("listening")
	select {}
}

func streamed(c net.Conn) {
	var length [2]byte
	if _, err := io.ReadFull(c, length[:]); err != nil {
		return
	}
	msg := make([]byte, binary.BigEndian.Uint16(length[:]))
	if _, err := io.ReadFull(c, msg); err != nil {
		return
	}
	reply := resolve(msg)
	_, _ = c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(reply))), reply...)) //nolint:gosec // short
}

func datagrams(p net.PacketConn) {
	buf := make([]byte, 1500)
	for {
		n, from, err := p.ReadFrom(buf)
		if err != nil {
			log.Fatal(err)
		}
		_, _ = p.WriteTo(resolve(buf[:n]), from)
	}
}

// resolve answers every question with one address.
func resolve(query []byte) []byte {
	var msg dnsmessage.Message
	if err := msg.Unpack(query); err != nil || len(msg.Questions) == 0 {
		return nil
	}
	msg.Response = true
	msg.Answers = []dnsmessage.Resource{{
		Header: dnsmessage.ResourceHeader{Name: msg.Questions[0].Name, Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET, TTL: 1},
		Body:   &dnsmessage.AResource{A: [4]byte{10, 213, 0, 1}},
	}}
	reply, err := msg.Pack()
	if err != nil {
		log.Fatal(err)
	}
	return reply
}

// beat asks URLs through the gate again and again, each over new connections and
// over one that is kept, and writes down what came of it: the time in nanoseconds,
// "ok" or "no", the URL.
func beat(file string, urls []string) {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o666) //nolint:gosec // the test reads it
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("beating")
	for _, u := range urls {
		go beatOne(f, u, true)
		go beatOne(f, u, false)
	}
	select {}
}

func beatOne(w io.Writer, u string, fresh bool) {
	client := &http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: fresh}, Timeout: 500 * time.Millisecond}
	for ; ; time.Sleep(10 * time.Millisecond) {
		verdict := "no"
		if resp, err := client.Get(u); err == nil { //nolint:noctx,gosec // the client has a timeout; the test says what to ask
			if _, err := said(resp); err == nil {
				verdict = "ok"
			}
			_ = resp.Body.Close()
		}
		fmt.Fprintf(w, "%d %s %s fresh=%t\n", time.Now().UnixNano(), verdict, u, fresh)
	}
}

// terminal says its size, whenever it changes, and which keys arrive as signals or
// as bytes. "q" ends it with status 5.
func terminal() {
	c := make(chan os.Signal, 8)
	signal.Notify(c, syscall.SIGWINCH, syscall.SIGINT)
	fmt.Println("size", size())
	go func() {
		for s := range c {
			if s == syscall.SIGWINCH {
				fmt.Println("size", size())
			} else {
				fmt.Println("got", s)
			}
		}
	}()
	buf := make([]byte, 64)
	for {
		n, err := os.Stdin.Read(buf)
		if err != nil {
			fmt.Println("end of input")
			return
		}
		fmt.Printf("read %q\n", buf[:n])
		if strings.HasPrefix(string(buf[:n]), "q") {
			os.Exit(5)
		}
	}
}
