package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"strings"
)

// A Source is where bytes come from. The set is sealed: Literal, Secret and
// Generated. Only a Literal's bytes are in the plan.
//
//sumtype:decl
type Source interface{ isSource() }

// An Input is a named value in the first message that a container reads.
type Input struct {
	Name   string `json:"name"`
	Source Source `json:"source"`
}

// A Literal is bytes that the script gave. It prints as length and digest, or as
// itself where it is JSON, which is what bottle's own configurations are.
type Literal []byte

// MarshalJSON implements json.Marshaler.
func (l Literal) MarshalJSON() ([]byte, error) {
	if len(l) > 0 && l[0] == '{' && json.Valid(l) {
		return json.Marshal(map[string]json.RawMessage{"json": json.RawMessage(l)})
	}
	sum := sha256.Sum256(l)
	return json.Marshal(struct {
		Bytes  int    `json:"bytes"`
		SHA256 string `json:"sha256"`
	}{len(l), hex.EncodeToString(sum[:])})
}

// A SecretKind says where a secret is kept.
type SecretKind string

// The kinds of secrets.
const (
	SecretEnv     SecretKind = "env"     // Args: the variable of bottle's own environment
	SecretFile    SecretKind = "file"    // Args: a path of the host, see Mount.Source
	SecretCommand SecretKind = "command" // Args: argv; the value is its output
	SecretKeyring SecretKind = "keyring" // Args: service and user of the keyring of bottle's own session
	SecretPrompt  SecretKind = "prompt"  // Args: the label by which a person is asked for it
	// SecretOAuth is an access token, fetched anew before it ends. Args: the URL
	// of the token endpoint, the client's ID, the scope, which may be empty. From:
	// the refresh token, then the client's secret where it has one.
	SecretOAuth SecretKind = "oauth"
)

// A Secret refers to a value that is looked up when the plan runs. There is no
// way from it to the value inside a script.
type Secret struct {
	Kind SecretKind `json:"secret"`
	Args []string   `json:"args"`
	// From are the secrets by which the value is obtained. They stay with the
	// launcher.
	From []Secret `json:"from,omitempty"`
	// TTL is after how many seconds the value is fetched again; 0 is never.
	TTL int64 `json:"ttl,omitempty"`
}

// String returns the reference as the script spells it: secret.env("NAME"). Two
// secrets are the same when their strings are.
func (s Secret) String() string {
	quoted := make([]string, len(s.Args))
	for i, a := range s.Args {
		quoted[i] = strconv.Quote(a)
	}
	args := strings.Join(quoted, ", ")
	switch {
	case s.Kind == SecretCommand:
		args = "[" + args + "]"
	case s.Kind == SecretOAuth && len(s.Args) == 3 && len(s.From) > 0:
		args = quoted[0] + ", refresh_token = " + s.From[0].String() + ", client_id = " + quoted[1]
		if len(s.From) > 1 {
			args += ", client_secret = " + s.From[1].String()
		}
		if s.Args[2] != "" {
			args += ", scope = " + quoted[2]
		}
	}
	if s.TTL != 0 {
		args += ", ttl = " + strconv.FormatInt(s.TTL, 10)
	}
	return "secret." + string(s.Kind) + "(" + args + ")"
}

// A GeneratedKind says what is made for one launch and forgotten with it.
type GeneratedKind string

// The kinds of generated material.
const (
	CACert   GeneratedKind = "ca-cert"   // PEM, the certificate of the gate's CA
	CAKey    GeneratedKind = "ca-key"    // PEM, its private key (SEC 1)
	CABundle GeneratedKind = "ca-bundle" // PEM, public roots, then the CA's certificate
	Token    GeneratedKind = "token"     // 64 hex digits, by which a client of a sidecar is known
)

// Generated is made anew for each launch. The same Kind and Name give the same
// bytes within one launch; a CACert, CAKey and CABundle of one Name belong
// together.
type Generated struct {
	Kind GeneratedKind `json:"generated"`
	Name string        `json:"name"`
}

func (Literal) isSource()   {}
func (Secret) isSource()    {}
func (Generated) isSource() {}
