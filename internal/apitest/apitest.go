// Package apitest runs the real program for a test: the dossier binary on a database of its own, a disk store and free
// ports, and a small client that asks it as a user's program would. It knows the public API and the command line, and
// nothing inside.
package apitest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"dossier/internal/auth"
	"dossier/internal/pgtest"
	"dossier/internal/store"
)

// Server is a running dossier.
type Server struct {
	// URL and AdminURL are its addresses.
	URL, AdminURL string
	// DataDir is where its objects and keys are.
	DataDir string
	// DSN is its database.
	DSN string

	cmd    *exec.Cmd
	output *output
	done   chan error
	args   []string
}

var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "dossier-apitest-")
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, "dossier")
	args := []string{"build", "-tags=disable_grpc_modules", "-o", file, "dossier/cmd/dossier"}
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil { //nolint:gosec // fixed arguments
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return file, nil
})

// Main is a package's TestMain: it removes the binary when the tests are done.
func Main(m *testing.M) {
	code := m.Run()
	if file, err := binary(); err == nil {
		_ = os.RemoveAll(filepath.Dir(file))
	}
	os.Exit(code)
}

// Template is the migrated database.
func Template() pgtest.Template {
	return pgtest.Template{Name: store.MigrationsHash(), Prepare: store.Migrate}
}

// Start runs `dossier dev` with the demo account and the given number of sample customers. Further arguments are flags.
func Start(t testing.TB, customers int, flags ...string) *Server {
	t.Helper()
	db := pgtest.New(t, Template())
	return StartOn(t, db.DSN(), t.TempDir(), append([]string{fmt.Sprintf("--customers=%d", customers)}, flags...)...)
}

// StartOn is Start on a database and data directory that are there already: another node, or the same one again.
func StartOn(t testing.TB, dsn, dataDir string, flags ...string) *Server {
	t.Helper()
	addr, admin := freeAddr(t), freeAddr(t)
	s := &Server{
		URL: "http://" + addr, AdminURL: "http://" + admin, DataDir: dataDir, DSN: dsn,
		args: append([]string{
			"dev", "--database-url=" + dsn, "--data-dir=" + dataDir, "--listen=" + addr, "--admin-listen=" + admin, "--sweep=1s",
		}, flags...),
	}
	s.Restart(t)
	t.Cleanup(func() { s.Stop(t) })
	return s
}

// Restart starts the program on the same addresses; it must have ended.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	file, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	s.output = &output{}
	s.cmd = exec.Command(file, s.args...) //nolint:gosec // the binary that was just built
	s.cmd.Stdout, s.cmd.Stderr = s.output, s.output
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.done = make(chan error, 1)
	go func() { s.done <- s.cmd.Wait() }()
	if err := s.await(60 * time.Second); err != nil {
		t.Fatalf("dossier did not get ready: %v\n%s", err, s.output)
	}
}

func (s *Server) await(limit time.Duration) error {
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	client := &http.Client{Timeout: time.Second}
	for {
		if resp, err := client.Get(s.URL + "/readyz"); err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case err := <-s.done:
			s.done <- err
			return fmt.Errorf("it ended: %w", err)
		case <-deadline.C:
			return fmt.Errorf("not within %s", limit)
		case <-tick.C:
		}
	}
}

// PID is the process.
func (s *Server) PID() int { return s.cmd.Process.Pid }

// Kill ends the program as a power failure would (SIGKILL).
func (s *Server) Kill(t testing.TB) {
	t.Helper()
	if err := s.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-s.done
}

// Terminate asks the program to stop and waits for it; it gives the exit error.
func (s *Server) Terminate(t testing.TB) error {
	t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	err := <-s.done
	s.done <- err
	return err
}

// Stop ends the program if it runs, and fails the test when it was not clean.
func (s *Server) Stop(t testing.TB) {
	t.Helper()
	select {
	case <-s.done:
		return // it was killed or terminated before
	default:
	}
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	timer := time.NewTimer(40 * time.Second)
	defer timer.Stop()
	select {
	case err := <-s.done:
		if err != nil {
			t.Errorf("dossier ended with %v\n%s", err, s.output)
		}
	case <-timer.C:
		_ = s.cmd.Process.Kill()
		<-s.done
		t.Errorf("dossier did not stop\n%s", s.output)
	}
}

// Output is all that the program has printed and logged.
func (s *Server) Output() string { return s.output.String() }

// Token mints a staff token of the demo account.
func (s *Server) Token(t testing.TB, role auth.Role) string {
	t.Helper()
	issuer, err := auth.OpenDevIssuer(s.URL+"/dev/issuer", "dossier", filepath.Join(s.DataDir, "issuer.json"), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	name := strings.ToLower(string(role))
	token, err := issuer.Mint(auth.DevClaims{Subject: name, Email: name + "@example.com", Name: "Test " + name, Role: role, TTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// output collects what the program prints.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write collects.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

// String is what was collected.
func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

func freeAddr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// Result is the answer to an operation.
type Result struct {
	Status int
	Data   map[string]any
	Errors []Error
}

// Error is a top-level error.
type Error struct {
	Message    string
	Path       []any
	Extensions map[string]any
}

// Code is the first error's code, "" when there is none.
func (r Result) Code() string {
	if len(r.Errors) == 0 {
		return ""
	}
	code, _ := r.Errors[0].Extensions["code"].(string)
	return code
}

// Do sends an operation with a credential ("" for none).
func (s *Server) Do(t testing.TB, token, query string, variables map[string]any) Result {
	t.Helper()
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), http.MethodPost, s.URL+"/graphql", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	return Decode(t, req)
}

// Decode sends a request and reads its answer as GraphQL.
func Decode(t testing.TB, req *http.Request) Result {
	t.Helper()
	client := &http.Client{Timeout: time.Minute}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	r := Result{Status: resp.StatusCode}
	if err := json.Unmarshal(b, &r); err != nil {
		t.Fatalf("status %d, not JSON: %v\n%s", resp.StatusCode, err, b)
	}
	return r
}
