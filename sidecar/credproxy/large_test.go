package credproxy_test

import (
	"crypto/sha256"
	"hash"
	"io"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/bottle-run/bottle/sidecar/credproxy"
)

// bulk skips a test that moves so many bytes that the race detector, which slows it
// twentyfold, would take minutes: `make test` runs these apart, without it.
func bulk(t *testing.T) {
	t.Helper()
	if os.Getenv("BOTTLE_BULK") == "" {
		t.Skip("moves many bytes: run with BOTTLE_BULK=1 and without -race, as make test does")
	}
}

// Large bodies pass whole and in little memory, up and down. BOTTLE_TEST_STREAM
// is their size in MiB.
func TestBulkBodies(t *testing.T) {
	bulk(t)
	size := int64(256 << 20)
	if mib, err := strconv.ParseInt(os.Getenv("BOTTLE_TEST_STREAM"), 10, 32); err == nil {
		size = mib << 20
	} else if testing.Short() {
		size = 16 << 20
	}
	up := sha256.New()
	u := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			up.Reset()
			_, _ = io.Copy(up, r.Body)
			return
		}
		_, _ = io.Copy(w, io.LimitReader(new(pattern), size))
	})
	p := one(t, u, credproxy.Route{Auth: bearer()})
	want := sha256.New()
	_, _ = io.Copy(want, io.LimitReader(new(pattern), size))

	heap := watchHeap(t)
	down := sha256.New()
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, p.URL+"/api/", nil)
	res, err := direct(t).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(down, res.Body)
	_ = res.Body.Close()
	check(t, "down", down, want, err)

	req, _ = http.NewRequestWithContext(t.Context(), http.MethodPut, p.URL+"/api/", io.LimitReader(new(pattern), size))
	if res, err = direct(t).Do(req); err == nil {
		_ = res.Body.Close()
	}
	check(t, "up", up, want, err)
	// This process is also the client and the upstream.
	if peak := heap(); peak > 96<<20 {
		t.Errorf("the heap grew to %d MiB", peak>>20)
	}
	if e := p.wait("request", 2); e["bytes_in"] != float64(size) || p.wait("request", 1)["bytes_out"] != float64(size) {
		t.Errorf("audited %v", e)
	}
}

func check(t *testing.T, what string, got, want hash.Hash, err error) {
	t.Helper()
	if err != nil || string(got.Sum(nil)) != string(want.Sum(nil)) {
		t.Errorf("%s: damaged, or %v", what, err)
	}
}

// pattern is an endless text that does not repeat soon.
type pattern struct{ n uint64 }

func (p *pattern) Read(b []byte) (int, error) {
	for i := range b {
		p.n = p.n*6364136223846793005 + 1442695040888963407
		b[i] = byte(p.n >> 56)
	}
	return len(b), nil
}

// watchHeap returns a function that ends the watch and returns the peak.
func watchHeap(t *testing.T) func() uint64 {
	t.Helper()
	stop, peak := make(chan struct{}), make(chan uint64)
	go func() {
		var most uint64
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			most = max(most, m.HeapInuse)
			select {
			case <-stop:
				peak <- most
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	return func() uint64 {
		close(stop)
		return <-peak
	}
}
