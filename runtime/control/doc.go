// Package control is how other bottle processes of the same user ask a running
// launch for something: one question and one answer in JSON over a Unix socket in
// the launch's directory.
//
// The rule that shapes it: whoever is on the other end is asked of the kernel, not
// of the message. The socket is this user's alone, and both ends make sure of the
// other's user before a word is said.
package control
