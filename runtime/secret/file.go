package secret

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// maxValue bounds a secret: an engineer who points at the wrong file gets an
// error instead of a header of a gigabyte.
const maxValue = 64 << 10

// readFile reads a secret's file. One that others than its owner and group may
// read is refused: a secret on a shared machine is then none. So is one that
// others may write or replace: they would choose what bottle sends, which may be
// another file of the user's, by a link.
func (r *Resolver) readFile(name string) ([]byte, error) {
	path, err := r.path(name)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if err := checkFile(path, info); err != nil {
		return nil, err
	}
	v, err := io.ReadAll(io.LimitReader(f, maxValue+1))
	if err == nil && len(v) > maxValue {
		err = fmt.Errorf("%s is longer than %d bytes, which no header can carry", path, maxValue)
	}
	return v, err
}

// path returns where the file of the plan's name is, its links resolved.
func (r *Resolver) path(name string) (string, error) {
	if rest, ok := strings.CutPrefix(name, "~/"); ok {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", err
		}
		name = filepath.Join(home, rest)
	}
	if !filepath.IsAbs(name) {
		name = filepath.Join(r.Dir, name)
	}
	path, err := filepath.Abs(name)
	if err != nil {
		return "", err
	}
	// The directory in which the link stands counts as well as that of its target.
	if err := checkParents(filepath.Dir(path)); err != nil {
		return "", err
	}
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return "", err
	}
	return path, checkParents(filepath.Dir(path))
}

func checkFile(path string, info fs.FileInfo) error {
	perm := info.Mode().Perm()
	switch {
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is not a regular file", path)
	case perm&0o004 != 0:
		return fmt.Errorf("%s may be read by every user of this machine; run: chmod o-r %s", path, path)
	case perm&0o022 != 0:
		return fmt.Errorf("%s may be written by others than its owner; run: chmod go-w %s", path, path)
	case !trusted(info):
		return fmt.Errorf("%s belongs to another user, who could put another secret there", path)
	}
	return nil
}

// checkParents makes sure that nobody else can replace what is in dir, by the
// modes of dir and the directories above it. In one with the sticky bit, such as
// /tmp, only an owner replaces what is there.
func checkParents(dir string) error {
	for ; ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o002 != 0 && info.Mode()&fs.ModeSticky == 0 {
			return fmt.Errorf("every user of this machine may replace what is in %s; run: chmod o-w %s", dir, dir)
		}
		if dir == filepath.Dir(dir) {
			return nil
		}
	}
}

// replaceFile puts a new value into a secret's file, whole or not at all. The file
// must be its owner's alone.
func (r *Resolver) replaceFile(name string, value []byte) error {
	path, err := r.path(name)
	if err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if perm := info.Mode().Perm(); perm&0o077 != 0 {
		return fmt.Errorf("%s is not its owner's alone (mode %#o); run: chmod 600 %s", path, perm, path)
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(append(slices.Clip(value), '\n'))
	if err == nil {
		err = errors.Join(keepOwner(f, info), f.Sync())
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}
