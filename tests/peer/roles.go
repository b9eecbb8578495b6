package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// credProxyURL is the address that no ticket is put behind: the launch would find it
// in an argument.
func credProxyURL(path string) string { return "http://cred-proxy:" + strconv.Itoa(9099) + path }

// via gets "NAME/path" below the URL that the variable NAME holds.
func via(ctx context.Context, arg string) (string, error) {
	name, path, _ := strings.Cut(arg, "/")
	return get(ctx, strings.TrimSuffix(os.Getenv(name), "/")+"/"+path)
}

// absent wants the answer that a route has which is not there.
func absent(ctx context.Context, target string) (string, error) {
	resp, err := ask(ctx, http.MethodGet, target, nil)
	if err != nil {
		return "", err
	}
	s, err := said(resp)
	if err == nil && (resp.StatusCode != http.StatusNotFound || !strings.Contains(s, `"error":"no route"`)) {
		err = fmt.Errorf("there is one: %s", s)
	}
	return s, err
}

// as gets "NAME@url" with the value of the variable NAME as its token; a url that is a
// path is one of the cred-proxy.
func as(ctx context.Context, arg string) (string, error) {
	name, target, _ := strings.Cut(arg, "@")
	if strings.HasPrefix(target, "/") {
		target = credProxyURL(target)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil) //nolint:gosec // where it goes is the test's to say
	if err != nil {
		return "", err
	}
	req.Header.Set("Authorization", "token "+os.Getenv(name))
	resp, err := http.DefaultClient.Do(req) //nolint:gosec // where it goes is the test's to say
	if err != nil {
		return "", err
	}
	s, err := said(resp)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("it was refused: %s", s)
	}
	return s, err
}

// stranger wants a path of the cred-proxy refused to who has no ticket, and to who has
// a wrong one.
func stranger(ctx context.Context, path string) (string, error) {
	for _, target := range []string{path, "/~" + strings.Repeat("0", 64) + path, "/~" + path} {
		if s, err := refused(ctx, credProxyURL(target)); err != nil {
			return s, fmt.Errorf("%s: %w", target, err)
		}
	}
	return "three times", nil
}

// file says whose a file is, its permissions and what it holds.
func file(_ context.Context, name string) (string, error) {
	info, err := os.Stat(name)
	if err != nil {
		return "", err
	}
	data, err := os.ReadFile(name)
	owner, _ := info.Sys().(*syscall.Stat_t)
	return fmt.Sprintf("%d:%d %v %s", owner.Uid, owner.Gid, info.Mode(), strings.Join(strings.Fields(string(data)), " ")), err
}
