package pipelock_test

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/andybalholm/brotli"
	"github.com/coder/websocket"

	"github.com/bottle-run/bottle/sidecar/pipelock"
)

func discard() *log.Logger { return log.New(io.Discard, "", 0) }

func TestInterceptedGet(t *testing.T) {
	g := run(t, world(t, nil), pipelock.Config{Allow: allow("example.com")})
	code, body := g.do("GET", "https://example.com/a?b=c", nil, nil)
	if code != 200 || !strings.Contains(body, `"host":"example.com"`) || !strings.Contains(body, `"uri":"/a?b=c"`) {
		t.Fatal(code, body)
	}
	if d := g.dials(); !slices.Equal(d, []string{public + ":443"}) {
		t.Error("dialled", d)
	}
	e := g.wait("request")
	if e["decision"] != "allow" || e["path"] != "/a" || e["host"] != "example.com:443" || e["rule"] != "launch.star:1:1" {
		t.Error(e)
	}
}

// THREATS: a refused request causes no lookup and no packet.
func TestRefusedHost(t *testing.T) {
	g := run(t, world(t, nil), pipelock.Config{Allow: allow("example.com")})
	code, body := g.do("GET", "http://evil.example/x", nil, nil)
	var refusal map[string]string
	if err := json.Unmarshal([]byte(body), &refusal); err != nil || code != 403 || refusal["error"] != "blocked by bottle" || refusal["allow"] != `pipelock(allow = ["evil.example"])` {
		t.Error(code, body, err)
	}
	for _, target := range []string{"https://evil.example/", "https://127.0.0.1/", "https://[::1]/", "http://169.254.169.254/", "http://0x7f.1/", "http://example.com:8080/"} {
		if code, body := g.do("GET", target, nil, nil); code != 403 && !strings.Contains(body, "Forbidden") {
			t.Error(target, code, body)
		}
	}
	if g.names.calls() != 0 || len(g.dials()) != 0 {
		t.Error("looked up", g.names.asked, "dialled", g.dials())
	}
}

// connect opens a tunnel.
func (g *running) connect(host string) net.Conn {
	g.t.Helper()
	c, err := net.Dial("tcp", g.addr) //nolint:noctx // of a test
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	_, _ = fmt.Fprintf(c, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", host, host)
	var head []byte
	for b := make([]byte, 1); !bytes.HasSuffix(head, []byte("\r\n\r\n")); head = append(head, b[0]) {
		if _, err := c.Read(b); err != nil {
			g.t.Fatal(err, string(head))
		}
	}
	if !bytes.HasPrefix(head, []byte("HTTP/1.1 200")) {
		g.t.Fatalf("%s", head)
	}
	return c
}

func TestMismatches(t *testing.T) {
	g := run(t, world(t, nil), pipelock.Config{Allow: allow("example.com", "other.example"), Passthrough: []string{"other.example"}})
	for _, host := range []string{"example.com", "other.example"} {
		c := tls.Client(g.connect(host+":443"), &tls.Config{ServerName: "evil.example", InsecureSkipVerify: true}) // it must not get that far
		if err := c.HandshakeContext(t.Context()); err == nil {
			t.Errorf("a handshake with %s that names another", host)
		}
		if e := g.wait("request"); e["decision"] != "deny" || !strings.Contains(e["reason"].(string), "evil.example") {
			t.Error(e)
		}
	}
	if code, body := g.do("GET", "https://example.com/", http.Header{"Host": {"other.example"}}, nil); code != 421 {
		t.Error(code, body)
	}
	if g.names.calls() != 0 {
		t.Error("looked up", g.names.asked)
	}
	c := g.connect("example.com:443")
	_, _ = io.WriteString(c, "SSH-2.0-x\r\n")
	if b, _ := io.ReadAll(c); len(b) > 0 {
		t.Errorf("%q", b)
	}
}

func TestPrivateAddress(t *testing.T) {
	for _, answer := range [][]string{{"10.0.0.1"}, {public, "127.0.0.1"}, {"::ffff:169.254.169.254"}, {"fd00::1"}} {
		g := run(t, world(t, nil), pipelock.Config{Allow: allow("example.com")}, answer)
		code, body := g.do("GET", "https://example.com/", nil, nil)
		if code != 403 || !strings.Contains(body, "pipelock(private = ") || len(g.dials()) != 0 {
			t.Error(answer, code, body, g.dials())
		}
	}
	for answer, want := range map[string]int{"10.0.0.1": 200, "127.0.0.1": 403, "169.254.169.254": 403, "fd00:ec2::254": 403} {
		g := run(t, world(t, nil), pipelock.Config{Allow: allow("example.com"), Private: []string{"example.com"}}, []string{answer})
		if code, body := g.do("GET", "https://example.com/", nil, nil); code != want {
			t.Error(answer, code, body)
		}
	}
}

// THREATS: what was checked is what is dialled, whatever the resolver says next.
func TestRebinding(t *testing.T) {
	g := run(t, world(t, nil), pipelock.Config{Allow: allow("example.com")}, []string{public}, []string{"127.0.0.1"})
	if code, body := g.do("GET", "https://example.com/", nil, nil); code != 200 {
		t.Fatal(code, body)
	}
	if d := g.dials(); g.names.calls() != 1 || !slices.Equal(d, []string{public + ":443"}) {
		t.Error(g.names.asked, d)
	}
}

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

func TestMaxBody(t *testing.T) {
	rules := allow("example.com")
	rules[0].MaxBody = 10
	g := run(t, world(t, nil), pipelock.Config{Allow: rules})
	for body, want := range map[string]int{"0123456789": 200, "0123456789a": 403} {
		if code, b := g.do("POST", "https://example.com/", nil, strings.NewReader(body)); code != want {
			t.Error(body, code, b)
		}
		if code, b := g.do("POST", "https://example.com/", nil, io.MultiReader(strings.NewReader(body))); code != want {
			t.Error("chunked", body, code, b)
		}
	}
}

func TestEventStream(t *testing.T) {
	next := make(chan string)
	g := run(t, world(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for s := range next {
			_, _ = io.WriteString(w, s+"\n")
			_ = http.NewResponseController(w).Flush()
		}
	}), pipelock.Config{Allow: allow("example.com")})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://example.com/", nil)
	if err != nil {
		t.Fatal(err)
	}
	go func() { next <- "data: 0" }()
	res, err := g.client(nil).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	r := bufio.NewReader(res.Body)
	for i := range 4 {
		if i > 0 {
			next <- fmt.Sprintf("data: %d", i)
		}
		if s, err := r.ReadString('\n'); err != nil || s != fmt.Sprintf("data: %d\n", i) {
			t.Fatal(s, err)
		}
	}
	close(next)
	if rest, err := io.ReadAll(r); err != nil || len(rest) > 0 {
		t.Errorf("%q %v", rest, err)
	}
}

func echo(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer func() { _ = c.CloseNow() }()
	for {
		kind, b, err := c.Read(r.Context())
		if err != nil || c.Write(r.Context(), kind, b) != nil {
			return
		}
	}
}

// Closing the launcher's stream closes what is open at once.
func TestWebSocketAndEnd(t *testing.T) {
	g := run(t, world(t, echo), pipelock.Config{Allow: allow("example.com")})
	c, res, err := websocket.Dial(t.Context(), "wss://example.com/", &websocket.DialOptions{HTTPClient: g.client(nil)}) //nolint:bodyclose // the library closes it
	if err != nil {
		t.Fatal(err, res)
	}
	defer func() { _ = c.CloseNow() }()
	for _, s := range []string{"one", "two"} {
		if err := c.Write(t.Context(), websocket.MessageText, []byte(s)); err != nil {
			t.Fatal(err)
		}
		if _, b, err := c.Read(t.Context()); err != nil || string(b) != s {
			t.Fatal(string(b), err)
		}
	}
	tunnel := g.connect("example.com:443")
	_ = g.stdin.Close()
	select {
	case err := <-g.ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("the gate goes on")
	}
	if _, _, err := c.Read(t.Context()); err == nil {
		t.Error("the WebSocket is open")
	}
	if b, err := io.ReadAll(tunnel); len(b) > 0 {
		t.Errorf("%q %v", b, err)
	}
	if c, err := net.Dial("tcp", g.addr); err == nil { //nolint:noctx // of a test
		_ = c.Close()
		t.Error("the gate listens")
	}
}

func TestProxyToken(t *testing.T) {
	g := run(t, world(t, nil), pipelock.Config{
		Allow: allow("agent.example"), Upstreams: []pipelock.Rule{{Host: "example.com", Credentials: []string{"X-Key"}}},
	})
	get := func(user *url.Userinfo, header http.Header) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://example.com/", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header = header
		res, err := g.client(user).Do(req)
		if err != nil {
			return 0, err.Error()
		}
		_ = res.Body.Close()
		return res.StatusCode, ""
	}
	known := url.UserPassword("cred-proxy", token)
	if code, err := get(known, http.Header{"X-Key": {secret()}}); code != 200 {
		t.Error("the cred-proxy's credential:", code, err)
	}
	if code, err := get(known, http.Header{"X-Other": {secret()}}); code != 403 {
		t.Error("a secret beside it:", code, err)
	}
	for _, user := range []*url.Userinfo{url.UserPassword("cred-proxy", token+"x"), url.UserPassword("cred-proxy", ""), url.UserPassword("other", token), url.UserPassword("agent", "")} {
		if code, err := get(user, nil); code != 0 || !strings.Contains(err, "Proxy Authentication Required") {
			t.Error(user, code, err)
		}
	}
	for _, user := range []*url.Userinfo{nil, url.UserPassword("agent", token)} {
		if code, err := get(user, nil); code != 0 || !strings.Contains(err, "Forbidden") {
			t.Error("the agent:", user, code, err)
		}
	}
}

// A passed-through tunnel is not read, so rules about what is in it do not open it.
func TestPassthrough(t *testing.T) {
	u := world(t, nil)
	c := pipelock.Config{Allow: allow("example.com"), Passthrough: []string{"example.com"}}
	g := run(t, u, c)
	g.roots.AddCert(u.Certificate())
	if code, body := g.do("GET", "https://example.com/", nil, nil); code != 200 {
		t.Error(code, body)
	}
	c.Allow[0].Methods = []string{"GET"}
	g = run(t, u, c)
	g.roots.AddCert(u.Certificate())
	if code, body := g.do("POST", "https://example.com/", nil, strings.NewReader("x")); code != 0 || len(g.dials()) > 0 {
		t.Error(code, body, g.dials())
	}
}
