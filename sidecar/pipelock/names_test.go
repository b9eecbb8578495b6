package pipelock_test

import (
	"context"
	"net/netip"
	"sync"
)

// names is a resolver that counts.
type names struct {
	mu      sync.Mutex
	asked   []string
	answers [][]string // one for each lookup, the last for all that follow
}

func (n *names) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asked = append(n.asked, host)
	answer := []string{public}
	if len(n.answers) > 0 {
		answer = n.answers[min(len(n.asked), len(n.answers))-1]
	}
	var out []netip.Addr
	for _, a := range answer {
		out = append(out, netip.MustParseAddr(a))
	}
	return out, nil
}

// all returns what was asked until now, and forgets it.
func (n *names) all() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	asked := n.asked
	n.asked = nil
	return asked
}

func (n *names) calls() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.asked)
}
