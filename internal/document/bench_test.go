package document_test

import (
	"bytes"
	"crypto/sha256"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"dossier/internal/document"
)

const benchBytes = 64 << 20

// writerTo is a file that writes itself, as the transport's do.
type writerTo struct {
	*file
	body *bytes.Reader
}

func (w writerTo) WriteTo(dst io.Writer) (int64, error) {
	buf := make([]byte, 256<<10)
	var total int64
	for {
		n, err := w.body.Read(buf)
		if n > 0 {
			m, err := dst.Write(buf[:n])
			total += int64(m)
			if err != nil {
				return total, err
			}
		}
		if err != nil {
			return total, nil
		}
	}
}

// BenchmarkUpload stores 64 MiB through the service: two transactions, hashes, the disk store. BenchmarkPlainFile is what
// it is measured by: the same bytes through SHA-256 into a file, with one fsync.
func BenchmarkUpload(b *testing.B) {
	e := newEnv(b)
	e.exec(`UPDATE account SET max_file_bytes = 1000000000`)
	e.exec(`UPDATE storage_usage SET limit_bytes = 1000000000000`)
	content := pdf(benchBytes, 1)
	for name, make := range map[string]func() document.Incoming{
		"Reader": func() document.Incoming { return incoming("a.pdf", content) },
		"WriterTo": func() document.Incoming {
			r := bytes.NewReader(content)
			return writerTo{&file{name: "a.pdf", bound: -1, r: r}, r}
		},
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(benchBytes)
			b.ReportAllocs()
			for b.Loop() {
				r := e.upload(make())[0]
				if r.Errs != nil {
					b.Fatal(r.Errs)
				}
				b.StopTimer()
				key := e.text(`SELECT object_key FROM document_version WHERE document_id = $1`, r.Document)
				if err := e.blobs.Delete(b.Context(), key, 0); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
		})
	}
}

func BenchmarkPlainFile(b *testing.B) {
	content := pdf(benchBytes, 1)
	dir := b.TempDir()
	b.SetBytes(benchBytes)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		i++
		name := filepath.Join(dir, strconv.Itoa(i))
		f, err := os.Create(name)
		if err != nil {
			b.Fatal(err)
		}
		h := sha256.New()
		buf := make([]byte, 256<<10)
		src := bytes.NewReader(content)
		for {
			n, err := src.Read(buf)
			if err != nil {
				break
			}
			h.Write(buf[:n])
			if _, err := f.Write(buf[:n]); err != nil {
				b.Fatal(err)
			}
		}
		h.Sum(nil)
		if err := f.Sync(); err != nil {
			b.Fatal(err)
		}
		if err := f.Close(); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := os.Remove(name); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}
