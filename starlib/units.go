package starlib

import (
	"math"
	"strconv"
	"strings"

	"go.starlark.net/starlark"
)

// durations and sizes are the units that a number may end in.
var (
	durations = []unit{{"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}}                 //nolint:gochecknoglobals // a table
	sizes     = []unit{{"k", 1 << 10}, {"m", 1 << 20}, {"g", 1 << 30}, {"t", 1 << 40}} //nolint:gochecknoglobals // as docker run -m counts
)

type unit struct {
	suffix string
	factor int64
}

// seconds returns a duration: an int of seconds, or "90s", "30m", "2h", "1h30m".
func (c *call) seconds(param string) int64 {
	return c.quantity(param, durations, `a number of seconds, or a string such as "90s", "30m" or "2h"`)
}

// bytes returns a size: an int of bytes, or "512k", "256m", "4g".
func (c *call) bytes(param, def string) int64 {
	if !c.given(param) && def != "" {
		n, _ := quantity(def, sizes)
		return n
	}
	return c.quantity(param, sizes, `a number of bytes, or a string such as "512k", "256m" or "4g"`)
}

func (c *call) quantity(param string, units []unit, want string) int64 {
	v := c.args[param]
	if v == nil {
		return 0
	}
	var n int64
	ok := false
	switch v := v.(type) {
	case starlark.Int:
		n, ok = v.Int64()
	case starlark.String:
		n, ok = quantity(string(v), units)
	}
	if !ok || n <= 0 {
		c.wrong(param, "got %s, want %s", describe(v), want)
	}
	return n
}

// quantity reads a sum of numbers with units: "1h30m". A size may end in "b" as
// well ("512mb").
func quantity(s string, units []unit) (int64, bool) {
	s = strings.ToLower(strings.TrimSpace(s))
	if units[0].suffix == "k" {
		s = strings.TrimSuffix(strings.TrimSuffix(s, "b"), "i")
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return n, true
	}
	var total int64
	for s != "" {
		digits := len(s) - len(strings.TrimLeft(s, "0123456789"))
		n, err := strconv.ParseInt(s[:digits], 10, 64)
		if err != nil {
			return 0, false
		}
		factor := int64(0)
		for _, u := range units {
			if rest, ok := strings.CutPrefix(s[digits:], u.suffix); ok {
				factor, s = u.factor, rest
				break
			}
		}
		if factor == 0 || n > (math.MaxInt64-total)/factor {
			return 0, false
		}
		total += n * factor
	}
	return total, total > 0
}
