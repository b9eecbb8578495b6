package journal

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// An About is what a launch is, for people and for commands that come later.
type About struct {
	Name string `json:"name"`
	// Script is the launch script, absolute, and Args its arguments.
	Script string            `json:"script"`
	Args   map[string]string `json:"args,omitempty"`
	// Command replaced the agent's.
	Command []string  `json:"command,omitempty"`
	Agents  []string  `json:"agents"`
	Started time.Time `json:"started"`
	// State is Starting, Running or Ended. One whose launcher was killed says what
	// was last true; Alive knows.
	State State `json:"state"`
	// Status is the exit status of an ended launch.
	Status int `json:"status"`
}

// A State is how far a launch is.
type State string

// The states.
const (
	Starting State = "starting"
	Running  State = "running"
	Ended    State = "ended"
)

// WriteAbout stores what the launch is.
func (j *Journal) WriteAbout(a About) error {
	b, err := json.Marshal(a)
	if err != nil {
		return err
	}
	return j.replace(aboutFile, b)
}

// WritePlan stores the plan in JSON.
func (j *Journal) WritePlan(plan []byte) error { return j.replace(planFile, plan) }

// replace writes a file whole: others read it while the launch runs.
func (j *Journal) replace(name string, b []byte) error {
	path := filepath.Join(j.Dir, name)
	err := os.WriteFile(path+".new", b, 0o600)
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		return fmt.Errorf("writing the journal: %w", err)
	}
	return nil
}

// Find returns what the launch called name below root is, and its directory.
func Find(root, name string) (About, string, error) {
	dir := filepath.Join(root, name)
	b, err := os.ReadFile(filepath.Join(dir, aboutFile))
	if errors.Is(err, fs.ErrNotExist) {
		return About{}, "", fmt.Errorf("there is no launch called %q; `bottle ps` lists them", name)
	} else if err != nil {
		return About{}, "", err
	}
	var a About
	if err := json.Unmarshal(b, &a); err != nil {
		return About{}, "", fmt.Errorf("%s: %w", filepath.Join(dir, aboutFile), err)
	}
	if alive, _ := Alive(dir); !alive {
		a.State = Ended
	}
	return a, dir, nil
}

// directories returns the names of what may be the directories of launches below
// root, sorted; none when there is no root.
func directories(root string) ([]string, error) {
	entries, err := os.ReadDir(root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() && !strings.HasPrefix(e.Name(), ".") {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// List returns the launches below root, by name; those whose launcher lives, or all.
func List(root string, all bool) ([]About, error) {
	names, err := directories(root)
	if err != nil {
		return nil, err
	}
	var found []About
	for _, name := range names {
		a, _, err := Find(root, name)
		if err != nil || !all && a.State == Ended {
			continue // a directory of something else, or of an older bottle
		}
		found = append(found, a)
	}
	return found, nil
}

// ReadPlan returns the plan that is in force in the launch of dir, in JSON.
func ReadPlan(dir string) ([]byte, error) { return os.ReadFile(filepath.Join(dir, planFile)) }

// OpenAudit opens the audit of the launch of dir.
func OpenAudit(dir string) (*os.File, error) { return os.Open(filepath.Join(dir, auditFile)) }
