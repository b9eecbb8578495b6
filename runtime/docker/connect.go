package docker

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/docker/docker/client"
)

// pingTimeout bounds the question whether an engine answers.
const pingTimeout = 10 * time.Second

// A Client talks to one engine. It is safe for concurrent use.
type Client struct {
	api  *client.Client
	Host string // the engine's address, "unix:///var/run/docker.sock"

	archMu sync.Mutex
	arch   string // once it is known
}

// architecture returns that of the engine's machine, as Go names it.
func (c *Client) architecture(ctx context.Context) (string, error) {
	c.archMu.Lock()
	defer c.archMu.Unlock()
	if c.arch == "" {
		version, err := c.api.ServerVersion(ctx)
		if err != nil {
			return "", err
		}
		c.arch = version.Arch
	}
	return c.arch, nil
}

// Connect finds the engine as the docker command does and makes sure that it
// answers: host if it is not empty, else DOCKER_HOST, else the current docker
// context, else the first of the usual sockets. Its errors say what to do.
func Connect(ctx context.Context, host string) (*Client, error) {
	host, err := findHost(host)
	if err != nil {
		return nil, err
	}
	// As many idle connections as a launch has calls under way: two, the default,
	// would have each wave of calls dial again.
	pooled := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 32}, CheckRedirect: client.CheckRedirect}
	opts := []client.Opt{client.WithHTTPClient(pooled), client.FromEnv, client.WithHost(host), client.WithAPIVersionNegotiation()}
	api, err := client.NewClientWithOpts(opts...)
	if err != nil {
		return nil, fmt.Errorf("connecting to Docker at %s: %w", host, err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, pingTimeout, fmt.Errorf("no answer within %v", pingTimeout))
	defer cancel()
	if _, err := api.Ping(ctx); err != nil {
		_ = api.Close()
		if context.Cause(ctx) != nil {
			err = context.Cause(ctx)
		}
		return nil, explain(host, err)
	}
	api.NegotiateAPIVersion(ctx)
	return &Client{api: api, Host: host}, nil
}

// Close ends the connections to the engine.
func (c *Client) Close() error { return c.api.Close() }

// explain says what to do about an engine that does not answer.
func explain(host string, err error) error {
	cure := "is it running? try `docker info`"
	path, local := strings.CutPrefix(host, "unix://")
	_, statErr := os.Stat(path)
	switch {
	case !local:
		cure = "is the engine running, and does DOCKER_HOST name it?"
	case errors.Is(err, fs.ErrPermission) || strings.Contains(err.Error(), "permission denied"):
		cure = "you may not use its socket: join the group that owns it (`sudo usermod -aG docker $USER`, then log in again)"
	case errors.Is(statErr, fs.ErrNotExist) && runtime.GOOS == "linux":
		cure = "its socket does not exist: install the engine (`apt-get install docker.io`) or start it (`systemctl start docker`)"
	case errors.Is(statErr, fs.ErrNotExist):
		cure = "its socket does not exist: start Docker Desktop, colima or another engine"
	}
	return fmt.Errorf("no Docker engine answers at %s: %w\n%s", host, err, cure)
}

// findHost returns the address of the engine.
func findHost(host string) (string, error) {
	if host != "" {
		return host, nil
	}
	if host := os.Getenv(client.EnvOverrideHost); host != "" {
		return host, nil
	}
	if host, err := contextHost(); host != "" || err != nil {
		return host, err
	}
	for _, path := range sockets() {
		if info, err := os.Stat(path); err == nil && info.Mode().Type() == fs.ModeSocket {
			return "unix://" + path, nil
		}
	}
	return client.DefaultDockerHost, nil
}

// sockets are where engines listen: Docker's own, rootless, Docker Desktop's,
// colima's (each by its documentation).
func sockets() []string {
	paths := []string{"/var/run/docker.sock"}
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		paths = append(paths, filepath.Join(dir, "docker.sock"))
	}
	if home, err := os.UserHomeDir(); err == nil {
		paths = append(paths, filepath.Join(home, ".docker/run/docker.sock"), filepath.Join(home, ".colima/default/docker.sock"))
	}
	return paths
}

// contextHost returns the address in the current docker context, and nothing
// when that is the default one. The layout of the files is that of docker/cli's
// context store: the directory of a context is the SHA-256 of its name.
func contextHost() (string, error) {
	dir := os.Getenv("DOCKER_CONFIG")
	if dir == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", nil //nolint:nilerr // no home, no context
		}
		dir = filepath.Join(home, ".docker")
	}
	name := os.Getenv("DOCKER_CONTEXT")
	if name == "" {
		var config struct{ CurrentContext string }
		if err := readJSON(filepath.Join(dir, "config.json"), &config); err != nil {
			return "", err
		}
		name = config.CurrentContext
	}
	if name == "" || name == "default" {
		return "", nil
	}
	sum := sha256.Sum256([]byte(name))
	var meta struct {
		Endpoints map[string]struct{ Host string }
	}
	if err := readJSON(filepath.Join(dir, "contexts", "meta", hex.EncodeToString(sum[:]), "meta.json"), &meta); err != nil {
		return "", err
	}
	if host := meta.Endpoints["docker"].Host; host != "" {
		return host, nil
	}
	return "", fmt.Errorf("the docker context %q names no engine; choose another with `docker context use`", name)
}

// readJSON reads a file into v; one that does not exist leaves v as it is.
func readJSON(path string, v any) error {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = json.Unmarshal(b, v)
	}
	if err != nil {
		return fmt.Errorf("reading docker's configuration %s: %w", path, err)
	}
	return nil
}
