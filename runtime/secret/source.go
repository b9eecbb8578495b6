package secret

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// maxValue bounds a secret: an engineer who points at the wrong file gets an
// error instead of a header of a gigabyte.
const maxValue = 64 << 10

// commandTimeout bounds a secret's command; one that asks a person for a touch
// of a key gets its time.
const commandTimeout = 60 * time.Second

// readFile reads a secret's file. One that others than its owner and group may
// read is refused: a secret on a shared machine is then none.
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
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	if info.Mode().Perm()&0o004 != 0 {
		return nil, fmt.Errorf("%s may be read by every user of this machine; run: chmod o-r %s", path, path)
	}
	v, err := io.ReadAll(io.LimitReader(f, maxValue+1))
	if err == nil && len(v) > maxValue {
		err = fmt.Errorf("%s is longer than %d bytes, which no header can carry", path, maxValue)
	}
	return v, err
}

func (r *Resolver) path(name string) (string, error) {
	if rest, ok := strings.CutPrefix(name, "~/"); ok {
		home, err := os.UserHomeDir()
		return filepath.Join(home, rest), err
	}
	if filepath.IsAbs(name) {
		return name, nil
	}
	return filepath.Join(r.Dir, name), nil
}

// run returns what argv writes to its standard output. What it writes to its
// standard error is part of the error, for that is where `gh` and `vault` say
// "please log in"; what it wrote to its output never is.
func (r *Resolver) run(ctx context.Context, argv []string) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, commandTimeout, fmt.Errorf("took longer than %v", commandTimeout))
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...) //nolint:gosec // the script names the command: that is the feature
	cmd.Dir = r.Dir
	cmd.WaitDelay = time.Second // a grandchild that keeps the pipe must not hold the launch
	var out, complaint limited
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		if errors.Is(err, exec.ErrNotFound) {
			return nil, fmt.Errorf("the command %s is not installed", argv[0])
		}
		if said := strings.TrimSpace(complaint.String()); said != "" {
			return nil, fmt.Errorf("%w: %s", err, said)
		}
		return nil, err
	}
	if out.over {
		return nil, fmt.Errorf("printed more than %d bytes, which no header can carry", maxValue)
	}
	return out.Bytes(), nil
}

// limited keeps the first maxValue bytes of what is written to it.
type limited struct {
	bytes.Buffer
	over bool
}

// Write implements io.Writer.
func (l *limited) Write(p []byte) (int, error) {
	if room := maxValue - l.Len(); len(p) > room {
		l.over = true
		l.Buffer.Write(p[:max(room, 0)])
		return len(p), nil
	}
	return l.Buffer.Write(p)
}
