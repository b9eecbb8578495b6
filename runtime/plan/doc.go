// Package plan is what a launch will do, as plain data: a graph of operations
// that the script asked for, how it prints and what names it.
//
// The rule that shapes it: a plan holds names of secrets and never a secret, and
// the same script with the same arguments gives the same bytes. It imports only
// the standard library and none of its effects, so that the language, the
// executor and the engine can all depend on it and none of them on another.
package plan
