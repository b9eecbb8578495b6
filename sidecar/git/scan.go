package git

import (
	"fmt"

	"github.com/bottle-run/bottle/sidecar/dlp"
)

// A scan searches objects for secrets.
type scan struct {
	scanner *dlp.Scanner
	buf     []byte
	what    string // found in the object at hand
	found   []finding
	more    bool // than found could take
}

// A finding is an object with a secret.
type finding struct {
	id   oid
	kind kind
	what string // what it holds
}

// maxFindings is how many objects with secrets are looked at more closely.
const maxFindings = 64

// chunk is how much of a file is searched at a time. A file that is longer and is
// an archive is unpacked up to there.
const chunk = 4 << 20

// Write implements io.Writer.
func (s *scan) Write(p []byte) (int, error) {
	s.buf = append(s.buf, p...)
	if len(s.buf) >= chunk+dlp.Overlap {
		s.look()
		s.buf = append(s.buf[:0], s.buf[len(s.buf)-dlp.Overlap:]...)
	}
	return len(p), nil
}

func (s *scan) look() {
	if s.what != "" {
		return
	}
	switch f, found, err := s.scanner.Search(s.buf, nil); {
	case found:
		s.what = fmt.Sprintf("what looks like a secret (gitleaks rule %s)", f.Rule)
	case err != nil:
		s.what = "what may be a secret: " + err.Error()
	}
}

// end ends the object at hand.
func (s *scan) end(e *entry) {
	s.look()
	switch {
	case s.what == "":
	case len(s.found) < maxFindings:
		s.found = append(s.found, finding{e.id, e.kind, s.what})
	default:
		s.more = true
	}
	s.buf, s.what = s.buf[:0], ""
}

// object searches a whole object.
func (s *scan) object(e *entry, data []byte) {
	if e.kind == treeKind {
		data = names(data)
	}
	for ; len(data) > chunk; data = data[chunk:] {
		_, _ = s.Write(data[:chunk]) // never fails
	}
	_, _ = s.Write(data)
	s.end(e)
}

// names returns the names in a tree, without the bytes between them. One that
// does not parse is refused elsewhere.
func names(data []byte) []byte {
	entries, err := parseTree(data)
	if err != nil {
		return nil
	}
	var out []byte
	for _, e := range entries {
		out = append(append(out, e.name...), '\n')
	}
	return out
}
