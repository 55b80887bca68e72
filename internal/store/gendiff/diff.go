package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"

	"ariga.io/atlas/sql/migrate"
	atlas "ariga.io/atlas/sql/schema"
	"ariga.io/atlas/sql/sqltool"
	"entgo.io/ent/dialect"
	entsql "entgo.io/ent/dialect/sql"
	"entgo.io/ent/dialect/sql/schema"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	entmigrate "dossier/ent/migrate"
)

// migration is a file to write.
type migration struct {
	file    string
	content []byte
}

var namePattern = regexp.MustCompile(`^[a-z][a-z0-9_]{2,60}$`)

// diff gives the migration from what the files in dir make to what ent/schema says, nil when that is the same. dsn
// names an empty database, which is left empty.
func diff(ctx context.Context, dsn, dir, name string) (*migration, error) {
	if !namePattern.MatchString(name) {
		return nil, fmt.Errorf("%q is no name for a migration; use lower case and underscores", name)
	}
	work, err := copyOf(dir)
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(work)
	cc, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	db := stdlib.OpenDB(*cc)
	defer db.Close()
	target, err := sqltool.NewGooseDir(work)
	if err != nil {
		return nil, err
	}
	sum, err := target.Checksum()
	if err != nil {
		return nil, err
	}
	if err := migrate.WriteSumFile(target, sum); err != nil {
		return nil, err
	}
	m, err := schema.NewMigrate(entsql.OpenDB(dialect.Postgres, db),
		schema.WithDir(target), schema.WithMigrationMode(schema.ModeReplay), schema.WithFormatter(sqltool.GooseFormatter),
		schema.WithForeignKeys(false), schema.WithDropColumn(true), schema.WithDropIndex(true), schema.WithDiffHook(keepForeignKeys))
	if err != nil {
		return nil, err
	}
	if err := m.NamedDiff(ctx, name, entmigrate.Tables...); err != nil {
		return nil, err
	}
	return newFile(work, dir)
}

// keepForeignKeys takes the changes of foreign keys out of the difference.
func keepForeignKeys(next schema.Differ) schema.Differ {
	return schema.DiffFunc(func(current, desired *atlas.Schema) ([]atlas.Change, error) {
		changes, err := next.Diff(current, desired)
		if err != nil {
			return nil, err
		}
		return withoutForeignKeys(changes), nil
	})
}

func withoutForeignKeys(changes []atlas.Change) []atlas.Change {
	var kept []atlas.Change
	for _, c := range changes {
		switch c := c.(type) {
		case *atlas.DropForeignKey, *atlas.ModifyForeignKey:
			continue
		case *atlas.ModifyTable:
			c.Changes = withoutForeignKeys(c.Changes)
			if len(c.Changes) == 0 {
				continue
			}
		}
		kept = append(kept, c)
	}
	return kept
}

// copyOf copies the migrations, because the difference is made with a checksum file that we do not keep: goose has no
// use for it.
func copyOf(dir string) (string, error) {
	work, err := os.MkdirTemp("", "migrations")
	if err != nil {
		return "", err
	}
	return work, os.CopyFS(work, os.DirFS(dir))
}

// newFile finds the file that work has and dir has not.
func newFile(work, dir string) (*migration, error) {
	files, err := filepath.Glob(filepath.Join(work, "*.sql"))
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		base := filepath.Base(f)
		if _, err := os.Stat(filepath.Join(dir, base)); err == nil {
			continue
		}
		b, err := os.ReadFile(f) //nolint:gosec // a file that we made
		if err != nil {
			return nil, err
		}
		up, _, _ := bytes.Cut(b, []byte("-- +goose Down")) // the migrations only go up
		return &migration{file: base, content: append(bytes.TrimRight(up, "\n\t "), '\n')}, nil
	}
	return nil, nil //nolint:nilnil // no difference is a normal answer
}
