package credproxy_test

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/bottle-run/bottle/sidecar/credproxy"
)

// echoes are the ways in which an upstream gives a secret back.
func echoes(secret string) map[string]string {
	js, _ := json.Marshal(secret)
	out := map[string]string{
		"plain":  secret,
		"query":  url.QueryEscape(secret),
		"path":   url.PathEscape(secret),
		"json":   string(js),
		"html":   html.EscapeString(secret),
		"hex":    hex.EncodeToString([]byte(secret)),
		"HEX":    strings.ToUpper(hex.EncodeToString([]byte(secret))),
		"php":    strings.ReplaceAll(secret, "/", `\/`),
		"lower":  strings.NewReplacer("%2F", "%2f", "%2B", "%2b", "%3D", "%3d", "%3C", "%3c", "%3E", "%3e").Replace(url.QueryEscape(secret)),
		"double": secret + secret,
	}
	for i := range 7 {
		text := strings.Repeat("x", i) + secret + strings.Repeat("y", i%4)
		out[fmt.Sprintf("base64 at %d", i)] = base64.StdEncoding.EncodeToString([]byte(text))
		out[fmt.Sprintf("base64url at %d", i)] = base64.RawURLEncoding.EncodeToString([]byte(text))
	}
	return out
}

// leaks reports whether any form of the secret, but for a byte at its borders, is
// in text.
func leaks(text, secret string) bool {
	if strings.Contains(text, secret[:len(secret)-1]) || strings.Contains(text, secret[1:]) {
		return true
	}
	for _, e := range echoes(secret) {
		if inner := e[min(3, len(e)):]; strings.Contains(text, e) || strings.Contains(text, inner[:len(inner)-4]) {
			return true
		}
	}
	return false
}

// THREATS 23: what the upstream echoes comes back without the secret, in
// whatever pieces, and as long as it was.
func TestEchoesAreCleaned(t *testing.T) {
	var pieces []string
	u := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		for _, piece := range pieces {
			_, _ = io.WriteString(w, piece)
			_ = http.NewResponseController(w).Flush()
		}
	})
	p := one(t, u, credproxy.Route{Auth: bearer()})
	for name, e := range echoes(canary) {
		text := "before " + e + " after"
		for _, size := range []int{1, 7, len(text)} {
			pieces = nil
			for chunk := range slices.Chunk([]byte(text), size) {
				pieces = append(pieces, string(chunk))
			}
			_, body := p.do("GET", "/api/", nil, nil)
			if leaks(body, canary) || len(body) != len(text) || !strings.HasPrefix(body, "before ") || !strings.HasSuffix(body, " after") || !strings.Contains(body, "****") {
				t.Errorf("%s in pieces of %d: %s", name, size, body)
			}
		}
	}
}

// An answer that breaks off, or that a client asks for in ranges, shows no part
// of the secret that is worth having.
func TestPartialEchoes(t *testing.T) {
	cut := 0
	u := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Range") != "" || r.Header.Get("If-Range") != "" {
			t.Error("the upstream was asked for a range")
		}
		_, _ = io.WriteString(w, ("key: " + canary)[:cut])
	})
	p := one(t, u, credproxy.Route{Auth: bearer()})
	for cut = range len("key: " + canary) {
		_, body := p.do("GET", "/api/", http.Header{"Range": {"bytes=0-20"}, "If-Range": {"x"}}, nil)
		if shown := strings.TrimRight(strings.TrimPrefix(body, "key: "), "*"); len(body) != cut || len(shown) > 8 {
			t.Errorf("cut at %d: %s", cut, body)
		}
	}
}

func TestHeadersAreCleaned(t *testing.T) {
	u := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Echo", r.Header.Get("Authorization"))
		w.Header().Set("Link", "<https://x/?t="+url.QueryEscape(canary)+">")
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusOK)
	})
	p := one(t, u, credproxy.Route{Auth: &credproxy.Auth{Scheme: "basic", User: "user", Secret: slot}})
	answer := p.raw("GET /api/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	if leaks(answer, canary) || leaks(answer, "user:"+canary) || strings.Count(answer, "X-Echo: Basic ***") != 2 || !strings.HasPrefix(answer, "HTTP/1.1 103") {
		t.Errorf("%s", answer)
	}
}

// A header may be named by the secret as well.
func TestHeaderNamesAreCleaned(t *testing.T) {
	const secret = "cAfe0123456789-TOKEN"
	u := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-Seen-"+secret, "x") })
	p := run(t, credproxy.Options{Roots: u.roots()}, credproxy.Config{Routes: []credproxy.Route{{Path: "/api/", Upstream: u.URL, Auth: bearer()}}}, inputs{slot: secret})
	if answer := p.raw("GET /api/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); strings.Contains(strings.ToLower(answer), "cafe") || !strings.HasPrefix(answer, "HTTP/1.1 200") {
		t.Errorf("%s", answer)
	}
}

// What is compressed though nobody asked for it is decompressed, or refused.
func TestCompressedEchoes(t *testing.T) {
	coding := ""
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, _ = io.WriteString(z, "it is "+canary)
	_ = z.Close()
	u := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", coding)
		_, _ = w.Write(zipped.Bytes())
	})
	p := one(t, u, credproxy.Route{Auth: bearer()})
	for coding = range map[string]bool{"gzip": true, "x-gzip": true, "GZIP": true} {
		res, body := p.do("GET", "/api/", nil, nil)
		if body != "it is "+strings.Repeat("*", len(canary)) || res.Header.Get("Content-Encoding") != "" {
			t.Errorf("%s: %d %q", coding, res.Code, body)
		}
	}
	for coding = range map[string]bool{"br": true, "zstd": true, "gzip, gzip": true, "deflate": true} {
		if res, body := p.do("GET", "/api/", nil, nil); res.Code != 502 || !strings.Contains(body, "encoded its answer ("+coding+")") {
			t.Errorf("%s: %d %q", coding, res.Code, body)
		}
		if res, _ := p.do("HEAD", "/api/", nil, nil); res.Code != 200 || res.Header.Get("Content-Encoding") != coding {
			t.Errorf("HEAD, %s: %d", coding, res.Code)
		}
	}
}

// An upstream of two routes cannot give to one what it got from the other, and a
// route to another host is left alone.
func TestSecretsOfOneHost(t *testing.T) {
	u := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, canary) })
	p := run(t, credproxy.Options{Roots: u.roots()}, credproxy.Config{Routes: []credproxy.Route{
		{Path: "/with/", Upstream: u.URL, Auth: bearer()}, {Path: "/without/", Upstream: u.URL + "/x"},
	}}, nil)
	if _, body := p.do("GET", "/without/", nil, nil); leaks(body, canary) {
		t.Errorf("%s", body)
	}
}

// After a refresh the value until then is still not shown.
func TestFormerSecretsAreCleaned(t *testing.T) {
	u := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, canary+" second-value") })
	p := one(t, u, credproxy.Route{Auth: bearer()})
	p.send(inputs{slot: "second-value"}.line())
	p.wait("applied", 1)
	if _, body := p.do("GET", "/api/", nil, nil); strings.Trim(body, "* ") != "" {
		t.Errorf("%s", body)
	}
}

// A scrubber in pieces hides what one over the whole hides, changes nothing else,
// and never waits for more where nothing has begun.
func FuzzScrubber(f *testing.F) {
	f.Add(uint64(1), "text with s3cr3t-value and s3cr3t-", "s3cr3t-value")
	f.Add(uint64(2), "aaaaaaaaaaaaaaaaaaaaaaaaaaaab", "aaaaaaaab")
	f.Add(uint64(3), "abcabcabcabcabcabc", "abcabcabcabc")
	f.Fuzz(func(t *testing.T, seed uint64, text, secret string) {
		text = text + secret + text
		random := rand.New(rand.NewPCG(seed, 1))
		var got strings.Builder
		scrub := credproxy.Scrubber(secret)
		if scrub == nil {
			return
		}
		for rest := text; rest != ""; {
			n := 1 + random.IntN(len(rest))
			got.Write(scrub.Push([]byte(rest[:n])))
			rest = rest[n:]
		}
		got.Write(scrub.End())
		if len(got.String()) != len(text) {
			t.Fatalf("%d bytes became %d", len(text), got.Len())
		}
		for i := range len(text) {
			if c := got.String()[i]; c != text[i] && c != '*' {
				t.Fatalf("%q became %q", text, got.String())
			}
		}
		// Prefixes that are too short to be kept back may show.
		shown := min(8, len(secret)/4)
		for i := 0; i+len(secret) <= len(text); i++ {
			if text[i:i+len(secret)] != secret {
				continue
			}
			if part := got.String()[i : i+len(secret)]; strings.Trim(part[shown:], "*") != "" {
				t.Fatalf("%q became %q", text, got.String())
			}
		}
		if whole := credproxy.Scrubber(secret).Clean(text); strings.Count(whole, "*") > strings.Count(got.String(), "*")+shown*(1+strings.Count(text, secret)) {
			t.Fatalf("%q became %q in pieces and %q as a whole", text, got.String(), whole)
		}
	})
}

func BenchmarkScrubber(b *testing.B) {
	block := make([]byte, 32<<10)
	_, _ = new(pattern).Read(block)
	for i := range block {
		block[i] = "abcdefghijklmnopqrstuvwxyz {}\":,"[block[i]%32]
	}
	for _, n := range []int{1, 4} {
		b.Run(fmt.Sprint(n, " secrets"), func(b *testing.B) {
			var secrets []string
			for i := range n {
				secrets = append(secrets, fmt.Sprintf("%d-%s", i, canary))
			}
			s := credproxy.Scrubber(secrets...)
			b.SetBytes(int64(len(block)))
			for b.Loop() {
				s.Push(block)
			}
		})
	}
}
