package dlp_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
)

// TestBulkTableOfOrdinaryTraffic holds what is stopped of an agent's ordinary traffic,
// all of it wrongly, against what is promised: at most 1 of 200.
func TestBulkTableOfOrdinaryTraffic(t *testing.T) {
	if os.Getenv("BOTTLE_BULK") == "" {
		t.Skip("reads 120 MB: run with BOTTLE_BULK=1 and without -race, as make test does")
	}
	s := scanner(t)
	type row struct {
		bodies, size, stopped int
		rules                 []string
	}
	rows := map[string]*row{}
	bodies, stopped := 0, 0
	for _, b := range ordinary(t) {
		r := rows[b.kind]
		if r == nil {
			r = &row{}
			rows[b.kind] = r
		}
		r.bodies, r.size, bodies = r.bodies+1, r.size+len(b.data), bodies+1
		f, found, err := s.Search(b.data, nil)
		if found || err != nil {
			r.stopped, stopped = r.stopped+1, stopped+1
			r.rules = append(r.rules, fmt.Sprintf("%s in %s", f.Rule, b.name))
		}
	}
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	var kinds []string
	for k := range rows {
		kinds = append(kinds, k)
	}
	slices.Sort(kinds)
	for _, k := range kinds {
		_, _ = fmt.Fprintf(w, "%s\t%d bodies\t%d kB\t%d stopped\t%s\n", k, rows[k].bodies, rows[k].size>>10, rows[k].stopped, strings.Join(rows[k].rules, ", "))
	}
	_ = w.Flush()
	t.Logf("ordinary traffic, stopped by kind (all of it wrongly):\n%s\n%d of %d: %.2f %%", &table, stopped, bodies, 100*float64(stopped)/float64(bodies))
	if bodies < 500 {
		t.Errorf("%d bodies", bodies)
	}
	if float64(stopped) > 0.005*float64(bodies) {
		t.Errorf("%d of %d", stopped, bodies)
	}
}
