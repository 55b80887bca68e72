package store

import (
	"context"
	"errors"
	"maps"
	"testing"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	entmigrate "dossier/ent/migrate"
	"dossier/internal/fault"
	"dossier/internal/pgtest"
)

func TestMigratingAgainDoesNothing(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	first, err := Migrate(t.Context(), db.DSN(), nil)
	if err != nil || len(first) < 2 {
		t.Fatalf("first run applied %v, %v; want all migrations", first, err)
	}
	second, err := Migrate(t.Context(), db.DSN(), nil)
	if err != nil || len(second) != 0 {
		t.Errorf("second run applied %v, %v; want none", second, err)
	}
}

func TestSeveralNodesMigrateAtOnce(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	const nodes = 3
	applied := make([]int, nodes)
	g, ctx := errgroup.WithContext(t.Context())
	for i := range nodes {
		g.Go(func() error {
			versions, err := Migrate(ctx, db.DSN(), nil)
			applied[i] = len(versions)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	workers := 0
	for _, n := range applied {
		if n > 0 {
			workers++
		}
	}
	if workers != 1 {
		t.Errorf("%d nodes applied migrations (%v), want exactly 1", workers, applied)
	}
}

func TestBadDatabaseURLIsNotRepeated(t *testing.T) {
	t.Parallel()
	const secret = "hunter2"
	_, err := Migrate(t.Context(), "postgres://u:"+secret+"@host:port/db", nil)
	if err != ErrBadDSN { //nolint:errorlint // exactly this error, with nothing wrapped in it
		t.Errorf("Migrate: %v, want ErrBadDSN", err)
	}
	_, err = Open(context.Background(), Config{DSN: "postgres://u:" + secret + "@host:port/db"})
	if err != ErrBadDSN { //nolint:errorlint // as above
		t.Errorf("Open: %v, want ErrBadDSN", err)
	}
}

// TestEveryTableIsTiedToTheAccount reads the catalogue: account_id is there and not null on every table but account, and
// each foreign key holds it, so that no row can point into another account.
func TestEveryTableIsTiedToTheAccount(t *testing.T) {
	t.Parallel()
	pool := newEnv(t).db.Pool(t)
	rows, err := pool.Query(t.Context(), `
		SELECT c.relname,
			EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'account_id' AND a.attnotnull),
			(SELECT count(*) FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'f'),
			(SELECT count(*) FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'f' AND k.confdeltype = 'a' AND
				(SELECT attnum FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'account_id') = k.conkey[1])
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind = 'r' AND n.nspname = 'public' AND c.relname NOT IN ('account', 'search_token', 'goose_db_version')`) // search_token: see below
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	tables := 0
	for rows.Next() {
		var name string
		var has bool
		var keys, scoped int
		if err := rows.Scan(&name, &has, &keys, &scoped); err != nil {
			t.Fatal(err)
		}
		tables++
		if !has {
			t.Errorf("table %s has no account_id NOT NULL", name)
		}
		if keys == 0 || keys != scoped {
			t.Errorf("table %s has %d foreign keys, %d of them begin with account_id and refuse deletion; want all, and one at least", name, keys, scoped)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	if tables < 15 {
		t.Errorf("saw %d tables, want all of ent/schema", tables)
	}
}

// TestEveryParentColumnHasAForeignKey finds columns named like a parent that no foreign key covers.
func TestEveryParentColumnHasAForeignKey(t *testing.T) {
	t.Parallel()
	pool := newEnv(t).db.Pool(t)
	free := map[string]string{
		"revision.subject_id":            "points at rows of several tables",
		"event.subject_id":               "points at rows of several tables, which may be gone",
		"timeline_entry.subject_id":      "points at rows of several tables",
		"idempotency.principal_id":       "points at staff and keys",
		"account.id":                     "",
		"customer.external_id":           "of another system",
		"customer.created_by_id":         "points at staff and keys",
		"document.created_by_id":         "points at staff and keys",
		"document_version.created_by_id": "points at staff and keys",
		"upload.created_by_id":           "points at staff and keys",
		"customer_merge.created_by_id":   "points at staff and keys",
		"customer_merge.undone_by_id":    "points at staff and keys",
		"event.created_by_id":            "points at staff and keys",
		"revision.created_by_id":         "points at staff and keys",
		"timeline_entry.created_by_id":   "points at staff and keys",
		"api_key.created_by_id":          "points at staff and keys",
		"job.created_by_id":              "points at staff and keys",

		"attribute_definition.created_by_id": "points at staff and keys",
		"note.created_by_id":                 "points at staff and keys",
		"customer_image.created_by_id":       "points at staff and keys",
		"note.edited_by_id":                  "points at staff and keys",
		"audit_record.created_by_id":         "points at staff and keys",
		"audit_record.subject_id":            "points at rows of several tables, which may be gone",
		"audit_record.request_id":            "of a request",

		"search_token.customer_id": "fifteen rows of each customer, which are written from the customer's own row: to look it up for each would cost more than to write them",
	}
	rows, err := pool.Query(t.Context(), `
		SELECT c.relname || '.' || a.attname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
		WHERE c.relkind = 'r' AND n.nspname = 'public' AND c.relname <> 'goose_db_version'
			AND a.attname LIKE '%\_id' AND a.attname <> 'account_id'
			AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'f' AND a.attnum = ANY (k.conkey))`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var column string
		if err := rows.Scan(&column); err != nil {
			t.Fatal(err)
		}
		if _, ok := free[column]; !ok {
			t.Errorf("%s has no foreign key: write one in a migration, or say in this test why not", column)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
}

// TestTheChecksAreThoseOfTheSchema compares what gendiff does not: a check of a table that is there already is changed by
// hand, and two migrations that both change one must not lose each other's values.
func TestTheChecksAreThoseOfTheSchema(t *testing.T) {
	t.Parallel()
	pool := newEnv(t).db.Pool(t)
	const definitions = `SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'c' AND conrelid = $1::regclass`
	for _, table := range entmigrate.Tables {
		if table.Annotation == nil || len(table.Annotation.Checks) == 0 {
			continue
		}
		_ = pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
			have := checks(t, tx, definitions, "public."+table.Name)
			exec := func(sql string) {
				if _, err := tx.Exec(t.Context(), sql); err != nil {
					t.Fatalf("%s: %v", sql, err)
				}
			}
			exec("CREATE TEMP TABLE wanted (LIKE public." + table.Name + ")")
			for name, check := range table.Annotation.Checks {
				exec("ALTER TABLE wanted ADD CONSTRAINT " + name + " CHECK (" + check + ")")
			}
			if want := checks(t, tx, definitions, "wanted"); !maps.Equal(have, want) {
				t.Errorf("the migrations give table %s the checks %v, ent/schema has %v: write a migration that drops and adds the one that differs", table.Name, have, want)
			}
			return errors.New("roll back")
		})
	}
}

func checks(t *testing.T, tx pgx.Tx, query, table string) map[string]string {
	t.Helper()
	rows, err := tx.Query(t.Context(), query, table)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	var name, definition string
	if _, err := pgx.ForEachRow(rows, []any{&name, &definition}, func() error {
		found[name] = definition
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return found
}

func TestAProgramNeedsItsSchemaOrALaterOne(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	for _, c := range []struct {
		name, change string
		code         fault.Code
	}{
		{"this version's", "SELECT 1", ""},
		{"a later one", "INSERT INTO goose_db_version (version_id, is_applied) VALUES (99990101000000, true)", ""},
		{"an older one", "DELETE FROM goose_db_version WHERE version_id > 20261123000001", fault.Conflict},
		{"none", "DROP TABLE goose_db_version", fault.Conflict},
	} {
		if _, err := e.admin.Exec(t.Context(), c.change); err != nil {
			t.Fatal(err)
		}
		if err := e.store.CheckSchema(t.Context()); fault.CodeOf(err) != c.code {
			t.Errorf("%s: %v, want the code %q", c.name, err, c.code)
		}
	}
}
