// Package starlib evaluates a launch script into a plan. Evaluation has no
// effects: it opens no socket, reads no file but the script, what it loads and
// the files that it names to be copied in, and the same inputs always give the
// same plan, byte for byte.
//
// The rule that shapes it: a call of a builtin only declares. What was declared
// becomes nodes at the end (lower.go), because what a gate lets through depends
// on the routes of its network, wherever in the script they stand.
//
// A script is not hostile code in a jail. It is bounded in steps and cannot
// reach anything, but it decides what the launch may do: read it before you run
// it, as you would a shell script.
package starlib
