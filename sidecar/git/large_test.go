package git_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/bottle-run/bottle/sidecar/git"
)

// bulk skips a test that moves so many bytes that the race detector, which slows it
// twentyfold, would take minutes: `make test` runs these apart, without it.
func bulk(t *testing.T) {
	t.Helper()
	if os.Getenv("BOTTLE_BULK") == "" {
		t.Skip("moves many bytes: run with BOTTLE_BULK=1 and without -race, as make test does")
	}
}

// noise writes files that do not compress, n bytes in all.
func (w *world) noise(dir string, n, each int) {
	w.Helper()
	random := rand.NewChaCha8([32]byte{1})
	if err := os.MkdirAll(filepath.Join(w.client, dir), 0o755); err != nil {
		w.Fatal(err)
	}
	for i := 0; n > 0; i++ {
		f, err := os.Create(filepath.Join(w.client, dir, fmt.Sprint("noise", i)))
		if err != nil {
			w.Fatal(err)
		}
		if _, err := io.CopyN(f, random, int64(min(n, each))); err != nil {
			w.Fatal(err)
		}
		if err := f.Close(); err != nil {
			w.Fatal(err)
		}
		n -= each
	}
}

// peak watches how large the heap gets while f runs.
func peak(f func()) uint64 {
	runtime.GC()
	var most uint64
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			most = max(most, m.HeapInuse)
			select {
			case <-done:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	f()
	close(done)
	<-ended
	return most
}

// A long push goes through in little memory: files of all lengths, with deltas
// among them.
func TestBulkPush(t *testing.T) {
	bulk(t)
	size := 20 << 20
	if os.Getenv("BOTTLE_LONG") != "" {
		size = 200 << 20
	}
	rules := guarded
	rules.Scanner = newScanner(t)
	w := newWorld(t, rules)
	w.noise("many", size/2, 512<<10)
	w.noise("one", size/2, size)
	w.git("add", "-A")
	w.git("commit", "-qm", "much")
	for i := range 3 { // for deltas
		w.write(w.client, "many/text", strings.Repeat("a line\n", 1000)+strings.Repeat("another\n", i))
		w.git("add", "-A")
		w.git("commit", "-qm", "more")
	}
	start := time.Now()
	// What is kept of files, the latest unpacked, and as much again for the
	// collector. That does not grow with the push.
	const bound = 256 << 20
	most := peak(func() { w.pushed("origin", "HEAD:refs/heads/agent/large") })
	t.Logf("%d MB in %s, and %d MB of heap", size>>20, time.Since(start).Round(time.Millisecond), most>>20)
	if most > bound {
		t.Errorf("%d bytes of heap, more than %d", most, bound)
	}
	if w.arrived < 2 {
		t.Error("nothing arrived")
	}
}

// A long push streams, and when its end is refused the server has nothing.
func TestBulkRefused(t *testing.T) {
	bulk(t)
	rules := guarded
	rules.Scanner = newScanner(t)
	w := newWorld(t, rules)
	w.noise("many", 3<<20, 1<<20)
	w.git("add", "-A")
	w.git("commit", "-qm", "much")
	w.commit("zz.env", "TOKEN = '"+secret()+"'\n")
	arrived := w.arrived
	w.refused([]string{"zz.env holds what looks like a secret"}, "origin", "HEAD:refs/heads/agent/one")
	if w.arrived == arrived {
		t.Error("nothing arrived: it did not stream, and the test shows nothing")
	}
	w.git("reset", "-q", "--hard", "HEAD~1")
	w.commit("Makefile", "all:\n")
	w.refused([]string{"Makefile, which is protected"}, "origin", "HEAD:refs/heads/agent/one")
	if out := w.run(w.server, "count-objects", "-v"); !strings.Contains(out, "packs: 0") {
		t.Errorf("the server kept something: %s", out)
	}
	w.git("reset", "-q", "--hard", "HEAD~1")
	w.pushed("origin", "HEAD:refs/heads/agent/one")
}

// A client that goes away in the middle leaves nothing behind, here or there.
func TestClientGoesAway(t *testing.T) {
	w := newWorld(t, git.Rules{Refs: []string{"refs/**"}})
	u, err := url.Parse(w.url)
	if err != nil {
		t.Fatal(err)
	}
	before := w.refsOf()
	for _, sent := range []int{0, 30, 200, 2 * git.ShortPush} {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", u.Host)
		if err != nil {
			t.Fatal(err)
		}
		body := command(strings.Repeat("0", 40), strings.Repeat("1", 40), "refs/heads/x", "report-status") + "0000" +
			string(pack(1, piece{kind: 3, data: nil, size: 3 * git.ShortPush, raw: stored(2 * git.ShortPush)}))
		head := fmt.Sprintf("POST %s/git-receive-pack HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", u.Path, len(body))
		if _, err := io.WriteString(conn, head+body[:min(sent, len(body))]); err != nil {
			t.Fatal(err)
		}
		_ = conn.Close()
	}
	// The next one is not in the way of those.
	w.commit("a", "1\n")
	w.pushed("origin", "HEAD:refs/heads/agent/one")
	w.git("push", "-q", w.direct, ":refs/heads/agent/one")
	if after := w.refsOf(); after != before {
		t.Errorf("%s, and before %s", after, before)
	}
	http.DefaultClient.CloseIdleConnections()
}

// stored is the beginning of a zlib stream with n bytes in blocks that are not
// compressed.
func stored(n int) []byte {
	out := []byte{0x78, 0x01}
	for ; n > 0; n -= 0xffff {
		out = append(out, 0, 0xff, 0xff, 0, 0)
		out = append(out, make([]byte, 0xffff)...)
	}
	return out
}

func command(from, to, ref, caps string) string {
	return pkt(from + " " + to + " " + ref + "\x00" + caps)
}
