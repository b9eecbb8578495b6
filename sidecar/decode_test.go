package sidecar_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/bottle-run/bottle/sidecar"
)

type inner struct {
	Path  string   `json:"path"`
	Ports []int    `json:"ports,omitempty"`
	Auth  *authDoc `json:"auth,omitempty"`
}

type authDoc struct {
	Scheme string `json:"scheme"`
}

type document struct {
	Listen string           `json:"listen"`
	Routes []inner          `json:"routes"`
	ByName map[string]inner `json:"by_name"`
	Hidden string           `json:"-"`
}

func TestDecodeReadsWhatItKnows(t *testing.T) {
	var got document
	err := sidecar.Decode([]byte(`{"listen":":1","routes":[{"path":"/a/","auth":{"scheme":"bearer"}}],"by_name":{"x":{"path":"y"}}} `), &got)
	want := document{Listen: ":1", Routes: []inner{{Path: "/a/", Auth: &authDoc{"bearer"}}}, ByName: map[string]inner{"x": {Path: "y"}}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
}

// An error names the field and the place.
func TestDecodeRefuses(t *testing.T) {
	for _, test := range []struct{ doc, want string }{
		{"{\"listen\":\":1\",\n \"routes\":[{}, {\"pth\":1}]}", "routes[1].pth (line 2, column 21): unknown field"},
		{`{"Listen":":1"}`, "Listen (line 1, column 9): unknown field"},
		{`{"by_name":{"a":{"x":1}}}`, "by_name.a.x (line 1, column 20): unknown field"},
		{`{"routes":[{"auth":{"scheme":"a","secret":"b"}}]}`, "routes[0].auth.secret"},
		{`{"-":1}`, "unknown field"},
		{`{"Hidden":1}`, "unknown field"},
		{`{"listen":"a","listen":"b"}`, "listen (line 1, column 22): given twice"},
		{`{"by_name":{"a":{},"a":{}}}`, "by_name.a (line 1, column 22): given twice"},
		{`{} {}`, "unexpected data after the document"},
		{`{}]`, "unexpected data after the document"},
		{`{"listen":`, "line 1, column 10: the document ends too early"},
		{``, "the document ends too early"},
		{`{"listen" ":1"}`, "line 1, column 10: invalid character"},
		{`{"listen":5}`, "listen (line 1, column 11): cannot read a number as string"},
		{`{"routes":[{"ports":["x"]}]}`, "routes.ports"},
		{`[]`, "cannot read a array as"},
		{`{"listen":{"a":1}}`, "cannot read a object as string"},
	} {
		var d document
		err := sidecar.Decode([]byte(test.doc), &d)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("Decode(%s) = %v, want %q", test.doc, err, test.want)
		}
	}
}

// What Decode accepts is one document without surprises, and nothing makes it
// panic.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{`{"listen":":1","routes":[{"path":"/"}]}`, `{"by_name":{"a":null}}`, `null`, `[[[[`, `{"routes":{}}`, `"x"`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var d document
		if err := sidecar.Decode(data, &d); err != nil && err.Error() == "" {
			t.Error("an error without words")
		}
	})
}
