package sidecar

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
)

// Decode decodes the one JSON document in data into v, a pointer. Unlike
// json.Unmarshal it refuses keys that v has no field for, keys that differ from
// a field's in case only, keys that occur twice, and anything after the
// document. An error names the field and the place: `routes[2].upstrem (line 4,
// column 7): unknown field`.
func Decode(data []byte, v any) error {
	w := walker{data: data, dec: json.NewDecoder(bytes.NewReader(data))}
	if err := w.value(reflect.TypeOf(v), ""); err != nil {
		return err
	}
	if _, err := w.dec.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%s: unexpected data after the document", w.place())
	}
	err := json.Unmarshal(data, v)
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Errorf("%s (%s): cannot read a %s as %s", wrong.Field, place(data, wrong.Offset), wrong.Value, wrong.Type)
	}
	return err
}

// A walker reads a document token by token beside the type that it is for.
type walker struct {
	data []byte
	dec  *json.Decoder
}

// value checks the next value against t. A nil t takes any value, as do types
// that are not made of structs.
func (w *walker) value(t reflect.Type, path string) error {
	tok, err := w.dec.Token()
	if err != nil {
		return w.syntax(err)
	}
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch tok {
	case json.Delim('{'):
		return w.object(t, path)
	case json.Delim('['):
		return w.array(t, path)
	}
	return nil
}

func (w *walker) object(t reflect.Type, path string) error {
	seen := map[string]bool{}
	for w.dec.More() {
		tok, err := w.dec.Token()
		if err != nil {
			return w.syntax(err)
		}
		key, _ := tok.(string) // the decoder allows nothing else here
		at := strings.TrimPrefix(path+"."+key, ".")
		if seen[key] {
			return fmt.Errorf("%s (%s): given twice", at, w.place())
		}
		seen[key] = true
		elem, known := member(t, key)
		if !known {
			return fmt.Errorf("%s (%s): unknown field", at, w.place())
		}
		if err := w.value(elem, at); err != nil {
			return err
		}
	}
	_, err := w.dec.Token() // }
	return w.syntax(err)
}

func (w *walker) array(t reflect.Type, path string) error {
	var elem reflect.Type
	if t != nil && (t.Kind() == reflect.Slice || t.Kind() == reflect.Array) {
		elem = t.Elem()
	}
	for i := 0; w.dec.More(); i++ {
		if err := w.value(elem, fmt.Sprintf("%s[%d]", path, i)); err != nil {
			return err
		}
	}
	_, err := w.dec.Token() // ]
	return w.syntax(err)
}

// member returns the type of what an object for t holds under key; nil for any.
func member(t reflect.Type, key string) (reflect.Type, bool) {
	if t == nil {
		return nil, true
	}
	switch t.Kind() {
	case reflect.Map:
		return t.Elem(), true
	case reflect.Struct:
		for f := range t.Fields() {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if name == "" {
				name = f.Name
			}
			if name == key && name != "-" && f.IsExported() {
				return f.Type, true
			}
		}
		return nil, false
	default:
		return nil, true // json.Unmarshal says that an object does not fit
	}
}

func (w *walker) place() string { return place(w.data, w.dec.InputOffset()) }

func (w *walker) syntax(err error) error {
	if err == nil {
		return nil
	}
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Errorf("%s: %w", place(w.data, syntax.Offset), err)
	}
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("%s: the document ends too early", w.place())
	}
	return fmt.Errorf("%s: %w", w.place(), err)
}

// place turns the offset of the end of a token into what an editor shows.
func place(data []byte, offset int64) string {
	before := data[:min(max(offset, 0), int64(len(data)))]
	line := 1 + bytes.Count(before, []byte("\n"))
	column := len(before) - (bytes.LastIndexByte(before, '\n') + 1)
	return fmt.Sprintf("line %d, column %d", line, max(column, 1))
}
