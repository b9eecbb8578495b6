package cmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"

	"github.com/bottle-run/bottle/runtime/plan"
	"github.com/bottle-run/bottle/starlib"
)

// moduleFile marks the root of a module.
const moduleFile = "bottle.mod"

// scriptOptions are what every command takes that evaluates a script.
type scriptOptions struct {
	args     []string
	argsFile string
}

func (o *scriptOptions) flags(f *pflag.FlagSet) {
	f.StringArrayVarP(&o.args, "arg", "a", nil, "a parameter of the script, `name=value`; may be given many times")
	f.StringVar(&o.argsFile, "args-file", "", "a JSON `file` with parameters: {\"name\": \"value\"}; --arg goes before it")
}

// values returns the arguments by name.
func (o *scriptOptions) values() (map[string]string, error) {
	out := map[string]string{}
	if o.argsFile != "" {
		b, err := os.ReadFile(o.argsFile)
		if err != nil {
			return nil, usage{err}
		}
		var raw map[string]any
		if err := json.Unmarshal(b, &raw); err != nil {
			return nil, usage{fmt.Errorf("%s is not a JSON object: %w", o.argsFile, err)}
		}
		for k, v := range raw {
			text, err := argText(v)
			if err != nil {
				return nil, usage{fmt.Errorf("%s: %q %w", o.argsFile, k, err)}
			}
			out[k] = text
		}
	}
	for _, a := range o.args {
		name, value, ok := strings.Cut(a, "=")
		if !ok || name == "" {
			return nil, usage{fmt.Errorf("--arg %q: want name=value", a)}
		}
		out[name] = value
	}
	return out, nil
}

// argText spells a JSON value as --arg would.
func argText(v any) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case bool, float64:
		b, err := json.Marshal(v)
		return string(b), err
	case []any:
		parts := make([]string, len(v))
		for i, e := range v {
			s, ok := e.(string)
			if !ok || strings.Contains(s, ",") {
				return "", errors.New("is a list of other things than strings without a comma")
			}
			parts[i] = s
		}
		return strings.Join(parts, ","), nil
	}
	return "", errors.New("is neither a string, a number, true, false nor a list of strings")
}

// A script is an opened launch script.
type script struct {
	dir     string // of the script, absolute
	root    *os.Root
	options starlib.Options
}

// openScript opens a script as part of its module, whose root is the nearest
// directory above with a bottle.mod, else the script's own. Nothing outside the
// root can be read, not by a link either.
func openScript(path string, o scriptOptions) (*script, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(abs)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, usage{fmt.Errorf("there is no launch script %s", path)}
	} else if err != nil {
		return nil, usage{err}
	}
	if info.IsDir() {
		return nil, usage{fmt.Errorf("%s is a directory; name the launch script in it", path)}
	}
	args, err := o.values()
	if err != nil {
		return nil, err
	}
	top := moduleRoot(filepath.Dir(abs))
	root, err := os.OpenRoot(top)
	if err != nil {
		return nil, err
	}
	name, err := filepath.Rel(top, abs)
	if err != nil {
		return nil, err
	}
	return &script{filepath.Dir(abs), root, starlib.Options{
		FS: root.FS(), Script: filepath.ToSlash(name), Args: args,
		Print: func(pos plan.Pos, msg string) { fmt.Fprintf(os.Stderr, "%s: %s\n", pos, msg) },
	}}, nil
}

func moduleRoot(dir string) string {
	for at := dir; ; at = filepath.Dir(at) {
		if _, err := os.Stat(filepath.Join(at, moduleFile)); err == nil {
			return at
		}
		if at == filepath.Dir(at) {
			return dir
		}
	}
}

func (s *script) close() { _ = s.root.Close() }

func (s *script) eval(ctx context.Context) (*starlib.Launch, error) {
	l, err := starlib.Eval(ctx, s.options)
	var mistake *starlib.Error
	if err != nil && !errors.As(err, &mistake) {
		err = usage{err}
	}
	return l, err
}

// scriptHelp describes a script and its parameters.
func scriptHelp(ctx context.Context, path string) (string, error) {
	s, err := openScript(path, scriptOptions{})
	if err != nil {
		return "", err
	}
	defer s.close()
	s.options.Print = nil
	params, doc, err := starlib.Params(ctx, s.options)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", path)
	if doc != "" {
		fmt.Fprintf(&b, "\n%s\n", doc)
	}
	if len(params) == 0 {
		b.WriteString("\nIt has no parameters.\n")
		return b.String(), nil
	}
	b.WriteString("\nPARAMETERS, given as --arg name=value\n")
	for _, p := range params {
		fmt.Fprintf(&b, "  %s (%s", p.Name, p.Type)
		if !p.HasDefault {
			b.WriteString(", required")
		} else if p.Default != "" {
			fmt.Fprintf(&b, ", default %s", p.Default)
		}
		b.WriteString(")")
		if p.Help != "" {
			b.WriteString(": " + p.Help)
		}
		if len(p.Choices) > 0 {
			b.WriteString(" [" + strings.Join(p.Choices, ", ") + "]")
		}
		b.WriteString("\n")
	}
	return b.String(), nil
}
