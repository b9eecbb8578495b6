package dlp_test

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/bottle-run/bottle/sidecar/dlp"
)

// An encoding is how a text may hide in another.
type encoding struct {
	name string
	do   func(s string) string
}

func through(w func(io.Writer) io.WriteCloser) func(string) string {
	return func(s string) string {
		var b bytes.Buffer
		z := w(&b)
		_, _ = io.WriteString(z, s)
		_ = z.Close()
		return b.String()
	}
}

func each(format string) func(string) string {
	return func(s string) string {
		var b strings.Builder
		for i := range len(s) {
			fmt.Fprintf(&b, format, s[i])
		}
		return b.String()
	}
}

// lines breaks s as MIME does.
func lines(s string) string {
	var b strings.Builder
	for ; len(s) > 76; s = s[76:] {
		b.WriteString(s[:76] + "\r\n")
	}
	return b.String() + s
}

func encodings() []encoding {
	return []encoding{
		{"JSON", func(s string) string { b, _ := json.Marshal(map[string]string{"content": s}); return string(b) }},
		{`\u`, each(`\u%04x`)},
		{`\x`, each(`\x%02x`)},
		{"%", each("%%%02X")},
		{"form", url.QueryEscape},
		{"base64", func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }},
		{"base64 for URLs", func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }},
		{"base64, 1 off", func(s string) string { return "key/" + base64.StdEncoding.EncodeToString([]byte("a"+s)) }},
		{"base64, 2 off", func(s string) string { return "x" + base64.StdEncoding.EncodeToString([]byte("ab"+s)) }},
		{"base64, lines", func(s string) string {
			return lines(base64.StdEncoding.EncodeToString([]byte(strings.Repeat("filler ", 9) + s)))
		}},
		{"hex", func(s string) string { return hex.EncodeToString([]byte(s)) }},
		{"HEX, odd", func(s string) string { return "A" + strings.ToUpper(hex.EncodeToString([]byte(s))) }},
		{"gzip", through(func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) })},
		{"zlib", through(func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) })},
		{"zstd", through(func(w io.Writer) io.WriteCloser { z, _ := zstd.NewWriter(w); return z })},
		{"zip", through(func(w io.Writer) io.WriteCloser {
			z, _ := flate.NewWriter(w, 9)
			_, _ = w.Write([]byte("PK\x03\x04\x14\x00\x08\x00\x08\x00" + strings.Repeat("\x00", 16) + "\x01\x00\x00\x00a"))
			return z
		})},
	}
}

// Two encodings inside each other hide nothing, whichever they are.
func TestSearch(t *testing.T) {
	s := scanner(t)
	for _, a := range encodings() {
		for _, b := range append(encodings(), encoding{"", func(s string) string { return s }}) {
			if binary := strings.ContainsRune(b.name, 'z'); binary && (a.name == "JSON" || a.name == `\u`) {
				continue // JSON holds characters, not bytes
			}
			text := a.do(b.do("{\"a\": \"" + secret() + "\"}"))
			got, found, err := s.Search([]byte("x y "+text+" z"), nil)
			if !found || got.Rule != "github-pat" || err != nil {
				t.Errorf("%s of %s: %v %v in %q", a.name, b.name, got, err, text)
			}
		}
	}
}

func TestSearchTellsHow(t *testing.T) {
	s := scanner(t)
	zip := through(func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) })
	text := "{\"data\": \"" + base64.StdEncoding.EncodeToString([]byte(zip("a = "+secret()))) + "\"}"
	got, _, err := s.Search([]byte(text), nil)
	if fmt.Sprint(got.Inside) != "[base64 gzip]" || err != nil {
		t.Error(got, err)
	}
	plain, _ := s.Find([]byte(secret()))
	if got.Hash != plain.Hash || len(got.Hash) != 16 {
		t.Errorf("one secret, two hashes: %s %s", got.Hash, plain.Hash)
	}
	if _, found, _ := s.Search([]byte(text), func(f dlp.Finding) bool { return f.Hash == plain.Hash }); found {
		t.Error("what is excused was found")
	}
}

// A bomb is an error, not a day of work.
func TestBomb(t *testing.T) {
	s, err := dlp.New()
	if err != nil {
		t.Fatal(err)
	}
	const limit = 1 << 20
	s.Limit(limit)
	for size, want := range map[int]bool{limit: false, limit + 1: true} {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, _ = z.Write(make([]byte, size))
		_ = z.Close()
		if _, found, err := s.Search(b.Bytes(), nil); found || errors.Is(err, dlp.ErrUnreadable) != want {
			t.Error(size, found, err)
		}
	}
}
