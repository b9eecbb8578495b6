package cmd

import (
	"context"
	"fmt"
	"os"
	"strings"

	"golang.org/x/term"
)

// asker returns what asks the person at the terminal for a secret; nil where there
// is none, or nobody who could answer.
func asker() func(context.Context, string) ([]byte, error) {
	if os.Getenv("CI") != "" {
		return nil
	}
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return nil
	}
	_ = tty.Close()
	return askSecret
}

// askSecret reads a line from the terminal, wherever the standard streams lead,
// without showing it. When ctx ends first the terminal is given back as it was; the
// read is then left to the end of the process, for it cannot be interrupted.
func askSecret(ctx context.Context, label string) ([]byte, error) {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	fd := int(tty.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(tty, "%s: ", strings.Map(oneLine, label))
	type answer struct {
		line []byte
		err  error
	}
	answered := make(chan answer, 1)
	go func() {
		line, err := term.ReadPassword(fd)
		answered <- answer{line, err}
		_ = tty.Close()
	}()
	select {
	case a := <-answered:
		fmt.Fprintln(os.Stderr)
		return a.line, a.err
	case <-ctx.Done():
		_ = term.Restore(fd, before)
		fmt.Fprintln(os.Stderr)
		return nil, context.Cause(ctx)
	}
}
