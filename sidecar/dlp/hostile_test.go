package dlp_test

import (
	"bytes"
	"compress/zlib"
	"crypto/sha512"
	"encoding/base64"
	"strings"
	"testing"
)

// hostile are inputs of size bytes that are made to cost time.
func hostile(size int) map[string][]byte {
	noise := make([]byte, 0, size)
	for sum := sha512.Sum512(nil); len(noise) < size; sum = sha512.Sum512(sum[:]) {
		noise = append(noise, sum[:]...)
	}
	fill := func(s string) []byte { return bytes.Repeat([]byte(s), size/len(s)) }
	var empty bytes.Buffer // stored blocks without an end
	w := zlib.NewWriter(&empty)
	for range 64 {
		_ = w.Flush()
	}
	b64 := base64.StdEncoding.EncodeToString(noise[:size*3/4])
	return map[string][]byte{
		"noise":                     noise[:size],
		"base64":                    []byte(b64),
		"base64 of base64":          []byte(base64.StdEncoding.EncodeToString([]byte(b64[:size*3/4]))),
		"hex":                       fill("0123456789abcdef"),
		"spaces":                    fill(" "),
		"one letter":                fill("a"),
		"slashes":                   fill("\\"),
		"\\u":                       fill(`\u0041`),
		"percent":                   fill("%25"),
		"key=":                      fill("key="),
		"key=key":                   fill("key"),
		"key='":                     fill("key = '"),
		"generic":                   fill(`key="abcdefghij1klmno" `),
		"generic, no end":           fill(`key=abcdefghij1klmno`),
		"generic, no entropy":       fill(`key="aaaaaaaaaaaa1" `),
		"twitter":                   fill(`twitter="abcdefghijklmnopqrstuvwxy" `),
		"all names":                 fill(`linkedin_twitter_dropbox_sendbird_key = "0123456789abcdef0123456789abcdef0" `),
		"ey":                        fill("ey"),
		"jwt":                       fill("eyJhbGciOiJIUzI1NiIs."),
		"jwt, twice":                fill(" eyJhbGciOiJIUzI1NiIs.eyJhbGciOiJIUzI1NiIs"),
		"private key":               fill("-----BEGIN PRIVATE KEY-----"),
		"private key, long":         fill("-----BEGIN PRIVATE KEY-----" + strings.Repeat("A", 100)),
		"curl":                      fill("curl "),
		"curl -H":                   fill("curl -H \"a\n"),
		"curl -u":                   fill("curl --user x "),
		"kind: secret":              fill("kind: secret data: "),
		"secret":                    fill("secret "),
		"openai":                    fill("sk-T3BlbkFJ"),
		"openai, half":              fill("sk-aaaaaaaaaaaaaaaaaaaaT3BlbkFJ"),
		"facebook":                  fill("facebook 1234567890123456|"),
		"sourcegraph":               fill("sourcegraph 0123456789abcdef"),
		"teams":                     fill("https://a.webhook.office.com/webhookb2/aaaaaaaa-"),
		"slack":                     fill("xoxe.xoxb-1-ABCDEF"),
		"prefixes":                  fill("ghp_ sk_live_ AKIA xoxb- glpat- npm_ shpat_ SG. "),
		"zlib headers":              fill("\x78\x9c"),
		"zlib in zlib":              bytes.Repeat(empty.Bytes(), size/empty.Len()),
		"gzip headers":              fill("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"),
		"zstd headers":              fill("\x28\xb5\x2f\xfd\x04\x58"),
		"zip headers":               fill("PK\x03\x04\x14\x00\x08\x00\x08\x00" + strings.Repeat("\x00", 20)),
		"lines of base64":           fill("QUFBQUFBQUFBQUFBQUFBQUFB\n"),
		"escapes within each other": fill(`\\\\\\\\u0041`),
	}
}

// BenchmarkHostile tells what 1 MB costs that is made to cost.
func BenchmarkHostile(b *testing.B) {
	s := scanner(b)
	for name, text := range hostile(1 << 20) {
		b.Run(name, func(b *testing.B) {
			perSecond(b, [][]byte{text}, func(text []byte) { _, _, _ = s.Search(text, nil) })
		})
	}
}
