// Package journal keeps what a launch tried and decided, beside the engine: a
// directory for each launch with its plan, its steps and its audit.
//
// The rule that shapes it: the lock is the life. A launcher holds the lock of its
// directory for as long as it lives, so anybody can tell, without trusting a
// process number, whether the objects of a launch still have an owner.
package journal

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/gofrs/flock"
)

// The files in a launch's directory.
const (
	lockFile    = "lock"
	planFile    = "plan.json"
	aboutFile   = "launch.json"
	journalFile = "journal.jsonl" // a line for each step: Step
	auditFile   = "audit.jsonl"   // a line for each decision of a sidecar
)

// ErrRunning says that a launch of that name has a living launcher.
var ErrRunning = errors.New("is already running")

// Root returns the directory that holds the directories of all launches:
// $XDG_STATE_HOME/bottle, by default ~/.local/state/bottle (the XDG Base
// Directory Specification, version 0.8).
func Root() (string, error) {
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "bottle"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("finding the state directory: %w; set XDG_STATE_HOME", err)
	}
	return filepath.Join(home, ".local", "state", "bottle"), nil
}

// A Journal is an open directory of one launch. It is safe for concurrent use.
type Journal struct {
	Dir string

	lock  *flock.Flock
	mu    sync.Mutex // serialises lines
	steps *os.File
	audit *os.File
	err   error // the first failed write
}

// Open makes or reuses the directory of the launch called name below root and
// takes its lock. It returns ErrRunning when somebody holds it.
func Open(root, name string) (*Journal, error) {
	j := &Journal{Dir: filepath.Join(root, name)}
	err := os.MkdirAll(j.Dir, 0o700)
	if err == nil {
		err = os.Chmod(j.Dir, 0o700) //nolint:gosec // it may be an older one, and who reaches the socket in it commands the launch
	}
	if err != nil {
		return nil, fmt.Errorf("opening the journal: %w", err)
	}
	j.lock = flock.New(filepath.Join(j.Dir, lockFile), flock.SetPermissions(0o600))
	if ok, err := j.lock.TryLock(); err != nil {
		return nil, fmt.Errorf("locking the journal: %w", err)
	} else if !ok {
		return nil, fmt.Errorf("a launch called %q %w", name, ErrRunning)
	}
	if j.steps, err = j.create(journalFile); err == nil {
		j.audit, err = j.create(auditFile)
	}
	if err != nil {
		_ = j.Close()
		return nil, fmt.Errorf("opening the journal: %w", err)
	}
	return j, nil
}

func (j *Journal) create(name string) (*os.File, error) {
	return os.OpenFile(filepath.Join(j.Dir, name), os.O_CREATE|os.O_WRONLY|os.O_TRUNC|os.O_APPEND, 0o600)
}

// Alive reports whether the launch that keeps its journal in dir still has a
// launcher. A directory that does not exist on this machine has none that could
// be seen: known is then false.
func Alive(dir string) (alive, known bool) {
	path := filepath.Join(dir, lockFile)
	if _, err := os.Stat(path); err != nil {
		return false, false
	}
	l := flock.New(path, flock.SetFlag(os.O_RDONLY))
	ok, err := l.TryRLock()
	if err != nil {
		return false, false
	}
	if ok {
		_ = l.Unlock()
	}
	return !ok, true
}

// A Step is a line of the journal: a node that changed its state.
type Step struct {
	Time  time.Time `json:"time"`
	Node  string    `json:"node"`
	State string    `json:"state"`
	Error string    `json:"error,omitempty"`
}

// Record appends a step. It is on its way to the disk before the step that it
// announces is tried.
func (j *Journal) Record(s Step) {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err) // every field is plain data
	}
	j.write(j.steps, b)
}

// Audit appends a line of the audit, which must be one JSON object.
func (j *Journal) Audit(line []byte) { j.write(j.audit, line) }

func (j *Journal) write(f *os.File, line []byte) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if _, err := f.Write(append(slices.Clip(line), '\n')); err != nil && j.err == nil {
		j.err = fmt.Errorf("writing the journal: %w", err)
	}
}

// AuditPath is where the audit is.
func (j *Journal) AuditPath() string { return filepath.Join(j.Dir, auditFile) }

// Close releases the lock and returns the first write that went wrong. The
// directory stays: the audit is evidence.
func (j *Journal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	errs := []error{j.err}
	for _, f := range []*os.File{j.steps, j.audit} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(append(errs, j.lock.Unlock())...)
}
