package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"
)

// An engine is the Docker engine, as far as this program asks it anything.
type engine struct {
	http *http.Client

	mu     sync.Mutex
	events []event
}

// An event is the start or the end of a container, or the outcome of its health check.
type event struct {
	Action string
	Actor  struct{ Attributes map[string]string }
	Nano   int64 `json:"timeNano"`
}

func (e event) time() time.Time { return time.Unix(0, e.Nano) }

func newEngine() *engine {
	socket := strings.TrimPrefix(os.Getenv("DOCKER_HOST"), "unix://")
	if socket == "" {
		socket = "/var/run/docker.sock"
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}
	return &engine{http: &http.Client{Transport: &http.Transport{DialContext: dial}}}
}

func (e *engine) call(ctx context.Context, method, path string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://engine"+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := e.http.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode >= 300 && resp.StatusCode != http.StatusNotFound {
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		return nil, fmt.Errorf("%s %s: %s %s %w", method, path, resp.Status, b, err)
	}
	return resp, nil
}

func (e *engine) get(ctx context.Context, path string, v any) error {
	resp, err := e.call(ctx, http.MethodGet, path)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return json.NewDecoder(resp.Body).Decode(v)
}

func filter(args map[string][]string) string {
	b, err := json.Marshal(args)
	if err != nil {
		panic(err) // plain data
	}
	return "filters=" + url.QueryEscape(string(b))
}

// follow collects what happens to containers until ctx is done.
func (e *engine) follow(ctx context.Context) error {
	resp, err := e.call(ctx, http.MethodGet, "/events?"+filter(map[string][]string{"type": {"container"}, "event": {"start", "die", "health_status"}})) //nolint:bodyclose // the goroutine below closes it
	if err != nil {
		return fmt.Errorf("no Docker engine answers: %w", err)
	}
	go func() {
		defer resp.Body.Close()
		for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
			var ev event
			if json.Unmarshal(lines.Bytes(), &ev) == nil {
				e.mu.Lock()
				e.events = append(e.events, ev)
				e.mu.Unlock()
			}
		}
	}()
	return nil
}

// seen returns the events of the containers with a label.
func (e *engine) seen(label, value string) []event {
	e.mu.Lock()
	defer e.mu.Unlock()
	var found []event
	for _, ev := range e.events {
		if ev.Actor.Attributes[label] == value {
			found = append(found, ev)
		}
	}
	return found
}

// left removes what is left with a label and returns how much that was.
func (e *engine) left(ctx context.Context, label, value string) (int, error) {
	by := filter(map[string][]string{"label": {label + "=" + value}})
	var containers, networks []struct{ ID string }
	if err := e.get(ctx, "/containers/json?all=1&"+by, &containers); err != nil {
		return 0, err
	}
	if err := e.get(ctx, "/networks?"+by, &networks); err != nil {
		return 0, err
	}
	for _, c := range containers {
		if err := e.remove(ctx, "/containers/"+c.ID+"?force=1&v=1"); err != nil {
			return 0, err
		}
	}
	for _, n := range networks {
		if err := e.remove(ctx, "/networks/"+n.ID); err != nil {
			return 0, err
		}
	}
	return len(containers) + len(networks), nil
}

func (e *engine) remove(ctx context.Context, path string) error {
	resp, err := e.call(ctx, http.MethodDelete, path)
	if err == nil {
		_ = resp.Body.Close()
	}
	return err
}

// version returns that of the engine.
func (e *engine) version(ctx context.Context) (string, error) {
	var v struct{ Version string }
	err := e.get(ctx, "/version", &v)
	return v.Version, err
}
