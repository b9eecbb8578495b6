package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/coder/websocket"
)

// events reads five server-sent events of which each is sent only after this
// client acknowledged the one before.
func events(ctx context.Context, base string) (string, error) {
	const n = 5
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	id := strconv.Itoa(os.Getpid()) + url.QueryEscape(base)
	resp, err := ask(ctx, http.MethodGet, fmt.Sprintf("%s/events?n=%d&id=%s", base, n, url.QueryEscape(id)), nil)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	var late time.Duration
	seen := 0
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		number, sent, _ := strings.Cut(data, " ")
		at, err := time.Parse(time.RFC3339Nano, sent)
		if err != nil || number != strconv.Itoa(seen) {
			return "", fmt.Errorf("event %d is %q: %w", seen, data, err)
		}
		late = max(late, time.Since(at))
		seen++
		ack, err := ask(ctx, http.MethodPost, base+"/ack?id="+url.QueryEscape(id), nil)
		if err != nil {
			return "", err
		}
		_ = ack.Body.Close()
	}
	if seen != n {
		return "", fmt.Errorf("%d of %d events: %w", seen, n, lines.Err())
	}
	return fmt.Sprintf("%d events, the slowest %v after it was sent", n, late.Round(time.Microsecond)), nil
}

// echoes sends frames that come back, among them a large one.
func echoes(ctx context.Context, target string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	c, resp, err := websocket.Dial(ctx, target, nil) //nolint:bodyclose // the library closes it
	if err != nil {
		return "", fmt.Errorf("%w, %v", err, resp)
	}
	defer func() { _ = c.CloseNow() }()
	c.SetReadLimit(1 << 20)
	start := time.Now()
	for _, m := range []string{"hello", "", strings.Repeat("long ", 50_000), "over"} {
		if err := c.Write(ctx, websocket.MessageText, []byte(m)); err != nil {
			return "", err
		}
		if _, b, err := c.Read(ctx); err != nil || string(b) != m {
			return "", fmt.Errorf("sent %d bytes, %d came back: %w", len(m), len(b), err)
		}
	}
	return fmt.Sprintf("4 frames in %v", time.Since(start).Round(time.Microsecond)), c.Close(websocket.StatusNormalClosure, "")
}

// down reads n bytes of the server, of "n@base"; up sends as many to it.
func down(ctx context.Context, arg string) (string, error) {
	size, base, _ := strings.Cut(arg, "@")
	want, err := strconv.ParseInt(size, 10, 64)
	if err != nil {
		return "", err
	}
	start := time.Now()
	resp, err := ask(ctx, http.MethodGet, base+"/zeros?n="+size, nil)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	n, err := io.Copy(io.Discard, resp.Body)
	if err != nil || n != want {
		return "", fmt.Errorf("status %d, %d bytes: %w", resp.StatusCode, n, err)
	}
	return speed(n, start), nil
}

func up(ctx context.Context, arg string) (string, error) {
	size, base, _ := strings.Cut(arg, "@")
	want, err := strconv.ParseInt(size, 10, 64)
	if err != nil {
		return "", err
	}
	start := time.Now()
	resp, err := ask(ctx, http.MethodPost, base+"/sink", io.LimitReader(filler{}, want))
	if err != nil {
		return "", err
	}
	s, err := said(resp)
	if err == nil && s != "200 "+size {
		err = errors.New(s)
	}
	return speed(want, start), err
}

func speed(n int64, start time.Time) string {
	t := time.Since(start)
	return fmt.Sprintf("%d MiB in %v, %.0f MiB/s", n>>20, t.Round(time.Millisecond), float64(n>>20)/t.Seconds())
}
