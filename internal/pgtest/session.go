package pgtest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// The classes of advisory locks, each with its own second key.
const (
	// lockLease: key leaseUse is held shared by every session that uses the private cluster, and exclusively by the
	// watcher once it has decided to stop it. Key leaseWatch is held by the watcher.
	lockLease = 0x70677401
	// lockDatabase: the key in a database's name is held for as long as a test uses it. A database without is garbage.
	lockDatabase = 0x70677402
	// lockTemplate: the key of a template's name is held while it is prepared.
	lockTemplate = 0x70677403

	leaseUse   = 1
	leaseWatch = 2
)

const (
	databasePrefix = "dossier_t_"
	templatePrefix = "dossier_tmpl_"
	// keepTemplates is how many templates of former migrations stay, for switching between branches.
	keepTemplates = 8
)

// session is a connection to the maintenance database of a server, and the locks it holds.
type session struct {
	conn *pgx.Conn
	// dsn gives the connection string of a database of the server.
	dsn func(database string) string
}

func (s *session) close() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_ = s.conn.Close(ctx) // the server ends the session in any case
}

// create makes a database: a copy of the template, which it prepares first when nobody has.
func (s *session) create(ctx context.Context, tmpl Template) (*DB, error) {
	if err := s.sweep(ctx); err != nil {
		return nil, err
	}
	name, err := s.reserveName(ctx)
	if err != nil {
		return nil, err
	}
	source := "template0"
	if tmpl.Prepare != nil {
		source = templateName(tmpl.Name)
	}
	for attempt := 1; ; attempt++ {
		if tmpl.Prepare != nil {
			if err := s.prepare(ctx, source, tmpl); err != nil {
				return nil, err
			}
		}
		err := s.createDatabase(ctx, name, source)
		if err == nil {
			return &DB{name: name, dsn: s.dsn(name), held: s}, nil
		}
		// 3D000: a process with another keepTemplates newer templates has just retired ours. 55006: a session that was
		// told to leave the template has not left yet.
		if code := sqlState(err); attempt == 5 || (code != "3D000" && code != "55006") {
			return nil, fmt.Errorf("create database: %w", err)
		}
	}
}

// createDatabase gives the same locale whatever the server's own is, so that external servers sort and fold as ours does.
func (s *session) createDatabase(ctx context.Context, name, source string) error {
	sql := "CREATE DATABASE " + quote(name) + " TEMPLATE " + quote(source) + " STRATEGY file_copy"
	if source == "template0" {
		sql += " ENCODING 'UTF8' LOCALE_PROVIDER icu ICU_LOCALE 'und' LOCALE 'C'"
	}
	_, err := s.conn.Exec(ctx, sql)
	return err
}

func (s *session) dropDatabase(ctx context.Context, name string) error {
	if _, err := s.conn.Exec(ctx, "DROP DATABASE IF EXISTS "+quote(name)+" WITH (FORCE)"); err != nil {
		return fmt.Errorf("drop database %s: %w", name, err)
	}
	return nil
}

// reserveName takes a free name by its lock, before the database exists: a sweep then never takes it for garbage.
func (s *session) reserveName(ctx context.Context) (string, error) {
	for {
		key := rand.Uint32()
		var free bool
		err := s.conn.QueryRow(ctx, "SELECT pg_try_advisory_lock($1, $2)", int32(lockDatabase), int32(key)).Scan(&free)
		if err != nil {
			return "", fmt.Errorf("reserve a name: %w", err)
		}
		if free {
			return fmt.Sprintf("%s%08x", databasePrefix, key), nil
		}
	}
}

// sweep drops the databases of test binaries that were killed.
func (s *session) sweep(ctx context.Context) error {
	names, err := s.names(ctx, `
		SELECT datname FROM pg_database d
		WHERE datname ~ '^`+databasePrefix+`[0-9a-f]{8}$' AND NOT EXISTS (
			SELECT FROM pg_locks l
			WHERE l.locktype = 'advisory' AND l.classid::bigint = $1 AND l.objsubid = 2
			AND l.objid::bigint = ('x' || right(d.datname, 8))::bit(32)::bigint)`, int64(lockDatabase))
	if err != nil {
		return fmt.Errorf("look for databases left behind: %w", err)
	}
	for _, name := range names {
		// Another test may be dropping the same one.
		if err := s.dropDatabase(ctx, name); err != nil && s.conn.IsClosed() {
			return err
		}
	}
	return nil
}

// prepare makes the template unless it is there. The mark of a finished one is IS_TEMPLATE, which is set last.
func (s *session) prepare(ctx context.Context, name string, tmpl Template) error {
	if ready, err := s.isTemplate(ctx, name); ready || err != nil {
		return err
	}
	key := int32(crc32.ChecksumIEEE([]byte(name)))
	if _, err := s.conn.Exec(ctx, "SELECT pg_advisory_lock($1, $2)", int32(lockTemplate), key); err != nil {
		return fmt.Errorf("wait for the template: %w", err)
	}
	err := s.prepareLocked(ctx, name, tmpl)
	_, unlockErr := s.conn.Exec(context.WithoutCancel(ctx), "SELECT pg_advisory_unlock($1, $2)", int32(lockTemplate), key)
	return errors.Join(err, unlockErr)
}

func (s *session) prepareLocked(ctx context.Context, name string, tmpl Template) error {
	if ready, err := s.isTemplate(ctx, name); ready || err != nil {
		return err
	}
	// What a killed process or a failed Prepare left half done.
	if err := s.dropDatabase(ctx, name); err != nil {
		return err
	}
	if err := s.createDatabase(ctx, name, "template0"); err != nil {
		return fmt.Errorf("create template: %w", err)
	}
	if err := tmpl.Prepare(ctx, s.dsn(name)); err != nil {
		return fmt.Errorf("prepare template %q: %w", tmpl.Name, err)
	}
	// A database can be copied only while nobody is connected to it: from now on nobody can, and who still is, is sent
	// away (CREATE DATABASE waits up to 5 s for them to leave).
	if _, err := s.conn.Exec(ctx, "ALTER DATABASE "+quote(name)+" WITH ALLOW_CONNECTIONS false IS_TEMPLATE true"); err != nil {
		return fmt.Errorf("finish template: %w", err)
	}
	if _, err := s.conn.Exec(ctx, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name); err != nil {
		return fmt.Errorf("finish template: %w", err)
	}
	return s.retire(ctx)
}

func (s *session) isTemplate(ctx context.Context, name string) (bool, error) {
	var ready bool
	err := s.conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1 AND datistemplate)", name).Scan(&ready)
	if err != nil {
		return false, fmt.Errorf("look for the template: %w", err)
	}
	return ready, nil
}

// retire drops the templates of migrations long gone, oldest first.
func (s *session) retire(ctx context.Context) error {
	names, err := s.names(ctx, `SELECT datname FROM pg_database WHERE starts_with(datname, $1) AND datistemplate
		ORDER BY oid DESC OFFSET $2`, templatePrefix, keepTemplates)
	if err != nil {
		return fmt.Errorf("look for old templates: %w", err)
	}
	for _, name := range names {
		_, err := s.conn.Exec(ctx, "ALTER DATABASE "+quote(name)+" IS_TEMPLATE false")
		if err == nil {
			err = s.dropDatabase(ctx, name)
		}
		if err != nil && s.conn.IsClosed() {
			return err
		}
	}
	return nil
}

func (s *session) names(ctx context.Context, sql string, args ...any) ([]string, error) {
	rows, err := s.conn.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// templateName fits any Name into PostgreSQL's 63 bytes.
func templateName(name string) string {
	sum := sha256.Sum256([]byte(name))
	return templatePrefix + hex.EncodeToString(sum[:8])
}

func quote(name string) string { return pgx.Identifier{name}.Sanitize() }

// sqlState gives the server's error code, or "".
func sqlState(err error) string {
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) {
		return pgErr.Code
	}
	return ""
}
