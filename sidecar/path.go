package sidecar

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// maxDecodings is how often a path may be encoded over again. Servers behind
// servers decode twice; what is still encoded then is nobody's file name.
const maxDecodings = 4

// CanonicalPath returns the one spelling of a path as it came in a request, still
// escaped and without its query. Escapes of letters, digits and "-._~" are
// decoded, the others written in upper case, and what RFC 3986 does not allow
// bare is escaped, so that two spellings of one path compare as equal and the
// bytes that are compared are the bytes that are sent.
//
// Paths that programs take for different ones are refused, however they are
// spelled, also escaped several times over: with a segment ".." or ".", alone or
// before ";", with an escaped slash, a backslash, a control byte, an empty
// segment ("//"), an invalid escape, or bytes that are not UTF-8.
func CanonicalPath(raw string) (string, error) {
	path, spread, err := SlashedPath(raw)
	if err == nil && path != spread {
		return "", ErrSlash
	}
	return path, err
}

// ErrSlash is what CanonicalPath returns for a path with an escaped slash.
var ErrSlash = errors.New("path has an escaped slash (%2F), which servers read in two ways")

// SlashedPath is CanonicalPath for who can tell that an escaped slash does no
// harm: it leaves them as they came, "%2F" or "%2f", and also returns the path as
// servers read it that take them for slashes, which is another canonical path.
func SlashedPath(raw string) (path, spread string, err error) {
	if raw == "" || raw[0] != '/' {
		return "", "", errors.New("path does not begin with a slash")
	}
	if isPlain(raw) {
		return raw, raw, nil
	}
	segments := strings.Split(raw[1:], "/")
	var b strings.Builder
	b.Grow(len(raw))
	slashed := false
	for i, segment := range segments {
		plain, ok := unescape(segment)
		if !ok {
			return "", "", errors.New("path has an invalid escape: write a percent sign as %25")
		}
		parts := strings.Split(plain, "/")
		slashed = slashed || len(parts) > 1
		for j, part := range parts {
			if err := checkSegment(segment, part, i == len(segments)-1 && j == len(parts)-1); err != nil {
				return "", "", err
			}
		}
		b.WriteByte('/')
		normalize(&b, segment)
	}
	path = b.String()
	if !slashed {
		return path, path, nil
	}
	return path, strings.NewReplacer("%2F", "/", "%2f", "/").Replace(path), nil
}

// isPlain reports whether a path, which begins with a slash, has nothing in it
// that could make it another one than it looks like. Most have not.
func isPlain(path string) bool {
	for i := 1; i < len(path); i++ {
		c := path[i]
		if c == '/' && path[i-1] == '/' || c == '.' && path[i-1] == '/' || c != '/' && !isUnreserved(c) {
			return false
		}
	}
	return true
}

// checkSegment refuses a segment that may mean another path to some server.
// plain is segment decoded once.
func checkSegment(segment, plain string, last bool) error {
	for range maxDecodings {
		if err := checkDecoded(plain, last); err != nil {
			return err
		}
		again, _ := unescape(plain) // a server that decodes twice may be lenient
		if again == plain {
			return nil
		}
		segment, plain = plain, again
	}
	return fmt.Errorf("path is escaped more than %d times over (%s)", maxDecodings, shorten(segment))
}

func checkDecoded(s string, last bool) error {
	if !utf8.ValidString(s) {
		return errors.New("path is not UTF-8")
	}
	for i := range len(s) {
		switch c := s[i]; {
		case c == '/':
			return ErrSlash // one that is escaped twice
		case c == '\\':
			return errors.New("path has a backslash, which some servers read as a slash")
		case c < 0x20 || c == 0x7f:
			return fmt.Errorf("path has the control byte %#02x", c)
		}
	}
	// Servlet containers cut ";…" off a segment before they look at it.
	name, _, params := strings.Cut(s, ";")
	switch strings.TrimRight(name, " ") {
	case ".", "..":
		return errors.New(`path has a "." or ".." segment`)
	case "":
		if !last || params || name != "" {
			return errors.New(`path has an empty segment ("//"): if a base URL ends in a slash, end it without`)
		}
	}
	return nil
}

// unescape decodes the escapes of s once. Invalid ones stay, and make ok false.
func unescape(s string) (plain string, ok bool) {
	if !strings.Contains(s, "%") {
		return s, true
	}
	ok = true
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '%' {
			decoded, valid := escape(s, i)
			if ok = ok && valid; valid {
				c = decoded
				i += 2
			}
		}
		b = append(b, c)
	}
	return string(b), ok
}

// escape returns the byte that the escape at s[i] stands for.
func escape(s string, i int) (c byte, ok bool) {
	if i+2 >= len(s) {
		return 0, false
	}
	hi, ok1 := unhex(s[i+1])
	lo, ok2 := unhex(s[i+2])
	return hi<<4 | lo, ok1 && ok2
}

func unhex(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

// normalize writes segment, whose escapes are valid, in its canonical spelling
// (RFC 3986 section 6.2.2).
func normalize(b *strings.Builder, segment string) {
	const upperHex = "0123456789ABCDEF"
	for i := 0; i < len(segment); i++ {
		c, escaped := segment[i], false
		if c == '%' {
			c, _ = escape(segment, i)
			escaped = true
			i += 2
		}
		if c == '/' {
			b.WriteString(segment[i-2 : i+1]) // as it came: see SlashedPath
			continue
		}
		if isUnreserved(c) || !escaped && strings.IndexByte("!$&'()*+,;=:@", c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(upperHex[c>>4])
		b.WriteByte(upperHex[c&15])
	}
}

func isUnreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		c == '-' || c == '.' || c == '_' || c == '~'
}
