// Package apitest runs the real program for a test: the dossier binary on a database of its own, a disk store and free
// ports, and a small client that asks it as a user's program would. It knows the public API and the command line, and
// nothing inside.
package apitest

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/big"
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
	// PublicURL is where it tells clients to go, and its staff issuer is: another node's URL for a Peer.
	PublicURL string

	cmd    *exec.Cmd
	output *output
	args   []string
	// env is what the program's environment has besides the test's.
	env []string
	// done is closed when the program has ended, with err.
	done chan struct{}
	err  error
}

var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "dossier-apitest-")
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, "dossier")
	args := append([]string{"build", "-tags=disable_grpc_modules", "-o", file}, raceFlags...)
	args = append(args, "dossier/cmd/dossier")
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
	return pgtest.Template{Name: store.MigrationsHash(), Prepare: func(ctx context.Context, dsn string) error {
		_, err := store.Migrate(ctx, dsn, slog.New(slog.DiscardHandler))
		return err
	}}
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
	return start(t, &Server{DSN: dsn, DataDir: dataDir}, append([]string{"dev", "--sweep=1s"}, flags...))
}

// Peer starts another node on the same database, objects and keys, as behind one load balancer at s's URL.
func (s *Server) Peer(t testing.TB, flags ...string) *Server {
	t.Helper()
	flags = append([]string{"dev", "--sweep=1s", "--customers=0"}, flags...)
	return start(t, &Server{DSN: s.DSN, DataDir: s.DataDir, PublicURL: s.PublicURL}, flags)
}

// StartServe runs `dossier serve` on a migrated database, with the secret that Key uses.
func StartServe(t testing.TB, dsn string, flags ...string) *Server {
	t.Helper()
	s := &Server{DSN: dsn, DataDir: t.TempDir()}
	if err := os.WriteFile(filepath.Join(s.DataDir, "secret"), []byte(serveSecret), 0o600); err != nil {
		t.Fatal(err)
	}
	return start(t, s, append([]string{"serve", "--secret=" + serveSecret, "--sweep=1s"}, flags...))
}

// serveSecret is the secret of every StartServe; it guards nothing but a test's database.
const serveSecret = "7465737420736563726574207465737420736563726574207465737420736563"

func start(t testing.TB, s *Server, args []string) *Server {
	t.Helper()
	addr, admin := freeAddr(t), freeAddr(t)
	s.URL, s.AdminURL = "http://"+addr, "http://"+admin
	if s.PublicURL == "" {
		s.PublicURL = s.URL
	}
	s.args = append(args, "--data-dir="+s.DataDir, "--listen="+addr, "--admin-listen="+admin, "--public-url="+s.PublicURL)
	if s.DSN != "" {
		s.args = append(s.args, "--database-url="+s.DSN)
	}
	s.Restart(t)
	t.Cleanup(func() { s.Stop(t) })
	return s
}

// Command runs another command of the program on the server's database and gives what it prints.
func (s *Server) Command(t testing.TB, args ...string) string {
	t.Helper()
	file, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), file, append(args, "--database-url="+s.DSN)...) //nolint:gosec // the binary that was just built
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("dossier %s: %v\n%s%s", strings.Join(args[:min(2, len(args))], " "), err, out, &stderr)
	}
	return strings.TrimSpace(string(out))
}

// Account makes another account with sample customers and gives its id.
func (s *Server) Account(t testing.TB, name string, customers int) string {
	t.Helper()
	out := s.Command(t, "seed", "--name="+name, fmt.Sprintf("--customers=%d", customers), s.secret(t), "--data-dir="+s.DataDir)
	for _, word := range strings.Fields(out) {
		if strings.HasPrefix(word, "acc_") {
			return word
		}
	}
	t.Fatalf("dossier seed printed no account id: %q", out)
	return ""
}

// secret is the flag with the server's secret.
func (s *Server) secret(t testing.TB) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(s.DataDir, "secret"))
	if err != nil {
		t.Fatal(err)
	}
	return "--secret=" + strings.TrimSpace(string(b))
}

// Key makes an API key of an account.
func (s *Server) Key(t testing.TB, account string, scopes ...string) string {
	t.Helper()
	key := s.Command(t, "keys", "create", s.secret(t), "--account="+account, "--name=test", "--scopes="+strings.Join(scopes, ","))
	if !strings.HasPrefix(key, "dsk_") || strings.ContainsAny(key, " \n") {
		t.Fatal("dossier keys create did not print a key alone")
	}
	return key
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
	s.cmd.Env = append(os.Environ(), s.env...)
	s.cmd.Stdout, s.cmd.Stderr = s.output, s.output
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.done = make(chan struct{})
	go func() {
		s.err = s.cmd.Wait()
		close(s.done)
	}()
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
		case <-s.done:
			return fmt.Errorf("it ended: %w", s.err)
		case <-deadline.C:
			return fmt.Errorf("not within %s", limit)
		case <-tick.C:
		}
	}
}

// Raced says that the program runs with the race detector, which needs much more memory and time.
func Raced() bool { return len(raceFlags) > 0 }

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
	<-s.done
	return s.err
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
	case <-s.done:
		if s.err != nil {
			t.Errorf("dossier ended with %v\n%s", s.err, s.output)
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
	return s.TokenFor(t, role, time.Hour)
}

// TokenFor mints a staff token that lives so long; with a negative time it has expired.
func (s *Server) TokenFor(t testing.TB, role auth.Role, life time.Duration) string {
	t.Helper()
	name := strings.ToLower(string(role))
	return s.Mint(t, auth.DevClaims{Subject: name, Email: name + "@example.com", Name: "Test " + name, Role: role, TTL: life})
}

// Mint mints a staff token of the demo account with these claims.
func (s *Server) Mint(t testing.TB, claims auth.DevClaims) string {
	t.Helper()
	issuer, err := auth.OpenDevIssuer(s.PublicURL+"/dev/issuer", "dossier", filepath.Join(s.DataDir, "issuer.json"), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	token, err := issuer.Mint(claims)
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

// freeAddr chooses a port below those that the system gives to outgoing connections, because a restarted server must
// find its own port free again.
func freeAddr(t testing.TB) string {
	t.Helper()
	for range 100 {
		n, err := rand.Int(rand.Reader, big.NewInt(20_000))
		if err != nil {
			t.Fatal(err)
		}
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 12_000+n.Int64()))
		if err == nil {
			defer func() { _ = l.Close() }()
			return l.Addr().String()
		}
	}
	t.Fatal("no port is free")
	return ""
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
	resp, err := client.Do(req) //nolint:gosec // the test's own server
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
