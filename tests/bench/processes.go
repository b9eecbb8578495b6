package main

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

// bareVerb makes this executable the bare reverse proxy: bench bare LISTEN UPSTREAM.
const bareVerb = "bare"

// A proxyProcess is a proxy that runs.
type proxyProcess struct {
	title, url string
	cmd        *exec.Cmd
	done       func() // after its end
}

// startProxies starts one of each, the bare one first.
func startProxies(ctx context.Context, o options, upstream string) ([]*proxyProcess, string, error) {
	var all []*proxyProcess
	starts := []func(context.Context, options, string, string) (*proxyProcess, error){startBare, startOurs}
	version := "no nginx (apt-get install nginx-light)"
	if out, err := exec.CommandContext(ctx, "nginx", "-v").CombinedOutput(); err == nil {
		version = strings.TrimPrefix(strings.TrimSpace(string(out)), "nginx version: ")
		starts = append(starts, startNginx)
	}
	for _, start := range starts {
		addr, err := freeAddr()
		if err != nil {
			return all, "", err
		}
		p, err := start(ctx, o, addr, upstream)
		if err != nil {
			return all, "", err
		}
		all = append(all, p)
		if err := p.await(ctx, addr); err != nil {
			return all, "", fmt.Errorf("%s: %w", p.title, err)
		}
	}
	return all, version, nil
}

func startBare(ctx context.Context, _ options, addr, upstream string) (*proxyProcess, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := exec.CommandContext(ctx, self, bareVerb, addr, upstream) //nolint:gosec // itself
	c.Stderr = os.Stderr
	return &proxyProcess{title: "bare ReverseProxy", url: "http://" + addr, cmd: c}, c.Start()
}

// serveBare is the least that a reverse proxy with a credential is in Go.
func serveBare(args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("%s LISTEN UPSTREAM", bareVerb)
	}
	target := &url.URL{Scheme: "http", Host: args[1]}
	transport := &http.Transport{MaxIdleConns: 1024, MaxIdleConnsPerHost: 256, DisableCompression: true}
	srv := &http.Server{Addr: args[0], ReadHeaderTimeout: time.Minute, Handler: &httputil.ReverseProxy{
		Transport: transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Header.Set("Authorization", "Bearer "+secret)
		},
	}}
	return srv.ListenAndServe()
}

// startOurs runs the cred-proxy as bottle's container does, without the container.
func startOurs(ctx context.Context, o options, addr, upstream string) (*proxyProcess, error) {
	const slot = `secret.env("KEY")`
	config, err := json.Marshal(dict{"listen": addr, "routes": []dict{{
		"path": "/up/", "upstream": "http://" + upstream, "plain_http": true,
		"auth": dict{"scheme": "bearer", "secret": slot},
	}}})
	if err != nil {
		return nil, err
	}
	message, err := json.Marshal(map[string]string{
		"config": base64.StdEncoding.EncodeToString(config), slot: base64.StdEncoding.EncodeToString([]byte(secret)),
	})
	if err != nil {
		return nil, err
	}
	c := exec.CommandContext(ctx, filepath.Join(o.root, "bin/bottle"), "sidecar", "cred-proxy") //nolint:gosec // the repository's own
	c.Stderr = os.Stderr
	in, err := c.StdinPipe() // stays open, as the launcher's does
	if err != nil {
		return nil, err
	}
	out, err := c.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.Start(); err != nil {
		return nil, err
	}
	go func() { // the audit is read, as the launcher reads it
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if strings.Contains(lines.Text(), `"event":"fatal"`) {
				fmt.Fprintln(os.Stderr, lines.Text())
			}
		}
	}()
	_, err = in.Write(append(message, '\n'))
	return &proxyProcess{title: "cred-proxy", url: "http://" + addr + "/up", cmd: c}, err
}

// nginxConfig is nginx at its best here: connections kept, nothing buffered, no log.
const nginxConfig = `
daemon off; worker_processes %d; pid %[2]s/pid; error_log stderr warn;
events { worker_connections 1024; }
http {
  access_log off; keepalive_requests 1000000;
  client_body_temp_path %[2]s/body; proxy_temp_path %[2]s/proxy; fastcgi_temp_path %[2]s/f; uwsgi_temp_path %[2]s/u; scgi_temp_path %[2]s/s;
  upstream up { server %[4]s; keepalive 256; keepalive_requests 1000000; }
  server {
    listen %[3]s;
    location / {
      proxy_pass http://up; proxy_http_version 1.1; proxy_buffering off;
      proxy_set_header Connection ""; proxy_set_header Authorization "Bearer %[5]s";
    }
  }
}
`

func startNginx(ctx context.Context, _ options, addr, upstream string) (*proxyProcess, error) {
	dir, err := os.MkdirTemp("", "bottle-bench-nginx-")
	if err != nil {
		return nil, err
	}
	// The workers of nginx are another user's.
	if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // it holds no secret
		return nil, err
	}
	file := filepath.Join(dir, "nginx.conf")
	config := fmt.Sprintf(nginxConfig, cores(), dir, addr, upstream, secret)
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return nil, err
	}
	c := exec.CommandContext(ctx, "nginx", "-p", dir, "-c", file, "-e", "stderr") //nolint:gosec // the machine's nginx, our configuration
	c.Stderr = os.Stderr
	return &proxyProcess{title: "nginx", url: "http://" + addr, cmd: c, done: func() { _ = os.RemoveAll(dir) }}, c.Start()
}

func (p *proxyProcess) await(ctx context.Context, addr string) error {
	for range 200 {
		if conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr); err == nil {
			return conn.Close()
		}
		time.Sleep(20 * time.Millisecond)
	}
	return fmt.Errorf("does not listen at %s", addr)
}

func (p *proxyProcess) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	_ = p.cmd.Wait()
	if p.done != nil {
		p.done()
	}
}

// cpu is what the process and its children have used.
func (p *proxyProcess) cpu() time.Duration {
	pid := p.cmd.Process.Pid
	sum := cpuOf(pid)
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", pid))
	if err != nil {
		return sum
	}
	for child := range strings.FieldsSeq(string(b)) {
		if n, err := strconv.Atoi(child); err == nil {
			sum += cpuOf(n)
		}
	}
	return sum
}

// cpuOf reads the CPU clock of a process, of all its threads and to the
// nanosecond: clock_getcpuclockid(3) is this arithmetic.
func cpuOf(pid int) time.Duration {
	const scheduler = 2 // CPUCLOCK_SCHED of linux/posix-timers.h
	clock := ^pid<<3 | scheduler
	var ts syscall.Timespec
	_, _, errno := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, uintptr(clock), uintptr(unsafe.Pointer(&ts)), 0) //nolint:gosec // the library has no call for another process's clock
	if errno != 0 {
		return 0 // it is gone
	}
	return time.Duration(ts.Nano())
}

func listen() (net.Listener, error) {
	return new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
}

func freeAddr() (string, error) {
	l, err := listen()
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}
