// Package cmd is the command line: one file a subcommand, from flags to a call,
// from events to a terminal, from errors to an exit status.
//
// The rule that shapes it: only this package prints and exits. What the agent
// writes goes to standard output; all that bottle says goes to standard error.
package cmd
