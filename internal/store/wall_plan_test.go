package store

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"dossier/internal/customer"
	"dossier/internal/timeline"
	"dossier/internal/wall"
)

// TestTheWallChangesNoPlan has the store do what it does, and compares the plan of each statement that it has prepared for that
// behind the wall with the plan without: an index that can be used there must be used here.
func TestTheWallChangesNoPlan(t *testing.T) {
	t.Parallel()
	e := newEnv(t, func(c *Config) { c.MaxConns = 1 })
	e.work()
	statements := e.prepared()
	for name, sql := range map[string]string{
		"sweep": expireUploads, "garbage": dueGarbage, "orphans": addOrphans, "objects": ownedObjects, "uploads": pruneUploads,
		"shared": unshareBlob, "checks": claimCheck, "jobs": pruneJobs, "idle": idleAccounts, "events": prunePieceOf, "keys": pruneKeys,
		"heads": `SELECT id, event_seq FROM account WHERE id = ANY ($1::uuid[])`,
		"key":   `SELECT id FROM api_key WHERE id = $1::uuid`, "issuer": `SELECT id FROM account WHERE oidc_issuer = $1`,
	} {
		statements = append(statements, planned{name, sql, wall.System})
	}
	if len(statements) < 80 {
		t.Fatalf("only %d statements", len(statements))
	}
	for _, s := range statements {
		behind, without := e.plan(e.store.conns, s), e.plan(e.admin, planned{s.name, s.sql, func(*pgx.Batch) {}})
		if !slices.Equal(behind, without) {
			t.Errorf("%s\nbehind the wall: %q\nwithout it:      %q", s.sql, behind, without)
		}
	}
}

// planned is a statement, and what comes before it in its transaction.
type planned struct {
	name, sql string
	says      func(*pgx.Batch)
}

// work uses the store in most of its ways.
func (e *env) work() {
	e.t.Helper()
	ctx := e.t.Context()
	must := func(err error) {
		if err != nil {
			e.t.Helper()
			e.t.Fatal(err)
		}
	}
	winner, loser := e.full("Ada"), e.full("Bob")
	must(e.rename(e.ada, winner, 1, "Ada Augusta"))
	_, err := e.store.CustomerDuplicates(ctx, e.ada.AccountID, winner, 10)
	must(err)
	_, err = e.store.DuplicateGroups(ctx, e.ada.AccountID, customer.GroupKey{}, 10)
	must(err)
	a, c := e.begun(e.ada, winner)
	_, err = e.store.Documents().CompleteUpload(ctx, e.ada, a, c)
	must(err)
	a, _ = e.begun(e.ada, winner)
	must(e.store.Documents().ExtendUpload(ctx, e.ada, a, time.Minute))
	must(e.store.Documents().FailUpload(ctx, e.ada, a, true))
	e.mustMerge(winner, loser)
	created := []string{"CUSTOMER_CREATED"}
	for _, f := range []timeline.Filter{{}, {CustomerID: &winner}, {Types: created}, {CustomerID: &winner, Types: created}} {
		_, _, err = e.store.Events(ctx, e.ada.AccountID, 0, 100, f, 10)
		must(err)
	}
	_, err = e.store.KeyList(ctx, e.ada)
	must(err)
	_, err = e.store.StaffByID(ctx, e.ada.AccountID, e.ada.ID)
	must(err)
}

// prepared gives what the one connection of the store has prepared.
func (e *env) prepared() (list []planned) {
	e.t.Helper()
	rows, err := e.store.conns.Query(e.t.Context(), `SELECT statement FROM pg_prepared_statements
		WHERE statement ~* '^\s*(SELECT|INSERT|UPDATE|DELETE|WITH)' AND statement ~ '\$1' AND statement !~ 'set_config'`)
	if err != nil {
		e.t.Fatal(err)
	}
	texts, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		e.t.Fatal(err)
	}
	for _, sql := range texts {
		list = append(list, planned{sql[:min(40, len(sql))], sql, func(b *pgx.Batch) { wall.Account(b, e.ada.AccountID) }})
	}
	return list
}

var (
	usesIndex = regexp.MustCompile(`(Index (?:Only )?Scan(?: Backward)? using \S+ on \S+|Bitmap Index Scan on \S+|Index Cond: .*|Seq Scan on \S+)`)
	parameter = regexp.MustCompile(`\$\d+`)
)

// plan gives how the statement finds its rows, in an order of its own. Tables of a test are small, so reading all of one is forbidden
// wherever it can be avoided.
func (e *env) plan(db interface {
	Begin(ctx context.Context) (pgx.Tx, error)
}, s planned,
) (uses []string) {
	e.t.Helper()
	ctx := e.t.Context()
	tx, err := db.Begin(ctx)
	if err != nil {
		e.t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(ctx) }()
	b := &pgx.Batch{}
	b.Queue(`SELECT set_config('enable_seqscan', 'off', true), set_config('plan_cache_mode', 'force_generic_plan', true)`)
	s.says(b)
	if err := tx.SendBatch(ctx, b).Close(); err != nil {
		e.t.Fatal(err)
	}
	highest := 0
	for _, p := range parameter.FindAllString(s.sql, -1) {
		var n int
		_, _ = fmt.Sscanf(p, "$%d", &n)
		highest = max(highest, n)
	}
	arguments := strings.TrimSuffix(strings.Repeat("NULL, ", highest), ", ")
	for _, sql := range []string{"PREPARE planned AS " + s.sql, "EXPLAIN (COSTS off) EXECUTE planned(" + arguments + ")", "DEALLOCATE planned"} {
		if highest == 0 {
			sql = strings.TrimSuffix(sql, "()")
		}
		results, err := tx.Conn().PgConn().Exec(ctx, sql).ReadAll()
		if err != nil {
			e.t.Fatalf("%v\n%s", err, sql)
		}
		for _, row := range results[0].Rows {
			if found := usesIndex.FindString(string(row[0])); found != "" {
				uses = append(uses, parameter.ReplaceAllString(found, "$$"))
			}
		}
	}
	slices.Sort(uses)
	return uses
}
