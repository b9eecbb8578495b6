package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

// checks are what the client can try. Each gets the text after its "=" and returns
// what it saw.
var checks = map[string]func(ctx context.Context, arg string) (string, error){ //nolint:gochecknoglobals // a table
	"get":     get,
	"refused": refused,
	"events":  events,
	"echo":    echoes,
	"down":    down,
	"up":      up,
	"leak":    leak,
	"issuer":  issuer,
	"fronted": fronted,
	"wait":    wait,

	"via":      via,
	"as":       as,
	"stranger": stranger,
	"absent":   absent,
	"file":     file,
}

// check tries each argument, "name=argument", and prints one line for each: "ok" or
// "FAIL", the argument and what it saw.
func check(args []string) error {
	failed := 0
	for _, a := range args {
		name, arg, _ := strings.Cut(a, "=")
		f := checks[name]
		if f == nil {
			return fmt.Errorf("there is no check %q", name)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
		saw, err := f(ctx, arg)
		cancel()
		if err != nil {
			failed++
			fmt.Printf("FAIL %s: %v\n", a, err)
			continue
		}
		fmt.Printf("ok %s: %s\n", a, saw)
	}
	if failed > 0 {
		return fmt.Errorf("%d checks failed", failed)
	}
	return nil
}

// ask makes a request through the proxy that the environment names.
func ask(ctx context.Context, method, target string, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, target, body) //nolint:gosec // where it goes is the test's to say
	if err != nil {
		return nil, err
	}
	return http.DefaultClient.Do(req) //nolint:gosec // see above
}

// said is the beginning of an answer, in one line.
func said(resp *http.Response) (string, error) {
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 2000))
	return fmt.Sprintf("%d %s", resp.StatusCode, strings.Join(strings.Fields(string(b)), " ")), err
}

func get(ctx context.Context, target string) (string, error) {
	resp, err := ask(ctx, http.MethodGet, target, nil)
	if err != nil {
		return "", err
	}
	s, err := said(resp)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = errors.New(s)
	}
	return s, err
}

// refused wants the gate's own 403, on the request or on its CONNECT.
func refused(ctx context.Context, target string) (string, error) {
	resp, err := ask(ctx, http.MethodGet, target, nil) //nolint:bodyclose // said closes it
	if err != nil {
		if strings.HasSuffix(err.Error(), "Forbidden") {
			return err.Error(), nil
		}
		return "", err
	}
	return blocked(resp)
}

func blocked(resp *http.Response) (string, error) {
	s, err := said(resp)
	if err == nil && (resp.StatusCode != http.StatusForbidden || !strings.Contains(s, "blocked by bottle")) {
		err = errors.New("it was let through: " + s)
	}
	return s, err
}

// leak sends what looks like a token of GitHub's, made here and not before, so that
// no file holds one. "warn:" before the address expects that it goes through.
func leak(ctx context.Context, target string) (string, error) {
	target, warned := strings.CutPrefix(target, "warn:")
	resp, err := ask(ctx, http.MethodPost, target, strings.NewReader("the token is ghp_"+"x9Kq2LmZ7vTbR4nW8sYc1HdJ6fGp3QaXeU5B"))
	if err != nil {
		return "", err
	}
	if warned {
		return said(resp)
	}
	return blocked(resp)
}

// wait lets the test measure: it goes on when a line comes.
func wait(_ context.Context, what string) (string, error) {
	fmt.Printf("waiting %s\n", what)
	_, err := bufio.NewReader(os.Stdin).ReadString('\n')
	return "", err
}
