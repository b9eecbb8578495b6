package git

import (
	"errors"
	"fmt"
	"io"
	"strings"
)

// A command asks for one ref to be changed from one object to another. A zero oid
// is none.
type command struct {
	from, to oid
	ref      string
}

// An opening is what a receive-pack request begins with.
type opening struct {
	commands []command
	caps     map[string]string
}

// maxCommands bounds the commands of a push, and its shallow lines each.
const maxCommands = 10000

// readOpening reads up to the packet that ends the commands. Without commands it
// is the probe that git sends before a long push.
func readOpening(r io.Reader) (*opening, error) {
	o := &opening{caps: map[string]string{}}
	for shallow := 0; ; {
		p, err := readPacket(r)
		switch {
		case err != nil:
			return nil, cutOff(err)
		case p.mark == pktFlush:
			return o, o.check()
		case p.mark != 0:
			return nil, errors.New("it has a packet that has no place in a push")
		}
		if id, ok := strings.CutPrefix(p.line(), "shallow "); ok && len(o.commands) == 0 {
			if _, ok := parseOID(id); !ok || shallow == maxCommands {
				return nil, errors.New("it has a shallow line without an object name, or too many")
			}
			shallow++
		} else if err := o.add(p.line()); err != nil {
			return nil, err
		}
	}
}

// add reads a line with a command. The first has the capabilities behind a NUL.
func (o *opening) add(line string) error {
	if strings.HasPrefix(line, "push-cert") {
		return errors.New("signed pushes are not understood: push without --signed")
	}
	line, caps, has := strings.Cut(line, "\x00")
	if has != (len(o.commands) == 0) {
		return errors.New("its capabilities are not where they belong")
	}
	for c := range strings.FieldsSeq(caps) {
		name, value, _ := strings.Cut(c, "=")
		o.caps[name] = value
	}
	from, rest, ok1 := strings.Cut(line, " ")
	to, ref, ok2 := strings.Cut(rest, " ")
	c := command{ref: ref}
	var ok3, ok4 bool
	c.from, ok3 = parseOID(from)
	c.to, ok4 = parseOID(to)
	switch {
	case len(to) == 64:
		return errors.New("repositories with SHA-256 are not understood")
	case !ok1 || !ok2 || !ok3 || !ok4:
		return errors.New("it has a command that is none")
	case len(o.commands) == maxCommands:
		return fmt.Errorf("it has more than %d commands", maxCommands)
	}
	o.commands = append(o.commands, c)
	return nil
}

// check refuses what makes of the whole push something else.
func (o *opening) check() error {
	seen := map[string]bool{}
	for _, c := range o.commands {
		if err := checkRef(c.ref); err != nil {
			return err
		}
		if seen[c.ref] {
			return fmt.Errorf("it changes %s twice", c.ref)
		}
		seen[c.ref] = true
	}
	if format, ok := o.caps["object-format"]; ok && format != "sha1" {
		return fmt.Errorf("repositories with %.20q are not understood", format)
	}
	for name, why := range map[string]string{
		"push-options": "push options may do more than push: push without -o",
		"push-cert":    "signed pushes are not understood: push without --signed",
	} {
		if _, ok := o.caps[name]; ok {
			return errors.New(why)
		}
	}
	return nil
}

// hasPack reports whether a pack follows: not where refs are deleted only.
func (o *opening) hasPack() bool {
	for _, c := range o.commands {
		if !c.to.isZero() {
			return true
		}
	}
	return false
}

// checkRef holds a ref to git's own rules (git-check-ref-format), so that the
// server reads in it what the rules were compared with.
func checkRef(ref string) error {
	bad := fmt.Errorf("%.200q is not the name of a ref", ref)
	if !strings.HasPrefix(ref, "refs/") || strings.ContainsAny(ref, " ~^:?*[\\") || strings.Contains(ref, "..") ||
		strings.Contains(ref, "@{") || len(ref) > 1024 {
		return bad
	}
	for i := range len(ref) {
		if ref[i] < 0x20 || ref[i] == 0x7f {
			return bad
		}
	}
	for part := range strings.SplitSeq(ref, "/") {
		if part == "" || part[0] == '.' || strings.HasSuffix(part, ".") || strings.HasSuffix(strings.ToLower(part), ".lock") {
			return bad
		}
	}
	return nil
}
