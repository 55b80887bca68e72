package transport_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"dossier/internal/transport"
)

const uploadBytes = 64 << 20

// The benchmarks send one file of 64 MiB over a real connection, to a server that computes its SHA-256. The client runs
// in a process of its own (curl), so that cpu-ms/op is the server's alone. Compare BenchmarkMultipart with
// BenchmarkPlainPut, which is a handler that does nothing else.

func BenchmarkPlainPut(b *testing.B) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hash := sha256.New()
		if _, err := io.Copy(hash, r.Body); err != nil {
			b.Error(err)
		}
		_, _ = fmt.Fprintf(w, "%x", hash.Sum(nil))
	}))
	defer srv.Close()
	sendFile(b, "-T", bigFile(b), srv.URL)
}

func BenchmarkMultipart(b *testing.B) {
	benchmarkUpload(b, func(u transport.Upload, w io.Writer) error {
		_, err := io.Copy(w, u)
		return err
	})
}

// BenchmarkMultipartSmallReads is a resolver that wraps the file and so loses WriteTo.
func BenchmarkMultipartSmallReads(b *testing.B) {
	benchmarkUpload(b, func(u transport.Upload, w io.Writer) error {
		_, err := io.Copy(w, io.LimitReader(u, 1<<40))
		return err
	})
}

func benchmarkUpload(b *testing.B, read func(transport.Upload, io.Writer) error) {
	env := newHTTPEnv(b, transport.MultipartConfig{}, func(_ context.Context, _ string, args map[string]any) (any, error) {
		hash := sha256.New()
		err := read(uploadArg(b, args["file"]), hash)
		return fmt.Sprintf("%x", hash.Sum(nil)), err
	})
	sendFile(b, "-H", "X-Requested-With: bench", "-F", "operations="+putFile.content, "-F", "map="+mapFile.content, "-F", "0=@"+bigFile(b), env.srv.URL)
}

func bigFile(b *testing.B) string {
	b.Helper()
	if _, err := exec.LookPath("curl"); err != nil {
		b.Skip("needs curl")
	}
	file, err := os.Create(b.TempDir() + "/file")
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	// Bytes of all kinds, as in a compressed document: a file of one byte would flatter the search for the boundary.
	block := make([]byte, 1<<20)
	state := uint64(1)
	for i := range block {
		state = state*6364136223846793005 + 1442695040888963407
		block[i] = byte(state >> 56)
	}
	for range uploadBytes / len(block) {
		if _, err := file.Write(block); err != nil {
			b.Fatal(err)
		}
	}
	return file.Name()
}

func sendFile(b *testing.B, args ...string) {
	b.Helper()
	b.SetBytes(uploadBytes)
	before := cpuTime(b)
	for b.Loop() {
		out, err := exec.CommandContext(b.Context(), "curl", append([]string{"-sS", "-H", "Expect:"}, args...)...).CombinedOutput()
		if err != nil || strings.Contains(string(out), "errors") {
			b.Fatalf("curl: %v: %s", err, out)
		}
	}
	b.ReportMetric(float64((cpuTime(b)-before).Microseconds())/1000/float64(b.N), "cpu-ms/op")
}

// cpuTime is what this process has used, without its children.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
