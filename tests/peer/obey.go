package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// obey is a client that does what it is told, a line each: "METHOD URL [BODY]"
// makes a request and prints its status and answer, "HOLD URL" begins to read an
// answer that does not end and prints when it does.
func obey([]string) error {
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		method, rest, _ := strings.Cut(lines.Text(), " ")
		url, body, _ := strings.Cut(rest, " ")
		if method == "HOLD" {
			if err := hold(url); err != nil {
				fmt.Println("cannot hold:", err)
			}
			continue
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		resp, err := ask(ctx, method, url, strings.NewReader(body))
		if err != nil {
			fmt.Println("error:", strings.ReplaceAll(err.Error(), "\n", " "))
		} else if text, err := said(resp); err != nil {
			fmt.Println("error:", err)
		} else {
			fmt.Println(text)
		}
		cancel()
	}
	return nil
}

// hold reads an answer until it ends.
func hold(url string) error {
	resp, err := ask(context.Background(), "GET", url, nil) //nolint:bodyclose // the goroutine below does
	if err != nil {
		return err
	}
	fmt.Println("holding", resp.StatusCode)
	go func() {
		defer resp.Body.Close()
		_, _ = io.Copy(io.Discard, resp.Body)
		fmt.Println("let go")
	}()
	return nil
}
