package sidecar

// Cached returns how many leaves are kept.
func (ca *CA) Cached() int {
	ca.mu.Lock()
	defer ca.mu.Unlock()
	return len(ca.leaves)
}
