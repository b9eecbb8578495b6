//go:build !linux

package control

import (
	"fmt"
	"path/filepath"
)

// maxPath is how long the name of a socket may be: 104 bytes with the zero at its
// end (sys/un.h of macOS and the BSDs).
const maxPath = 103

// address returns the name of the socket in dir.
func address(dir string) (name string, done func(), err error) {
	name = filepath.Join(dir, socketFile)
	if len(name) > maxPath {
		return "", nil, fmt.Errorf("the path %s is too long for a socket: set XDG_STATE_HOME to a shorter one", name)
	}
	return name, func() {}, nil
}
