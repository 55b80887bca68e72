package document

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"strings"
	"testing"
	"unicode/utf16"
)

// Small files of the kinds that people send, made here: real ones, which the programs of their kind open.

func picture() image.Image {
	m := image.NewPaletted(image.Rect(0, 0, 4, 3), color.Palette{color.White, color.Black})
	m.SetColorIndex(1, 1, 1)
	return m
}

func encoded(t testing.TB, encode func(b *bytes.Buffer) error) string {
	t.Helper()
	var b bytes.Buffer
	if err := encode(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func jpegFile(t testing.TB) string {
	return encoded(t, func(b *bytes.Buffer) error { return jpeg.Encode(b, picture(), nil) })
}

func pngFile(t testing.TB) string {
	return encoded(t, func(b *bytes.Buffer) error { return png.Encode(b, picture()) })
}

func gifFile(t testing.TB) string {
	return encoded(t, func(b *bytes.Buffer) error { return gif.Encode(b, picture(), nil) })
}

// zipOf is an archive of files with these names.
func zipOf(t testing.TB, names ...string) string {
	t.Helper()
	return encoded(t, func(b *bytes.Buffer) error {
		w := zip.NewWriter(b)
		for _, name := range names {
			method := zip.Deflate
			if name == "mimetype" {
				method = zip.Store
			}
			f, err := w.CreateHeader(&zip.FileHeader{Name: name, Method: method})
			if err != nil {
				return err
			}
			if _, err := f.Write([]byte("<x/>")); err != nil {
				return err
			}
		}
		return w.Close()
	})
}

// openXML is a document of Office 2007 and later: folder is "word", "xl" or "ppt".
func openXML(t testing.TB, folder string) string {
	t.Helper()
	return zipOf(t, "[Content_Types].xml", "_rels/.rels", "docProps/app.xml", folder+"/document.xml")
}

// openXMLPictureFirst begins with a part that is longer than what is looked at, as documents do that hold a preview.
func openXMLPictureFirst(t testing.TB) string {
	t.Helper()
	return encoded(t, func(b *bytes.Buffer) error {
		w := zip.NewWriter(b)
		f, err := w.CreateHeader(&zip.FileHeader{Name: "docProps/thumbnail.jpeg", Method: zip.Store})
		if err == nil {
			_, err = f.Write(bytes.Repeat([]byte{0xff, 0xd8, 0xff, 0x00}, 3000))
		}
		if err != nil {
			return err
		}
		if _, err := w.Create("word/document.xml"); err != nil {
			return err
		}
		return w.Close()
	})
}

// openDocument has its type as its first part, as its standard demands.
func openDocument(t testing.TB, mediaType string) string {
	t.Helper()
	return encoded(t, func(b *bytes.Buffer) error {
		w := zip.NewWriter(b)
		// Written as it is, without a descriptor behind it: its length must stand in the header before its bytes.
		f, err := w.CreateRaw(&zip.FileHeader{
			Name: "mimetype", Method: zip.Store, CRC32: 0, CompressedSize64: uint64(len(mediaType)), UncompressedSize64: uint64(len(mediaType)),
		})
		if err == nil {
			_, err = f.Write([]byte(mediaType))
		}
		if err != nil {
			return err
		}
		if _, err := w.Create("content.xml"); err != nil {
			return err
		}
		return w.Close()
	})
}

// compound is a document of Office 97 to 2003: one whose main stream has this name.
func compound(stream string) string {
	const sector, none, end, fat = 512, 0xffffffff, 0xfffffffe, 0xfffffffd
	b := make([]byte, 3*sector+4096)
	copy(b, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
	le := binary.LittleEndian
	le.PutUint16(b[24:], 0x3e)
	le.PutUint16(b[26:], 3)
	le.PutUint16(b[28:], 0xfffe)
	le.PutUint16(b[30:], 9)
	le.PutUint16(b[32:], 6)
	le.PutUint32(b[44:], 1) // sectors of the table
	le.PutUint32(b[48:], 1) // first sector of the directory
	le.PutUint32(b[56:], 4096)
	le.PutUint32(b[60:], end)
	le.PutUint32(b[68:], end)
	for i := range 109 {
		le.PutUint32(b[76+4*i:], none)
	}
	le.PutUint32(b[76:], 0)
	table := b[sector:]
	for i := range sector / 4 {
		le.PutUint32(table[4*i:], none)
	}
	le.PutUint32(table, fat)
	le.PutUint32(table[4:], end)
	for i := 2; i < 10; i++ {
		le.PutUint32(table[4*i:], uint32(i)+1)
	}
	le.PutUint32(table[4*9:], end)
	entry := func(i int, name string, kind byte, child, first, size uint32) {
		e := b[2*sector+128*i:]
		for j, u := range utf16.Encode([]rune(name)) {
			le.PutUint16(e[2*j:], u)
		}
		le.PutUint16(e[64:], uint16(2*len(name)+2))
		e[66], e[67] = kind, 1
		le.PutUint32(e[68:], none)
		le.PutUint32(e[72:], none)
		le.PutUint32(e[76:], child)
		le.PutUint32(e[116:], first)
		le.PutUint32(e[120:], size)
	}
	entry(0, "Root Entry", 5, 1, end, 0)
	entry(1, stream, 2, none, 2, 4096)
	return string(b)
}

func gzipFile(t testing.TB) string {
	return encoded(t, func(b *bytes.Buffer) error {
		w := gzip.NewWriter(b)
		if _, err := w.Write([]byte("text")); err != nil {
			return err
		}
		return w.Close()
	})
}

func tarFile(t testing.TB) string {
	return encoded(t, func(b *bytes.Buffer) error {
		w := tar.NewWriter(b)
		if err := w.WriteHeader(&tar.Header{Name: "a.txt", Mode: 0o600, Size: 4}); err != nil {
			return err
		}
		if _, err := w.Write([]byte("text")); err != nil {
			return err
		}
		return w.Close()
	})
}

const pdfFile = "%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n" +
	"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"

var longText = strings.Repeat("Dear Ada, this is a long letter. ", 300)
