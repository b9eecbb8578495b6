// Package secret looks up the values behind the references of a plan: all of
// them at once, before anything is made, with one error that names every
// missing one.
//
// The rule that shapes it: a value leaves this package only through Bytes. No
// error, log line or format verb ever holds one.
package secret
