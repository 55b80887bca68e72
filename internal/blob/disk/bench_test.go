package disk_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"dossier/internal/blob"
	"dossier/internal/blob/blobtest"
)

// BenchmarkPut stores one object per iteration, its source giving up to 256 KiB a read like a request body behind a
// large buffer, or writing itself. Hashing is the caller's and not in it, apart from the CRC32C that the driver needs.
func BenchmarkPut(b *testing.B) {
	for _, size := range []int{64 << 10, 1 << 20, 50 << 20} {
		content := blobtest.Bytes(size)
		b.Run(fmt.Sprintf("%dKiB/plain", size>>10), func(b *testing.B) { plainWrite(b, content) })
		for name, src := range map[string]func() io.Reader{
			"read":    func() io.Reader { return blobtest.Plain(bytes.NewReader(content)) },
			"writeTo": func() io.Reader { return bytes.NewReader(content) },
		} {
			b.Run(fmt.Sprintf("%dKiB/%s", size>>10, name), func(b *testing.B) {
				store := open(b, b.TempDir(), nil)
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					obj, err := store.Put(b.Context(), blobtest.Key(), src(), blobtest.Sized(size))
					if err != nil {
						b.Fatal(err)
					}
					b.StopTimer()
					if err := store.Delete(b.Context(), obj.Key, blob.AnyGeneration); err != nil {
						b.Fatal(err)
					}
					b.StartTimer()
				}
			})
		}
	}
}

// plainWrite is what Put is measured against: write a file, sync it, rename it.
func plainWrite(b *testing.B, content []byte) {
	path := filepath.Join(b.TempDir(), "file")
	buf := make([]byte, blob.BufferSize)
	b.SetBytes(int64(len(content)))
	b.ReportAllocs()
	for b.Loop() {
		f, err := os.Create(path + ".tmp")
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.CopyBuffer(struct{ io.Writer }{f}, blobtest.Plain(bytes.NewReader(content)), buf); err != nil {
			b.Fatal(err)
		}
		if err := errors.Join(f.Sync(), f.Close(), os.Rename(path+".tmp", path)); err != nil {
			b.Fatal(err)
		}
	}
}
