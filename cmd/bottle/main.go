// Command bottle launches AI agents in containers that have no route out and hold
// no credential.
package main

import (
	"os"

	"github.com/bottle-run/bottle/cmd"
)

func main() { os.Exit(cmd.Main()) }
