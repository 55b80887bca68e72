package document

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/gabriel-vasile/mimetype"

	"dossier/internal/fault"
)

func headOf(content string) []byte { return []byte(content[:min(len(content), sniffBytes)]) }

// TestCommonFilesAreAccepted has what people send, with the type that each is kept as.
func TestCommonFilesAreAccepted(t *testing.T) {
	t.Parallel()
	const sheet, slides = "application/vnd.ms-excel", "application/vnd.ms-powerpoint"
	for _, c := range []struct{ name, claim, content, want string }{
		{"photo.jpg", "image/jpeg", jpegFile(t), "image/jpeg"},
		{"photo.JPEG", "image/jpeg", jpegFile(t), "image/jpeg"},
		{"scan.png", "image/png", pngFile(t), "image/png"},
		{"anim.gif", "image/gif", gifFile(t), "image/gif"},
		{"contract.pdf", "application/pdf", pdfFile, "application/pdf"},
		{"letter.docx", typeWord, openXML(t, "word"), typeWord},
		{"letter.docx", "application/octet-stream", openXMLPictureFirst(t), typeWord},
		{"plan.xlsx", typeSheet, openXML(t, "xl"), typeSheet},
		{"talk.pptx", typeSlides, openXML(t, "ppt"), typeSlides},
		{"letter.doc", "application/msword", compound("WordDocument"), "application/msword"},
		{"plan.xls", sheet, compound("Workbook"), sheet},
		{"talk.ppt", slides, compound("PowerPoint Document"), slides},
		{"old.doc", "", compound("Something"), "application/msword"},
		{"secret.docx", "", compound("EncryptedPackage"), "application/x-ole-storage"},
		{"letter.odt", "", openDocument(t, "application/vnd.oasis.opendocument.text"), "application/vnd.oasis.opendocument.text"},
		{"plan.ods", "", openDocument(t, "application/vnd.oasis.opendocument.spreadsheet"), "application/vnd.oasis.opendocument.spreadsheet"},
		{"letter.odt", "", zipOf(t, "content.xml", "meta.xml"), "application/vnd.oasis.opendocument.text"},
		{"letter.rtf", "text/rtf", "{\\rtf1\\ansi}", "text/rtf"},
		{"letter.doc", "application/msword", "{\\rtf1\\ansi}", "text/rtf"},
		{"note.txt", "text/plain", "Dear Ada, see you.\nBob\n", "text/plain"},
		{"note.txt", "text/plain", longText, "text/plain"},
		{"note.txt", "text/plain", "a,b,c\n1,2,3\n4,5,6\n", "text/plain"},
		{"README.md", "text/markdown", "# Title\n\nText\n", "text/plain"},
		{"table.csv", "application/vnd.ms-excel", "a,b,c\n1,2,3\n4,5,6\n", "text/csv"},
		{"column.csv", "text/csv", "name\nAda\nBob\n", "text/csv"},
		{"table.tsv", "", "a\tb\n1\t2\n3\t4\n", "text/tab-separated-values"},
		{"table.xls", sheet, "a,b,c\n1,2,3\n4,5,6\n", "text/csv"},
		{"data.json", "application/json", `{"a": 1}`, "application/json"},
		{"ada.vcf", "text/vcard", "BEGIN:VCARD\r\nVERSION:4.0\r\n", "text/vcard"},
		{"all.zip", "application/x-zip-compressed", zipOf(t, "a.txt", "b.txt"), "application/zip"},
		{"empty.zip", "", "PK\x05\x06" + strings.Repeat("\x00", 18), "application/zip"},
		{"all.tar", "", tarFile(t), "application/x-tar"},
		{"all.tar.gz", "", gzipFile(t), "application/gzip"},
		{"letter.docx.zip", "", openXML(t, "word"), typeWord},
		{"song.mp3", "audio/mpeg", "\xff\xfb\x90\x64" + strings.Repeat("\x00", 100), "audio/mpeg"},
		{"unnamed", "", pdfFile, "application/pdf"},
		{"invoice.pdf.pdf", "", pdfFile, "application/pdf"},
		{"Version 1.2 of 3.4", "", pdfFile, "application/pdf"},
		{"page.html.pdf", "application/pdf", pdfFile, "application/pdf"},
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
		{"photo.png", "image/png", jpegFile(t), "image/jpeg"},
		{"photo.jpg", "image/jpeg", pdfFile, "application/pdf"},
		{"letter.pdf", "application/pdf", jpegFile(t), "image/jpeg"},
		{"letter.docx", typeWord, pdfFile, "application/pdf"},
		{"letter.pdf", "application/pdf", "Dear Ada", "text/plain"},
		{"photo.jpg", "application/zip", jpegFile(t), "image/jpeg"},
		{"all.zip", "application/zip", jpegFile(t), "image/jpeg"},
		// Two things at once: each is what it begins as, and is served as that.
		{"gif-and-script.gif", "image/gif", "GIF89a/*\x00\x00*/=1;alert(1)", "image/gif"},
		{"jpeg-and-page.jpg", "image/jpeg", jpegFile(t) + "<html><script>alert(1)</script>", "image/jpeg"},
		{"pdf-and-zip.pdf", "application/pdf", pdfFile + zipOf(t, "a"), "application/pdf"},
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
		"python": "#!/usr/bin/env python\n", "jar": zipOf(t, "META-INF/MANIFEST.MF"), "class": "\xca\xfe\xba\xbe\x00\x00\x00\x34",
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
		for _, content := range []string{pdfFile, jpegFile(t), "text"} {
			_, err := checkFile(headOf(content), name, "application/pdf", nil, []string{"files", "0"})
			wantUnsupported(t, name, err, detect([]byte(content)), "ARCHIVE", "AUDIO", "IMAGE", "OFFICE", "TABLE", "TEXT", "VIDEO")
		}
	}
	for _, claim := range []string{"text/html", "TEXT/HTML; charset=utf-8", "image/svg+xml", "application/x-msdownload", "text/javascript"} {
		_, err := checkFile([]byte(pdfFile), "a.pdf", claim, nil, []string{"files", "0"})
		wantUnsupported(t, "claimed "+claim, err, "application/pdf", "ARCHIVE", "AUDIO", "IMAGE", "OFFICE", "TABLE", "TEXT", "VIDEO")
	}
}

func TestAnArchiveMustLookLikeOne(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]string{
		"photo.jpg": zipOf(t, "a.txt"), "letter.docx": zipOf(t, "a.txt"), "letter.pdf": gzipFile(t), "note.txt": tarFile(t),
		"letter.odt": zipOf(t, "evil/content.xml"), "letter.doc": zipOf(t, "word.txt"),
	} {
		_, err := checkFile(headOf(content), name, "", nil, []string{"files", "0"})
		wantUnsupported(t, name, err, detect(headOf(content)), "ARCHIVE", "AUDIO", "IMAGE", "OFFICE", "TABLE", "TEXT", "VIDEO")
	}
	for _, name := range []string{"all.zip", "all", "all.backup", "all.rar"} {
		if _, err := checkFile(headOf(zipOf(t, "a.txt")), name, "", nil, nil); err != nil {
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
		{[]string{"IMAGE"}, "a.png", pngFile(t), true},
		{[]string{"image"}, "a.png", pngFile(t), true},
		{[]string{"image/*"}, "a.jpg", jpegFile(t), true},
		{[]string{"image/png"}, "a.png", jpegFile(t), false},
		{[]string{"image/*"}, "a.png", pdfFile, false},
		{[]string{"application/pdf", "IMAGE"}, "a.pdf", pdfFile, true},
		{[]string{"OFFICE"}, "a.docx", openXML(t, "word"), true},
		{[]string{"OFFICE"}, "a.docx", openXMLPictureFirst(t), true},
		{[]string{"OFFICE"}, "a.doc", compound("WordDocument"), true},
		{[]string{"OFFICE"}, "a.docx", zipOf(t, "a.txt"), false},
		{[]string{"OFFICE"}, "a.zip", zipOf(t, "a.txt"), false},
		{[]string{"ARCHIVE"}, "a.zip", zipOf(t, "a.txt"), true},
		{[]string{"ARCHIVE"}, "a.zip", openXML(t, "word"), false},
		{[]string{"TABLE"}, "a.csv", "name\nAda\nBob\n", true},
		{[]string{"TABLE"}, "a.xlsx", openXML(t, "xl"), true},
		{[]string{"TABLE"}, "a.docx", openXML(t, "word"), false},
		{[]string{"TEXT"}, "a.txt", "Dear Ada", true},
		{[]string{"TEXT"}, "a.txt", pdfFile, false},
		{[]string{"*/*"}, "a.png", pngFile(t), true},
		{[]string{"*/*", "text/html", "text/*"}, "a.txt", "<html><script>", false},
		{[]string{"*/*"}, "a.exe", pdfFile, false},
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
	for entry, want := range map[string]bool{"IMAGE": true, "image/*": true, "application/pdf": true, "text/html": false, "image/svg+xml": false, "x": false, "": false, "font/*": false} {
		if got := CanAccept(entry); got != want {
			t.Errorf("CanAccept(%q) is %v, want %v", entry, got, want)
		}
	}
}
