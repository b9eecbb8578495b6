// Package dlp finds what looks like a secret in what leaves.
//
// The rule that shapes it: gitleaks' rules decide what a secret looks like, and
// what they find is told by the name of the rule and the place, never by itself.
//
// gitleaks' expressions cost a microsecond for each byte, and some wake at every
// third word. So an automaton looks for their keywords first; where one stands, a
// shape, which is the expression less what is not a plain sequence of bytes, looks
// at the bytes around it; and what is left, one byte in some thousands, is held
// against the expression. What is encoded is decoded and looked through the same
// way, to a depth. A text that is made to cost time is refused as unreadable.
package dlp
