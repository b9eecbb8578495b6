package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
)

// A Trace is the directory of a launch, dead or alive.
type Trace struct {
	Name, Dir string
	// Bytes is the size of its files, and Used when one of them last changed.
	Bytes int64
	Used  time.Time
}

// Traces returns the directories of launches below root, by name. What has no lock
// file is not one.
func Traces(root string) ([]Trace, error) {
	names, err := directories(root)
	if err != nil {
		return nil, err
	}
	var found []Trace
	for _, name := range names {
		t := Trace{Name: name, Dir: filepath.Join(root, name)}
		if info, err := os.Lstat(filepath.Join(t.Dir, lockFile)); err != nil || !info.Mode().IsRegular() {
			continue
		}
		if err := t.measure(); err != nil {
			return nil, err
		}
		found = append(found, t)
	}
	return found, nil
}

func (t *Trace) measure() error {
	return filepath.WalkDir(t.Dir, func(_ string, d fs.DirEntry, err error) error {
		var info fs.FileInfo
		if err == nil {
			info, err = d.Info()
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil // the launch lives, and its files come and go
		} else if err != nil {
			return err
		}
		if info.Mode().IsRegular() {
			t.Bytes += info.Size()
			if info.ModTime().After(t.Used) {
				t.Used = info.ModTime()
			}
		}
		return nil
	})
}

// Remove removes the directory of a dead launch. It returns ErrRunning, and removes
// nothing, when somebody holds its lock.
func (t Trace) Remove() error {
	l := flock.New(filepath.Join(t.Dir, lockFile))
	ok, err := l.TryLock()
	if err == nil && !ok {
		err = fmt.Errorf("a launch called %q %w", t.Name, ErrRunning)
	}
	if err != nil {
		return err
	}
	// Out of the way first, so that nobody finds half of it; the leading dot hides it.
	away := filepath.Join(filepath.Dir(t.Dir), ".gone-"+t.Name)
	if err = os.RemoveAll(away); err == nil {
		err = os.Rename(t.Dir, away)
	}
	if err == nil {
		err = os.RemoveAll(away)
	}
	return errors.Join(err, l.Unlock())
}
