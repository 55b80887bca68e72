// Package pgtest gives each test a real PostgreSQL database of its own, as a copy of a migrated template: 50 to 100 ms,
// so tests can be many and parallel. It must not know what is migrated or how: the caller's Template says that.
//
// All test binaries of a `go test ./...` share one server. Without TEST_DATABASE_URL it is a private cluster without fsync
// in a per-user directory below os.TempDir (package devdb; PG_BIN may name the binaries): the first test starts it, others
// attach, and it stops by itself when no test has used it for a while, however the tests ended. Its files stay for the
// next run, with the last few templates in them. With TEST_DATABASE_URL, a superuser's connection string, that server is
// used and left running.
//
// Nothing is kept in this process between tests. Each DB holds one session in the server's maintenance database, and
// what must not outlive the test is a session-level advisory lock there, which the server gives up when the test binary
// is killed. See session.go for the locks.
package pgtest

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// patience bounds what New waits for: another process may be migrating the same template on a busy machine.
const patience = 2 * time.Minute

// Template says what a test's database is a copy of.
type Template struct {
	// Name identifies the content: a hash over all that Prepare does. Another Name is another template.
	Name string
	// Prepare fills an empty database; dsn connects to it as superuser. It runs once for each Name in all processes
	// that share the server, until it succeeds.
	Prepare func(ctx context.Context, dsn string) error
}

// Option changes what New makes. A Template is one.
type Option interface{ apply(*options) }

type options struct{ template Template }

func (tmpl Template) apply(o *options) { o.template = tmpl }

// DB is one test's database.
type DB struct {
	name string
	dsn  string
	held *session
}

// New gives the test a database of its own: a copy of the Template among the options, or an empty one. It is dropped when
// the test and its subtests are done, with whatever sessions are left in it.
func New(t testing.TB, opts ...Option) *DB {
	t.Helper()
	var o options
	for _, opt := range opts {
		opt.apply(&o)
	}
	return newDB(t, defaultServer(), o.template)
}

func newDB(t testing.TB, srv server, tmpl Template) *DB {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	held, err := srv.hold(ctx)
	if err != nil {
		t.Fatalf("pgtest: no PostgreSQL server: %v", err)
	}
	db, err := held.create(ctx, tmpl)
	if err != nil {
		held.close()
		t.Fatalf("pgtest: no database: %v", err)
	}
	t.Cleanup(func() {
		if err := db.drop(); err != nil {
			t.Errorf("pgtest: %v", err)
		}
	})
	return db
}

// DSN gives the connection string of the database, as superuser.
func (db *DB) DSN() string { return db.dsn }

// Name gives the database's name.
func (db *DB) Name() string { return db.name }

// Pool opens a connection pool that is closed when the test is done. A test that keeps a connection fails.
func (db *DB) Pool(t testing.TB) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), db.dsn)
	if err != nil {
		t.Fatalf("pgtest: open pool: %v", err)
	}
	t.Cleanup(func() {
		closed := make(chan struct{})
		go func() {
			pool.Close()
			close(closed)
		}()
		timeout := time.NewTimer(10 * time.Second)
		defer timeout.Stop()
		select {
		case <-closed:
		case <-timeout.C:
			t.Errorf("pgtest: %d connections of the pool were not released by the test", pool.Stat().AcquiredConns())
		}
	})
	return pool
}

func (db *DB) drop() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	defer db.held.close()
	return db.held.dropDatabase(ctx, db.name)
}
