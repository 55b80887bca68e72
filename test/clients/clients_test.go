// Package clients runs the public GraphQL clients of npm against the real program: what a user's program would do.
package clients

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"dossier/internal/apitest"
	"dossier/internal/auth"
	"dossier/internal/blob/blobtest/gcsfake"
	"dossier/internal/pgtest"
)

func TestMain(m *testing.M) { apitest.Main(m) }

func TestPublicClients(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("needs PostgreSQL and Node")
	}
	if _, err := os.Stat("node_modules"); err != nil {
		t.Fatal("the clients are not installed: run make test, or npm ci in test/clients")
	}
	port := freePort(t)
	page := fmt.Sprintf("http://127.0.0.1:%d", port)
	server := apitest.Start(t, 40, "--origin="+page)
	env := append(os.Environ(),
		"DOSSIER_URL="+server.URL, "DOSSIER_TOKEN="+server.Token(t, auth.Admin), "DOSSIER_VIEWER_TOKEN="+server.Token(t, auth.Viewer),
		fmt.Sprintf("DOSSIER_PAGE_PORT=%d", port))
	env = append(env, bucket(t, page)...)
	files, err := filepath.Glob("*.test.mjs")
	if err != nil || len(files) == 0 {
		t.Fatalf("no client tests: %v", err)
	}
	for _, file := range files {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), "node", "--test", "--test-reporter=spec", file)
			cmd.Env = env
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// bucket runs another server, whose files are in a bucket of Google Cloud Storage, and says where it is.
func bucket(t *testing.T, page string) []string {
	t.Helper()
	fake := gcsfake.New(t)
	db := pgtest.New(t, apitest.Template())
	s := apitest.StartServe(t, db.DSN(), "--origin="+page, "--blob-store=gcs", "--gcs-bucket="+gcsfake.Bucket, "--gcs-endpoint="+fake.URL,
		"--gcs-key-file="+fake.KeyFile(t))
	return []string{"DOSSIER_BUCKET_URL=" + s.URL, "DOSSIER_BUCKET_TOKEN=" + s.Key(t, s.Account(t, "Business in a bucket", 0), "write")}
}

// freePort chooses a port for the page: its origin must be known before it is served.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	addr, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		t.Fatal("no TCP address")
	}
	return addr.Port
}
