package devdb

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"dossier/internal/fault"
)

func TestStartCreatesAClusterAndKeepsItsData(t *testing.T) {
	t.Parallel()
	cfg := config(filepath.Join(publicDir(t), "data", "postgres"))
	cfg.Durable = true
	began := time.Now()
	c := start(t, cfg)
	t.Logf("cold start: %v", time.Since(began).Round(time.Millisecond))

	if c.Attached() {
		t.Error("Attached: got true for the process that started the cluster")
	}
	wantQuery(t, c.DSN("postgres"), "SHOW fsync", "on")
	wantQuery(t, c.DSN("postgres"), "SHOW listen_addresses", "")
	wantQuery(t, c.DSN("postgres"), "SHOW shared_buffers", "16MB")
	wantQuery(t, c.DSN("postgres"), "SHOW server_encoding", "UTF8")
	if err := c.CreateDatabase(t.Context(), "app", ""); err != nil {
		t.Fatal(err)
	}
	if err := c.CreateDatabase(t.Context(), "app", ""); err != nil {
		t.Errorf("CreateDatabase of one that exists: got %v, want no error", err)
	}
	exec1(t, c.DSN("app"), "CREATE TABLE kept AS SELECT 'yes' AS answer")
	if err := c.CreateDatabase(t.Context(), `odd "name", ü`, "app"); err != nil {
		t.Fatal(err)
	}
	wantQuery(t, c.DSN(`odd "name", ü`), "SELECT answer FROM kept", "yes")
	stop(t, c)
	if !c.ended() {
		t.Error("after Stop PostgreSQL is still running")
	}

	began = time.Now()
	again := start(t, cfg)
	t.Logf("warm start: %v", time.Since(began).Round(time.Millisecond))
	wantQuery(t, again.DSN("app"), "SELECT answer FROM kept", "yes")
	began = time.Now()
	stop(t, again)
	t.Logf("stop: %v", time.Since(began).Round(time.Millisecond))
}

func TestTextIsComparedByUnicodeRules(t *testing.T) {
	t.Parallel()
	c := start(t, config(publicDir(t)))
	for sql, want := range map[string]string{
		"SELECT lower('É')":                "é",
		"SELECT upper('straße я')":         "STRASSE Я",
		"SELECT ('ÅSA' ILIKE 'åsa')::text": "true",
		"SELECT string_agg(x, '' ORDER BY x) FROM unnest(ARRAY['z','é','f','E','a']) x": "aEéfz",
		"SHOW fsync": "off",
	} {
		wantQuery(t, c.DSN("postgres"), sql, want)
	}
}

func TestRootDropsItsPrivileges(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	dir := publicDir(t)
	c := start(t, config(dir))
	for _, path := range []string{c.home.dataDir(), fmt.Sprintf("/proc/%d", c.PID())} {
		fi, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		uid := fi.Sys().(*syscall.Stat_t).Uid
		if uid == 0 || uid != c.home.user.uid {
			t.Errorf("%s belongs to user id %d, want %d", path, uid, c.home.user.uid)
		}
	}
	fi, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got := fi.Mode().Perm(); got != 0o700 {
		t.Errorf("mode of the directory: got %o, want 700", got)
	}
	stop(t, c)

	// A copy made by root (or a volume) belongs to root; it is given to the server's user again.
	if err := os.Chown(c.home.dataDir(), 0, 0); err != nil {
		t.Fatal(err)
	}
	again := start(t, config(dir))
	wantQuery(t, again.DSN("postgres"), "SELECT 'up'", "up")
}

func TestRootSaysHowToFixADirectoryOutOfReach(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	closed := t.TempDir() // below a 0700 directory of root
	_, err := Start(t.Context(), config(filepath.Join(closed, "pg")))
	if !errors.Is(err, ErrUnreachable) {
		t.Fatalf("got %v, want ErrUnreachable", err)
	}
	for _, want := range []string{"chmod o+x " + filepath.Dir(closed), "choose another data directory", "root"} {
		if !strings.Contains(message(err), want) {
			t.Errorf("message: got %q, want it to contain %q", message(err), want)
		}
	}

	cfg := config(filepath.Join(closed, "pg"))
	cfg.Elsewhere = filepath.Join(publicDir(t), "new", "place")
	c := start(t, cfg)
	if got := c.Dir(); !strings.HasPrefix(got, cfg.Elsewhere+"/pg-") {
		t.Errorf("Dir: got %s, want one in %s", got, cfg.Elsewhere)
	}
	if other := start(t, cfg); !other.Attached() || other.Dir() != c.Dir() {
		t.Errorf("second start: got attached %v in %s, want true in %s", other.Attached(), other.Dir(), c.Dir())
	}
}

func TestOrdinaryUserStartsAndRootTakesTurns(t *testing.T) {
	t.Parallel()
	nobody, err := user.Lookup("nobody")
	if os.Geteuid() != 0 || err != nil {
		t.Skip("needs root and a user nobody; all other tests run as the ordinary user then")
	}
	uid, _ := strconv.Atoi(nobody.Uid)
	gid, _ := strconv.Atoi(nobody.Gid)
	dir := filepath.Join(publicDir(t), "pg")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(dir, uid, gid); err != nil {
		t.Fatal(err)
	}
	h := startHelper(t, dir, &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)})
	wantQuery(t, h.dsn, "SELECT current_user::text", "postgres")
	h.close(t)

	c := start(t, config(dir))
	if got := int(c.home.user.uid); got != uid {
		t.Errorf("user id that root runs the server as: got %d, want the data's owner %d", got, uid)
	}
	stop(t, c)
	h = startHelper(t, dir, &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)})
	h.close(t)
}

func TestLongPathFallsBackToAShortSocketDirectory(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(publicDir(t), strings.Repeat("long", 20), strings.Repeat("path", 10))
	c := start(t, config(dir))
	if !fitsSocket(c.socketDir) || strings.HasPrefix(c.socketDir, dir) {
		t.Fatalf("socket directory: got %s, want a short one outside of %s", c.socketDir, dir)
	}
	fi, err := os.Stat(c.socketDir)
	if err != nil {
		t.Fatal(err)
	}
	if got := fi.Mode().Perm(); got != 0o700 {
		t.Errorf("mode of %s: got %o, want 700", c.socketDir, got)
	}
	other := start(t, config(dir))
	if !other.Attached() || other.DSN("postgres") != c.DSN("postgres") {
		t.Errorf("second start: got attached %v at %s, want true at %s", other.Attached(), other.DSN("x"), c.DSN("x"))
	}
	stop(t, c)
	if _, err := os.Stat(c.socketDir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after Stop the socket directory %s is still there (%v)", c.socketDir, err)
	}
}

func TestSocketDirectoryOfAnotherUserIsRefused(t *testing.T) {
	t.Parallel()
	temp := publicDir(t)
	h := home{dir: "/" + strings.Repeat("x", 200)}
	place, _, err := h.socketPlace(temp)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(place, 0o777); err != nil {
		t.Fatal(err)
	}
	if _, _, err := h.socketPlace(temp); err == nil {
		t.Error("an open directory of the right name: got no error")
	}
	if err := os.Remove(place); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(t.TempDir(), place); err != nil {
		t.Fatal(err)
	}
	if _, _, err := h.socketPlace(temp); err == nil {
		t.Error("a symbolic link of the right name: got no error")
	}
}

func TestSecondStartAttachesAndLearnsOfTheEnd(t *testing.T) {
	t.Parallel()
	dir := publicDir(t)
	owner := start(t, config(dir))
	guest := start(t, config(dir))
	if !guest.Attached() {
		t.Fatal("second start: got Attached false")
	}
	stop(t, guest)
	wantQuery(t, owner.DSN("postgres"), "SELECT 'up'", "up")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := guest.Wait(ctx); err != nil {
		t.Errorf("Wait while the cluster runs and ctx is done: got %v, want nil", err)
	}
	stop(t, owner)
	if err := guest.Wait(t.Context()); !errors.Is(err, ErrStart) || !strings.Contains(message(err), "has ended") {
		t.Errorf("Wait after the owner's Stop: got %v, want ErrStart that says it has ended", err)
	}
	if next := start(t, config(dir)); next.Attached() {
		t.Error("start after the owner's Stop: got Attached true, want a new owner")
	}
}

func TestManyStartsAtOnceMakeOneOwner(t *testing.T) {
	t.Parallel()
	dir := publicDir(t)
	got := make(chan *Cluster, 6) // one for each starter
	for range cap(got) {
		go func() {
			c, err := Start(t.Context(), config(dir))
			if err != nil {
				t.Errorf("Start: %v", err)
			}
			got <- c
		}()
	}
	owners := 0
	for range cap(got) {
		if c := <-got; c != nil && !c.Attached() {
			owners++
			defer stop(t, c)
		}
	}
	if owners != 1 {
		t.Errorf("owners: got %d, want 1", owners)
	}
}

func TestKilledOwnerTakesPostgresWithItAndTheNextStartRecovers(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(publicDir(t), "pg")
	h := startHelper(t, dir, nil)
	exec1(t, h.dsn, "CREATE TABLE kept AS SELECT 'yes' AS answer")
	h.kill(t)
	c := start(t, config(dir)) // at once: the former server may still be shutting down
	if c.Attached() || c.PID() == h.serverPID {
		t.Errorf("start after kill -9 of the owner: got attached %v, pid %d; want a new server", c.Attached(), c.PID())
	}
	wantQuery(t, c.DSN("postgres"), "SELECT answer FROM kept", "yes")
	stop(t, c)

	h = startHelper(t, dir, nil)
	h.kill(t)
	eventually(t, "PostgreSQL ends when its owner is killed", func() bool { return !runsOn(h.serverPID, c.home.dataDir()) })
}

func TestStalePidFilesAreSurvived(t *testing.T) {
	t.Parallel()
	dir := publicDir(t)
	cfg := config(dir)
	cfg.Durable = true
	c := start(t, cfg)
	exec1(t, c.DSN("postgres"), "CREATE TABLE kept AS SELECT 'yes' AS answer")
	if err := syscall.Kill(c.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "PostgreSQL is gone", c.ended)
	if err := c.Wait(t.Context()); !errors.Is(err, ErrStart) {
		t.Errorf("Wait after the server was killed: got %v, want ErrStart", err)
	}
	stale, err := os.ReadFile(c.home.pidPath())
	if err != nil {
		t.Fatalf("a killed PostgreSQL leaves its pid file: %v", err)
	}
	stop(t, c)

	next := start(t, cfg)
	wantQuery(t, next.DSN("postgres"), "SELECT answer FROM kept", "yes")
	stop(t, next)

	// The number in the file now belongs to a program that lives on, as it may after a restart of the machine.
	_, rest, _ := strings.Cut(string(stale), "\n")
	reused := strconv.Itoa(os.Getpid()) + "\n" + rest
	if err := os.WriteFile(c.home.pidPath(), []byte(reused), 0o600); err != nil {
		t.Fatal(err)
	}
	if c.home.user != nil {
		if err := c.home.user.own(c.home.pidPath()); err != nil {
			t.Fatal(err)
		}
	}
	wantQuery(t, start(t, cfg).DSN("postgres"), "SELECT answer FROM kept", "yes")
}

func TestScratchClusterIsSharedReleasedAndThrownAway(t *testing.T) {
	t.Parallel()
	cfg := config(publicDir(t))
	cfg.Scratch = true
	c, err := Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	exec1(t, c.DSN("postgres"), "CREATE TABLE lost AS SELECT 1")
	if err := c.Release(); err != nil {
		t.Fatal(err)
	}
	other, err := Start(t.Context(), cfg)
	if err != nil || !other.Attached() {
		t.Fatalf("start after Release: got attached %v, error %v; want true, none", other != nil && other.Attached(), err)
	}
	wantQuery(t, other.DSN("postgres"), "SELECT to_regclass('lost')::text", "lost")
	if err := syscall.Kill(other.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "PostgreSQL is gone", c.ended)
	fresh := start(t, cfg)
	wantQuery(t, fresh.DSN("postgres"), "SELECT coalesce(to_regclass('lost')::text, 'gone')", "gone")
}

func TestScratchClusterEndsWhenItsStarterIsKilledBeforeRelease(t *testing.T) {
	t.Parallel()
	dir := publicDir(t)
	h := startHelper(t, dir, nil, scratchEnv+"=1")
	h.kill(t)
	data := home{dir: dir}.dataDir()
	eventually(t, "PostgreSQL ends when its starter is killed", func() bool { return !runsOn(h.serverPID, data) })
}

func TestClusterOfAnotherUserIsExplained(t *testing.T) {
	t.Parallel()
	nobody, err := user.Lookup("nobody")
	if os.Geteuid() != 0 || err != nil {
		t.Skip("needs root and a user nobody")
	}
	uid, _ := strconv.Atoi(nobody.Uid)
	dir := filepath.Join(publicDir(t), "pg")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	got := failingHelper(t, dir, &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)})
	for _, want := range []string{dir, `belongs to user "root"`, "chown -R"} {
		if !strings.Contains(got, want) {
			t.Errorf("message: got %q, want it to contain %q", got, want)
		}
	}
}

func TestOtherVersionsDataIsNeverUpgraded(t *testing.T) {
	t.Parallel()
	dir := publicDir(t)
	data := filepath.Join(dir, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(data, "PG_VERSION"), []byte("14\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Start(t.Context(), config(dir))
	if !errors.Is(err, ErrVersion) || fault.CodeOf(err) != fault.Unavailable {
		t.Fatalf("got %v, want ErrVersion as an Unavailable fault", err)
	}
	for _, want := range []string{"created by PostgreSQL 14", "never upgrades", "Install PostgreSQL 14", "pg_dumpall", data} {
		if !strings.Contains(message(err), want) {
			t.Errorf("message: got %q, want it to contain %q", message(err), want)
		}
	}
}

func TestForeignDirectoryIsLeftAlone(t *testing.T) {
	t.Parallel()
	dir := publicDir(t)
	if err := os.WriteFile(filepath.Join(dir, "thesis.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Start(t.Context(), config(dir)); err == nil || !strings.Contains(message(err), "not empty") {
		t.Errorf("got %v, want an error that says it is not empty", err)
	}
	after, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	if before.Mode() != after.Mode() {
		t.Errorf("mode: got %v, want %v as before", after.Mode(), before.Mode())
	}
}

func TestFailingStartShowsWhatPostgresSaid(t *testing.T) {
	t.Parallel()
	cfg := config(publicDir(t))
	cfg.Params["shared_buffers"] = "1 banana"
	_, err := Start(t.Context(), cfg)
	if !errors.Is(err, ErrStart) || !strings.Contains(message(err), "banana") {
		t.Errorf("got %v, want ErrStart with PostgreSQL's own words", err)
	}
}

func TestLogSaysWhatHappened(t *testing.T) {
	t.Parallel()
	cfg := config(publicDir(t))
	var lines strings.Builder
	cfg.Log = slog.New(slog.NewTextHandler(&lines, nil))
	c := start(t, cfg)
	stop(t, c)
	for _, want := range []string{"created the PostgreSQL cluster", "started PostgreSQL", "stopped PostgreSQL"} {
		if !strings.Contains(lines.String(), want) {
			t.Errorf("log: got %q, want it to contain %q", lines.String(), want)
		}
	}
}
