package system

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// objects lists the keys in the directory of a disk store, and the temporary files beside them.
func objects(t testing.TB, dataDir string) (keys, temporary []string) {
	t.Helper()
	root := filepath.Join(dataDir, "blobs")
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if os.IsNotExist(err) {
			return nil // a file that was deleted meanwhile, or nothing was ever stored
		}
		if err != nil || entry.IsDir() {
			return err
		}
		if strings.HasPrefix(entry.Name(), ".") {
			temporary = append(temporary, path)
			return nil
		}
		way, err := filepath.Rel(root, path)
		parts := strings.Split(way, string(filepath.Separator))
		keys = append(keys, parts[0]+"/"+entry.Name())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(keys)
	return keys, temporary
}

// ageTemporary makes the temporary files that a crash left so old that they are swept: nothing can still write them.
func ageTemporary(t testing.TB, dataDir string) int {
	t.Helper()
	_, temporary := objects(t, dataDir)
	past := time.Now().Add(-48 * time.Hour)
	for _, path := range temporary {
		if err := os.Chtimes(path, past, past); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
	return len(temporary)
}

// atRest says what is wrong with the stored state when nothing is in progress: the invariants of hardening.md.
func atRest(t testing.TB, db *pgxpool.Pool, dataDir string) error {
	t.Helper()
	for _, check := range []struct{ what, query string }{
		{"uploads are pending", `SELECT count(*) FROM upload WHERE state = 'PENDING'`},
		{"accounts have storage reserved", `SELECT count(*) FROM storage_usage WHERE reserved_bytes <> 0`},
		{"accounts have used storage that is not the sum of their live contents", `SELECT count(*) FROM storage_usage u
			WHERE used_bytes <> (SELECT coalesce(sum(size_bytes), 0) FROM document_version v
				WHERE v.account_id = u.account_id AND state NOT IN ('REJECTED', 'DELETED'))
			+ (SELECT coalesce(sum(source_bytes + result_bytes), 0) FROM job j WHERE j.account_id = u.account_id)
			+ (SELECT coalesce(sum(size_bytes), 0) FROM image_file f WHERE f.account_id = u.account_id)`},
		{"objects do not count the versions that share them", `SELECT count(*) FROM blob b
			WHERE refs <> (SELECT count(*) FROM document_version v WHERE v.blob_id = b.id AND state <> 'DELETED' AND v.object_key = b.object_key)`},
		{"accounts have gaps in their log", `SELECT count(*) FROM account a
			WHERE event_seq <> (SELECT count(*) FROM event e WHERE e.account_id = a.id)
				OR event_seq <> (SELECT coalesce(max(seq), 0) FROM event e WHERE e.account_id = a.id)`},
		{"documents have no content", `SELECT count(*) FROM document d
			WHERE NOT EXISTS (SELECT FROM document_version v WHERE v.id = d.current_version_id AND v.document_id = d.id)`},
		{"contents are not looked at", `SELECT count(*) FROM document_version
			WHERE (state = 'STORED' OR state = 'AVAILABLE' AND preview_state = 'PENDING') AND check_at IS NULL`},
		{"contents have no preview that should have one", `SELECT count(*) FROM document_version v
			WHERE (preview_state = 'READY')::int * 2 <> (SELECT count(*) FROM document_rendition r WHERE r.version_id = v.id)`},
		{"documents are not held back as their content is", `SELECT count(*) FROM document d JOIN document_version v ON v.id = d.current_version_id
			WHERE v.state = 'QUARANTINED' AND d.status <> 'QUARANTINED' OR v.state = 'AVAILABLE' AND d.status = 'QUARANTINED'`},
		{"events have no record in the audit trail", `SELECT count(*) FROM event e WHERE type NOT IN ('JOB_PROGRESS', 'ACCOUNT_SETTINGS_CHANGED')
			AND NOT EXISTS (SELECT FROM audit_record r WHERE r.account_id = e.account_id AND r.id = e.id AND r.action = e.type AND r.outcome = 'DONE')`},
		{"documents were not created by exactly one event", `SELECT count(*) FROM document d
			WHERE 1 <> (SELECT count(*) FROM event e WHERE e.account_id = d.account_id AND e.subject_id = d.id AND e.type = 'DOCUMENT_CREATED')`},
	} {
		if n := scalar[int64](t, db, check.query); n != 0 {
			return fmt.Errorf("%d %s", n, check.what)
		}
	}
	if dataDir == "" {
		return nil
	}
	var want []string
	rows, err := db.Query(context.WithoutCancel(t.Context()), `SELECT DISTINCT object_key COLLATE "C" FROM (
		SELECT object_key FROM document_version WHERE state <> 'DELETED' UNION ALL SELECT object_key FROM image_file UNION ALL
		SELECT object_key FROM document_rendition UNION ALL SELECT source_key FROM job WHERE source_key IS NOT NULL UNION ALL SELECT result_key FROM job WHERE result_key IS NOT NULL) AS o ORDER BY 1`)
	if err == nil {
		want, err = pgx.CollectRows(rows, pgx.RowTo[string])
	}
	if err != nil {
		return err
	}
	got, temporary := objects(t, dataDir)
	if !slices.Equal(got, want) {
		return fmt.Errorf("the store has %d objects, the documents, pictures and jobs have %d", len(got), len(want))
	}
	if len(temporary) > 0 {
		return fmt.Errorf("%d temporary files are left", len(temporary))
	}
	return nil
}

// wantInvariants waits for the sweeper and fails when the invariants do not hold then.
func wantInvariants(t testing.TB, db *pgxpool.Pool, dataDir string) {
	t.Helper()
	eventually(t, 40*time.Second, func() error { return atRest(t, db, dataDir) })
}

// unchecked are the tables that change without a customer's doing.
var unchecked = []string{"goose_db_version"}

// fingerprint is a hash over all rows of an account, to show that nothing was changed. Who was seen is left out: reading
// notes that. So are the records of it, and those of what was refused, which is what they are for.
func fingerprint(t testing.TB, db *pgxpool.Pool, accountUUID string) map[string]string {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	rows, err := db.Query(ctx, `SELECT table_name::text FROM information_schema.columns
		WHERE table_schema = 'public' AND column_name = 'account_id' ORDER BY 1`)
	if err != nil {
		t.Fatal(err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(tables) < 10 {
		t.Fatalf("%d tables, %v", len(tables), err)
	}
	out := make(map[string]string, len(tables))
	for _, table := range tables {
		if slices.Contains(unchecked, table) || table == "staff_user" {
			continue
		}
		row, where := "r::text", ""
		switch table {
		case "audit_record":
			where = " AND outcome = 'DONE' AND created_by_id IS DISTINCT FROM subject_id"
		case "api_key":
			row = "(to_jsonb(r) - 'last_used_at')::text"
		case "garbage": // when the sweeper comes again is its own affair
			row = "(to_jsonb(r) - 'next_at')::text"
		}
		out[table] = scalar[string](t, db, fmt.Sprintf(
			`SELECT count(*) || ':' || coalesce(md5(string_agg(%s, E'\n' ORDER BY %s)), '') FROM %q r WHERE account_id = $1%s`, row, row, table, where), accountUUID)
	}
	return out
}

// wantUnchanged compares two fingerprints.
func wantUnchanged(t testing.TB, what string, before, after map[string]string) {
	t.Helper()
	for table, was := range before {
		if is := after[table]; is != was {
			t.Errorf("%s changed the table %s: it was %s and is %s", what, table, was, is)
		}
	}
}
