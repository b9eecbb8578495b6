// Package runtime turns a plan into running containers and back into nothing.
//
// Three rules shape it, each locked by a test. A node is done only when it
// succeeded, so nothing starts after a failure. An undo is registered before its
// effect is tried and takes "not found" for success, so a step whose outcome
// nobody knows is still undone. A rollback outlives the cancellation that caused
// it, goes on past errors, and is the same code as the teardown of a success.
package runtime
