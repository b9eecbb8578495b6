// Package sidecar is what bottle's sidecars share: how they are fed and what
// they report, what counts as a canonical name, address or path, the
// certificates of the launch's CA, and how everything is shut at once.
//
// The rule that shapes it: a decision that two sidecars make is written here
// once, and it either gives the canonical form or refuses. Nothing is repaired
// by guessing what the sender meant.
//
// # Protocol
//
// A sidecar reads its configuration and its secrets from its standard input and
// reports on its standard output. Nothing of either is in its arguments, its
// environment or its files.
//
// Standard input is JSON objects, one a line of at most [MaxMessage] bytes, each
// a map from names to values in base64 (what encoding/json makes of a
// map[string][]byte). One line is one message and is applied whole or not at
// all. The first message holds everything: "config", a JSON document, and what
// the sidecar's Input constants name; a cred-proxy also reads one value for each
// slot. A later message replaces the values that it names and leaves the others.
// The end of the stream means that the launcher is gone: the sidecar closes its
// listeners and every connection, those in use too, and exits.
//
// Standard output is JSON objects, one a line, told apart by "event":
//
//	{"event":"ready","listen":["[::]:9099"]}
//	{"event":"fatal","error":"…"}       before it exits with a failure
//	{"event":"applied"}                 a later message is in force
//	{"event":"rejected","error":"…"}    a later message changed nothing
//	{"event":"stale","secret":"…"}      an upstream did not take the value of that
//	                                    slot: said once of a value, which a later
//	                                    message may replace
//	{"event":"request",…}               one decision, see [Event]
//	{"event":"dns",…}                   one decision, see [Event]
//	{"event":"dropped","count":3}       so many events were lost before this one,
//	                                    because nobody read them in time
//
// Standard error is plain text for people. A client whose request is refused
// gets the [Refusal] as JSON.
package sidecar
