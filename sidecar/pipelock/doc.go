// Package pipelock is the gate of a launch: a forward proxy that lets named hosts
// through, opens their TLS with a certificate authority made for this one launch,
// reads what leaves, and says what it refused and why.
//
// The rule that shapes it: names are decided before anything is looked up, and
// what was checked is what is dialled. A refused request causes no query and no
// packet.
//
// It stands on net/http and its ReverseProxy, not on a proxy library: a gate is
// mostly the decisions between them, and goproxy's defaults (any CONNECT is
// tunnelled, certificates are made per connection, bodies are not bounded) would
// all have to be undone.
package pipelock
