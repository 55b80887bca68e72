// Package clients runs the public GraphQL clients of npm against the real program: what a user's program would do.
package clients

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"dossier/internal/apitest"
	"dossier/internal/auth"
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
	server := apitest.Start(t, 40)
	env := append(os.Environ(),
		"DOSSIER_URL="+server.URL, "DOSSIER_TOKEN="+server.Token(t, auth.Admin), "DOSSIER_VIEWER_TOKEN="+server.Token(t, auth.Viewer))
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
