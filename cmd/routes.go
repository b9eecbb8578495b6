package cmd

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/bottle-run/bottle/runtime/journal"
	"github.com/bottle-run/bottle/runtime/plan"
	"github.com/bottle-run/bottle/sidecar"
	"github.com/bottle-run/bottle/sidecar/credproxy"
)

func newRoutes() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "routes NAME",
		Short: "List the routes of a launch, and how often they were used and refused",
		Long: `Lists the routes that are in force in a running launch, or were when it ended: where they
lead, with which credential, what limits them, how often they let a request through and
refused one, and when that was last. The counts are taken from the launch's audit.

EXIT STATUS
  0; 2 there is no such launch`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeRunning,
		RunE: func(_ *cobra.Command, args []string) error {
			all, err := routesOf(args[0])
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(all)
			}
			return printRoutes(os.Stdout, all)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// A usedRoute is a route and what its cred-proxy did with it.
type usedRoute struct {
	Sidecar string `json:"sidecar"`
	credproxy.Route
	Uses    int64 `json:"used"`
	Refused int64 `json:"refused"`
	// Last is when the last request came, and Reason why the last one that was
	// refused was.
	Last   *time.Time `json:"last,omitempty"`
	Reason string     `json:"reason,omitempty"`
}

// routesOf returns the routes of a launch.
func routesOf(name string) ([]*usedRoute, error) {
	root, err := journal.Root()
	if err != nil {
		return nil, err
	}
	_, dir, err := journal.Find(root, name)
	if err != nil {
		return nil, usage{err}
	}
	inForce, err := journal.ReadPlan(dir)
	if err != nil {
		return nil, err
	}
	inputs, err := plan.Inputs(inForce)
	if err != nil {
		return nil, err
	}
	all := []*usedRoute{}
	for _, id := range slices.Sorted(maps.Keys(inputs)) {
		var config credproxy.Config
		if !strings.HasSuffix(id.Name(), "cred-proxy") || json.Unmarshal(configOf(inputs[id]), &config) != nil {
			continue
		}
		for _, r := range config.Routes {
			all = append(all, &usedRoute{Sidecar: id.Name(), Route: r})
		}
	}
	audit, err := journal.OpenAudit(dir)
	if err != nil {
		return nil, err
	}
	defer audit.Close()
	return all, count(audit, all)
}

// count adds up what the audit says of each route.
func count(audit io.Reader, all []*usedRoute) error {
	lines := bufio.NewScanner(audit)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var ev struct {
			sidecar.Event
			Sidecar string `json:"sidecar"`
		}
		if json.Unmarshal(lines.Bytes(), &ev) != nil || ev.Route == "" {
			continue
		}
		i := slices.IndexFunc(all, func(r *usedRoute) bool { return r.Sidecar == ev.Sidecar && r.Path == ev.Route })
		if i < 0 {
			continue // of a route that is no more
		}
		all[i].count(ev.Event)
	}
	return lines.Err()
}

func (r *usedRoute) count(ev sidecar.Event) {
	if ev.Decision == sidecar.Deny {
		r.Refused++
		r.Reason = ev.Reason
	} else {
		r.Uses++
	}
	if r.Last == nil || ev.Time.After(*r.Last) {
		r.Last = &ev.Time
	}
}

func printRoutes(out io.Writer, all []*usedRoute) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ROUTE\tUPSTREAM\tCREDENTIAL\tLIMITS\tUSED\tREFUSED\tLAST")
	for _, r := range all {
		credential, last := "-", "-"
		if r.Auth != nil {
			credential = r.Auth.Secret
		}
		if r.Last != nil {
			last = r.Last.Local().Format(time.DateTime)
		}
		path := r.Path
		if r.Sidecar != "cred-proxy" { // there are several networks
			path = r.Sidecar + " " + path
		}
		limits := strings.TrimSpace(routeLimits(r.Route))
		if limits == "" {
			limits = "-"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%d\t%s\n", path, r.Upstream, credential, limits, r.Uses, r.Refused, last)
		if r.Reason != "" {
			fmt.Fprintf(w, "\t%s\n", strings.Map(oneLine, "last refused: "+r.Reason))
		}
	}
	return w.Flush()
}

func printJSON(v any) error {
	enc := json.NewEncoder(os.Stdout)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
