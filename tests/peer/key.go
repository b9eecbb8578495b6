package main

import (
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
)

// A key is what the private part of a world asks for.
type key struct{ value atomic.Value }

func (k *key) set(value string) { k.value.Store(value) }

// change takes another key, as a company does that rotates them.
func (k *key) change(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(r.Body)
	if err != nil || r.Method != http.MethodPost {
		http.Error(w, "want a key", http.StatusBadRequest)
		return
	}
	k.set(string(b))
	fmt.Fprintln(w, "changed")
}

// only lets requests through that bring the key as it is now.
func (k *key) only(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		value, _ := k.value.Load().(string)
		demand("Authorization", "Bearer "+value, next).ServeHTTP(w, r)
	})
}
