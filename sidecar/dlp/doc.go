// Package dlp finds what looks like a secret in what leaves.
//
// The rule that shapes it: gitleaks' rules decide what a secret looks like, and
// what they find is told by the name of the rule and the place, never by itself.
package dlp
