package credproxy

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"html"
	"net/url"
	"strings"
)

// encodings returns the forms in which an upstream may send secret back: as it
// is, escaped for a URL, JSON or HTML, in hex, and in base64, also as a part of a
// longer text. There may be doubles.
func encodings(secret []byte) [][]byte {
	text := string(secret)
	forms := []string{
		text,
		url.QueryEscape(text), url.PathEscape(text), lowerEscapes(url.QueryEscape(text)), lowerEscapes(url.PathEscape(text)),
		jsonEscape(text, true), jsonEscape(text, false), strings.ReplaceAll(jsonEscape(text, false), "/", `\/`),
		html.EscapeString(text),
		hex.EncodeToString(secret), strings.ToUpper(hex.EncodeToString(secret)),
	}
	for shift := range 3 {
		forms = append(forms, innerBase64(secret, shift, base64.RawStdEncoding), innerBase64(secret, shift, base64.RawURLEncoding))
	}
	out := make([][]byte, len(forms))
	for i, f := range forms {
		out[i] = []byte(f)
	}
	return out
}

// innerBase64 returns the characters that stand for secret, and for nothing
// else, in the base64 of a text in which shift bytes (modulo 3) come before it.
func innerBase64(secret []byte, shift int, enc *base64.Encoding) string {
	text := enc.EncodeToString(append(make([]byte, shift), secret...))
	first := (shift*8 + 5) / 6 // these hold bits of what comes before
	last := (shift + len(secret)) * 8 / 6
	return text[first:last] // the one after holds bits of what follows
}

func jsonEscape(s string, asHTML bool) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(asHTML)
	if err := enc.Encode(s); err != nil {
		return s // no string fails to encode
	}
	return strings.TrimSuffix(b.String(), "\n")[1 : b.Len()-2]
}

// lowerEscapes writes %2F as %2f.
func lowerEscapes(s string) string {
	b := []byte(s)
	for i := 0; i+2 < len(b); i++ {
		if b[i] == '%' {
			copy(b[i+1:], bytes.ToLower(b[i+1:i+3]))
			i += 2
		}
	}
	return string(b)
}
