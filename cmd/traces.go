package cmd

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/docker/go-units"

	"github.com/bottle-run/bottle/runtime/docker"
	"github.com/bottle-run/bottle/runtime/journal"
)

// defaultAge is how long the journal and the audit of a launch stay: long enough to be
// asked for what an agent did.
const defaultAge = 30 * 24 * time.Hour

// An age is a flag's duration, which may be in days: "30d".
type age time.Duration

func (a *age) String() string {
	if day := 24 * time.Hour; time.Duration(*a)%day == 0 {
		return fmt.Sprintf("%dd", time.Duration(*a)/day)
	}
	return time.Duration(*a).String()
}

func (*age) Type() string { return "age" }

func (a *age) Set(s string) error {
	d, err := time.ParseDuration(s)
	if days, ok := strings.CutSuffix(s, "d"); ok {
		var n uint16 // 179 years, which a duration holds
		n, err = parseDays(days)
		d = time.Duration(n) * 24 * time.Hour
	}
	if err != nil || d < 0 {
		return errors.New("want days, 30d, or hours, 12h")
	}
	*a = age(d)
	return nil
}

func parseDays(s string) (uint16, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	return uint16(n), err
}

// oldTraces are the directories of dead launches that nobody has used for as long, and
// of which the engine has nothing.
func oldTraces(root string, objects []docker.Object, names []string, older age) ([]journal.Trace, error) {
	all, err := journal.Traces(root)
	return slices.DeleteFunc(all, func(t journal.Trace) bool {
		alive, known := journal.Alive(t.Dir)
		return alive || !known || time.Since(t.Used) < time.Duration(older) ||
			len(names) > 0 && !slices.Contains(names, t.Name) ||
			slices.ContainsFunc(objects, func(o docker.Object) bool {
				return o.Labels[docker.LabelJournal] == t.Dir || o.Labels[docker.LabelLaunch] == t.Name
			})
	}), err
}

func printTraces(w io.Writer, traces []journal.Trace) {
	for _, t := range traces {
		fmt.Fprintf(w, "state %s (%s, last used %s)\n", t.Name, size1000(t.Bytes), t.Used.Local().Format(time.DateOnly))
	}
}

func removeTraces(traces []journal.Trace) error {
	var errs []error
	for _, t := range traces {
		if err := t.Remove(); err != nil && !errors.Is(err, journal.ErrRunning) {
			errs = append(errs, fmt.Errorf("removing the state of %s: %w", t.Name, err))
		}
	}
	return errors.Join(errs...)
}

// size1000 writes bytes as disks are sold: "1.2 MB".
func size1000(n int64) string {
	return units.CustomSize("%.3g %s", float64(n), 1000, []string{"B", "kB", "MB", "GB", "TB", "PB"})
}
