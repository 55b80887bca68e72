package document_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"dossier/internal/document"
	"dossier/internal/fault"
)

func TestFileNamesAreKeptOrMadeHarmless(t *testing.T) {
	t.Parallel()
	same := []string{
		"a.pdf", "Übersicht für Élodie.pdf", "契約書 2026.pdf", "عقد.pdf", "חוזה.pdf", "👩‍👩‍👧 family.png", "e\u0301 decomposed.txt", "100% & <b>.txt",
		"CON", "aux.txt", ".htaccess", "a..pdf", "a b  c.pdf", "semi;colon,comma.csv", "quo\"te'.txt", "$(rm -rf).sh", "%00.pdf", "name.",
		strings.Repeat("長", 255), "‘quotes’.txt", "a\u00a0b.txt", "ﬁle.txt", "K\u212a.txt", "-rf", "=cmd.csv", "\ufeffbom.txt",
	}
	for _, name := range same {
		if got, err := document.CleanFileName(name); err != nil || got != name {
			t.Errorf("%q: got %q, %v, want it unchanged", name, got, err)
		}
	}
	for name, want := range map[string]string{
		"": "unnamed", " ": "unnamed", ".": "unnamed", "..": "unnamed", "...": "unnamed", "/": "unnamed", `C:\`: "unnamed", ". .": "unnamed",
		"../../etc/passwd": "passwd", `..\..\boot.ini`: "boot.ini", `C:\fakepath\a.pdf`: "a.pdf", "/tmp/": "unnamed", "dir/sub/a.pdf": "a.pdf",
		"a\x00b.pdf": "a_b.pdf", "a\r\nSet-Cookie: x.pdf": "a__Set-Cookie: x.pdf", "a\tb.pdf": "a_b.pdf", "a\x7f.pdf": "a_.pdf", "a\u0085.pdf": "a_.pdf",
		"exe\u202efdp.exe": "exe_fdp.exe", "a\u2066b\u2069.pdf": "a_b_.pdf", "a\u200eb\u200f.pdf": "a_b_.pdf", "a\u2028b\u2029.pdf": "a_b_.pdf",
		"bad\xff\xfe.pdf": "bad_.pdf", "\xc0\xaf.pdf": "_.pdf", "  a.pdf  ": "a.pdf", "\u061cmark.pdf": "_mark.pdf",
	} {
		if got, err := document.CleanFileName(name); err != nil || got != want {
			t.Errorf("%q: got %q, %v, want %q", name, got, err, want)
		}
	}
	if _, err := document.CleanFileName(strings.Repeat("長", 256)); fault.CodeOf(err) != fault.BadUserInput {
		t.Errorf("256 characters: got %v, want %s", err, fault.BadUserInput)
	}
}

func TestFileNamesAreStoredAsTheyAreCleaned(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	for _, name := range []string{"契約書.pdf", "👩‍👩‍👧.pdf", strings.Repeat("長", 255), "a\x00b.pdf", "bad\xff.pdf", "'; DROP TABLE document; --.pdf"} {
		r := e.upload(incoming(name, pdf(1000, 1)))[0]
		wantResult(t, r, "")
		want, err := document.CleanFileName(name)
		if err != nil {
			t.Fatal(err)
		}
		got := e.text(`SELECT v.file_name || '|' || v.object_key FROM document_version v WHERE document_id = $1`, r.Document)
		file, key, _ := strings.Cut(got, "|")
		if file != want || r.FileName != want || strings.Contains(key, "pdf") {
			t.Errorf("%q: stored %q under %q, result %q, want %q", name, file, key, r.FileName, want)
		}
		if title := e.text(`SELECT title FROM document WHERE id = $1`, r.Document); utf8.RuneCountInString(title) > 200 {
			t.Errorf("the title has %d characters", utf8.RuneCountInString(title))
		}
	}
	CheckInvariants(t, e)
}

func FuzzFileName(f *testing.F) {
	for _, s := range []string{"a.pdf", "../x", "a\x00b", "\xff", "\u202e", strings.Repeat("長", 300)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		got, err := document.CleanFileName(name)
		if err != nil {
			return
		}
		if got == "" || strings.ContainsAny(got, "/\\\x00\r\n") || !utf8.ValidString(got) || utf8.RuneCountInString(got) > document.MaxFileNameLength {
			t.Errorf("%q became %q", name, got)
		}
		if again, err := document.CleanFileName(got); err != nil || again != got {
			t.Errorf("%q became %q, then %q, %v: cleaning twice must change nothing", name, got, again, err)
		}
	})
}
