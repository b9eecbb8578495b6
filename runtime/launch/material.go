package launch

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"sync"

	"github.com/bottle-run/bottle/runtime/plan"
	"github.com/bottle-run/bottle/runtime/secret"
)

// A Maker makes the certificates of a launch. It stands between this package and
// the sidecars, which know what they need.
type Maker interface {
	// NewCA returns a new certificate authority, both parts in PEM.
	NewCA(name string) (cert, key []byte, err error)
	// Bundle returns the public roots and cert, in PEM.
	Bundle(cert []byte) []byte
}

// material gives the bytes behind the sources of a plan. What it generates it
// generates once. It is safe for concurrent use.
type material struct {
	secrets *secret.Values
	maker   Maker

	mu     sync.Mutex
	cas    map[string]ca
	tokens map[string][]byte
}

type ca struct{ cert, key []byte }

func (m *material) bytes(_ context.Context, s plan.Source) ([]byte, error) {
	switch s := s.(type) {
	case plan.Literal:
		return s, nil
	case plan.Secret:
		v, ok := m.secrets.Bytes(s)
		if !ok {
			return nil, fmt.Errorf("%s was not resolved", s)
		}
		return v, nil
	case plan.Generated:
		return m.generated(s)
	}
	return nil, fmt.Errorf("a source of type %T is not known", s)
}

func (m *material) generated(g plan.Generated) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if g.Kind == plan.Token {
		return m.token(g.Name), nil
	}
	made, ok := m.cas[g.Name]
	if !ok {
		cert, key, err := m.maker.NewCA(g.Name)
		if err != nil {
			return nil, fmt.Errorf("making the launch's CA: %w", err)
		}
		made = ca{cert, key}
		if m.cas == nil {
			m.cas = map[string]ca{}
		}
		m.cas[g.Name] = made
	}
	switch g.Kind {
	case plan.CACert:
		return made.cert, nil
	case plan.CAKey:
		return made.key, nil
	case plan.CABundle:
		return m.maker.Bundle(made.cert), nil
	}
	return nil, fmt.Errorf("%q is nothing that can be generated", g.Kind)
}

func (m *material) token(name string) []byte {
	if t, ok := m.tokens[name]; ok {
		return t
	}
	var raw [32]byte
	_, _ = rand.Read(raw[:]) // never fails: crypto/rand ends the process instead
	if m.tokens == nil {
		m.tokens = map[string][]byte{}
	}
	m.tokens[name] = []byte(hex.EncodeToString(raw[:]))
	return m.tokens[name]
}
