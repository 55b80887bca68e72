package job

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// rowsOf reads a whole text through the reader of a job.
func rowsOf(t testing.TB, text string, delimiter byte, oneByOne bool) (rows []row, ends []int64, err error) {
	t.Helper()
	var src io.Reader = strings.NewReader(text)
	if oneByOne {
		src = iotest.OneByteReader(src)
	}
	r := newRowReader(src, importInput{Delimiter: string(delimiter), Encoding: encodingUTF8}, 0, 0)
	for {
		next, err := r.next()
		if errors.Is(err, io.EOF) {
			return rows, ends, nil
		}
		if err != nil {
			return rows, ends, err
		}
		rows, ends = append(rows, next), append(ends, r.position)
	}
}

func TestRowsAreReadAsRFC4180Says(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text  string
		want  [][]string
		lines []int
		bad   []int // rows with a mistake
	}{
		"plain":                         {"a,b\nc,d\n", [][]string{{"a", "b"}, {"c", "d"}}, []int{1, 2}, nil},
		"CRLF and no end of line":       {"a,b\r\nc,d", [][]string{{"a", "b"}, {"c", "d"}}, []int{1, 2}, nil},
		"CR at the end of the file":     {"a,b\r", [][]string{{"a", "b"}}, []int{1}, nil},
		"empty lines":                   {"\n\r\na\n\n\nb\n", [][]string{{"a"}, {"b"}}, []int{3, 6}, nil},
		"quotes":                        {`"a","b""c",""` + "\n", [][]string{{"a", `b"c`, ""}}, []int{1}, nil},
		"delimiters and lines in cells": {"\"a,b\",\"c\r\nd\ne\"\nf,g\n", [][]string{{"a,b", "c\nd\ne"}, {"f", "g"}}, []int{1, 4}, nil},
		"a CR inside a cell":            {"a\rb,c\n", [][]string{{"a\rb", "c"}}, []int{1}, nil},
		"empty cells":                   {",\n", [][]string{{"", ""}}, []int{1}, nil},
		"spaces stay":                   {" a , b\n", [][]string{{" a ", " b"}}, []int{1}, nil},
		"a bare quote":                  {"a\"b,c\nd,e\n", [][]string{nil, {"d", "e"}}, []int{1, 2}, []int{0}},
		"text behind a quote":           {"\"a\"b,c\nd,e\n", [][]string{nil, {"d", "e"}}, []int{1, 2}, []int{0}},
		"a quote that never closes":     {"a,b\n\"c,d\n", [][]string{{"a", "b"}, nil}, []int{1, 2}, []int{1}},
		"nothing":                       {"", nil, nil, nil},
	} {
		for _, slow := range []bool{false, true} {
			rows, _, err := rowsOf(t, c.text, ',', slow)
			if err != nil || len(rows) != len(c.want) {
				t.Errorf("%s: %d rows, %v; want %d", name, len(rows), err, len(c.want))
				continue
			}
			for i, r := range rows {
				if !slices.Equal(r.raw, c.want[i]) || r.line != c.lines[i] || (r.problem != "") != slices.Contains(c.bad, i) {
					t.Errorf("%s: row %d is %q on line %d (%s), want %q on line %d", name, i, r.raw, r.line, r.problem, c.want[i], c.lines[i])
				}
			}
		}
	}
}

func TestARowThatNeverEndsIsRefusedInBoundedMemory(t *testing.T) {
	t.Parallel()
	_, _, err := rowsOf(t, "a\n\""+strings.Repeat("x\n", 1<<20), ',', false)
	if err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("got %v, want an error that names line 2", err)
	}
}

// FuzzCSV compares with encoding/csv, and shows that reading can be resumed behind each row.
func FuzzCSV(f *testing.F) {
	for _, seed := range []string{
		"a,b\nc,d", "\"a\"\"b\",c\r\n\r\nd\n", "a\"b,c\nd", "\"a\"b\nc", "\"a\nb", "\r\n,\r\n", "\"\"\n\"", "a\r\rb\r\n", "\"a\r\nb\",c\n", "ü;\t,\x00\n", "\"a\"\r,b\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		rows, ends, err := rowsOf(t, text, ',', false)
		if err != nil {
			t.Skip("longer than a row may be")
		}
		oracle := csv.NewReader(strings.NewReader(text))
		oracle.FieldsPerRecord = -1
		for i := 0; ; i++ {
			want, err := oracle.Read()
			if errors.Is(err, io.EOF) {
				if i != len(rows) {
					t.Fatalf("%d rows, want %d", len(rows), i)
				}
				break
			}
			if i >= len(rows) {
				t.Fatalf("%d rows, encoding/csv has more", len(rows))
			}
			if (err != nil) != (rows[i].problem != "") {
				t.Fatalf("row %d: problem %q, encoding/csv says %v", i, rows[i].problem, err)
			}
			line := 0
			if err == nil {
				line, _ = oracle.FieldPos(0)
			}
			if err == nil && (!slices.Equal(rows[i].raw, want) || rows[i].line != line) {
				t.Fatalf("row %d is %q on line %d, want %q on line %d", i, rows[i].raw, rows[i].line, want, line)
			}
		}
		for i, end := range ends {
			rest, _, err := rowsOf(t, text[end:], ',', false)
			if err != nil || len(rest) != len(rows)-i-1 {
				t.Fatalf("resumed behind row %d: %d rows, %v; want %d", i, len(rest), err, len(rows)-i-1)
			}
			for k := range rest {
				if !slices.Equal(rest[k].raw, rows[i+1+k].raw) {
					t.Fatalf("resumed behind row %d: row %d is %q, want %q", i, k, rest[k].raw, rows[i+1+k].raw)
				}
			}
		}
	})
}

func checked(t testing.TB, content string, piece int) (importInput, error) {
	t.Helper()
	c := &fileCheck{path: []string{"file"}, ignoreUnknown: true}
	for p := []byte(content); len(p) > 0; p = p[min(piece, len(p)):] {
		if err := c.write(p[:min(piece, len(p))]); err != nil {
			return importInput{}, err
		}
	}
	first, err := c.finish()
	// The transaction that makes the job asks again when its outcome is not known.
	if again, _ := c.finish(); err == nil && again.Rows != first.Rows {
		t.Errorf("%d rows, asked again %d", first.Rows, again.Rows)
	}
	return first, err
}

func TestAFileIsUnderstoodOnItsWay(t *testing.T) {
	t.Parallel()
	long := "givenName,familyName\n" + strings.Repeat("Ada,\"Love\nlace\"\n", 20_000)
	for name, c := range map[string]struct {
		content   string
		delimiter string
		enc       encoding
		rows      int64
		offset    int64
		line      int
	}{
		"comma":                          {"givenName,x;y\nAda,\n", ",", encodingUTF8, 1, 14, 1},
		"semicolon":                      {"givenName;x,y;z\nAda;;\n", ";", encodingUTF8, 1, 16, 1},
		"tab and BOM":                    {"\ufeffgivenName\tx\r\nAda\t\r\n\r\nBob\t", "\t", encodingUTF8, 2, 16, 1},
		"one column, no rows":            {"givenName", ",", encodingUTF8, 0, 9, 0},
		"a header of two lines":          {"\"given\nName\",givenName\nx,Ada\n", ",", encodingUTF8, 1, 23, 2},
		"empty lines before the header":  {"\n\ngivenName\nAda\n", ",", encodingUTF8, 1, 12, 3},
		"Windows-1252":                   {"givenName\nJ\xfcrgen\n", ",", encodingWindows1252, 1, 10, 1},
		"Windows-1252 in the header":     {"givenName,Stra\xdfe\nJ,\n", ",", encodingWindows1252, 1, 17, 1},
		"longer than what is looked at":  {long, ",", encodingUTF8, 20_000, 21, 1},
		"a quote in the header's cell":   {"\"a;b;c\",givenName\nx,y", ",", encodingUTF8, 1, 18, 1},
		"characters cut between pieces":  {"givenName\nZoë Ünal 李\n", ",", encodingUTF8, 1, 10, 1},
		"an unfinished character at end": {"givenName\nZo\xc3", ",", encodingWindows1252, 1, 10, 1},
	} {
		for _, piece := range []int{1, 7, 1 << 20} {
			got, err := checked(t, c.content, piece)
			if err != nil || got.Delimiter != c.delimiter || got.Encoding != c.enc || got.Rows != c.rows || got.Offset != c.offset || got.Line != c.line || got.Bytes != int64(len(c.content)) {
				t.Errorf("%s in pieces of %d: got %+v, %v", name, piece, got, err)
			}
		}
	}
	for name, content := range map[string]string{
		"UTF-16": "\xff\xfea\x00", "a workbook": "PK\x03\x04abc", "an old workbook": "\xd0\xcf\x11\xe0abc", "CR alone": "givenName\rAda\rBob\r",
		"neither encoding": "givenName\nA\xff\x81\n", "binary": "givenName\n\xff\x00\n", "empty lines": "\n\n",
		"a quote that never closes": "givenName\n\"" + strings.Repeat("x", 2<<20), "a header without end": strings.Repeat("x,", 40_000),
		"too many columns": "givenName" + strings.Repeat(",", 600) + "\n",
	} {
		if got, err := checked(t, content, 1000); err == nil {
			t.Errorf("%s: got %+v, want a fault", name, got)
		}
	}
}

func TestMoreRowsThanAllowedAreRefusedBeforeTheEnd(t *testing.T) {
	t.Parallel()
	c := &fileCheck{path: []string{"file"}}
	if err := c.write([]byte("givenName\n" + strings.Repeat("a\n", headBytes))); err != nil {
		t.Fatal(err)
	}
	piece := bytes.Repeat([]byte("a\n"), 100_000)
	for range 10 {
		if err := c.write(piece); err != nil {
			return
		}
	}
	t.Errorf("%d rows were accepted, at most %d are", c.rows, MaxImportRows)
}

func TestDefusingIsUndoneExactly(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"", "a", "'", "'a", "=", "'=", "''=", "+1", "'+1", "-", "@x", "\tx", "\rx", "\nx", "＝x", "'＝x", "=1'", "李", " =1"} {
		cell := defuse(s)
		if got := armed(cell); got != s {
			t.Errorf("%q was written as %q and read as %q", s, cell, got)
		}
		if strings.IndexAny(cell, formulaStarts) == 0 {
			t.Errorf("%q was written as %q, which is a formula", s, cell)
		}
	}
}
