package modeltest

import (
	"regexp/syntax"
	"strings"
	"unicode/utf8"

	"github.com/millrace-io/millrace/kinesis/model"
)

// triesMax is how often a text is made that satisfies a pattern and not the length.
const triesMax = 1000

// matching returns a text that the pattern matches.
func (g generator) matching(shape *model.Shape, lengthMin int) string {
	parsed, err := syntax.Parse(shape.Pattern, syntax.Perl)
	if err != nil {
		panic("modeltest: pattern of " + shape.Name + ": " + err.Error())
	}
	for range triesMax {
		var text strings.Builder
		g.write(&text, parsed, g.length(shape, lengthMin))
		if allowed(shape, text.String(), lengthMin) {
			return text.String()
		}
	}
	panic("modeltest: no text for the pattern and the length of " + shape.Name + ": " + shape.Pattern)
}

// write appends a text that the expression matches; more is how often it repeats at most
// what may be repeated for ever.
func (g generator) write(text *strings.Builder, expression *syntax.Regexp, more int) {
	repeat := func(least, most int) {
		if most < 0 {
			most = least + more
		}
		for range least + g.IntN(most-least+1) {
			g.write(text, expression.Sub[0], more)
		}
	}
	switch expression.Op {
	case syntax.OpLiteral:
		text.WriteString(string(expression.Rune))
	case syntax.OpCharClass:
		text.WriteRune(g.inClass(expression.Rune))
	case syntax.OpAnyCharNotNL, syntax.OpAnyChar:
		text.WriteRune(rune(' ' + g.IntN('~'-' ')))
	case syntax.OpConcat, syntax.OpCapture:
		for _, part := range expression.Sub {
			g.write(text, part, more)
		}
	case syntax.OpAlternate:
		g.write(text, expression.Sub[g.IntN(len(expression.Sub))], more)
	case syntax.OpStar:
		repeat(0, -1)
	case syntax.OpPlus:
		repeat(1, -1)
	case syntax.OpQuest:
		repeat(0, 1)
	case syntax.OpRepeat:
		repeat(expression.Min, expression.Max)
	case syntax.OpEmptyMatch, syntax.OpBeginLine, syntax.OpEndLine, syntax.OpBeginText, syntax.OpEndText:
	default:
		panic("modeltest: nothing is known of " + expression.String())
	}
}

// inClass returns a character of a class, which is pairs of a first and a last one. Most
// are printable where the class has such.
func (g generator) inClass(pairs []rune) rune {
	for range triesMax {
		at := 2 * g.IntN(len(pairs)/2)
		first, last := pairs[at], pairs[at+1]
		if g.IntN(8) > 0 && first < '~' && last >= ' ' {
			first, last = max(first, ' '), min(last, '~')
		}
		if r := first + g.Int32N(last-first+1); utf8.ValidRune(r) {
			return r
		}
	}
	panic("modeltest: a class without characters")
}
