package pipelock_test

import (
	"math/rand/v2"
	"net/http"
	"testing"

	"github.com/bottle-run/bottle/sidecar"
	"github.com/bottle-run/bottle/sidecar/pipelock"
)

// THREATS 11, as a property: under a resolver that answers differently each time,
// each dial goes to an address of the lookup just before it, all of whose addresses
// were allowed.
func TestWhatWasCheckedIsDialled(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	pool := []string{public, "1.1.1.1", "2606:4700::1111", "127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "fd00::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "100.64.0.1", "0.0.0.0"}
	var answers [][]string
	for range 200 {
		answer := []string{pool[r.IntN(3)]}
		for range r.IntN(3) {
			answer = append(answer, pool[r.IntN(len(pool))])
		}
		answers = append(answers, answer)
	}
	g := run(t, world(t, once), pipelock.Config{Allow: allow("example.com")}, answers...)
	allowed := 0
	for range answers {
		before, dialled := g.names.calls(), len(g.dials())
		code, _ := g.do("GET", "https://example.com/", nil, nil)
		if n := g.names.calls() - before; n != 1 {
			t.Fatalf("%d lookups", n)
		}
		answer, dials := answers[before], g.dials()[dialled:]
		good := true
		for _, a := range answer {
			addr, _ := sidecar.ParseAddr(a)
			_, private := sidecar.PrivateAddr(addr)
			good = good && !private
		}
		if good != (code == 200) || len(dials) > 1 || good != (len(dials) == 1) {
			t.Fatalf("%v: %d, dialled %v", answer, code, dials)
		}
		if good {
			allowed++
			if want := answer[0]; dials[0] != want+":443" && dials[0] != "["+want+"]:443" {
				t.Errorf("%v was checked, %v was dialled", answer, dials)
			}
		}
	}
	if allowed == 0 || allowed == len(answers) {
		t.Errorf("%d of %d", allowed, len(answers))
	}
}

// once is an upstream that no connection to is kept.
func once(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Connection", "close") }
