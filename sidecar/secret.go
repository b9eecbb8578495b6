package sidecar

import (
	"fmt"
	"io"
	"log/slog"
)

// redacted is how every secret prints.
const redacted = "redacted"

// A Secret is bytes that print as "redacted" by every verb of fmt, in JSON and
// in slog. Decoding JSON into one reads base64, as for any byte slice. The way
// to the value is a conversion, which is easy to search for.
//
// The package fmt calls no methods on unexported fields, nor for verbs that do
// not fit (%p of a struct, %w outside Errorf; vet refuses both): keep secrets in
// closures rather than in structs that somebody may print.
type Secret []byte

// Format implements fmt.Formatter.
func (Secret) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, redacted) }

// String implements fmt.Stringer.
func (Secret) String() string { return redacted }

// GoString implements fmt.GoStringer.
func (Secret) GoString() string { return redacted }

// MarshalJSON implements json.Marshaler.
func (Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// MarshalText implements encoding.TextMarshaler.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue implements slog.LogValuer.
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }
