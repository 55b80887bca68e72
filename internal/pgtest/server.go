package pgtest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"dossier/internal/devdb"
)

// server is where databases are made.
type server interface {
	// hold opens a session; while it is open the server stays.
	hold(ctx context.Context) (*session, error)
}

// defaultServer reads the environment because a test has no command line to read it for it.
func defaultServer() server {
	if dsn := os.Getenv("TEST_DATABASE_URL"); dsn != "" {
		return external{dsn: dsn}
	}
	name := fmt.Sprintf("dossier-test-%d", os.Geteuid())
	return private{dir: filepath.Join(os.TempDir(), name), binDir: os.Getenv("PG_BIN"), grace: 10 * time.Second}
}

// external is a server that somebody else runs.
type external struct{ dsn string }

func (e external) hold(ctx context.Context) (*session, error) {
	conn, err := pgx.Connect(ctx, e.dsn)
	if err != nil {
		return nil, fmt.Errorf("TEST_DATABASE_URL: %w", err)
	}
	return &session{conn: conn, dsn: e.database}, nil
}

// database is the connection string with another database in it.
func (e external) database(name string) string {
	u, err := url.Parse(e.dsn)
	if err != nil || !strings.HasPrefix(u.Scheme, "postgres") {
		return e.dsn + " dbname='" + name + "'" // keyword form: the last one counts; our names need no escapes
	}
	q := u.Query()
	q.Del("dbname")
	q.Del("database")
	u.Path, u.RawQuery = "/"+name, q.Encode()
	return u.String()
}

// private is the cluster that the tests of one user share.
type private struct {
	dir    string
	binDir string
	// grace is how long the cluster outlives its last user. `go test ./...` has pauses, and a start costs 0.1 s only.
	grace time.Duration
}

// hold starts the cluster or attaches to it. It tries again when the cluster ends under its hands, which happens when
// the watcher has decided to stop it just now.
func (p private) hold(ctx context.Context) (*session, error) {
	if err := p.makeDir(); err != nil {
		return nil, err
	}
	for {
		s, err := p.tryHold(ctx)
		if err == nil || !passing(err) {
			return s, err
		}
		t := time.NewTimer(50 * time.Millisecond)
		select {
		case <-ctx.Done():
			t.Stop()
			return nil, err
		case <-t.C:
		}
	}
}

// passing says whether an error is of a server that is about to go, full, or gone: not one that will be the same again.
func passing(err error) bool {
	if state := sqlState(err); state != "" {
		return strings.HasPrefix(state, "57P") || strings.HasPrefix(state, "53")
	}
	var connect *devdbError
	return !errors.As(err, &connect)
}

// devdbError marks what devdb has tried long enough itself.
type devdbError struct{ error }

func (e *devdbError) Unwrap() error { return e.error }

func (p private) tryHold(ctx context.Context) (*session, error) {
	cluster, err := devdb.Start(ctx, devdb.Config{
		Dir:       filepath.Join(p.dir, "pg"),
		BinDir:    p.binDir,
		Scratch:   true,
		Elsewhere: "/var/lib/dossier-test",
		Params: map[string]string{
			"max_connections": "300",
			"autovacuum":      "off", // it would connect to templates while they are copied
			"cluster_name":    "dossier-test",
		},
	})
	if err != nil {
		return nil, &devdbError{err}
	}
	s, err := p.lease(ctx, cluster)
	if err != nil {
		return nil, errors.Join(err, cluster.Stop(context.WithoutCancel(ctx)))
	}
	if err := cluster.Release(); err != nil {
		s.close()
		return nil, &devdbError{err}
	}
	return s, nil
}

// lease makes sure of the watcher and then holds it off.
func (p private) lease(ctx context.Context, cluster *devdb.Cluster) (*session, error) {
	const database = "postgres"
	conn, err := pgx.Connect(ctx, cluster.DSN(database))
	if err != nil {
		return nil, err
	}
	s := &session{conn: conn, dsn: cluster.DSN}
	err = p.ensureWatcher(ctx, s, cluster.DSN(database))
	if err == nil {
		_, err = conn.Exec(ctx, "SELECT pg_advisory_lock_shared($1, $2)", int32(lockLease), int32(leaseUse))
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// makeDir creates the directory around the cluster. As root it can be passed by the user PostgreSQL runs as.
func (p private) makeDir() error {
	mode := os.FileMode(0o700)
	if os.Geteuid() == 0 {
		mode = 0o711
	}
	if err := os.Mkdir(p.dir, mode); err == nil {
		return os.Chmod(p.dir, mode) // whatever the umask is
	} else if !errors.Is(err, os.ErrExist) {
		return err
	}
	fi, err := os.Lstat(p.dir)
	if err != nil {
		return err
	}
	// SECURITY: the temp directory is shared. What another user put there in our name must not be run or trusted.
	if !fi.IsDir() || fi.Mode().Perm()&0o022 != 0 || int(fi.Sys().(*syscall.Stat_t).Uid) != os.Geteuid() {
		return fmt.Errorf("%s exists and is not a private directory of yours; remove it", p.dir)
	}
	return nil
}
