package store

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"dossier/internal/fault"
	"dossier/internal/wall"
)

// The migrations are made from ent/schema by gendiff, apart from those that ent cannot know: composite foreign keys and
// storage parameters, which are written by hand. They only go up: a release that must be taken back is followed by a new
// migration, because a generated way down loses data.
//
//go:embed migrations/*.sql
var migrations embed.FS

// migrationLock is the advisory lock that only one migrating node holds.
const migrationLock = 0x646f737369657201

// migrationWait is how often, every second, a node tries to get the lock.
const migrationWait = 300

// Migrate brings the tables up to date. Several nodes may call it at once: one works, the others wait and find nothing
// left to do. It gives the versions that it applied. Row-level security is raised around the tables that they make: see package
// wall. What a migration cannot compute in SQL is filled in behind it: see fillSearch and fillDocuments.
func Migrate(ctx context.Context, dsn string, log *slog.Logger) ([]int64, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, fmt.Errorf("store: migrations: %w", err)
	}
	cc, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, ErrBadDSN
	}
	wall.AcrossAccounts(cc)
	db := stdlib.OpenDB(*cc)
	defer db.Close()
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockID(migrationLock), lock.WithLockTimeout(1, migrationWait))
	if err != nil {
		return nil, fmt.Errorf("store: migration lock: %w", err)
	}
	p, err := goose.NewProvider(goose.DialectPostgres, db, files,
		goose.WithSessionLocker(locker), goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()))
	if err != nil {
		return nil, fmt.Errorf("store: migrations: %w", err)
	}
	results, err := p.Up(ctx)
	applied := make([]int64, 0, len(results))
	for _, r := range results {
		log.InfoContext(ctx, "migration applied", "version", r.Source.Version, "duration", r.Duration)
		applied = append(applied, r.Source.Version)
	}
	var partial *goose.PartialError
	if errors.As(err, &partial) && partial.Failed != nil {
		return applied, fmt.Errorf("store: migration %d: %w", partial.Failed.Source.Version, partial.Err)
	}
	if err != nil {
		return applied, fmt.Errorf("store: migrate: %w", err)
	}
	raised, err := wall.Raise(ctx, cc, log)
	if err != nil {
		return applied, fmt.Errorf("store: row-level security: %w", err)
	}
	if raised > 0 {
		log.InfoContext(ctx, "row-level security brought up to date", "statements", raised)
	}
	filled, err := fillSearch(ctx, cc)
	if err != nil {
		return applied, fmt.Errorf("store: index customers for the search: %w", err)
	}
	if filled > 0 {
		log.InfoContext(ctx, "customers indexed for the search", "customers", filled)
	}
	keyed, err := fillDocuments(ctx, cc)
	if err != nil {
		return applied, fmt.Errorf("store: key documents for the filter by text: %w", err)
	}
	if keyed > 0 {
		log.InfoContext(ctx, "documents keyed for the filter by text", "documents", keyed)
	}
	return applied, nil
}

// CheckSchema says whether the tables are those of this version or of a later one, so that a program which was started
// before its migration ends at once, with the remedy, and not with its first request. A later one is fine: during a
// rolling release the old nodes work on the new tables.
func (s *Store) CheckSchema(ctx context.Context) error {
	newest, err := newestMigration()
	if err != nil {
		return err
	}
	var applied int64
	err = s.conns.QueryRow(ctx, "SELECT coalesce(max(version_id), 0) FROM goose_db_version WHERE is_applied").Scan(&applied)
	if pe := pgError(err); pe != nil && pe.Code == undefinedTable {
		err = nil // never migrated
	}
	switch {
	case err != nil:
		return translate("store.CheckSchema", err)
	case applied < newest:
		return fault.New(fault.Conflict, "The database is not at this version's schema yet. Run: dossier migrate")
	default:
		return nil
	}
}

// newestMigration is the version of the last file.
func newestMigration() (int64, error) {
	names, err := fs.Glob(migrations, "migrations/*.sql") // sorted
	if err != nil || len(names) == 0 {
		return 0, fmt.Errorf("store: no migrations: %w", err)
	}
	version, err := goose.NumericComponent(names[len(names)-1])
	if err != nil {
		return 0, fmt.Errorf("store: migrations: %w", err)
	}
	return version, nil
}

// MigrationsHash identifies the content of all migrations and of the wall, to name a database made by them.
func MigrationsHash() string {
	h := sha256.New()
	names, _ := fs.Glob(migrations, "migrations/*.sql") // fails for a bad pattern only; sorted
	for _, name := range names {
		b, _ := migrations.ReadFile(name) // the name comes from the same embedded files
		fmt.Fprintf(h, "%s %d\n", name, len(b))
		h.Write(b)
	}
	fmt.Fprint(h, wall.Hash())
	return hex.EncodeToString(h.Sum(nil)[:16])
}
