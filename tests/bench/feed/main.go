// Command feed lets a sidecar run where no launcher holds its standard input: on
// the side of the benchmark that is not bottle's.
//
//	feed run FILE PROGRAM ARG...   runs PROGRAM, writes FILE to its standard input and leaves that open
//	feed check ADDRESS             exits with 0 when something listens at ADDRESS
package main

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
)

func main() {
	log.SetFlags(0)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	err := errors.New("feed: run FILE PROGRAM ARG..., or check ADDRESS")
	switch {
	case len(os.Args) == 3 && os.Args[1] == "check":
		err = check(ctx, os.Args[2])
	case len(os.Args) > 3 && os.Args[1] == "run":
		err = run(ctx, os.Args[2], os.Args[3:])
	}
	if err != nil {
		log.Fatal(err)
	}
}

func check(ctx context.Context, addr string) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	return conn.Close()
}

func run(ctx context.Context, file string, argv []string) error {
	input, err := os.Open(file)
	if err != nil {
		return err
	}
	defer input.Close()
	c := exec.CommandContext(ctx, argv[0], argv[1:]...) //nolint:gosec // that is what it is for
	c.Stdout, c.Stderr = os.Stdout, os.Stderr
	stdin, err := c.StdinPipe()
	if err != nil {
		return err
	}
	c.Cancel = stdin.Close // which ends a sidecar
	if err := c.Start(); err != nil {
		return err
	}
	if _, err := io.Copy(stdin, input); err != nil {
		return err
	}
	return c.Wait()
}
