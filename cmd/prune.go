package cmd

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/bottle-run/bottle/runtime/docker"
	"github.com/bottle-run/bottle/runtime/journal"
)

// pruneOptions are the flags of bottle prune.
type pruneOptions struct {
	force, images, dry bool
	older              age
}

func newPrune() *cobra.Command {
	o := pruneOptions{older: age(defaultAge)}
	c := &cobra.Command{
		Use:   "prune [NAME...]",
		Short: "Remove what dead launches left",
		Long: `Removes the containers, networks and volumes of launches whose launcher is dead, and the
state directories (journal, audit) of those that nothing is left of and that were last used
longer ago than --older. A launch that is running is left alone. One whose launcher cannot be
seen from here, because it belongs to another machine or user, is removed only when it is named
and --force is given. What is removed is printed.

EXIT STATUS
  0; 125 something could not be removed`,
		RunE: func(c *cobra.Command, args []string) error { return prune(c, args, o) },
	}
	c.Flags().BoolVar(&o.force, "force", false, "also remove named launches whose launcher cannot be seen from here, or lives")
	c.Flags().BoolVar(&o.images, "images", false, "also remove the images that bottle made")
	c.Flags().BoolVar(&o.dry, "dry-run", false, "only say what would be removed")
	c.Flags().Var(&o.older, "older", "how old the state of a dead launch must be, as 12h or 30d")
	return c
}

func prune(c *cobra.Command, names []string, o pruneOptions) error {
	client, err := connect(c)
	if err != nil {
		return err
	}
	defer client.Close()
	objects, err := client.Objects(c.Context(), "")
	if err != nil {
		return err
	}
	doomed, kept := choose(objects, names, o.force)
	for name, why := range kept {
		fmt.Fprintf(os.Stderr, "bottle: %s is left alone: %s\n", name, why)
	}
	if o.images {
		found, err := client.Images(c.Context())
		if err != nil {
			return err
		}
		doomed = append(doomed, found...)
	}
	root, err := journal.Root()
	if err != nil {
		return err
	}
	traces, err := oldTraces(root, objects, names, o.older)
	if err != nil {
		return err
	}
	for _, o := range doomed {
		fmt.Fprintf(os.Stdout, "%s %s\n", o.Kind, o.Name)
	}
	printTraces(os.Stdout, traces)
	if len(doomed)+len(traces)+len(kept) == 0 {
		fmt.Fprintln(os.Stderr, "there is nothing to remove")
	}
	if o.dry {
		return nil
	}
	err = errors.Join(client.Remove(c.Context(), doomed), removeTraces(traces))
	if err == nil && len(kept) > 0 && len(names) > 0 {
		err = errors.New("not everything that was named could be removed")
	}
	return err
}

// choose tells the objects of dead launches from those of others.
func choose(objects []docker.Object, names []string, force bool) (doomed []docker.Object, kept map[string]string) {
	kept = map[string]string{}
	for _, o := range objects {
		name := o.Labels[docker.LabelLaunch]
		named := slices.Contains(names, name)
		if len(names) > 0 && !named {
			continue
		}
		alive, known := journal.Alive(o.Labels[docker.LabelJournal])
		switch {
		case force && named, known && !alive:
			doomed = append(doomed, o)
		case alive:
			kept[name] = "its launcher is running"
		default:
			kept[name] = "its launcher cannot be seen from here; bottle prune --force " + name + " removes it all the same"
		}
	}
	return doomed, kept
}
