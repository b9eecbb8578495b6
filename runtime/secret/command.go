package secret

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// commandTimeout bounds a secret's command; one that asks a person for a touch
// of a key gets its time.
const commandTimeout = 60 * time.Second

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
		if said := strings.TrimSpace(without(complaint.String(), out.Bytes())); said != "" {
			return nil, fmt.Errorf("%w: %s", err, said)
		}
		return nil, err
	}
	if out.over {
		return nil, fmt.Errorf("printed more than %d bytes, which no header can carry", maxValue)
	}
	return out.Bytes(), nil
}

// without returns s without the secrets that it may hold: a command under a
// shell's -x prints what it does, a server may answer with what it was asked.
func without(s string, secrets ...[]byte) string {
	for _, secret := range secrets {
		if v := string(bytes.TrimSpace(secret)); v != "" {
			s = strings.ReplaceAll(s, v, "redacted")
		}
	}
	return s
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
