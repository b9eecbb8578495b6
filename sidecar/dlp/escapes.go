package dlp

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
)

// unbackslash appends text to out with the escapes of JSON and C undone: \n \t \"
// \/ \\ and so on, \u0041, \x41. Others stay. ok is whether there was one.
func unbackslash(out, text []byte) (_ []byte, ok bool) {
	for {
		i := bytes.IndexByte(text, '\\')
		if i < 0 || i+1 == len(text) {
			break
		}
		out = append(out, text[:i]...)
		text = text[i:]
		n := 1
		switch c := text[1]; c {
		case 'n':
			out, n = append(out, '\n'), 2
		case 'r':
			out, n = append(out, '\r'), 2
		case 't':
			out, n = append(out, '\t'), 2
		case 'b', 'f':
			out, n = append(out, ' '), 2
		case '"', '\'', '\\', '/':
			out, n = append(out, c), 2
		case 'u', 'x':
			var r rune
			if r, n = codePoint(text); n > 1 {
				out = appendRune(out, r, c == 'x')
			}
		}
		if n == 1 {
			out = append(out, '\\')
		}
		ok = ok || n > 1
		text = text[n:]
	}
	if !ok {
		return out, false
	}
	return append(out, text...), true
}

// appendRune appends what an escape stands for: for \xff a byte, for \u00ff a
// character.
func appendRune(out []byte, r rune, isByte bool) []byte {
	if isByte {
		return append(out, byte(r)) //nolint:gosec // of two digits
	}
	return utf8.AppendRune(out, r)
}

// codePoint reads \xhh, \uhhhh, or a pair of those, at the start of text.
func codePoint(text []byte) (r rune, n int) {
	digits := 4
	if text[1] == 'x' {
		digits = 2
	}
	r, ok := hexNumber(text[2:], digits)
	if !ok {
		return 0, 1
	}
	n = 2 + digits
	if rest := text[n:]; utf16.IsSurrogate(r) && len(rest) > 6 && rest[0] == '\\' && rest[1] == 'u' {
		if low, ok := hexNumber(rest[2:], 4); ok {
			return utf16.DecodeRune(r, low), n + 6
		}
	}
	return r, n
}

func hexNumber(text []byte, digits int) (r rune, ok bool) {
	if len(text) < digits {
		return 0, false
	}
	for _, b := range text[:digits] {
		v := hexValue[b]
		if v > 15 {
			return 0, false
		}
		r = r<<4 | rune(v)
	}
	return r, true
}

// unpercent appends text to out with %41 undone. What is not well escaped stays:
// one stray percent sign must not hide the rest. ok is whether there was something
// to undo.
func unpercent(out, text []byte) (_ []byte, ok bool) {
	for {
		i := bytes.IndexByte(text, '%')
		if i < 0 {
			break
		}
		out = append(out, text[:i]...)
		text = text[i:]
		if len(text) > 2 && hexValue[text[1]] < 16 && hexValue[text[2]] < 16 {
			out, text, ok = append(out, hexValue[text[1]]<<4|hexValue[text[2]]), text[3:], true
			continue
		}
		out, text = append(out, '%'), text[1:]
	}
	if !ok {
		return out, false
	}
	return append(out, text...), true
}

// isForm reports whether pluses in text may be meant as spaces: what a form has
// none of, text has not.
func isForm(text []byte) bool {
	return bytes.IndexByte(text, '+') >= 0 && !bytes.ContainsAny(text, " \n\"{<")
}

var hexValue = func() (t [256]byte) { //nolint:gochecknoglobals // a table
	for i := range t {
		t[i] = 0xff
	}
	for i, b := range []byte("0123456789abcdef") {
		t[b], t[bytes.ToUpper([]byte{b})[0]] = byte(i), byte(i)
	}
	return t
}()
