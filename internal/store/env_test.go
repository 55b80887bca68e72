package store

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"dossier/internal/auth"
	"dossier/internal/customer"
	"dossier/internal/optional"
	"dossier/internal/pgtest"
	"dossier/internal/typeid"
	"dossier/internal/wall"
)

// env is a migrated database of its own, a store on it and two accounts.
type env struct {
	t  testing.TB
	db *pgtest.DB
	// store works as the program's role, behind the wall. admin is the superuser, for what a test sets up and looks at.
	store *Store
	admin *pgxpool.Pool
	// ada may do everything in the first account, bob in the other.
	ada, bob auth.Principal
	dirty    atomic.Int64
}

var template = pgtest.Template{
	Name: "store-" + MigrationsHash(),
	Prepare: func(ctx context.Context, dsn string) error {
		_, err := Migrate(ctx, dsn, nil)
		return err
	},
}

func newEnv(t testing.TB, change ...func(*Config)) *env {
	t.Helper()
	e := &env{t: t, db: pgtest.New(t, template)}
	e.admin = e.db.Pool(t)
	// On a machine that runs all packages' tests at once, races for a row take longer than a client should wait.
	cfg := Config{DSN: wall.AsApp(e.db.DSN()), MaxConns: 16, lockTimeout: 12 * time.Second, Dirty: func(uuid.UUID) { e.dirty.Add(1) }}
	for _, f := range change {
		f(&cfg)
	}
	s, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	e.store = s
	e.ada, e.bob = e.account("Ada"), e.account("Bob")
	return e
}

// account makes an account with one member of staff, who gets the role ADMIN.
func (e *env) account(name string) auth.Principal {
	e.t.Helper()
	id, staff := typeid.New(), typeid.New()
	_, err := e.admin.Exec(e.t.Context(), `WITH a AS (
			INSERT INTO account (id, name, oidc_algorithms, created_at) VALUES ($1, $3, '[]', now()) RETURNING id
		), s AS (INSERT INTO storage_usage (account_id) SELECT id FROM a)
		INSERT INTO staff_user (id, account_id, created_at, updated_at, subject, display_name, sort_name, role)
		SELECT $2, id, now(), now(), $3, $3, lower($3), 'ADMIN' FROM a`, id, staff, name)
	if err != nil {
		e.t.Fatal(err)
	}
	return auth.Principal{AccountID: id, Kind: auth.KindStaff, ID: staff, Role: auth.Admin, DisplayName: name}
}

// person makes a customer.
func (e *env) person(p auth.Principal, name string) uuid.UUID {
	e.t.Helper()
	id, err := customer.NewService(e.store).Create(e.t.Context(), p, customer.Draft{Kind: customer.Person, GivenName: &name}, nil)
	if err != nil {
		e.t.Fatal(err)
	}
	return id
}

// rename changes a customer's given name.
func (e *env) rename(p auth.Principal, id uuid.UUID, version int, name string) error {
	return customer.NewService(e.store).Update(e.t.Context(), p, id, version, customer.Patch{GivenName: optional.Some(&name)}, "")
}

// count gives the number of a query for one.
func (e *env) count(query string, args ...any) int {
	e.t.Helper()
	var n int
	if err := e.admin.QueryRow(e.t.Context(), query, args...).Scan(&n); err != nil {
		e.t.Fatal(err)
	}
	return n
}
