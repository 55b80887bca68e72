package devdb

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"dossier/internal/fault"
)

// helperEnv names the directory whose cluster a copy of the test binary owns until its standard input is closed.
const helperEnv = "DEVDB_TEST_HELPER"

// scratchEnv makes that cluster a Scratch one, which the helper does not release.
const scratchEnv = "DEVDB_TEST_SCRATCH"

func TestMain(m *testing.M) {
	if dir := os.Getenv(helperEnv); dir != "" {
		os.Exit(help(dir))
	}
	os.Exit(m.Run())
}

// help is the other process of the tests: it prints the server's pid and its own connection string, or an error.
func help(dir string) int {
	ctx := context.Background()
	c, err := Start(ctx, Config{Dir: dir, BinDir: os.Getenv("PG_BIN"), Durable: true, Scratch: os.Getenv(scratchEnv) != ""})
	if err != nil {
		_, _ = fmt.Fprintln(os.Stdout, err)
		return 1
	}
	_, _ = fmt.Fprintln(os.Stdout, "ready", c.PID(), c.Attached(), c.DSN("postgres"))
	_, _ = io.Copy(io.Discard, os.Stdin)
	if err := c.Stop(ctx); err != nil {
		_, _ = fmt.Fprintln(os.Stdout, err)
		return 1
	}
	return 0
}

// publicDir is a temp directory that every user may pass, unlike t.TempDir, which root's other self could not reach.
func publicDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "devdb") //nolint:usetesting // t.TempDir is below a directory of mode 0700
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func config(dir string) Config {
	return Config{Dir: dir, BinDir: os.Getenv("PG_BIN"), Params: map[string]string{"shared_buffers": "16MB"}}
}

// start starts a cluster that is stopped at the end of the test.
func start(t *testing.T, cfg Config) *Cluster {
	t.Helper()
	c, err := Start(t.Context(), cfg)
	if err != nil {
		t.Fatalf("Start: %v", err)
	}
	t.Cleanup(func() { stop(t, c) })
	return c
}

func stop(t *testing.T, c *Cluster) {
	t.Helper()
	if err := c.Stop(context.WithoutCancel(t.Context())); err != nil {
		t.Errorf("Stop: %v", err)
	}
}

// query gives the one value of a statement as text.
func query(t *testing.T, dsn, sql string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	var got string
	if err := conn.QueryRow(t.Context(), sql).Scan(&got); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return got
}

func exec1(t *testing.T, dsn, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func wantQuery(t *testing.T, dsn, sql, want string) {
	t.Helper()
	if got := query(t, dsn, sql); got != want {
		t.Errorf("%s: got %q, want %q", sql, got, want)
	}
}

// eventually waits for something another process does.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	if !waitUntil(t.Context(), 15*time.Second, done) {
		t.Fatalf("still not true after 15 s: %s", what)
	}
}

// message is what a person sees of an error.
func message(err error) string {
	var f *fault.Error
	if errors.As(err, &f) {
		return f.Message
	}
	return ""
}

// helper is another process that owns a cluster.
type helper struct {
	cmd       *exec.Cmd
	stdin     io.Closer
	serverPID int
	dsn       string
}

// runHelper runs a copy of the test binary, because the original is in a directory that other users cannot reach, and
// gives the first line it prints.
func runHelper(t *testing.T, dir string, as *syscall.Credential, env ...string) (*helper, string) {
	t.Helper()
	bin := copyOfMyself(t)
	cmd := exec.Command(bin)
	cmd.Dir = filepath.Dir(bin)
	cmd.Env = append(os.Environ(), helperEnv+"="+dir, "HOME="+filepath.Dir(bin))
	cmd.Env = append(cmd.Env, env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("helper said nothing: %v", err)
	}
	return &helper{cmd: cmd, stdin: stdin}, line
}

// startHelper runs a helper that starts a cluster.
func startHelper(t *testing.T, dir string, as *syscall.Credential, env ...string) *helper {
	t.Helper()
	h, line := runHelper(t, dir, as, env...)
	var attached bool
	if _, err := fmt.Sscanf(line, "ready %d %t %s", &h.serverPID, &attached, &h.dsn); err != nil || attached {
		t.Fatalf("helper: got %q, want that it is ready and the owner", line)
	}
	return h
}

// failingHelper runs a helper that cannot start a cluster, and gives its error.
func failingHelper(t *testing.T, dir string, as *syscall.Credential) string {
	t.Helper()
	h, line := runHelper(t, dir, as)
	if err := errors.Join(h.stdin.Close(), h.cmd.Wait()); err == nil {
		t.Errorf("helper: got success (%q), want an error", line)
	}
	return line
}

// close ends the helper in good order.
func (h *helper) close(t *testing.T) {
	t.Helper()
	if err := errors.Join(h.stdin.Close(), h.cmd.Wait()); err != nil {
		t.Fatalf("helper: %v", err)
	}
}

func (h *helper) kill(t *testing.T) {
	t.Helper()
	if err := h.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = h.cmd.Wait() // its error is the kill
}

func copyOfMyself(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(publicDir(t), "helper")
	// By another process: while this one has a program open for writing, a fork elsewhere in it makes it "busy".
	if out, err := exec.Command("cp", self, path).CombinedOutput(); err != nil {
		t.Fatalf("copy: %v: %s", err, out)
	}
	if err := os.Chmod(path, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}
