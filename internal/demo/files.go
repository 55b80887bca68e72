package demo

import (
	"archive/zip"
	"bytes"
	"encoding/xml"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"math/rand/v2"
	"strings"
)

// file is one document to upload. It is a document.Incoming.
type file struct {
	name, mediaType string
	size            int64
	io.Reader
}

// Name is the file's name.
func (f file) Name() string { return f.name }

// DeclaredType is what a browser would send.
func (f file) DeclaredType() string { return f.mediaType }

// SizeBound is the exact size.
func (f file) SizeBound() int64 { return f.size }

func newFile(name, mediaType string, content []byte) file {
	return file{name: name, mediaType: mediaType, size: int64(len(content)), Reader: bytes.NewReader(content)}
}

// pdf makes a PDF 1.4 file of one A4 page in Helvetica (ISO 32000-1). Only Latin-1 has a glyph there.
func pdf(title string, lines []string) []byte {
	var text strings.Builder
	text.WriteString("BT /F1 20 Tf 72 760 Td (" + pdfText(title) + ") Tj /F1 11 Tf 0 -36 Td 16 TL\n")
	for _, line := range lines {
		text.WriteString("(" + pdfText(line) + ") Tj T*\n")
	}
	text.WriteString("ET")
	objects := []string{
		"<< /Type /Catalog /Pages 2 0 R >>",
		"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
		"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
		fmt.Sprintf("<< /Length %d >>\nstream\n%s\nendstream", text.Len(), text.String()),
		"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
	}
	var b bytes.Buffer
	b.WriteString("%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
	offsets := make([]int, len(objects))
	for i, o := range objects {
		offsets[i] = b.Len()
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", i+1, o)
	}
	xref := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", len(objects)+1)
	for _, o := range offsets {
		fmt.Fprintf(&b, "%010d 00000 n \n", o)
	}
	fmt.Fprintf(&b, "trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n", len(objects)+1, xref)
	return b.Bytes()
}

// pdfText writes s as a WinAnsi literal string; what it cannot show becomes a question mark.
func pdfText(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '(' || r == ')' || r == '\\':
			b.WriteByte('\\')
			b.WriteByte(byte(r))
		case r >= 0x20 && r < 0x7f:
			b.WriteByte(byte(r))
		case r >= 0xa0 && r <= 0xff:
			fmt.Fprintf(&b, "\\%03o", r)
		default:
			b.WriteByte('?')
		}
	}
	return b.String()
}

// picture makes a PNG of some coloured fields, the way a photograph of a finished job would come in.
func picture(rnd *rand.Rand) ([]byte, error) {
	const width, height, field = 96, 64, 16
	img := image.NewRGBA(image.Rect(0, 0, width, height))
	base := color.RGBA{R: uint8(rnd.IntN(200)), G: uint8(rnd.IntN(200)), B: uint8(rnd.IntN(200)), A: 255}
	for x := range width {
		for y := range height {
			shade := uint8((x/field + y/field) % 2 * 40)
			img.SetRGBA(x, y, color.RGBA{R: base.R + shade, G: base.G + shade, B: base.B + shade, A: 255})
		}
	}
	var b bytes.Buffer
	err := png.Encode(&b, img)
	return b.Bytes(), err
}

// docx makes a WordprocessingML file (ECMA-376) of some paragraphs.
func docx(paragraphs []string) ([]byte, error) {
	const types = `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">` +
		`<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>` +
		`<Override PartName="/word/document.xml" ` +
		`ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>`
	const relations = `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" ` +
		`Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="word/document.xml"/></Relationships>`
	var body strings.Builder
	body.WriteString(`<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body>`)
	for _, p := range paragraphs {
		body.WriteString(`<w:p><w:r><w:t xml:space="preserve">`)
		if err := xml.EscapeText(&body, []byte(p)); err != nil {
			return nil, err
		}
		body.WriteString(`</w:t></w:r></w:p>`)
	}
	body.WriteString(`</w:body></w:document>`)
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, part := range []struct{ name, content string }{
		{"[Content_Types].xml", types}, {"_rels/.rels", relations}, {"word/document.xml", body.String()},
	} {
		w, err := z.Create(part.name)
		if err != nil {
			return nil, err
		}
		if _, err := io.WriteString(w, part.content); err != nil {
			return nil, err
		}
	}
	err := z.Close()
	return b.Bytes(), err
}
