// Package launch takes one launch from its plan to its exit status: secrets
// first, then the journal, then everything up, the agents to their end, and
// everything down again.
//
// The rule that shapes it: whatever ends a launch (a failure, a signal, a time
// limit, a sidecar's death, the agent's own end) ends in the same teardown.
package launch
