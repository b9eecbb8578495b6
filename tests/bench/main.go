// Command bench measures bottle beside what one would use without it, and prints
// two tables. `make bench` runs it; no figure is a reason to fail.
//
// # The launch
//
// The demo's plan (examples/hello.star: an agent, two sidecars, two services, two
// networks) is launched by bottle and by Docker Compose, in turn: A, B, A, B. The
// Compose file is made from `bottle plan --json`, so both sides have the same
// containers from the same images, with the same networks, files, variables,
// limits and capabilities, and the agent does the same: it prints a line, asks the
// private API once through both sidecars, and ends. Each side has run once before,
// so all images are on the engine.
//
// What differs is how one knows that a sidecar is ready. bottle's sidecars say so
// on a stream that the launcher holds; on the side of Compose the program feed
// stands in for the launcher (mounted into the same image, it writes the same
// configuration to the same standard input), and a health check every 100 ms looks
// at the port. The agent depends on both being healthy and on both services
// having started, as in bottle's plan. Certificates, tokens and the Compose file
// are made before the clock starts.
//
//	ready     from the start of the client until the last of the five containers has
//	          started, by the engine's own events. In both the agent is the last one,
//	          and starts when all others are ready.
//	launch    from the start of the client until the agent's first line arrives on
//	          the client's standard output.
//	teardown  from the end of the agent's container, by the engine's events, until
//	          the client has exited, with no container and no network left.
//	CPU       user and system time of the client and its children (getrusage).
//	RSS       the largest VmHWM of the client, read while it runs: ru_maxrss also
//	          counts the memory of the process that it was forked from.
//
// For Compose the client is `compose run --rm agent`, then `compose down -t 0`:
// both are needed for what `bottle run` does. Its CPU is the sum of both, its RSS the larger one.
//
// # The credential
//
// `bottle sidecar cred-proxy` runs on loopback as a plain process, beside the
// smallest reverse proxy that Go's library makes (httputil.ReverseProxy) and nginx,
// each adding the same header to each request. The load and the upstream are in
// this process; the upstream refuses a request without the credential. CPU is the
// proxy's own, by its CPU clock (clock_getcpuclockid(3)), divided by the requests,
// or by the events of a stream.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("bench: ")
	if len(os.Args) > 1 && os.Args[1] == bareVerb {
		log.Fatal(serveBare(os.Args[2:]))
	}
	var o options
	flag.StringVar(&o.root, "C", "../..", "the repository, with bin/bottle and examples/build made")
	flag.StringVar(&o.compose, "compose", "", "the Compose executable")
	flag.StringVar(&o.feed, "feed", "", "the executable of ./feed, linked statically")
	flag.IntVar(&o.runs, "n", 11, "how many launches of each side")
	flag.IntVar(&o.rounds, "rounds", 3, "how many rounds of each proxy in each case")
	only := flag.String("only", "", "\"launch\" or \"proxy\"; by default both")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if *only != "proxy" {
		if err := benchLaunch(ctx, o); err != nil {
			log.Fatal(err)
		}
	}
	if *only != "launch" {
		if err := benchProxy(ctx, o); err != nil {
			log.Fatal(err)
		}
	}
}

type options struct {
	root, compose, feed string
	runs, rounds        int
}

// command is what repeats a table.
func command(only string) string {
	return fmt.Sprintf("make bench BENCH='-only %s'", only)
}
