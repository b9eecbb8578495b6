// Command peer is both ends of the data-plane tests in one static program: the
// servers that stand outside of a launch, and the client in its agent that says
// what came through. It is an image of its own, made FROM scratch.
package main

import (
	"fmt"
	"os"
)

func main() {
	verbs := map[string]func(args []string) error{
		"serve":      serve,     // the world
		"tools":      tools,     // the servers of the tools that agents run
		"proxy":      proxy,     // a company's own way to the world
		"cred-proxy": credProxy, // somebody else's cred-proxy
		"health":     health,    // whether that answers
		"check":      check,     // the client
		"obey":       obey,      // a client that a test tells what to do
	}
	if len(os.Args) < 2 || verbs[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: peer serve|tools|proxy|cred-proxy|health|check|obey")
		os.Exit(2)
	}
	if err := verbs[os.Args[1]](os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "peer:", err)
		os.Exit(1)
	}
}
