// Package samples makes small files of the kinds that people send: real ones, which the programs of their kind open. It is
// for tests.
package samples

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
	"io"
	"unicode/utf16"
)

// PDF is a document of one empty page.
const PDF = "%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n" +
	"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"

// made gives what write writes. Nothing can go wrong in memory; a mistake in here must be seen.
func made(write func(w io.Writer) error) string {
	var b bytes.Buffer
	if err := write(&b); err != nil {
		panic("samples: " + err.Error())
	}
	return b.String()
}

func picture() image.Image {
	m := image.NewPaletted(image.Rect(0, 0, 4, 3), color.Palette{color.White, color.Black})
	m.SetColorIndex(1, 1, 1)
	return m
}

// JPEG is a picture.
func JPEG() string { return made(func(w io.Writer) error { return jpeg.Encode(w, picture(), nil) }) }

// PNG is a picture.
func PNG() string { return made(func(w io.Writer) error { return png.Encode(w, picture()) }) }

// GIF is a picture.
func GIF() string { return made(func(w io.Writer) error { return gif.Encode(w, picture(), nil) }) }

// Zip is an archive of files with these names.
func Zip(names ...string) string {
	return made(func(out io.Writer) error {
		w := zip.NewWriter(out)
		for _, name := range names {
			f, err := w.Create(name)
			if err != nil {
				return err
			}
			if _, err := io.WriteString(f, "<x/>"); err != nil {
				return err
			}
		}
		return w.Close()
	})
}

// ZipBomb is an archive of one file of so many zeros, about a thousandth as long itself.
func ZipBomb(size int64) string {
	return made(func(out io.Writer) error {
		w := zip.NewWriter(out)
		f, err := w.Create("zeros")
		if err != nil {
			return err
		}
		zeros := make([]byte, 64<<10)
		for ; size > 0; size -= int64(len(zeros)) {
			if _, err := f.Write(zeros); err != nil {
				return err
			}
		}
		return w.Close()
	})
}

// OpenXML is a document of Office 2007 and later: folder is "word", "xl" or "ppt".
func OpenXML(folder string) string {
	return Zip("[Content_Types].xml", "_rels/.rels", "docProps/app.xml", folder+"/document.xml")
}

// OpenXMLPictureFirst is a text document that begins with a part which is longer than what is looked at of a file.
func OpenXMLPictureFirst() string {
	return made(func(out io.Writer) error {
		w := zip.NewWriter(out)
		f, err := w.CreateHeader(&zip.FileHeader{Name: "docProps/thumbnail.jpeg", Method: zip.Store})
		if err != nil {
			return err
		}
		if _, err := f.Write(bytes.Repeat([]byte{0xff, 0xd8, 0xff, 0x00}, 3000)); err != nil {
			return err
		}
		if _, err := w.Create("word/document.xml"); err != nil {
			return err
		}
		return w.Close()
	})
}

// OpenDocument has its type as its first part, as its standard demands.
func OpenDocument(mediaType string) string {
	return made(func(out io.Writer) error {
		w := zip.NewWriter(out)
		// Written as it is, without a descriptor behind it: its length must stand in the header before its bytes.
		n := uint64(len(mediaType))
		f, err := w.CreateRaw(&zip.FileHeader{Name: "mimetype", Method: zip.Store, CompressedSize64: n, UncompressedSize64: n})
		if err != nil {
			return err
		}
		if _, err := io.WriteString(f, mediaType); err != nil {
			return err
		}
		if _, err := w.Create("content.xml"); err != nil {
			return err
		}
		return w.Close()
	})
}

// Compound is a document of Office 97 to 2003, one whose main stream has this name: "WordDocument", "Workbook" or
// "PowerPoint Document".
func Compound(stream string) string {
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

// Gzip is a compressed text.
func Gzip() string {
	return made(func(out io.Writer) error {
		w := gzip.NewWriter(out)
		if _, err := io.WriteString(w, "text"); err != nil {
			return err
		}
		return w.Close()
	})
}

// Tar is an archive of one text.
func Tar() string {
	return made(func(out io.Writer) error {
		w := tar.NewWriter(out)
		if err := w.WriteHeader(&tar.Header{Name: "a.txt", Mode: 0o600, Size: 4}); err != nil {
			return err
		}
		if _, err := io.WriteString(w, "text"); err != nil {
			return err
		}
		return w.Close()
	})
}
