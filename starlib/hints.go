package starlib

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.starlark.net/syntax"
)

// hints are for what people bring along from other languages: a pattern of the
// line, a part of the message, and what to write.
var hints = []struct { //nolint:gochecknoglobals // a table
	line *regexp.Regexp
	msg  string
	text string
}{
	{regexp.MustCompile(`^\s*while\b`), "", "there is no while: write `for x in range(n):`"},
	{regexp.MustCompile(`^\s*(import|from)\b`), "", `write load("./module.star", "name")`},
	{regexp.MustCompile(`^\s*(try|except|raise|with|class|yield|async|del)\b`), "", "launch scripts have no exceptions, classes or contexts; fail(\"…\") ends the script"},
	{regexp.MustCompile(`\bf["']`), "got string literal", `there are no f-strings: write "%s" % x or "{}".format(x)`},
	{regexp.MustCompile(`\bos\.(environ|getenv)`), "undefined", `a script has no environment: param("name") for a value, secret.env("NAME") for a secret`},
	{regexp.MustCompile(`\b(true|false|null|none|nil)\b`), "undefined", "write True, False or None"},
	{regexp.MustCompile(`["']`), "unexpected newline in string", "a quote is missing; for several lines use three of them"},
	{regexp.MustCompile(`["']`), "unexpected EOF in string", "a quote is missing"},
	{regexp.MustCompile(``), "cannot reassign", "a name at the top of a file is bound once: give the second value another name, or do the work in a function"},
	{regexp.MustCompile(``), "called recursively", "functions of a launch script do not call themselves; use a loop"},
	{regexp.MustCompile(``), "want newline", "is there an operator or a comma missing before it?"},
	{regexp.MustCompile(``), "want ','", "is there a comma missing before it?"},
	{regexp.MustCompile(``), "want '}'", "is there a comma missing before it, or is a brace not closed further up?"},
	{regexp.MustCompile(``), "want ')'", "is there a comma missing before it, or is a parenthesis not closed further up?"},
	{regexp.MustCompile(``), "want ']'", "is there a comma missing before it, or is a bracket not closed further up?"},
	{regexp.MustCompile(``), "want ':'", "a colon is missing at the end of the line"},
	{regexp.MustCompile(``), "want indent", "indent what belongs to the line before"},
	{regexp.MustCompile(``), "inconsistent indentation", "indent with four spaces each time"},
}

// syntaxError moves the place of an error of the parser, which is behind the token
// that it did not expect, to where the token begins.
func (s *session) syntaxError(err syntax.Error) *Error {
	p := err.Pos
	f := s.files[p.Filename()]
	got, _, ok := strings.Cut(strings.TrimPrefix(err.Msg, "got "), ", want ")
	if f == nil || !ok || !strings.HasPrefix(err.Msg, "got ") {
		return s.mistake(p, err.Msg)
	}
	if got == "newline" && p.Col == 1 && p.Line > 1 {
		p.Line--
		p.Col = int32(utf8.RuneCountInString(f.line(int(p.Line)))) + 1 //nolint:gosec // a line of a bounded file
		return s.mistake(p, err.Msg)
	}
	before := []rune(f.line(int(p.Line)))
	before = before[:min(max(int(p.Col)-1, 0), len(before))]
	p.Col -= int32(len(before) - tokenStart(before, got)) //nolint:gosec // as above
	return s.mistake(p, err.Msg)
}

// tokenStart returns where the token that ends line begins; got is what the parser
// calls it.
func tokenStart(line []rune, got string) int {
	i := len(line)
	switch {
	case got == "string literal" || got == "bytes literal":
		i = stringStart(line)
	case got == "newline" || got == "end of file" || got == "indent" || got == "outdent":
	case strings.HasPrefix(got, "'"):
		i -= utf8.RuneCountInString(strings.Trim(got, "'"))
	default: // a word or a number
		for i > 0 && isWord(line[i-1]) {
			i--
		}
	}
	return max(i, 0)
}

func isWord(r rune) bool { return r == '_' || r == '.' || unicode.IsLetter(r) || unicode.IsDigit(r) }

// stringStart returns where the string begins that ends line.
func stringStart(line []rune) int {
	for i := len(line) - 2; i >= 0; i-- {
		if line[i] == line[len(line)-1] && (i == 0 || line[i-1] != '\\') {
			return i
		}
	}
	return 0
}
