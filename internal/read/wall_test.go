package read_test

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"dossier/internal/pgtest"
	"dossier/internal/read"
	"dossier/internal/typeid"
	"dossier/internal/wall"
)

// TestAReadWithoutTheAccountSeesItsOwnRowsOnly asks the engine's own sessions what somebody would ask who forgot the account.
func TestAReadWithoutTheAccountSeesItsOwnRowsOnly(t *testing.T) {
	t.Parallel()
	s := newSeeded(t)
	for _, table := range []string{"customer", "contact", "document", "timeline_entry", "event", "search_token", wall.Source("customer_search"), wall.Source("attribute_value")} {
		for says, want := range map[uuid.UUID][]uuid.UUID{s.own: {s.own}, s.out: {s.out}, uuid.Nil: {}} {
			b := &pgx.Batch{}
			if says != uuid.Nil {
				wall.Account(b, says)
			}
			var got []uuid.UUID
			b.Queue(`SELECT DISTINCT account_id FROM ` + table).Query(func(rows pgx.Rows) (err error) {
				got, err = pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
				return err
			})
			if err := s.reads.SendBatch(t.Context(), b).Close(); err != nil {
				t.Fatal(err)
			}
			if len(got) > 0 && !slices.Equal(got, want) || len(got) == 0 && table == "customer" && len(want) > 0 {
				t.Errorf("%s shows rows of %v to %v", table, got, says)
			}
		}
	}
}

// TestOneSessionReadsForTwoAccounts takes turns on a single connection: each account must find all of its own rows each time.
func TestOneSessionReadsForTwoAccounts(t *testing.T) {
	t.Parallel()
	s := newSeeded(t)
	one, err := read.OpenPool(t.Context(), s.reads.Config().ConnString(), 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(one.Close)
	queries := []string{
		`{ customers(first: 50) { totalCount nodes { id } } }`,
		`{ customers(first: 50, search: "a") { totalCount nodes { id contacts { nodes { id } } } } }`,
		`{ customers(first: 50, search: "misspellt") { nodes { id } } viewer { account { id } } }`,
		`{ events(first: 50) { nodes { id } } customers(first: 3, where: {kind: [PERSON]}) { nodes { id documents { nodes { id } } } } }`,
	}
	e := s.env
	want := map[string]string{}
	for n := range 400 {
		account, query := []uuid.UUID{s.own, s.out}[n%2], queries[n/2%len(queries)]
		if n == 2*len(queries) {
			e = s.on(one) // what was read so far is what every connection must read
		}
		got, key := e.data(admin(account), query, nil), account.String()+query
		if was, ok := want[key]; ok && was != got {
			t.Fatalf("%s read as %s: got %s, before that %s", query, account, got, was)
		}
		want[key] = got
	}
}

// planned are queries besides the hot ones that find rows by other indexes. Those by attributes are in TestFiltersByAttributeUseAnIndex.
var planned = []string{
	`{ customers(first: 20, search: "anna") { totalCount nodes { id displayName } } }`,
	`{ customers(first: 20, search: "anna keller", orderBy: {field: CREATED_AT}) { nodes { id } } }`,
	`{ customers(first: 20, search: "keller", orderBy: {field: FAMILY_NAME}, where: {kind: [PERSON]}) { totalCount nodes { id } } }`,
	`{ customers(first: 20) { totalCount nodes { id createdBy { displayName } responsible: representative { displayName } } } }`,
	`{ customers(first: 20, where: {status: [ARCHIVED]}) { totalCount nodes { id } } }`,
	`{ customers(where: {email: "a@example.com", phone: "+4930901820"}) { totalCount nodes { id } } }`,
	`{ customerByExternalId(externalId: "x") { id displayName } }`,
}

// TestTheWallChangesNoPlan compares the plans of statements behind the wall with those without: an index that can be used there
// must be used here.
func TestTheWallChangesNoPlan(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t, sizedTemplate(t, 4000, 12000, 20000, 40000))
	e := attach(t, db.DSN(), db.Pool(t))
	addNotes(t, e.pool)
	for _, sql := range []string{
		`INSERT INTO customer_search (id, account_id, created_at, status, sort_name, family_sort_name, words, signature)
			SELECT id, account_id, now(), status, sort_name, family_sort_name, to_tsvector('simple', sort_name), ~ 0::bit(512) FROM customer`,
		`INSERT INTO search_token (account_id, word, customer_id, hint, hint_more, shared, status, sort_name, family_sort_name, created_at)
			SELECT DISTINCT ON (account_id, w, id) account_id, 'n' || w, id, -1, -1, 0, status, sort_name, family_sort_name, created_at FROM customer, regexp_split_to_table(sort_name, '[^[:alnum:]]+') AS w`,
		`ANALYZE`,
	} {
		if _, err := e.pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	b := &benchEnv{env: e}
	b.load(t)
	bare, err := read.OpenPool(t.Context(), db.DSN(), 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(bare.Close)
	customer := typeid.Format("cus", b.customers[0])
	directory := e.ask(b.p, `{ customers(first: 5) { pageInfo { endCursor } } }`, nil).lookup(t, "customers.pageInfo.endCursor")
	for _, h := range hot {
		vars := map[string]any{"customer": customer, "after": read.EventCursor(b.p.AccountID, 5)}
		if strings.Contains(h.query, "after: $after)") {
			vars["after"] = directory
		}
		e.data(b.p, h.query, vars)
	}
	for _, query := range planned {
		e.data(b.p, query, nil)
	}
	e.data(b.p, dashboardQuery, map[string]any{"after": directory})
	e.data(b.p, profileQuery, map[string]any{"id": customer})
	texts := e.texts()
	if len(texts) < 40 {
		t.Fatalf("only %d statements", len(texts))
	}
	for _, sql := range texts {
		behind, without := explain(t, e.reads, sql), explain(t, bare, unwalled(sql))
		if !slices.Equal(indexes(behind), indexes(without)) || conditions(behind) < conditions(without) {
			t.Errorf("%s\nbehind the wall:\n%s\nwithout it:\n%s", sql, behind, without)
		}
	}
}

// unwalled is a statement as it would be without the wall.
func unwalled(sql string) string {
	for _, table := range []string{"customer_search", "attribute_value"} {
		sql = regexp.MustCompile(`\b`+wall.Source(table)+`\b`).ReplaceAllString(sql, table)
	}
	return sql
}

var (
	access    = regexp.MustCompile(`Index (?:Only )?Scan(?: Backward)? using \S+|Bitmap Index Scan on \S+|Seq Scan on \S+`)
	condition = regexp.MustCompile(`Index Cond: .*`)
)

// indexes are those that a plan uses, and the tables of which it reads all.
func indexes(plan string) []string {
	return slices.Sorted(slices.Values(access.FindAllString(plan, -1)))
}

// conditions is by how many columns the plan looks rows up. They may be more behind the wall, where PostgreSQL expects fewer rows.
func conditions(plan string) (n int) {
	for _, c := range condition.FindAllString(plan, -1) {
		n += 1 + strings.Count(c, " AND ")
	}
	return n
}

// on is the environment with an engine on another pool.
func (e *env) on(pool *pgxpool.Pool) *env {
	e.t.Helper()
	return attach(e.t, e.pool.Config().ConnString(), e.pool, func(c *read.Config) { c.Pool = pool })
}

// TestTheSharesOfWordsAreReadAcrossTheWall holds that a search still knows which words are common.
func TestTheSharesOfWordsAreReadAcrossTheWall(t *testing.T) {
	t.Parallel()
	d := newDirectory(t)
	for i := range 40 {
		d.person(t, "Anna", fmt.Sprint("Keller", i%3))
	}
	if _, err := d.pool.Exec(t.Context(), "ANALYZE customer_search"); err != nil {
		t.Fatal(err)
	}
	var n int
	b := &pgx.Batch{}
	wall.System(b)
	b.Queue(`SELECT cardinality(lexemes) FROM customer_search_shares()`).QueryRow(func(row pgx.Row) error { return row.Scan(&n) })
	if err := d.reads.SendBatch(context.WithoutCancel(t.Context()), b).Close(); err != nil || n == 0 {
		t.Errorf("%d shares of words (%v), want some", n, err)
	}
}
