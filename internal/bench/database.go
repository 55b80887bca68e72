package main

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"dossier/internal/devdb"
	"dossier/internal/store"
)

//go:embed seed.sql
var seedSQL string

// size is how much there is of everything.
type size struct {
	name                                 string
	customers, contacts, documents, rows int
	// variables is how many different requests there are of each query.
	variables int
	// requests is how many are sent in a round at each concurrency.
	requests int
	rounds   int
	// directory is how many customers the account of that suite has.
	directory int
}

// sizes: full is what the issue asks for, small shows in a minute that the bench works.
var sizes = map[string]size{
	"full":  {"full", 100_000, 300_000, 500_000, 2_000_000, 500, 2000, 5, 1_000_000},
	"small": {"small", 2_000, 6_000, 10_000, 40_000, 50, 200, 2, 20_000},
}

// startCluster starts the bench's PostgreSQL, which is the same for all contestants. It is durable, as in production.
func (b *bench) startCluster(ctx context.Context) error {
	var err error
	b.cluster, err = devdb.Start(ctx, devdb.Config{
		Dir: filepath.Join(b.dir, "postgres"), BinDir: b.pgBin, Log: b.log, Durable: true,
		Params: map[string]string{
			"shared_buffers": "4GB", "effective_cache_size": "8GB", "random_page_cost": "1.1", "max_wal_size": "4GB",
			"maintenance_work_mem": "256MB",
		},
	})
	if err != nil {
		return err
	}
	if b.cluster.Attached() {
		return fmt.Errorf("another bench runs in %s, and two would measure each other: wait for it or choose another -dir", b.dir)
	}
	b.dsn = b.cluster.DSN
	return nil
}

// dataset is what a database is filled with.
type dataset struct {
	name, sql string
	settings  map[string]int
	// check proves that the references hold.
	check bool
	// refill says that Dossier's own migration fills in the rest, as after an upgrade.
	refill bool
}

// seeded gives the database with the data of the reads.
func (b *bench) seeded(ctx context.Context, sz size) (string, error) {
	return b.database(ctx, sz.dataset())
}

func (sz size) dataset() dataset {
	return dataset{name: sz.name, sql: seedSQL, check: true, settings: map[string]int{
		"customers": sz.customers, "contacts": sz.contacts, "documents": sz.documents, "events": sz.rows,
	}}
}

// database gives a database with the data, loading it when there is none for this schema and seed.
func (b *bench) database(ctx context.Context, set dataset) (string, error) {
	const empty = "bench_empty"
	if err := b.admin(ctx, `DROP DATABASE IF EXISTS `+empty, `CREATE DATABASE `+empty); err != nil {
		return "", err
	}
	if _, err := store.Migrate(ctx, b.dsn(empty), b.log); err != nil {
		return "", fmt.Errorf("create the schema: %w", err)
	}
	print, err := fingerprint(ctx, b.dsn(empty))
	if err != nil {
		return "", fmt.Errorf("fingerprint of the schema: %w", err)
	}
	sum := sha256.Sum256([]byte(print + set.sql + fmt.Sprint(set.settings)))
	name := "bench_" + set.name + "_" + hex.EncodeToString(sum[:6])
	var found bool
	if err := b.queryRow(ctx, "postgres", `SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)`, []any{name}, &found); err != nil {
		return "", err
	}
	if found {
		b.printf("data: %s, loaded before\n", name)
		return name, b.admin(ctx, `DROP DATABASE `+empty)
	}
	b.printf("data: %s is loaded, which takes up to half an hour\n", name)
	began := time.Now()
	if err := b.dropOld(ctx, set.name); err != nil {
		return "", err
	}
	if err := load(ctx, b.dsn(empty), set); err != nil {
		return "", fmt.Errorf("load the data: %w", err)
	}
	if set.refill {
		if _, err := store.Migrate(ctx, b.dsn(empty), b.log); err != nil {
			return "", fmt.Errorf("fill in the rest: %w", err)
		}
		if err := b.exec(ctx, empty, `VACUUM ANALYZE`); err != nil {
			return "", err
		}
	}
	b.printf("data: %s, loaded in %s\n", name, time.Since(began).Round(time.Second))
	return name, b.admin(ctx, `ALTER DATABASE `+empty+` RENAME TO `+name)
}

// dropOld drops the data of older schemas and seeds.
func (b *bench) dropOld(ctx context.Context, set string) error {
	conn, err := pgx.Connect(ctx, b.dsn("postgres"))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	rows, err := conn.Query(ctx, `SELECT datname FROM pg_database WHERE datname LIKE 'bench\_' || $1 || '\_%'`, set)
	if err != nil {
		return err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, name := range names {
		if _, err := conn.Exec(ctx, `DROP DATABASE `+pgx.Identifier{name}.Sanitize()); err != nil {
			return err
		}
	}
	return nil
}

// fingerprint tells two schemas apart.
func fingerprint(ctx context.Context, dsn string) (string, error) {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	var s string
	err = conn.QueryRow(ctx, `SELECT string_agg(line, ';' ORDER BY line) FROM (
		SELECT attrelid::regclass || ' ' || attname || ' ' || format_type(atttypid, atttypmod) || attnotnull || attcollation AS line
		FROM pg_attribute WHERE attnum > 0 AND attrelid IN (SELECT oid FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace)
		UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
		UNION ALL SELECT tablename || ' ' || policyname || roles::text || qual FROM pg_policies WHERE schemaname = 'public'
		UNION ALL SELECT conname || pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = 'public'::regnamespace) AS lines`).Scan(&s)
	return s, err
}

// load fills an empty database. Indexes that nothing depends on are made after the rows, from their own definitions, and
// the rows are right by construction, so foreign keys are checked afterwards by count and not row by row.
func load(ctx context.Context, dsn string, set dataset) error {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	sql := []string{`SET session_replication_role = replica`, `SET work_mem = '256MB'`, dropIndexes}
	for name, n := range set.settings {
		sql = append(sql, `SET bench.`+name+` = `+strconv.Itoa(n))
	}
	sql = append(sql, set.sql, createIndexes, `SET session_replication_role = origin`, `VACUUM ANALYZE`, `CHECKPOINT`)
	for _, s := range sql {
		if _, err := conn.PgConn().Exec(ctx, s).ReadAll(); err != nil {
			return fmt.Errorf("%.60s: %w", strings.TrimSpace(s), err)
		}
	}
	if !set.check {
		return nil
	}
	return orphans(ctx, conn)
}

const dropIndexes = `
CREATE TEMP TABLE dropped (def text);
DO $$ DECLARE i record; BEGIN
  FOR i IN SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' LOOP
    BEGIN
      EXECUTE format('DROP INDEX %I', i.indexname);
      INSERT INTO dropped VALUES (i.indexdef);
    EXCEPTION WHEN dependent_objects_still_exist THEN NULL;
    END;
  END LOOP;
END $$`

const createIndexes = `
DO $$ DECLARE i record; BEGIN
  FOR i IN SELECT def FROM dropped LOOP EXECUTE i.def; END LOOP;
END $$`

// orphans proves that the generated references hold, since the triggers of the foreign keys were off.
func orphans(ctx context.Context, conn *pgx.Conn) error {
	for _, q := range []string{
		`SELECT count(*) FROM contact AS x WHERE NOT EXISTS (SELECT FROM customer AS c WHERE (c.account_id, c.id) = (x.account_id, x.customer_id))`,
		`SELECT count(*) FROM document AS x WHERE NOT EXISTS (SELECT FROM customer AS c WHERE (c.account_id, c.id) = (x.account_id, x.customer_id))`,
		`SELECT count(*) FROM document AS x WHERE NOT EXISTS
			(SELECT FROM document_version AS v WHERE (v.account_id, v.id, v.document_id) = (x.account_id, x.current_version_id, x.id))`,
		`SELECT count(*) FROM timeline_entry AS x WHERE NOT EXISTS (SELECT FROM customer AS c WHERE (c.account_id, c.id) = (x.account_id, x.customer_id))`,
		`SELECT count(*) FROM timeline_entry AS x WHERE subject_id IS NOT NULL AND NOT EXISTS
			(SELECT FROM document AS d WHERE (d.account_id, d.id, d.customer_id) = (x.account_id, x.subject_id, x.customer_id))`,
		`SELECT count(*) FROM event AS x WHERE NOT EXISTS (SELECT FROM customer AS c WHERE (c.account_id, c.id) = (x.account_id, x.customer_id))`,
		`SELECT count(*) FROM account AS a WHERE event_seq <> (SELECT max(seq) FROM event AS e WHERE e.account_id = a.id)`,
	} {
		var n int
		if err := conn.QueryRow(ctx, q).Scan(&n); err != nil {
			return err
		}
		if n != 0 {
			return fmt.Errorf("seed.sql is wrong: %d rows of %s", n, q)
		}
	}
	return nil
}

// admin runs statements that belong to no database.
func (b *bench) admin(ctx context.Context, sql ...string) error {
	return b.exec(ctx, "postgres", sql...)
}

func (b *bench) exec(ctx context.Context, database string, sql ...string) error {
	conn, err := pgx.Connect(ctx, b.dsn(database))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	for _, s := range sql {
		if _, err := conn.Exec(ctx, s); err != nil {
			return fmt.Errorf("%.60s: %w", s, err)
		}
	}
	return nil
}

func (b *bench) queryRow(ctx context.Context, database, sql string, args []any, into ...any) error {
	conn, err := pgx.Connect(ctx, b.dsn(database))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	return conn.QueryRow(ctx, sql, args...).Scan(into...)
}
