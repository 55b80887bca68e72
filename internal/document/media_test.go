package document

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/gabriel-vasile/mimetype"

	"dossier/internal/fault"
	"dossier/test/samples"
)

func headOf(content string) []byte { return []byte(content[:min(len(content), sniffBytes)]) }

// TestCommonFilesAreAccepted has what people send, with the type that each is kept as.
func TestCommonFilesAreAccepted(t *testing.T) {
	t.Parallel()
	const sheet, slides = "application/vnd.ms-excel", "application/vnd.ms-powerpoint"
	for _, c := range []struct{ name, claim, content, want string }{
		{"photo.jpg", "image/jpeg", samples.JPEG(), "image/jpeg"},
		{"photo.JPEG", "image/jpeg", samples.JPEG(), "image/jpeg"},
		{"scan.png", "image/png", samples.PNG(), "image/png"},
		{"anim.gif", "image/gif", samples.GIF(), "image/gif"},
		{"contract.pdf", "application/pdf", samples.PDF, "application/pdf"},
		{"letter.docx", typeWord, samples.OpenXML("word"), typeWord},
		{"letter.docx", "application/octet-stream", samples.OpenXMLPictureFirst(), typeWord},
		{"plan.xlsx", typeSheet, samples.OpenXML("xl"), typeSheet},
		{"talk.pptx", typeSlides, samples.OpenXML("ppt"), typeSlides},
		{"letter.doc", "application/msword", samples.Compound("WordDocument"), "application/msword"},
		{"plan.xls", sheet, samples.Compound("Workbook"), sheet},
		{"talk.ppt", slides, samples.Compound("PowerPoint Document"), slides},
		{"old.doc", "", samples.Compound("Something"), "application/msword"},
		{"secret.docx", "", samples.Compound("EncryptedPackage"), "application/x-ole-storage"},
		{"letter.odt", "", samples.OpenDocument("application/vnd.oasis.opendocument.text"), "application/vnd.oasis.opendocument.text"},
		{"plan.ods", "", samples.OpenDocument("application/vnd.oasis.opendocument.spreadsheet"), "application/vnd.oasis.opendocument.spreadsheet"},
		{"letter.odt", "", samples.Zip("content.xml", "meta.xml"), "application/vnd.oasis.opendocument.text"},
		{"letter.rtf", "text/rtf", "{\\rtf1\\ansi}", "text/rtf"},
		{"letter.doc", "application/msword", "{\\rtf1\\ansi}", "text/rtf"},
		{"note.txt", "text/plain", "Dear Ada, see you.\nBob\n", "text/plain"},
		{"note.txt", "text/plain", strings.Repeat("Dear Ada, this is a long letter. ", 300), "text/plain"},
		{"note.txt", "text/plain", "a,b,c\n1,2,3\n4,5,6\n", "text/plain"},
		{"README.md", "text/markdown", "# Title\n\nText\n", "text/plain"},
		{"table.csv", "application/vnd.ms-excel", "a,b,c\n1,2,3\n4,5,6\n", "text/csv"},
		{"column.csv", "text/csv", "name\nAda\nBob\n", "text/csv"},
		{"table.tsv", "", "a\tb\n1\t2\n3\t4\n", "text/tab-separated-values"},
		{"table.xls", sheet, "a,b,c\n1,2,3\n4,5,6\n", "text/csv"},
		{"data.json", "application/json", `{"a": 1}`, "application/json"},
		{"ada.vcf", "text/vcard", "BEGIN:VCARD\r\nVERSION:4.0\r\n", "text/vcard"},
		{"all.zip", "application/x-zip-compressed", samples.Zip("a.txt", "b.txt"), "application/zip"},
		{"empty.zip", "", "PK\x05\x06" + strings.Repeat("\x00", 18), "application/zip"},
		{"all.tar", "", samples.Tar(), "application/x-tar"},
		{"all.tar.gz", "", samples.Gzip(), "application/gzip"},
		{"letter.docx.zip", "", samples.OpenXML("word"), typeWord},
		{"song.mp3", "audio/mpeg", "\xff\xfb\x90\x64" + strings.Repeat("\x00", 100), "audio/mpeg"},
		{"unnamed", "", samples.PDF, "application/pdf"},
		{"invoice.pdf.pdf", "", samples.PDF, "application/pdf"},
		{"Version 1.2 of 3.4", "", samples.PDF, "application/pdf"},
		{"page.html.pdf", "application/pdf", samples.PDF, "application/pdf"},
	} {
		got, err := checkFile(headOf(c.content), c.name, c.claim, nil, nil)
		if err != nil || got != c.want {
			t.Errorf("%s (%.12q): got %s, %v, want %s", c.name, c.content, got, err, c.want)
		}
	}
}

// TestAHarmlessDifferenceIsPutRight has names and claims that are wrong and hurt nobody: the content is what counts.
func TestAHarmlessDifferenceIsPutRight(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, claim, content, want string }{
		{"photo.png", "image/png", samples.JPEG(), "image/jpeg"},
		{"photo.jpg", "image/jpeg", samples.PDF, "application/pdf"},
		{"letter.pdf", "application/pdf", samples.JPEG(), "image/jpeg"},
		{"letter.docx", typeWord, samples.PDF, "application/pdf"},
		{"letter.pdf", "application/pdf", "Dear Ada", "text/plain"},
		{"photo.jpg", "application/zip", samples.JPEG(), "image/jpeg"},
		{"all.zip", "application/zip", samples.JPEG(), "image/jpeg"},
		// Two things at once: each is what it begins as, and is served as that.
		{"gif-and-script.gif", "image/gif", "GIF89a/*\x00\x00*/=1;alert(1)", "image/gif"},
		{"jpeg-and-page.jpg", "image/jpeg", samples.JPEG() + "<html><script>alert(1)</script>", "image/jpeg"},
		{"pdf-and-zip.pdf", "application/pdf", samples.PDF + samples.Zip("a"), "application/pdf"},
	} {
		got, err := checkFile(headOf(c.content), c.name, c.claim, nil, nil)
		if err != nil || got != c.want {
			t.Errorf("%s: got %s, %v, want %s", c.name, got, err, c.want)
		}
	}
}

func TestWhatRunsIsRefusedByItsContent(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]string{
		"html": "<!DOCTYPE html><p>", "html with space before": "  \n\t<html>", "html with a mark": "\xef\xbb\xbf<html><script>",
		"html comment": "<!-- x --><html>", "svg": "<svg xmlns='http://www.w3.org/2000/svg'/>", "svg in xml": "<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'/>",
		"xhtml": "<?xml version='1.0'?><html xmlns='http://www.w3.org/1999/xhtml'>", "windows program": "MZ\x90\x00\x03",
		"linux program": "\x7fELF\x02\x01\x01", "mac program": "\xcf\xfa\xed\xfe\x07\x00\x00\x01", "shell": "#!/bin/sh\nrm -rf /", "php": "<?php system($_GET[0]);",
		"python": "#!/usr/bin/env python\n", "jar": samples.Zip("META-INF/MANIFEST.MF"), "class": "\xca\xfe\xba\xbe\x00\x00\x00\x34",
		"shortcut": "L\x00\x00\x00\x01\x14\x02\x00", "wasm": "\x00asm\x01\x00\x00\x00", "flash": "CWS\x0a", "unknown": "\x00\x01\x02\x03\x04\xff\xfe",
		"installer": "!<arch>\ndebian-binary", "help": "ITSF\x03\x00\x00\x00\x60\x00\x00\x00",
	} {
		for _, fileName := range []string{"a.pdf", "a.png", "a.docx", "a.txt", "a", "a.zip", "a.xls"} {
			_, err := checkFile([]byte(content), fileName, "application/pdf", nil, []string{"files", "0"})
			wantUnsupported(t, name+" called "+fileName, err, detect([]byte(content)), "ARCHIVE", "AUDIO", "IMAGE", "OFFICE", "TABLE", "TEXT", "VIDEO")
		}
	}
}

// wantUnsupported holds that a refusal says what was found, where, and what would be accepted.
func wantUnsupported(t *testing.T, what string, err error, mediaType string, accepted ...string) {
	t.Helper()
	var f *fault.Error
	if !errors.As(err, &f) || f.Code != fault.UnsupportedMediaType || !slices.Equal(f.Path, []string{"files", "0"}) {
		t.Errorf("%s: got %v, want it refused", what, err)
		return
	}
	d, ok := f.Detail.(fault.MediaTypeDetail)
	if !ok || d.ContentType != mediaType || !slices.Equal(d.Accepted, accepted) {
		t.Errorf("%s: got the detail %+v, want %s and %v", what, f.Detail, mediaType, accepted)
	}
}

func TestWhatRunsIsRefusedByItsName(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"invoice.pdf.exe", "invoice.exe", "INVOICE.EXE", "page.html", "page.HTM", "logo.svg", "logo.svgz", "app.js", "run.bat", "run.ps1", "a.vbs",
		"a.jar", "a.lnk", "a.scr", "a.hta", "a.php", "a.phtml", "a.xhtml", "a.mht", "a.url", "a.msi", "a.iso", "a.apk", "a.xll",
		"invoice.pdf                                              .exe", "trailing.exe.", "trailing.exe . .", "trailing.exe\u00a0", "zero.e\u200bxe",
		"wide\uff0eexe", "wide.\uff45\uff58\uff45", ".exe", "exe_fdp.exe", ".htaccess",
	} {
		for _, content := range []string{samples.PDF, samples.JPEG(), "text"} {
			_, err := checkFile(headOf(content), name, "application/pdf", nil, []string{"files", "0"})
			wantUnsupported(t, name, err, detect([]byte(content)), "ARCHIVE", "AUDIO", "IMAGE", "OFFICE", "TABLE", "TEXT", "VIDEO")
		}
	}
	for _, claim := range []string{"text/html", "TEXT/HTML; charset=utf-8", "image/svg+xml", "application/x-msdownload", "text/javascript"} {
		_, err := checkFile([]byte(samples.PDF), "a.pdf", claim, nil, []string{"files", "0"})
		wantUnsupported(t, "claimed "+claim, err, "application/pdf", "ARCHIVE", "AUDIO", "IMAGE", "OFFICE", "TABLE", "TEXT", "VIDEO")
	}
}

func TestAnArchiveMustLookLikeOne(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]string{
		"photo.jpg": samples.Zip("a.txt"), "letter.docx": samples.Zip("a.txt"), "letter.pdf": samples.Gzip(), "note.txt": samples.Tar(),
		"letter.odt": samples.Zip("evil/content.xml"), "letter.doc": samples.Zip("word.txt"),
	} {
		_, err := checkFile(headOf(content), name, "", nil, []string{"files", "0"})
		wantUnsupported(t, name, err, detect(headOf(content)), "ARCHIVE", "AUDIO", "IMAGE", "OFFICE", "TABLE", "TEXT", "VIDEO")
	}
	for _, name := range []string{"all.zip", "all", "all.backup", "all.rar"} {
		if _, err := checkFile(headOf(samples.Zip("a.txt")), name, "", nil, nil); err != nil {
			t.Errorf("%s is refused: %v", name, err)
		}
	}
}

// TestAPlaceAcceptsWhatItsListSays holds the list against the content: a name opens no door.
func TestAPlaceAcceptsWhatItsListSays(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		accept  []string
		name    string
		content string
		ok      bool
	}{
		{[]string{"IMAGE"}, "a.png", samples.PNG(), true},
		{[]string{"image"}, "a.png", samples.PNG(), false},
		{[]string{"image/*"}, "a.jpg", samples.JPEG(), true},
		{[]string{"image/png"}, "a.png", samples.JPEG(), false},
		{[]string{"image/*"}, "a.png", samples.PDF, false},
		{[]string{"application/pdf", "IMAGE"}, "a.pdf", samples.PDF, true},
		{[]string{"OFFICE"}, "a.docx", samples.OpenXML("word"), true},
		{[]string{"OFFICE"}, "a.docx", samples.OpenXMLPictureFirst(), true},
		{[]string{"OFFICE"}, "a.doc", samples.Compound("WordDocument"), true},
		{[]string{"OFFICE"}, "a.docx", samples.Zip("a.txt"), false},
		{[]string{"OFFICE"}, "a.zip", samples.Zip("a.txt"), false},
		{[]string{"ARCHIVE"}, "a.zip", samples.Zip("a.txt"), true},
		{[]string{"ARCHIVE"}, "a.zip", samples.OpenXML("word"), false},
		{[]string{"TABLE"}, "a.csv", "name\nAda\nBob\n", true},
		{[]string{"TABLE"}, "a.xlsx", samples.OpenXML("xl"), true},
		{[]string{"TABLE"}, "a.docx", samples.OpenXML("word"), false},
		{[]string{"TEXT"}, "a.txt", "Dear Ada", true},
		{[]string{"TEXT"}, "a.txt", samples.PDF, false},
		{[]string{"*/*"}, "a.png", samples.PNG(), true},
		{[]string{"*/*", "text/html", "text/*"}, "a.txt", "<html><script>", false},
		{[]string{"*/*"}, "a.exe", samples.PDF, false},
	} {
		_, err := checkFile(headOf(c.content), c.name, "", c.accept, []string{"files", "0"})
		if c.ok && err != nil {
			t.Errorf("%v refuses %s: %v", c.accept, c.name, err)
		}
		if !c.ok {
			wantUnsupported(t, c.name, err, detect(headOf(c.content)), c.accept...)
		}
	}
}

func TestEveryAcceptedTypeIsOneThatCanBeFound(t *testing.T) {
	t.Parallel()
	for mediaType := range accepted {
		if mimetype.Lookup(mediaType) == nil {
			t.Errorf("%s is never found: it is misspelt", mediaType)
		}
	}
	for ext, mediaType := range typeOf {
		if !AcceptedTypes(mediaType) {
			t.Errorf(".%s promises %s, which is in no group", ext, mediaType)
		}
		if runs[ext] {
			t.Errorf(".%s is refused and promises a type", ext)
		}
	}
}
