//go:build !linux

package docker

import (
	"io/fs"
	"time"
)

// changed is when the content changed last.
func changed(info fs.FileInfo) time.Time { return info.ModTime() }

func inode(fs.FileInfo) uint64 { return 0 }
