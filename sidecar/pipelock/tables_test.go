package pipelock_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"text/tabwriter"
	"time"

	"github.com/coder/websocket"
	"github.com/klauspost/compress/zstd"

	"github.com/bottle-run/bottle/sidecar/pipelock"
)

// A way is how a secret may leave.
type way struct {
	name string
	// request makes one, or nil where a secret does not fit there.
	request func(s string) *http.Request
}

func post(body string, header ...string) *http.Request {
	req, err := http.NewRequest(http.MethodPost, "https://example.com/in", io.NopCloser(strings.NewReader(body))) //nolint:noctx // it gets one
	if err != nil {
		panic(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return req
}

func get(u string) *http.Request {
	req, err := http.NewRequest(http.MethodGet, u, nil) //nolint:noctx // it gets one
	if err != nil {
		panic(err)
	}
	return req
}

func ways() []way {
	return []way{
		{"body", func(s string) *http.Request { return post("note: " + s + "\n") }},
		{"body, a byte a chunk", func(s string) *http.Request {
			req := post("")
			req.Body = io.NopCloser(iotest.OneByteReader(strings.NewReader("note: " + s + "\n")))
			return req
		}},
		{"JSON string", func(s string) *http.Request {
			b, _ := json.Marshal(map[string]any{"messages": []any{map[string]string{"role": "user", "content": "here:\n" + s + "\n"}}})
			return post(string(b), "Content-Type", "application/json")
		}},
		{"JSON in JSON", func(s string) *http.Request {
			b, _ := json.Marshal("here:\n" + s)
			b, _ = json.Marshal(map[string]string{"arguments": string(b)})
			return post(string(b))
		}},
		{"base64", func(s string) *http.Request { return post(`{"data":"` + inBase64("a file: "+s) + `"}`) }},
		{"base64 for URLs, shifted", func(s string) *http.Request {
			return post("q/" + base64.RawURLEncoding.EncodeToString([]byte("xy "+s)))
		}},
		{"hexadecimal", func(s string) *http.Request { return post(hex.EncodeToString([]byte(" " + s))) }},
		{"form", func(s string) *http.Request { return post("a=b+c&text=" + url.QueryEscape(" "+s)) }},
		{"multipart", func(s string) *http.Request {
			var b bytes.Buffer
			w := multipart.NewWriter(&b)
			part, _ := w.CreateFormFile("f", "notes.txt")
			_, _ = io.WriteString(part, s)
			_ = w.Close()
			return post(b.String(), "Content-Type", w.FormDataContentType())
		}},
		{"gzip", func(s string) *http.Request { return post(zipped("a "+s), "Content-Encoding", "gzip") }},
		{"deflate", func(s string) *http.Request { return post(deflated("a "+s), "Content-Encoding", "deflate") }},
		{"br", func(s string) *http.Request { return post(brotlied("a "+s), "Content-Encoding", "br") }},
		{"zstd", func(s string) *http.Request {
			z, _ := zstd.NewWriter(nil)
			return post(string(z.EncodeAll([]byte("a "+s), nil)), "Content-Encoding", "zstd")
		}},
		{"gzip in base64 in JSON", func(s string) *http.Request { return post(`{"tgz":"` + inBase64(zipped("a "+s)) + `"}`) }},
		{"header", func(s string) *http.Request { return post("", "X-Note", strings.ReplaceAll(s, "\n", " ")) }},
		{"query", func(s string) *http.Request { return get("https://example.com/?q=" + url.QueryEscape(s)) }},
		{"path", func(s string) *http.Request {
			return get("https://example.com/a/" + strings.ReplaceAll(url.PathEscape(s), "%2F", "/"))
		}},
		{"labels of a host name", func(s string) *http.Request {
			digits := hex.EncodeToString([]byte(s))
			if len(digits) > 220 {
				return nil
			}
			var host strings.Builder
			for ; len(digits) > 60; digits = digits[60:] {
				host.WriteString(digits[:60] + ".")
			}
			return get("http://" + host.String() + digits + ".example.com/")
		}},
	}
}

// TestTableOfSecrets holds what the gate stops, by kind and way, against what it
// promises: 95 of 100. All of gitleaks' rules with BOTTLE_LONG, else one of four.
func TestTableOfSecrets(t *testing.T) {
	g := run(t, world(t, echo), pipelock.Config{Allow: allow("example.com", "*.example.com")})
	all := kinds(t)
	if os.Getenv("BOTTLE_LONG") == "" {
		var some []kind
		for i := 0; i < len(all); i += 4 {
			some = append(some, all[i])
		}
		all = some
	}
	if len(all) < 40 {
		t.Fatalf("%d kinds", len(all))
	}
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	tried, stopped := 0, 0
	for _, way := range append(ways(), way{name: "WebSocket message"}) {
		n, out := 0, []string{}
		for _, k := range all {
			var caught bool
			if way.request == nil {
				caught = g.overWebSocket(k.example)
			} else if req := way.request(k.example); req != nil {
				res, err := g.client(nil).Do(req.WithContext(t.Context()))
				if caught = err != nil || res.StatusCode == http.StatusForbidden; err == nil {
					_ = res.Body.Close()
				}
			} else {
				continue
			}
			if n++; !caught {
				out = append(out, k.rule)
			}
		}
		tried, stopped = tried+n, stopped+n-len(out)
		_, _ = fmt.Fprintf(w, "%s\t%d of %d\t%s\n", way.name, n-len(out), n, strings.Join(out[:min(len(out), 4)], " "))
	}
	_ = w.Flush()
	t.Logf("%d kinds of secrets, stopped by way (and some that were not):\n%s\n%d of %d: %.1f %%", len(all), &table, stopped, tried, 100*float64(stopped)/float64(tried))
	if float64(stopped) < 0.95*float64(tried) {
		t.Errorf("%d of %d", stopped, tried)
	}
}

// overWebSocket reports whether a message does not come back.
func (g *running) overWebSocket(s string) bool {
	ctx, cancel := context.WithTimeout(g.t.Context(), time.Minute)
	defer cancel()
	c, _, err := websocket.Dial(ctx, "wss://example.com/", &websocket.DialOptions{HTTPClient: g.client(nil)}) //nolint:bodyclose // the library closes it
	if err != nil {
		g.t.Fatal(err)
	}
	defer func() { _ = c.CloseNow() }()
	if err := c.Write(ctx, websocket.MessageText, []byte("note: "+s+"\n")); err != nil {
		return true
	}
	_, _, err = c.Read(ctx)
	return err != nil
}
