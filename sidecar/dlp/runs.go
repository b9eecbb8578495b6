package dlp

import (
	"encoding/base64"
	"encoding/hex"
)

// The shortest runs that are decoded: 18 bytes in base64, 16 in hexadecimal.
const (
	minBase64 = 24
	minHex    = 32
)

// inBase64 are the digits of both alphabets; value64 is what std spells one as.
var (
	inBase64 = setOf("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_") //nolint:gochecknoglobals // a table
	asStd    = func() (t [256]byte) {                                                      //nolint:gochecknoglobals // a table
		for i := range t {
			t[i] = byte(i)
		}
		t['-'], t['_'] = '+', '/'
		return t
	}()
)

// runs decodes what in text may be base64 or hexadecimal, and looks through it:
// all of it, or only what stands after a byte that is not 0.
func (d *dig) runs(text []byte, inside []string, before byte) {
	for at := 0; at < len(text) && !d.done; {
		start, end := nextRun(text, at)
		if start < 0 {
			return
		}
		at = end
		if before == 0 || start > 0 && text[start-1] == before {
			at = d.run(text, start, end, inside)
		}
	}
}

// nextRun finds the next run of base64's digits that is long enough. It looks at
// each minBase64th byte, and around it where that is a digit.
func nextRun(text []byte, from int) (start, end int) {
	for at := from + minBase64 - 1; at < len(text); {
		if !inBase64[text[at]] {
			at += minBase64
			continue
		}
		start = at
		for start > from && inBase64[text[start-1]] {
			start--
		}
		end = at + 1
		for end < len(text) && inBase64[text[end]] {
			end++
		}
		if end-start >= minBase64 {
			return start, end
		}
		at = end + minBase64
		from = end
	}
	return -1, -1
}

// run decodes one run, with the lines that follow it, and returns where it ends.
func (d *dig) run(text []byte, start, end int, inside []string) int {
	digits := d.get()
	for {
		for _, b := range text[start:end] {
			digits = append(digits, asStd[b])
		}
		next := nextLine(text, end)
		if next < 0 {
			break
		}
		start, end = next, next
		for end < len(text) && inBase64[text[end]] {
			end++
		}
	}
	d.hex(digits, inside)
	inside = with(inside, "base64")
	for skip := 0; skip < 4 && !d.done; skip++ {
		n := (len(digits) - skip) / 4 * 4
		out := d.get()
		if cap(out) < len(digits) {
			out = make([]byte, len(digits))
		}
		// The last digits too: without padding they may be two or three.
		rest := digits[skip:]
		if len(rest)%4 == 1 {
			rest = rest[:n]
		}
		m, _ := base64.RawStdEncoding.Decode(out[:cap(out)], rest)
		d.decoded(out[:m], inside)
		d.put(out)
	}
	d.put(digits)
	return end
}

// decoded looks through what came out of digits. Most of it is noise, because the
// digits were a word, or a picture: then a secret can be only where something is
// written in ASCII, or compressed.
func (d *dig) decoded(text []byte, inside []string) {
	high := 0
	for _, b := range text {
		high += int(b >> 7)
	}
	if high < len(text)/10 {
		d.look(text, inside)
		return
	}
	start := 0
	for i, b := range text {
		if b < 0x80 {
			continue
		}
		if i-start >= shortest && !d.done {
			d.look(text[start:i], inside)
		}
		start = i + 1
	}
	if d.done || len(inside) == Depth {
		return
	}
	d.look(text[start:], inside)
	d.archives(text, inside)
}

// nextLine returns where the digits go on after the end of a line, or -1.
func nextLine(text []byte, at int) int {
	breaks := 0
	for ; at < len(text) && breaks < 8; at++ {
		switch b := text[at]; {
		case b == '\n' || b == '\r' || b == ' ' || b == '\t':
			breaks++
		case breaks > 0 && inBase64[b]:
			return at
		default:
			return -1
		}
	}
	return -1
}

// hex decodes the hexadecimal digits among those of base64.
func (d *dig) hex(digits []byte, inside []string) {
	for at := 0; at+minHex <= len(digits) && !d.done; {
		end := at
		for end < len(digits) && hexValue[digits[end]] < 16 {
			end++
		}
		for skip := 0; skip < 2 && end-at-skip >= minHex && !d.done; skip++ {
			out := d.get()
			if cap(out) < len(digits)/2 {
				out = make([]byte, len(digits)/2)
			}
			n, _ := hex.Decode(out[:cap(out)], digits[at+skip:end-(end-at-skip)%2])
			d.decoded(out[:n], with(inside, "hexadecimal digits"))
			d.put(out)
		}
		at = end + 1
	}
}
