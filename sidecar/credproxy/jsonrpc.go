package credproxy

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
)

// A rpcMessage is a message of JSON-RPC 2.0: a call, a notification, or, from a
// client of MCP, the answer to what the server called.
type rpcMessage struct {
	JSONRPC string          `json:"jsonrpc"`
	Method  *string         `json:"method"`
	Params  json.RawMessage `json:"params"`
	ID      json.RawMessage `json:"id"`
	Result  json.RawMessage `json:"result"`
	Error   json.RawMessage `json:"error"`
}

// jsonRPC returns the methods that a request calls. One without a body, such as
// the GET by which MCP listens and the DELETE by which it ends, calls none.
func jsonRPC(method string, query url.Values, body []byte) ([]string, error) {
	if len(query) > 0 {
		return nil, errors.New("some servers take what is in the query of the URL for a call: send the body alone")
	}
	if method != http.MethodPost {
		if len(body) > 0 {
			return nil, fmt.Errorf("%s has no body: send POST", shorten(method))
		}
		return nil, nil
	}
	batch, err := decodeBatch[rpcMessage](body)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, m := range batch {
		switch {
		case m.JSONRPC != "2.0":
			return nil, errors.New(`a message is not one of JSON-RPC 2.0: it has "jsonrpc": "2.0"`)
		case m.Method != nil && *m.Method != "" && m.Result == nil && m.Error == nil:
			names = append(names, *m.Method)
		case m.Method == nil && m.ID != nil && (m.Result == nil) != (m.Error == nil):
		default:
			return nil, errors.New("a message is neither a call nor an answer")
		}
	}
	return names, nil
}
