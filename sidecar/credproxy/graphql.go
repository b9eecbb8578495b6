package credproxy

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
)

// maxGraphQL is how many tokens a document may have; it bounds its depth too.
const maxGraphQL = 20_000

// A graphQLRequest is a request of GraphQL over HTTP. There are no further
// fields: by id, documentId and the like, servers run what is not in the request.
type graphQLRequest struct {
	Query         *string         `json:"query"`
	OperationName *string         `json:"operationName"`
	Variables     json.RawMessage `json:"variables"`
	Extensions    map[string]any  `json:"extensions"`
}

// graphQL returns the root fields of every operation of a request, as
// "query.viewer". Those count that are not chosen by operationName, too: servers
// differ in how they choose.
func graphQL(method string, query url.Values, body []byte) ([]string, error) {
	if method == http.MethodGet || method == http.MethodHead {
		return graphQLGet(query, body)
	}
	if len(query) > 0 {
		return nil, errors.New("some servers take what is in the query of the URL for what is in the body: send the body alone")
	}
	if method != http.MethodPost {
		return nil, fmt.Errorf("%s is no method of it: send POST", shorten(method))
	}
	requests, err := decodeBatch[graphQLRequest](body)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, r := range requests {
		more, err := r.rootFields()
		if err != nil {
			return nil, err
		}
		names = append(names, more...)
	}
	return names, nil
}

// graphQLGet reads a request that is in the query of its URL, which may only
// query: a server that takes a mutation so is refused it here.
func graphQLGet(query url.Values, body []byte) ([]string, error) {
	if len(body) > 0 {
		return nil, errors.New("a GET has no body")
	}
	var r graphQLRequest
	for name, values := range query {
		if len(values) != 1 {
			return nil, fmt.Errorf("the parameter %q is given twice", shorten(name))
		}
		switch name {
		case "query":
			r.Query = &values[0]
		case "operationName":
			r.OperationName = &values[0]
		case "variables":
			r.Variables = json.RawMessage(values[0])
		case "extensions":
			if err := decodeJSON([]byte(values[0]), &r.Extensions); err != nil {
				return nil, err
			}
		default:
			return nil, fmt.Errorf("the parameter %q means nothing here", shorten(name))
		}
	}
	names, err := r.rootFields()
	for _, name := range names {
		if name[:min(6, len(name))] != "query." {
			return nil, errors.New("a GET may only query: send POST")
		}
	}
	return names, err
}

func (r *graphQLRequest) rootFields() ([]string, error) {
	if r.Extensions["persistedQuery"] != nil || r.Query == nil || *r.Query == "" {
		return nil, errors.New("there is no query in the request: send it whole, not by its hash or name (persisted queries off)")
	}
	doc, err := parser.ParseQueryWithTokenLimit(&ast.Source{Input: *r.Query}, maxGraphQL)
	if err != nil {
		return nil, fmt.Errorf("the query cannot be parsed: %s", shorten(err.Error()))
	}
	if name := r.OperationName; name != nil && *name != "" && doc.Operations.ForName(*name) == nil || len(doc.Operations) == 0 ||
		len(doc.Operations) > 1 && (name == nil || *name == "") {
		return nil, errors.New("it is not said which operation of the query is meant: send operationName")
	}
	var names []string
	fragments := map[string]*ast.FragmentDefinition{}
	for _, f := range doc.Fragments {
		if fragments[f.Name] != nil {
			return nil, fmt.Errorf("there are two fragments %s", shorten(f.Name))
		}
		fragments[f.Name] = f
	}
	for _, op := range doc.Operations {
		w := rootWalk{kind: string(op.Operation), fragments: fragments, seen: map[string]bool{}}
		if err := w.walk(op.SelectionSet); err != nil {
			return nil, err
		}
		names = append(names, w.names...)
	}
	return names, nil
}

// A rootWalk collects the fields of an operation's root, also those in fragments.
type rootWalk struct {
	kind      string
	fragments map[string]*ast.FragmentDefinition
	seen      map[string]bool // fragments
	names     []string
}

func (w *rootWalk) walk(set ast.SelectionSet) error {
	for _, s := range set {
		var err error
		switch s := s.(type) {
		case *ast.Field: // by its name, whatever its alias
			if s.Name != "__typename" {
				w.names = append(w.names, w.kind+"."+s.Name)
			}
		case *ast.InlineFragment:
			err = w.walk(s.SelectionSet)
		case *ast.FragmentSpread:
			f := w.fragments[s.Name]
			if f == nil {
				return fmt.Errorf("there is no fragment %s", shorten(s.Name))
			}
			if !w.seen[s.Name] {
				w.seen[s.Name] = true
				err = w.walk(f.SelectionSet)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}
