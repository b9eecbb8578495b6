package dlp

import (
	"regexp/syntax"
	"slices"
	"unicode/utf8"
)

// shapes returns the alternatives of a regular expression, one of which every
// match has. It gives up, with one open shape, on more than maxShapes.
func shapes(pattern string) ([]shape, error) {
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return nil, err
	}
	return expand(re), nil
}

const maxShapes = 256

func expand(re *syntax.Regexp) []shape {
	switch re.Op {
	case syntax.OpEmptyMatch, syntax.OpBeginLine, syntax.OpBeginText, syntax.OpEndLine, syntax.OpNoWordBoundary:
		return []shape{{}}
	case syntax.OpWordBoundary:
		return []shape{{boundary: true}}
	case syntax.OpEndText:
		return []shape{{steps: []step{{}}}}
	case syntax.OpLiteral:
		var s shape
		for _, r := range re.Rune {
			s.steps = append(s.steps, step{runes([]rune{r, r}, re.Flags&syntax.FoldCase != 0), 1, 1, true})
		}
		return []shape{s}
	case syntax.OpCharClass, syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return []shape{{steps: []step{class(re, 1, 1)}}}
	case syntax.OpCapture:
		return expand(re.Sub[0])
	case syntax.OpStar, syntax.OpPlus, syntax.OpQuest, syntax.OpRepeat:
		return repeat(re)
	case syntax.OpConcat:
		out := []shape{{}}
		for _, sub := range re.Sub {
			out = join(out, expand(sub))
		}
		return out
	case syntax.OpAlternate:
		var out []shape
		for _, sub := range re.Sub {
			out = append(out, expand(sub)...)
		}
		return limited(out)
	}
	return []shape{{open: true}}
}

func limited(s []shape) []shape {
	if len(s) > maxShapes {
		return []shape{{open: true}}
	}
	return s
}

// join continues each of a with each of b.
func join(a, b []shape) []shape {
	var out []shape
	for _, x := range a {
		if x.open {
			out = append(out, x)
			continue
		}
		for _, y := range b {
			out = append(out, shape{slices.Concat(x.steps, y.steps), x.boundary || y.boundary && len(x.steps) == 0, y.open})
		}
		if len(out) > maxShapes {
			return []shape{{open: true}}
		}
	}
	return out
}

func repeat(re *syntax.Regexp) []shape {
	least, most := re.Min, re.Max
	switch re.Op {
	case syntax.OpStar:
		least, most = 0, -1
	case syntax.OpPlus:
		least, most = 1, -1
	case syntax.OpQuest:
		least, most = 0, 1
	}
	if most < 0 {
		most = unbounded
	}
	sub := re.Sub[0]
	for sub.Op == syntax.OpCapture {
		sub = sub.Sub[0]
	}
	switch sub.Op {
	case syntax.OpCharClass, syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return []shape{{steps: []step{class(sub, least, most)}}}
	case syntax.OpLiteral:
		if len(sub.Rune) == 1 {
			return []shape{{steps: []step{{runes([]rune{sub.Rune[0], sub.Rune[0]}, sub.Flags&syntax.FoldCase != 0), least, most, false}}}}
		}
	}
	once := expand(sub)
	if least == 0 && most == 1 {
		return limited(append(once, shape{}))
	}
	out := []shape{{}}
	for range least {
		out = join(out, once)
	}
	if most > least {
		out = join(out, []shape{{open: true}})
	}
	return out
}

func class(re *syntax.Regexp, least, most int) step {
	var set *byteSet
	switch re.Op {
	case syntax.OpAnyChar:
		set = runes([]rune{0, utf8.MaxRune}, false)
	case syntax.OpAnyCharNotNL:
		set = runes([]rune{0, '\n' - 1, '\n' + 1, utf8.MaxRune}, false)
	default:
		set = runes(re.Rune, false)
	}
	if set[0x80] && most < unbounded {
		most *= utf8.UTFMax
	}
	return step{set, least, most, false}
}

// runes makes a set of ranges. Where a range goes beyond ASCII all of what is not
// ASCII is in it: but K and s have such relatives in some expressions (ſ, the
// Kelvin sign), and no secret is written with them.
func runes(ranges []rune, fold bool) *byteSet {
	var set byteSet
	for pair := range slices.Chunk(ranges, 2) {
		lo, hi := pair[0], pair[1]
		if lo == hi && (lo == 'ſ' || lo == '\u212a') {
			continue
		}
		for r := lo; r <= min(hi, 0xff); r++ {
			set[r] = true
		}
		for r := rune(utf8.RuneSelf); hi > 0xff && r <= 0xff; r++ {
			set[r] = true
		}
	}
	for b := byte('a'); fold && b <= 'z'; b++ {
		set[b], set[b-'a'+'A'] = set[b] || set[b-'a'+'A'], set[b] || set[b-'a'+'A']
	}
	return &set
}
