//go:build !linux

package cmd

// harden does nothing: sidecars run on Linux.
func harden() {}
