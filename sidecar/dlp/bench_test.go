package dlp_test

import (
	"syscall"
	"testing"
	"time"

	"github.com/bottle-run/bottle/sidecar/dlp"
)

// BenchmarkFind tells how much a CPU-second reads, by kind of body.
func BenchmarkFind(b *testing.B) {
	s := scanner(b)
	by, size := map[string][][]byte{}, map[string]int{}
	for _, c := range ordinary(b) {
		if size[c.kind] += len(c.data); size[c.kind] < 16<<20 {
			by[c.kind] = append(by[c.kind], c.data)
		}
	}
	for kind, bodies := range by {
		b.Run("unpacked/"+kind, func(b *testing.B) {
			perSecond(b, bodies, func(body []byte) { _, _, _ = s.Search(body, nil) })
		})
		b.Run(kind, func(b *testing.B) {
			perSecond(b, bodies, func(body []byte) { s.Find(body) })
		})
	}
}

// perSecond reports MB for each second of this process's CPU time, the garbage
// collector's too.
func perSecond(b *testing.B, bodies [][]byte, read func([]byte)) {
	b.Helper()
	n := 0
	start := cpu(b)
	for b.Loop() {
		for _, body := range bodies {
			read(body)
			n += len(body)
		}
	}
	b.ReportMetric(float64(n)/1e6/(cpu(b)-start).Seconds(), "MB/cpu-s")
}

func cpu(tb testing.TB) time.Duration {
	tb.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkNew is a part of every start of a gate.
func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		if _, err := dlp.New(); err != nil {
			b.Fatal(err)
		}
	}
}
