// Package git reads a push as it streams and says whether it may pass.
//
// It speaks as much of git's smart HTTP protocol as that takes: the commands and
// the pack of a receive-pack request, the server's list of references, and of
// protocol version 2 what it takes to ask the same server for the trees that a
// push is compared with.
//
// The rule that shapes it: what the server needs to act is not sent before all is
// judged. A short push is read to its end first; of a longer one everything
// leaves as it comes, but for the checksum at the end of the pack, without which
// no server takes any of it. What is refused therefore leaves the server as it
// was, and what this package does not understand it refuses: a pack that it reads
// in another way than the server does would be a way round every rule.
//
// # What is judged
//
// Refs: a command may create a ref that the rules name, or move it forward.
// Deleting, moving back and moving tags are refused, and one refused command
// refuses the push. Push options and signed pushes are refused: with the former
// some servers merge, or make a repository public.
//
// Files: no pushed commit may differ in a protected file from its parents, nor
// from the branches that the server has: not by another spelling that some file
// system takes for the same, not by a link or submodule in a directory's place,
// not by a history of other origin. What a ref becomes must hold the protected
// files as the ref did before, or as the default branch, or another branch that
// the push builds on.
//
// Secrets: each pushed object is searched, through deltas. What the server had
// before is not, and what a file had in the commit before is no reason to refuse
// another change of it.
//
// # Memory
//
// One push is read at a time. It holds at most 32 MiB of compressed files for
// deltas to refer to, 32 MiB of compressed commits and trees, and 24 MiB of the
// latest unpacked objects; a file of any length passes through a buffer of four
// mebibytes, but deltas are followed for files up to 16 MiB only. With the index
// of 262144 objects (at most) that is under 200 MiB for the worst of pushes, for
// an ordinary one much less however long, and what the collector lets lie besides.
//
// It has its own reader of packs and not go-git's: that one unpacks into memory
// what it is given, accepts what git's own refuses, cannot hold back the end of
// what it reads, and brings fifteen modules. SHA-1 is computed by the
// implementation of go-git's maintainer that detects collisions, as git's does.
package git
