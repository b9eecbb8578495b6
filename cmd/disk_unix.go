//go:build linux || darwin

package cmd

import "golang.org/x/sys/unix"

// diskSpace returns what is free for ordinary users, and all, of the file system that
// holds path.
func diskSpace(path string) (free, total int64, ok bool) {
	var s unix.Statfs_t
	if path == "" || unix.Statfs(path, &s) != nil {
		return 0, 0, false
	}
	block := int64(s.Bsize)                                               //nolint:unconvert,nolintlint // 32 bits on darwin
	return int64(s.Bavail) * block, int64(s.Blocks) * block, s.Blocks > 0 //nolint:gosec // no disk is that large
}
