package docker

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// system are the directories of a host whose sight is the host: who can write
// there, or talk to the sockets there, is out of the bottle.
var system = []string{ //nolint:gochecknoglobals // a table
	"/proc", "/sys", "/dev", "/etc", "/run", "/var/run", "/boot", "/var/lib/docker", "/var/lib/containerd",
}

// credentials are where tools keep keys below a home directory, or the sockets of
// engines: Docker, SSH, GnuPG, the clouds' and Kubernetes' clients, GitHub's and
// git's, package registries', and virtual machines that hold an engine. Each by its
// tool's documentation.
var credentials = []string{ //nolint:gochecknoglobals // a table
	".docker", ".ssh", ".gnupg", ".aws", ".azure", ".kube", ".config/gcloud", ".config/gh", ".config/op", ".git-credentials", ".netrc",
	".config/git/credentials", ".npmrc", ".pypirc", ".cargo/credentials.toml", ".vault-token", ".password-store", ".local/share/keyrings",
	".colima", ".lima", ".orbstack", ".rd",
}

// refuseMount refuses a path, with its links resolved, that would give the host
// away: a system directory or one of the user's credentials, anything in or above
// one, or an engine's socket.
func refuseMount(path string) error {
	for _, dir := range system {
		if within(path, dir) || within(dir, path) {
			return fmt.Errorf("%s is or holds a part of the host's system (%s), which no container of a launch may see; mount the directory that the agent works in", path, dir)
		}
	}
	if strings.HasSuffix(filepath.Base(path), ".sock") {
		return errors.New("a socket of the host leads out of the launch")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return nil //nolint:nilerr // no home, no credentials in it
	}
	return refuseCredentials(path, home)
}

// refuseMount also refuses what holds bottle's own state: who reaches a launch's
// directory commands the launch by its socket, and may rewrite the audit.
func (e *Engine) refuseMount(path string) error {
	if e.l.Journal != "" {
		state := filepath.Dir(e.l.Journal)
		if resolved, err := filepath.EvalSymlinks(state); err == nil {
			state = resolved
		}
		if within(path, state) || within(state, path) {
			return fmt.Errorf("%s is or holds bottle's own state (%s), by which a launch is commanded; mount the directory that the agent works in, or set XDG_STATE_HOME to a place outside", path, state)
		}
	}
	return refuseMount(path)
}

// refuseCredentials refuses what keeps keys below home. A directory above one is
// refused only where there is one: a home without keys may be mounted.
func refuseCredentials(path, home string) error {
	if resolved, err := filepath.EvalSymlinks(home); err == nil {
		home = resolved
	}
	for _, name := range credentials {
		dir := filepath.Join(home, name)
		_, err := os.Lstat(dir)
		if within(path, dir) || within(dir, path) && err == nil {
			return fmt.Errorf("%s holds credentials, which no container of a launch may see; mount the directory that the agent works in, and give credentials to a route", dir)
		}
	}
	return nil
}

// within reports whether path is dir or below it.
func within(path, dir string) bool {
	return path == dir || dir == "/" || strings.HasPrefix(path, dir+"/")
}
