// Command prober plays the programs inside containers in the tests of the real
// engine: an agent that tries to get out, servers that stand for what it must not
// reach, and agents that only hold still, talk or end.
package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	verbs := map[string]func(args []string){
		"probe":     func([]string) { answer(os.Stdin, os.Stdout) },
		"listen":    func([]string) { listen() },
		"beat":      func(args []string) { beat(args[0], args[1:]) },
		"hold":      func([]string) { fmt.Println("holding"); time.Sleep(time.Hour) },
		"print":     func(args []string) { printLines(number(args[0])) },
		"exit":      func(args []string) { os.Exit(number(args[0])) },
		"cat":       func([]string) { _, _ = io.Copy(os.Stdout, os.Stdin); fmt.Println("end of input") },
		"signal":    func([]string) { signals() },
		"tty":       func([]string) { terminal() },
		"health":    func(args []string) { health(args[0]) },
		"addresses": func([]string) { addresses() },
		"eat":       func(args []string) { eat(number(args[0])) },
		"crowd":     func(args []string) { crowd(number(args[0])) },
		"write":     func(args []string) { write(args[0], args[1]) },
		"read":      func(args []string) { read(args[0], args[1]) },
		"has":       func(args []string) { has(args[0], args[1]) },
		"whoami":    func([]string) { fmt.Printf("uid %d gid %d\n", os.Getuid(), os.Getgid()) },
	}
	verb := verbs[os.Args[1]]
	if verb == nil {
		fmt.Fprintln(os.Stderr, "prober: no such verb:", os.Args[1])
		os.Exit(3)
	}
	verb(os.Args[2:])
}

func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		panic(err)
	}
	return n
}

// answer tries each line of r, "what=where", and says what came of it, in their
// order: "reached" or "refused", a tab, and how. It tries all at once, for most of
// what is refused is a silence.
func answer(r io.Reader, w io.Writer) {
	fmt.Fprintln(w, "ready")
	verdicts := make(chan chan string, 1000)
	go func() {
		defer close(verdicts)
		for in := bufio.NewScanner(r); in.Scan(); {
			what, where, _ := strings.Cut(in.Text(), "=")
			verdict := make(chan string, 1)
			verdicts <- verdict
			go func() { verdict <- try(what, where) }()
		}
	}()
	for v := range verdicts {
		fmt.Fprintln(w, <-v)
	}
}

func try(what, where string) string {
	probe := probes()[what]
	if probe == nil {
		return "unknown\t" + what
	}
	how, err := probe(where)
	if err != nil {
		return "refused\t" + oneLine(err.Error())
	}
	return "reached\t" + oneLine(how)
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

func printLines(n int) {
	for i := range n {
		fmt.Println("line", i)
	}
}

// signals says which signals arrive. SIGTERM ends it with status 7.
func signals() {
	c := make(chan os.Signal, 8)
	signal.Notify(c, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGQUIT)
	fmt.Println("listening")
	for s := range c {
		fmt.Println("got", s)
		if s == syscall.SIGTERM {
			os.Exit(7)
		}
	}
}

// health is a health check that passes the third time. It counts in a file.
func health(file string) {
	b, _ := os.ReadFile(file)
	if b = append(b, '.'); len(b) < 3 {
		_ = os.WriteFile(file, b, 0o600)
		os.Exit(1)
	}
	_ = os.WriteFile(file, b, 0o600)
}

func addresses() {
	addrs, err := net.InterfaceAddrs()
	fmt.Println(addrs, err)
}

// eat takes memory, in megabytes, and says so when it has it.
func eat(megabytes int) {
	var kept [][]byte
	for range megabytes {
		b := make([]byte, 1<<20)
		for i := range b {
			b[i] = 1
		}
		kept = append(kept, b)
	}
	fmt.Println("ate", len(kept))
}

// crowd makes processes, which nobody buries, until no more can be made, and stays
// for a while. n is how often it tries.
func crowd(n int) {
	for range 4 { // threads that this process may need later
		go func() { _ = syscall.Nanosleep(&syscall.Timespec{Nsec: 1e8}, nil) }()
	}
	time.Sleep(200 * time.Millisecond)
	var refused error
	for range n {
		if _, err := os.StartProcess("/prober", []string{"/prober", "exit", "0"}, &os.ProcAttr{}); err != nil {
			refused = err
			time.Sleep(50 * time.Millisecond) // the last one may have threads yet
		}
	}
	time.Sleep(3 * time.Second)
	if refused != nil {
		fmt.Println(refused)
		os.Exit(1)
	}
}

func write(file, text string) {
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("wrote", file)
}

// has looks once whether a file holds a text.
func has(file, text string) {
	if b, err := os.ReadFile(file); err != nil || !strings.Contains(string(b), text) {
		fmt.Printf("%s has only %q, %v\n", file, b, err)
		os.Exit(1)
	}
	fmt.Println(file, "has it")
}

// read waits until a file holds a text.
func read(file, text string) {
	for range 600 {
		if b, err := os.ReadFile(file); err == nil && strings.Contains(string(b), text) {
			fmt.Println("read", file)
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	fmt.Println("never saw", text)
	os.Exit(1)
}
