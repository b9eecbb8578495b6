// Package secret looks up the values behind the references of a plan: all of
// them at once, before anything is made, with one error that names every
// missing one. It keeps them fresh while the launch runs.
//
// The rule that shapes it: a value leaves this package only through Bytes and
// what the Keeper is given to call. No error, log line or format verb ever holds
// one.
package secret
