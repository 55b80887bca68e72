package text

import (
	"strings"
	"testing"
)

func TestLine(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ in, want string }{
		"white space around it is taken off":        {" \t Ada\u00a0 \n", "Ada"},
		"what is composed of two becomes one":       {"Mu\u0308ller", "M\u00fcller"},
		"all scripts are accepted":                  {"Łódź 東京 القاهرة हिन्दी", "Łódź 東京 القاهرة हिन्दी"},
		"emoji with joiners are accepted":           {"👩\u200d💻", "👩\u200d💻"},
		"the left-to-right mark is accepted":        {"a\u200eb", "a\u200eb"},
		"nothing but white space is nothing":        {"   ", ""},
		"the limit counts characters and not bytes": {strings.Repeat("é", 200), strings.Repeat("é", 200)},
		"the limit counts composed characters":      {strings.Repeat("e\u0301", 200), strings.Repeat("é", 200)},
	} {
		got, problem := Line(c.in, 200)
		if got != c.want || problem != "" {
			t.Errorf("%s: Line(%q) = %q, %q; want %q", name, c.in, got, problem, c.want)
		}
	}
}

func TestLineRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ in, want string }{
		"invalid UTF-8":             {"a\xffb", "UTF-8"},
		"NUL":                       {"a\x00b", "U+0000"},
		"a line break":              {"a\nb", "U+000A"},
		"a line separator":          {"a\u2028b", "U+2028"},
		"C1 control characters":     {"a\u0085b", "U+0085"},
		"right-to-left override":    {"a\u202ecod.exe", "U+202E"},
		"direction isolate":         {"a\u2066b", "U+2066"},
		"the replacement character": {"a\ufffdb", "U+FFFD"},
		"a byte order mark inside":  {"a\ufeffb", "U+FEFF"},
		"private use":               {"a\ue000b", "U+E000"},
		"a noncharacter":            {"a\U0001fffeb", "U+1FFFE"},
		"one character too many":    {strings.Repeat("é", 201), "201 characters"},
		"a flood":                   {strings.Repeat("e\u0301", 100_000), "at most 200"},
	} {
		got, problem := Line(c.in, 200)
		if got != "" || !strings.Contains(problem, c.want) {
			t.Errorf("%s: Line(%.20q) = %q, %q; want a problem with %q in it", name, c.in, got, problem, c.want)
		}
	}
}

func TestLinesKeepsLineBreaks(t *testing.T) {
	t.Parallel()
	if got, problem := Lines("1 Main St\r\nApt 2\n", 500); got != "1 Main St\nApt 2" || problem != "" {
		t.Errorf("got %q, %q; want two lines", got, problem)
	}
	if got, problem := Lines("a\rb", 500); problem == "" {
		t.Errorf("got %q, want a lone carriage return refused", got)
	}
}
