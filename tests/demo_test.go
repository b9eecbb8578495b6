package tests_test

import (
	"strings"
	"testing"
)

// TestDemo runs the demo: the agent's own checks of what it can reach, the exit
// status, and nothing left.
func TestDemo(t *testing.T) {
	engine(t)
	s := launch(t, t.Context(), nil)
	if err := s.cmd.Run(); err != nil {
		t.Fatalf("%v\n%s%s", err, s.out.String(), s.err.String())
	}
	s.gone()
	if strings.Contains(s.out.String()+s.err.String(), canary) {
		t.Error("the key is in the output")
	}
	for _, want := range []string{"you have the right key", "gitleaks rule github-pat"} {
		if !strings.Contains(s.out.String(), want) {
			t.Errorf("the agent did not say %q:\n%s", want, s.out.String())
		}
	}
}

// TestManyAtOnce runs several launches of the demo at once on one engine.
func TestManyAtOnce(t *testing.T) {
	engine(t)
	const n = 6 // twenty with BOTTLE_LONG, see make test-long
	count := n
	if isLong() {
		count = 20
	}
	sessions := make([]*session, count)
	for i := range sessions {
		sessions[i] = launch(t, t.Context(), nil)
		if err := sessions[i].cmd.Start(); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range sessions {
		if err := s.cmd.Wait(); err != nil {
			t.Errorf("%s: %v\n%s%s", s.name, err, s.out.String(), s.err.String())
		}
		s.gone()
	}
}
