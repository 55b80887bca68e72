package document

import (
	"archive/zip"
	"bytes"
	"strings"
	"testing"

	"github.com/gabriel-vasile/mimetype"

	"dossier/internal/fault"
)

func zipOf(t *testing.T, names ...string) string {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, name := range names {
		f, err := w.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write([]byte("<x/>")); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestWhatIsAcceptedIsDecidedByTheContent(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]string{
		"%PDF-1.7\n":                              "application/pdf",
		"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR":     "image/png",
		"\xff\xd8\xff\xe0\x00\x10JFIF":            "image/jpeg",
		"GIF89a\x01\x00":                          "image/gif",
		"Dear Ada, see you.\nBob\n":               "text/plain",
		"a,b,c\n1,2,3\n4,5,6\n":                   "text/csv",
		`{"a": 1}`:                                "application/json",
		"BEGIN:VCARD\r\nVERSION:4.0\r\n":          "text/vcard",
		"PK\x05\x06" + strings.Repeat("\x00", 18): "application/zip",
		"\x1f\x8b\x08\x00":                        "application/gzip",
		"{\\rtf1\\ansi}":                          "text/rtf",
		zipOf(t, "[Content_Types].xml", "_rels/.rels", "word/document.xml"): "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
		zipOf(t, "[Content_Types].xml", "_rels/.rels", "xl/workbook.xml"):   "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
		"\xff\xfb\x90\x64" + strings.Repeat("\x00", 100):                    "audio/mpeg",
	} {
		got := detect([]byte(content))
		if got != want {
			t.Errorf("%.20q: got %s, want %s", content, got, want)
		}
		if err := checkType(got, nil); err != nil {
			t.Errorf("%s is refused: %v", got, err)
		}
	}
}

func TestWhatRunsIsRefused(t *testing.T) {
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
		err := checkType(detect([]byte(content)), []string{"files", "0"})
		if fault.CodeOf(err) != fault.UnsupportedMediaType {
			t.Errorf("%s is %s: got %v, want it refused", name, detect([]byte(content)), err)
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
}
