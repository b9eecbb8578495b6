//go:build unix

package secret

import (
	"io/fs"
	"os"
	"strconv"
	"syscall"
)

// trusted reports whether a file is this user's or root's, or, under sudo, of who
// called it.
func trusted(info fs.FileInfo) bool {
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok || s.Uid == 0 || int(s.Uid) == os.Geteuid() {
		return true
	}
	return os.Geteuid() == 0 && os.Getenv("SUDO_UID") == strconv.Itoa(int(s.Uid))
}

// keepOwner gives f, which is to replace a file, the owner of that.
func keepOwner(f *os.File, info fs.FileInfo) error {
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok || int(s.Uid) == os.Geteuid() {
		return nil
	}
	return f.Chown(int(s.Uid), int(s.Gid))
}
