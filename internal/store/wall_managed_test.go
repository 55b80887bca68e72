package store

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	area "dossier/internal/account"
	"dossier/internal/auth"
	"dossier/internal/customer"
	"dossier/internal/devdb"
	"dossier/internal/fault"
	"dossier/internal/typeid"
	"dossier/internal/wall"
)

// managed is a database of a server that somebody else administers: its owner is no superuser, and may at first make no roles.
type managed struct {
	t testing.TB
	// admin is the administrator, owner the login that owns the tables, app another one.
	admin, owner, app string
	log               bytes.Buffer
}

func newManaged(t testing.TB) *managed {
	t.Helper()
	dir, err := os.MkdirTemp("", "managed") //nolint:usetesting // PostgreSQL runs as another user, who may not pass t.TempDir
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil { //nolint:gosec // the same
		t.Fatal(err)
	}
	cluster, err := devdb.Start(t.Context(), devdb.Config{Dir: filepath.Join(dir, "pg"), BinDir: os.Getenv("PG_BIN")})
	if errors.Is(err, devdb.ErrNotInstalled) && os.Getenv("TEST_DATABASE_URL") != "" {
		t.Skip("this test needs a server of its own, in which the roles are missing: ", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cluster.Stop(context.WithoutCancel(t.Context())) })
	m := &managed{t: t, admin: cluster.DSN("postgres")}
	m.as(m.admin, `CREATE ROLE owner LOGIN`, `CREATE ROLE app LOGIN`, `CREATE DATABASE managed OWNER owner`)
	m.admin = cluster.DSN("managed")
	m.owner, m.app = m.login("owner"), m.login("app")
	return m
}

func (m *managed) login(name string) string {
	m.t.Helper()
	u, err := url.Parse(m.admin)
	if err != nil {
		m.t.Fatal(err)
	}
	u.User = url.User(name)
	return u.String()
}

func (m *managed) as(dsn string, statements ...string) {
	m.t.Helper()
	for _, s := range statements {
		if err := m.try(dsn, s); err != nil {
			m.t.Fatalf("%s: %v", s, err)
		}
	}
}

func (m *managed) try(dsn, statement string) error {
	conn, err := pgx.Connect(m.t.Context(), dsn)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(m.t.Context())) }()
	_, err = conn.Exec(m.t.Context(), statement)
	return err
}

func (m *managed) number(dsn, query string) (n int) {
	m.t.Helper()
	conn, err := pgx.Connect(m.t.Context(), dsn)
	if err != nil {
		m.t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(m.t.Context())) }()
	if err := conn.QueryRow(m.t.Context(), query).Scan(&n); err != nil {
		m.t.Fatalf("%s: %v", query, err)
	}
	return n
}

func (m *managed) migrate() error {
	m.log.Reset()
	_, err := Migrate(m.t.Context(), m.owner, slog.New(slog.NewTextHandler(&m.log, nil)))
	return err
}

// enter opens the store as the program does.
func (m *managed) enter(dsn string) (*Store, error) {
	m.log.Reset()
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	if dsn, err = wall.Enter(m.t.Context(), cfg, slog.New(slog.NewTextHandler(&m.log, nil))); err != nil {
		return nil, err
	}
	s, err := Open(m.t.Context(), Config{DSN: dsn})
	if err != nil {
		return nil, err
	}
	if err := s.CheckSchema(m.t.Context()); err != nil {
		s.Close()
		return nil, err
	}
	m.t.Cleanup(s.Close)
	return s, nil
}

// use does what needs both roles: it makes an account with a customer, and finds the account by its issuer.
func (m *managed) use(s *Store, name string) auth.Principal {
	m.t.Helper()
	p := auth.System(typeid.New())
	err := s.AccountCreate(m.t.Context(), p.AccountID, area.Draft{Name: name, Issuer: auth.Issuer{URL: "https://" + name + ".example"}})
	if err == nil {
		_, err = customer.NewService(s).Create(m.t.Context(), p, customer.Draft{Kind: customer.Person, GivenName: &name}, nil)
	}
	if err != nil {
		m.t.Fatal(err)
	}
	found, err := s.IssuerByURL(m.t.Context(), "https://"+name+".example")
	if err != nil || found.AccountID != p.AccountID {
		m.t.Fatalf("the issuer's account is %v (%v), want %v", found.AccountID, err, p.AccountID)
	}
	return p
}

// TestTheWallOnAManagedServer goes the way of an operator whose login may do little, from no wall to a login that owns nothing.
func TestTheWallOnAManagedServer(t *testing.T) {
	t.Parallel()
	m := newManaged(t)

	// Nobody has made the roles, and the owner may not: it works, without a wall, and says so with the remedy each time.
	if err := m.migrate(); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"row-level security is off", "CREATE ROLE dossier_app NOLOGIN; CREATE ROLE dossier_system NOLOGIN; GRANT dossier_app, dossier_system TO owner"} {
		if !strings.Contains(m.log.String(), part) {
			t.Errorf("migrating without the right to make roles logs\n%s\nwant %q", &m.log, part)
		}
	}
	s, err := m.enter(m.owner)
	if err != nil {
		t.Fatal(err)
	}
	if s.walled || !strings.Contains(m.log.String(), "row-level security is off in this database") {
		t.Errorf("without a wall the program is walled: %t, and logs\n%s", s.walled, &m.log)
	}
	m.use(s, "before")

	// The roles are there, but the owner was forgotten.
	m.as(m.admin, `CREATE ROLE dossier_app NOLOGIN`, `CREATE ROLE dossier_system NOLOGIN`)
	if err := m.migrate(); fault.CodeOf(err) != fault.Conflict || !strings.Contains(err.Error(), "GRANT dossier_app, dossier_system TO owner") {
		t.Errorf("migrating as an owner who is no member: %v, want the statement that makes it one", err)
	}
	m.as(m.admin, `GRANT dossier_app, dossier_system TO owner`)
	if err := m.migrate(); err != nil {
		t.Fatal(err)
	}
	if s, err = m.enter(m.owner); err != nil {
		t.Fatal(err)
	}
	if !s.walled || m.log.Len() > 0 {
		t.Errorf("with the roles the program is walled: %t, and logs\n%s", s.walled, &m.log)
	}
	p := m.use(s, "behind")
	const rows = `SELECT count(*) FROM customer`
	if own, all := m.number(m.owner, rows), m.number(m.admin, rows); own != 0 || all != 2 {
		t.Errorf("the owner sees %d customers of %d without saying that it works across accounts, want none", own, all)
	}
	if n, err := s.in(p.AccountID).customers().Count(t.Context()); n != 1 || err != nil {
		t.Errorf("an account sees %d customers (%v), want its one", n, err)
	}

	// A migration sees all rows: it fills in what is missing, and PostgreSQL tells its statistics.
	m.as(m.admin, `DELETE FROM customer_search`)
	if err := m.migrate(); err != nil || strings.Contains(m.log.String(), "up to date") {
		t.Errorf("a second migration: %v, and it logs\n%s\nwant nothing about the wall", err, &m.log)
	}
	if n := m.number(m.admin, `SELECT count(*) FROM customer_search`); n != 2 {
		t.Errorf("the owner's migration has indexed %d customers, want 2", n)
	}
	m.as(m.owner, `ANALYZE customer_search`)
	var lexemes []string
	if err := s.system.QueryRow(t.Context(), `SELECT lexemes FROM customer_search_shares()`).Scan(&lexemes); err != nil || len(lexemes) == 0 {
		t.Errorf("the statistics of the search show %d lexemes (%v)", len(lexemes), err)
	}
	m.loginOfItsOwn()
	s.Close()
	m.severalDatabasesAtOnce()
}

// loginOfItsOwn goes on with a login that owns nothing.
func (m *managed) loginOfItsOwn() {
	if _, err := m.enter(m.app); fault.CodeOf(err) != fault.Conflict || !strings.Contains(err.Error(), "GRANT dossier_app, dossier_system TO app") {
		m.t.Errorf("a login that is no member: %v, want the statement that makes it one", err)
	}
	m.as(m.admin, `GRANT dossier_app, dossier_system TO app`)
	s, err := m.enter(m.app)
	if err != nil {
		m.t.Fatal(err)
	}
	if !s.walled || m.log.Len() > 0 {
		m.t.Errorf("with a login of its own the program is walled: %t, and logs\n%s", s.walled, &m.log)
	}
	m.use(s, "alone")
	s.Close()
	for _, forbidden := range []string{
		`ALTER TABLE customer NO FORCE ROW LEVEL SECURITY`, `ALTER TABLE customer DISABLE ROW LEVEL SECURITY`, `DROP POLICY account ON customer`,
		`CREATE TABLE mine (id int)`, `TRUNCATE event`, `DELETE FROM audit_record`, `SET ROLE owner`, `SET row_security = off; SELECT FROM customer`,
	} {
		if err := m.try(m.app, forbidden); !refused42501(err) {
			m.t.Errorf("the program's login may %q: %v", forbidden, err)
		}
	}
}

// severalDatabasesAtOnce migrates databases of one server that all find the roles missing, which belong to the server.
func (m *managed) severalDatabasesAtOnce() {
	cfg, err := pgx.ParseConfig(m.admin)
	if err != nil {
		m.t.Fatal(err)
	}
	server := strings.Replace(m.admin, "/"+cfg.Database, "/postgres", 1)
	m.as(server, `DROP DATABASE managed WITH (FORCE)`, `DROP ROLE dossier_app, dossier_system`)
	var g errgroup.Group
	for _, name := range []string{"one", "two", "three", "four"} {
		m.as(server, `CREATE DATABASE `+name)
		g.Go(func() error {
			_, err := Migrate(m.t.Context(), strings.Replace(m.admin, "/"+cfg.Database, "/"+name, 1), nil)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		m.t.Error(err)
	}
	if n := m.number(server, `SELECT count(*) FROM pg_roles WHERE rolname IN ('dossier_app', 'dossier_system')`); n != 2 {
		m.t.Errorf("there are %d of the two roles", n)
	}
}
