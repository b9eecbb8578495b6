package git

import "github.com/bottle-run/bottle/sidecar/dlp"

// A scan searches objects for secrets.
type scan struct {
	scanner *dlp.Scanner
	buf     []byte
	rule    string // found in the object at hand
	found   []finding
}

// A finding is an object with a secret.
type finding struct {
	id   oid
	kind kind
	rule string
}

// maxFindings is how many objects with secrets are told about.
const maxFindings = 16

// chunk is how much of a long file is searched at a time.
const chunk = 1 << 20

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
	if s.rule == "" {
		f, _ := s.scanner.Find(s.buf)
		s.rule = f.Rule
	}
}

// end ends the object at hand.
func (s *scan) end(e *entry) {
	s.look()
	if s.rule != "" && len(s.found) < maxFindings {
		s.found = append(s.found, finding{e.id, e.kind, s.rule})
	}
	s.buf, s.rule = s.buf[:0], ""
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
