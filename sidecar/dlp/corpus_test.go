package dlp_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"mime/multipart"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// A body is what an agent sends on an ordinary day.
type body struct {
	kind string
	name string
	data []byte
}

// corpus is made of what is on every machine that has Go: its sources, as an agent
// would send them.
var corpus = sync.OnceValues(buildCorpus)

func ordinary(tb testing.TB) []body {
	tb.Helper()
	bodies, err := corpus()
	if err != nil {
		tb.Fatal(err)
	}
	return bodies
}

func buildCorpus() ([]body, error) {
	files, err := sources()
	if err != nil {
		return nil, err
	}
	var out []body
	for i, group := range groups(files) {
		name := group[0].name
		switch i % 8 {
		default:
			out = append(out, body{"LLM request", name, llmRequest(group)})
		case 3:
			out = append(out, body{"LLM request, streamed tool results", name, toolResults(group)})
		case 5:
			out = append(out, body{"tarball", name, tarball(group)})
		case 6:
			out = append(out, body{"npm publish", name, npmPublish(group)}, body{"npm metadata", name, npmMetadata(group)})
		case 7:
			out = append(out, body{"multipart upload", name, upload(group)}, body{"form", name, []byte(form(group[0]))})
		}
	}
	packs, err := packs(files)
	return append(out, packs...), err
}

type file struct {
	name string
	data []byte
}

// sources are the files of GOROOT/src but those for tests that hold keys: a key that
// was made for a test is a key.
func sources() ([]file, error) {
	root, err := goroot()
	if err != nil {
		return nil, err
	}
	var out []file
	err = filepath.WalkDir(filepath.Join(root, "src"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			if d != nil && d.Name() == "testdata" {
				return fs.SkipDir
			}
			return err
		}
		data, err := os.ReadFile(path)
		if holdsKeys := strings.Contains(path, "/crypto/") && (strings.HasSuffix(path, "_test.go") || strings.HasSuffix(path, "_key.pem")); holdsKeys {
			return err
		}
		if err == nil && len(data) > 0 {
			out = append(out, file{strings.TrimPrefix(path, root+"/"), data})
		}
		return err
	})
	return out, err
}

func goroot() (string, error) {
	if root := os.Getenv("GOROOT"); root != "" {
		return root, nil
	}
	out, err := exec.Command("go", "env", "GOROOT").Output() //nolint:noctx // of a test
	return strings.TrimSpace(string(out)), err
}

// groups puts files together: one, two, four … as many as an agent reads in a turn.
func groups(files []file) [][]file {
	sizes := []int{1, 4, 2, 8, 1, 16, 3, 6, 1, 40, 2}
	var out [][]file
	for i := 0; len(files) > 0; i++ {
		n := min(sizes[i%len(sizes)], len(files))
		out, files = append(out, files[:n]), files[n:]
	}
	return out
}

// llmRequest is a request of the Messages API with code in it.
func llmRequest(files []file) []byte {
	content := []map[string]any{{"type": "text", "text": "Here are the files. Find the bug that makes the token of the session expire, and the key that is not refreshed."}}
	for _, f := range files {
		if strings.HasSuffix(f.name, ".go") || strings.HasSuffix(f.name, ".s") || strings.HasSuffix(f.name, ".md") {
			content = append(content, map[string]any{"type": "text", "text": "<file path=\"" + f.name + "\">\n" + string(f.data) + "\n</file>"})
			continue
		}
		content = append(content, map[string]any{"type": "document", "source": map[string]any{"type": "base64", "media_type": "application/pdf", "data": base64.StdEncoding.EncodeToString(f.data)}})
	}
	return encode(map[string]any{
		"model": "claude-opus-4-1", "max_tokens": 32000, "stream": true, "temperature": 1,
		"metadata": map[string]any{"user_id": "user_" + hex.EncodeToString(digest(files[0].data)) + "_account__session_" + uuid(files[0].data)},
		"system":   []any{map[string]any{"type": "text", "text": "You are a coding agent. Never print API keys, passwords or tokens.", "cache_control": map[string]string{"type": "ephemeral"}}},
		"tools":    []any{map[string]any{"name": "Bash", "description": "Runs a command. curl -H and --user are fine.", "input_schema": map[string]any{"type": "object", "properties": map[string]any{"command": map[string]string{"type": "string"}}}}},
		"messages": []any{map[string]any{"role": "user", "content": content}},
	})
}

// toolResults is the same conversation some turns later.
func toolResults(files []file) []byte {
	var messages []any
	for i, f := range files {
		id := "toolu_01" + base64.RawURLEncoding.EncodeToString(digest(f.data))[:22]
		var numbered strings.Builder
		for n, line := range strings.Split(string(f.data), "\n") {
			fmt.Fprintf(&numbered, "%6d\t%s\n", n+1, line)
		}
		messages = append(messages,
			map[string]any{"role": "assistant", "content": []any{map[string]any{"type": "thinking", "thinking": "Let me read it.", "signature": base64.StdEncoding.EncodeToString(bytes.Repeat(digest(f.data), 12))}, map[string]any{"type": "tool_use", "id": id, "name": "Read", "input": map[string]any{"file_path": "/workspace/" + f.name, "offset": i}}}},
			map[string]any{"role": "user", "content": []any{map[string]any{"type": "tool_result", "tool_use_id": id, "content": numbered.String()}}})
	}
	return encode(map[string]any{"model": "claude-opus-4-1", "messages": messages, "max_tokens": 4096})
}

func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

func digest(data []byte) []byte { s := sha512.Sum512(data); return s[:32] }

func uuid(data []byte) string {
	h := hex.EncodeToString(digest(data))
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:32]
}

func tarball(files []file) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for _, f := range files {
		_ = w.WriteHeader(&tar.Header{Name: "package/" + f.name, Mode: 0o644, Size: int64(len(f.data))})
		_, _ = w.Write(f.data)
	}
	_ = w.Close()
	_ = z.Close()
	return b.Bytes()
}

func upload(files []file) []byte {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, f := range files {
		part, err := w.CreateFormFile("file", f.name)
		if err != nil {
			panic(err)
		}
		_, _ = part.Write(f.data)
	}
	_ = w.Close()
	return b.Bytes()
}

func form(f file) string {
	return url.Values{"name": {f.name}, "csrfmiddlewaretoken": {"none"}, "text": {string(f.data)}}.Encode()
}
