package main

import (
	"fmt"
	"os"

	"golang.org/x/term"
)

// size is that of the terminal, in characters.
func size() string {
	w, h, err := term.GetSize(int(os.Stdin.Fd()))
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%dx%d", w, h)
}
