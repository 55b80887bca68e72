package pgtest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// helperEnv names the directory of a private cluster that a copy of the test binary uses until it is killed.
const helperEnv = "PGTEST_TEST_HELPER"

const shortGrace = time.Second

func TestMain(m *testing.M) {
	if dir := os.Getenv(helperEnv); dir != "" {
		os.Exit(help(dir))
	}
	os.Exit(m.Run())
}

// help holds the cluster, and a database of it, and tells the server's pid and the database's name.
func help(dir string) int {
	ctx := context.Background()
	s, err := private{dir: dir, binDir: os.Getenv("PG_BIN"), grace: shortGrace}.hold(ctx)
	if err != nil {
		_, _ = fmt.Fprintln(os.Stdout, err)
		return 1
	}
	db, err := s.create(ctx, Template{})
	if err != nil {
		_, _ = fmt.Fprintln(os.Stdout, err)
		return 1
	}
	_, _ = fmt.Fprintln(os.Stdout, "ready", db.Name())
	_, _ = io.Copy(io.Discard, os.Stdin)
	return 0
}

// ownServer is a private cluster for one test, so that what the test does to it disturbs no other.
func ownServer(t *testing.T) private {
	t.Helper()
	dir, err := os.MkdirTemp("", "pgtest") //nolint:usetesting // t.TempDir is below a directory of mode 0700
	if err != nil {
		t.Fatal(err)
	}
	srv := private{dir: dir, binDir: os.Getenv("PG_BIN"), grace: shortGrace}
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		eventually(t, "the server stops by itself when the test is done", func() bool { return !srv.runs() })
		_ = os.RemoveAll(dir)
	})
	return srv
}

// runs looks for the file that PostgreSQL removes last.
func (p private) runs() bool {
	_, err := os.Stat(filepath.Join(p.dir, "pg", "data", "postmaster.pid"))
	return err == nil
}

func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	timeout := time.NewTimer(20 * time.Second)
	defer timeout.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-timeout.C:
			t.Errorf("still not true after 20 s: %s", what)
			return
		}
	}
}

// migration is a template whose Prepare counts its runs.
func migration(name string, runs *atomic.Int32) Template {
	return Template{Name: name, Prepare: func(ctx context.Context, dsn string) error {
		runs.Add(1)
		conn, err := pgx.Connect(ctx, dsn)
		if err != nil {
			return err
		}
		_, err = conn.Exec(ctx, "CREATE TABLE item AS SELECT 1 AS id")
		return err // the connection is left open: the copies must work all the same
	}}
}

func wantCount(t *testing.T, db *DB, want int) {
	t.Helper()
	var got int
	if err := db.Pool(t).QueryRow(t.Context(), "SELECT count(*) FROM item").Scan(&got); err != nil {
		t.Fatalf("count: %v", err)
	}
	if got != want {
		t.Errorf("rows in %s: got %d, want %d", db.Name(), got, want)
	}
}

func TestParallelTestsGetSeparateCopiesOfOneTemplate(t *testing.T) {
	t.Parallel()
	var runs atomic.Int32
	tmpl := migration("pgtest's own", &runs)
	srv := ownServer(t)
	var names sync.Map
	t.Run("group", func(t *testing.T) {
		for i := range 12 {
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				t.Parallel()
				began := time.Now()
				db := newDB(t, srv, tmpl)
				t.Logf("New took %v", time.Since(began).Round(time.Millisecond))
				if _, taken := names.LoadOrStore(db.Name(), true); taken {
					t.Errorf("%s was given out twice", db.Name())
				}
				wantCount(t, db, 1)
				if _, err := db.Pool(t).Exec(t.Context(), "INSERT INTO item SELECT generate_series(2, 10)"); err != nil {
					t.Fatal(err)
				}
				wantCount(t, db, 10)
			})
		}
	})
	if got := runs.Load(); got != 1 {
		t.Errorf("Prepare: got %d runs, want 1", got)
	}
	s, err := srv.hold(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	left, err := s.names(t.Context(), "SELECT datname FROM pg_database WHERE starts_with(datname, $1)", databasePrefix)
	if err != nil || len(left) != 0 {
		t.Errorf("databases left: got %v, error %v; want none", left, err)
	}
}

func TestNewUsesTheSharedServerWithUnicodeRules(t *testing.T) {
	t.Parallel()
	var got string
	if err := New(t).Pool(t).QueryRow(t.Context(), "SELECT lower('É')").Scan(&got); err != nil || got != "é" {
		t.Errorf("lower('É'): got %q, error %v; want é", got, err)
	}
}

func TestFailedPrepareIsReportedAndTriedAgain(t *testing.T) {
	t.Parallel()
	s, err := ownServer(t).hold(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	broken := errors.New("migration 7 is broken")
	_, err = s.create(t.Context(), Template{Name: "x", Prepare: func(context.Context, string) error { return broken }})
	if !errors.Is(err, broken) {
		t.Errorf("got %v, want the error of Prepare", err)
	}
	var runs atomic.Int32
	if _, err = s.create(t.Context(), migration("x", &runs)); err != nil || runs.Load() != 1 {
		t.Errorf("after a failure: got %d runs, error %v; want one run of Prepare, no error", runs.Load(), err)
	}
}

func TestOldTemplatesAreRetired(t *testing.T) {
	t.Parallel()
	s, err := ownServer(t).hold(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	var runs atomic.Int32
	for i := range keepTemplates + 2 {
		if err := s.prepare(t.Context(), templateName(fmt.Sprint(i)), migration(fmt.Sprint(i), &runs)); err != nil {
			t.Fatal(err)
		}
	}
	for i, want := range map[int]bool{0: false, 1: false, 2: true, keepTemplates + 1: true} {
		got, err := s.isTemplate(t.Context(), templateName(fmt.Sprint(i)))
		if err != nil || got != want {
			t.Errorf("template %d of %d is there: got %v, error %v; want %v", i, keepTemplates+2, got, err, want)
		}
	}
}

func TestKilledTestBinaryLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	srv := ownServer(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), helperEnv+"="+srv.dir)
	stdin, err := cmd.StdinPipe() // open: the helper waits for its end
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stdin.Close() }()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	name, ready := strings.CutPrefix(strings.TrimSpace(line), "ready ")
	if err != nil || !ready {
		t.Fatalf("helper: got %q, error %v; want that it is ready", line, err)
	}
	s, err := srv.hold(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := has(t, s, name); !got {
		t.Error("a sweep dropped the database of a process that lives")
	}
	if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // its error is the kill
	eventually(t, "a sweep drops the killed process's database", func() bool {
		return s.sweep(t.Context()) == nil && !has(t, s, name)
	})
	var pid int
	if err := s.conn.QueryRow(t.Context(), "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND classid::bigint = $1 AND objid::bigint = $2",
		int64(lockLease), int64(leaseWatch)).Scan(&pid); err != nil {
		t.Errorf("the watcher started by the killed process is gone: %v", err)
	}
	s.close()
	eventually(t, "the server stops although the process that started it was killed", func() bool { return !srv.runs() })

	// And the next user starts it again.
	again, err := srv.hold(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	again.close()
}

func has(t *testing.T, s *session, name string) bool {
	t.Helper()
	got, err := s.names(t.Context(), "SELECT datname FROM pg_database WHERE datname = $1", name)
	if err != nil {
		t.Fatal(err)
	}
	return len(got) == 1
}

func TestServerStaysWhileItIsUsed(t *testing.T) {
	t.Parallel()
	srv := ownServer(t)
	s, err := srv.hold(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	// The server's own clock does the waiting: three times the grace.
	if _, err := s.conn.Exec(t.Context(), "SELECT pg_sleep($1)", 3*shortGrace.Seconds()); err != nil {
		t.Fatalf("the server did not stay: %v", err)
	}
}

// TestUsersAndWatcherMeet lets users come just when the watcher decides to stop the server.
func TestUsersAndWatcherMeet(t *testing.T) {
	t.Parallel()
	srv := ownServer(t)
	srv.grace = watchEvery // one look without users is enough
	var group sync.WaitGroup
	for i := range 3 {
		group.Go(func() {
			for j := range 5 {
				s, err := srv.hold(t.Context())
				if err != nil {
					t.Errorf("user %d, turn %d: %v", i, j, err)
					return
				}
				if _, err := s.conn.Exec(t.Context(), "SELECT pg_sleep(0.01)"); err != nil {
					t.Errorf("user %d, turn %d: the server left: %v", i, j, err)
				}
				s.close()
				pause := time.NewTimer(watchEvery - time.Duration(i*20)*time.Millisecond + time.Duration(j*35)*time.Millisecond)
				<-pause.C
			}
		})
	}
	group.Wait()
}

func TestExternalServerIsUsedAsItIs(t *testing.T) {
	t.Parallel()
	inside, err := ownServer(t).hold(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer inside.close()
	var runs atomic.Int32
	t.Run("database", func(t *testing.T) {
		wantCount(t, newDB(t, external{dsn: inside.dsn("postgres")}, migration("external", &runs)), 1)
	})
	for _, tc := range []struct{ dsn, want string }{
		{"postgres://u:p@h:5/old?sslmode=disable", "postgres://u:p@h:5/new?sslmode=disable"},
		{"postgresql:///old?host=%2Frun&dbname=old", "postgresql:///new?host=%2Frun"},
		{"host=h user=u dbname=old", "host=h user=u dbname=old dbname='new'"},
	} {
		got := external{dsn: tc.dsn}.database("new")
		if got != tc.want {
			t.Errorf("database of %s: got %s, want %s", tc.dsn, got, tc.want)
		}
		if cfg, err := pgx.ParseConfig(got); err != nil || cfg.Database != "new" {
			t.Errorf("pgx reads %s: got database %q, error %v; want new", got, cfg.Database, err)
		}
	}
}

func TestForeignDirectoryIsNotTrusted(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "open")
	if err := os.Mkdir(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := (private{dir: dir}).hold(t.Context()); err == nil || !strings.Contains(err.Error(), "not a private directory") {
		t.Errorf("got %v, want an error that says it is not private", err)
	}
}
