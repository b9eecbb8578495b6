package pipelock_test

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"

	"github.com/bottle-run/bottle/sidecar/pipelock"
)

func zipped(s string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = io.WriteString(w, s)
	_ = w.Close()
	return b.String()
}

func brotlied(s string) string {
	var b bytes.Buffer
	w := brotli.NewWriter(&b)
	_, _ = io.WriteString(w, s)
	_ = w.Close()
	return b.String()
}

func deflated(s string) string {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, 9)
	_, _ = io.WriteString(w, s)
	_ = w.Close()
	return b.String()
}

// noise is n bytes that cannot be compressed to less than half.
func noise(n int) string {
	r := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, n)
	for i := range b {
		b[i] = "abcdefghijklmno "[r.IntN(16)]
	}
	return string(b)
}

// percent spells every byte of s as a URL may.
func percent(s string) string {
	var b strings.Builder
	for i := range len(s) {
		fmt.Fprintf(&b, "%%%02x", s[i])
	}
	return b.String()
}

func TestSecretsStay(t *testing.T) {
	u := world(t, nil)
	g := run(t, u, pipelock.Config{Allow: allow("example.com")})
	warn := run(t, u, pipelock.Config{Allow: allow("example.com"), DLP: "warn"})
	off := run(t, u, pipelock.Config{Allow: allow("example.com"), DLP: "off"})
	filler := strings.Repeat("lorem ipsum dolor\n", 1<<16)[:pipelock.WholeBody-20]
	for name, c := range map[string]struct {
		query  string
		header http.Header
		body   string
	}{
		"header":           {header: http.Header{"X-Note": {secret()}}},
		"query":            {query: "?q=" + secret()},
		"escaped query":    {query: "?q=" + percent(secret())},
		"query, bad %":     {query: "?a=%zz&q=" + percent(secret())},
		"body":             {body: `{"a": "` + secret() + `"}`},
		"form":             {body: "a=" + percent(secret())},
		"form, bad %":      {body: "b=100%&a=" + percent(secret())},
		"gzip":             {body: zipped(secret()), header: http.Header{"Content-Encoding": {"gzip"}}},
		"deflate, bare":    {body: deflated(secret()), header: http.Header{"Content-Encoding": {"deflate"}}},
		"br":               {body: brotlied(secret()), header: http.Header{"Content-Encoding": {"br"}}},
		"long br":          {body: brotlied(noise(3<<20) + " " + secret() + " "), header: http.Header{"Content-Encoding": {"br"}}},
		"long gzip":        {body: zipped(noise(3<<20) + " " + secret() + " "), header: http.Header{"Content-Encoding": {"gzip"}}},
		"long archive":     {body: zipped(noise(3<<20) + " " + secret() + " ")},
		"gzip, two values": {body: zipped(secret()), header: http.Header{"Content-Encoding": {"identity", "gzip"}}},
		"long":             {body: filler + " " + secret() + " " + filler},
		"long form":        {body: "a=" + percent(secret()) + "&b=" + filler + filler},
		"at the end":       {body: filler + filler + " " + secret()},
	} {
		t.Run(name, func(t *testing.T) {
			code, body := g.do("POST", "https://example.com/"+c.query, c.header, io.MultiReader(strings.NewReader(c.body)))
			if code != 403 || !strings.Contains(body, "github-pat") || strings.Contains(body, secret()) {
				t.Errorf("block: %d %.300q", code, body)
			}
			if e := g.wait("request"); e["decision"] != "deny" {
				t.Error(e)
			}
			if code, body := warn.do("POST", "https://example.com/"+c.query, c.header, strings.NewReader(c.body)); code != 200 || !strings.Contains(body, fmt.Sprintf(`"n":%d`, len(c.body))) {
				t.Errorf("warn: %d %.300q", code, body)
			}
			if e := warn.wait("request"); e["decision"] != "warn" {
				t.Error(e)
			}
			if name != "body" {
				return
			}
			if code, body := off.do("POST", "https://example.com/"+c.query, c.header, strings.NewReader(c.body)); code != 200 {
				t.Errorf("off: %d %.300q", code, body)
			}
		})
	}
	if code, body := g.do("POST", "https://example.com/", nil, strings.NewReader(filler+filler+filler)); code != 200 || !strings.Contains(body, fmt.Sprintf(`"n":%d`, 3*len(filler))) {
		t.Errorf("innocent: %d %.300q", code, body)
	}
	for encoding, body := range map[string]string{"br": "\xff\xff\xff", "gzip": "x", "compress": "x", "gzip, gzip": zipped("x")} {
		if code, body := g.do("POST", "https://example.com/", http.Header{"Content-Encoding": {encoding}}, strings.NewReader(body)); code != 403 || !strings.Contains(body, "cannot be read") {
			t.Errorf("%s: %d %.300q", encoding, code, body)
		}
	}
}

func TestSecretInTrailer(t *testing.T) {
	g := run(t, world(t, nil), pipelock.Config{Allow: allow("example.com")})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://example.com/", io.MultiReader(strings.NewReader("x")))
	if err != nil {
		t.Fatal(err)
	}
	req.Trailer = http.Header{"X-Note": {secret()}}
	res, err := g.client(nil).Do(req)
	if err != nil {
		return // the gate may answer before the trailer is written, and close
	}
	defer func() { _ = res.Body.Close() }()
	if b, _ := io.ReadAll(res.Body); bytes.Contains(b, []byte(secret())) {
		t.Errorf("%s", b)
	}
}
