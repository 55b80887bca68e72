package read_test

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"dossier/internal/pgtest"
	"dossier/internal/read"
	"dossier/internal/typeid"
)

func TestStatementsAreConstantInTheNumberOfRows(t *testing.T) {
	t.Parallel()
	s := newSeeded(t)
	const query = `query($n: Int) { customers(first: $n) { totalCount nodes { id emails { address } contacts { totalCount nodes { phones { e164 } customer { documents(first: 3) { nodes { versions { nodes { number } } } } } } }
		timeline { nodes { subject { ... on Document { title currentVersion { number } versions { totalCount } } } createdBy { displayName } } } } }
		viewer { account { storage { usedBytes } } } nodes(ids: []) { id } }`
	counts := map[string]bool{}
	for _, n := range []int{0, 1, 2, 10, 100} {
		b, st := s.trace.batches.Load(), s.trace.statements.Load()
		s.data(admin(s.own), query, map[string]any{"n": n})
		counts[fmt.Sprint(s.trace.batches.Load()-b, " batches, ", s.trace.statements.Load()-st, " statements")] = true
	}
	if len(counts) != 1 || !counts["1 batches, 11 statements"] {
		t.Errorf("got %v, want 1 batch of 11 statements for any number of rows", counts)
	}
}

func TestACachedPlanReadsTheVariablesAnew(t *testing.T) {
	t.Parallel()
	s := newSeeded(t)
	const query = `query($id: ID!, $where: CustomerWhere, $order: CustomerOrder, $first: Int, $last: Int, $after: String, $skip: Boolean = false, $d: TimelineDirection = PAST, $kinds: [TimelineKind!], $n: Int) {
		node(id: $id) { __typename id @skip(if: $skip) ... on Customer { timeline(direction: $d, kinds: $kinds, first: $n) { totalCount nodes { id at } } } ... on Document { title } }
		customers(where: $where, orderBy: $order, first: $first, last: $last, after: $after) { totalCount nodes { id } pageInfo { hasNextPage hasPreviousPage } } }`
	customer, document := s.some("customer", s.own, all), s.some("document", s.own, all)
	first := s.ask(admin(s.own), `{ customers(first: 2) { pageInfo { endCursor } } }`, nil).lookup(t, "customers.pageInfo.endCursor")
	id := map[string]any{"id": customer}
	variants := []map[string]any{
		id,
		{"id": document},
		{"id": s.some("customer", s.out, all)},
		{"id": "x"},
		{"first": 1},
		{"first": 2},
		{"last": 2},
		{"first": 2, "after": first},
		{"last": 1, "after": first},
		{"first": nil, "last": nil},
		{"skip": true},
		{"skip": false},
		{"d": "UPCOMING"},
		{"d": "PAST", "n": 1},
		{"kinds": []any{}},
		{"kinds": []any{"VISIT"}},
		{"kinds": []any{"CALL"}},
		{"kinds": []any{"VISIT", "TASK"}},
		{"kinds": "TASK"},
		{"kinds": nil},
		{"order": map[string]any{"field": "CREATED_AT"}},
		{"order": map[string]any{"direction": "DESC"}},
		{"order": map[string]any{}},
		{"order": nil},
		{"where": nil},
		{"where": map[string]any{}},
		{"where": map[string]any{"status": []any{"ARCHIVED"}}},
		{"where": map[string]any{"status": []any{"ARCHIVED", "ACTIVE"}}},
		{"where": map[string]any{"status": nil}},
		{"where": map[string]any{"displayNameStartsWith": "a"}},
		{"where": map[string]any{"displayNameStartsWith": "z"}},
		{"where": map[string]any{"or": []any{map[string]any{"kind": []any{"PERSON"}}, map[string]any{"email": "bob@example.com"}}}},
		{"where": map[string]any{"or": []any{map[string]any{"kind": []any{"COMPANY"}}}}},
		{"where": map[string]any{"or": []any{}}},
		{"where": map[string]any{"ids": []any{customer}}},
		{"where": map[string]any{"ids": []any{}}},
		{"where": map[string]any{"createdAt": map[string]any{"gte": "2026-06-12T00:00:00Z"}}},
		{"first": 1000},
		{"where": map[string]any{"ids": []any{"x"}}},
		{"after": "x"},
	}
	fresh := func(vars map[string]any) string { // the same question as another document: nothing of it is cached
		a := s.ask(admin(s.own), query+fmt.Sprintf("\n# %v", vars), clone(vars))
		return fmt.Sprint(string(a.Data), errorsOf(a))
	}
	for round := range 3 {
		for i := range variants {
			vars := map[string]any{"id": customer}
			for k, v := range variants[(i*7+round)%len(variants)] {
				vars[k] = v
			}
			a := s.ask(admin(s.own), query, clone(vars))
			if got, want := fmt.Sprint(string(a.Data), errorsOf(a)), fresh(vars); got != want {
				t.Errorf("%v\ngot  %s\nwant %s", vars, got, want)
			}
		}
	}
}

// The reader is stopped between its statements by a lock on one of the tables; what is committed meanwhile must not be seen.
func TestOneOperationSeesOneSnapshot(t *testing.T) {
	t.Parallel()
	s := newSeeded(t)
	set := func(db interface {
		Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	}, version int, tables ...string,
	) {
		for _, table := range tables {
			if _, err := db.Exec(context.Background(), "UPDATE "+table+" SET version = $1", version); err != nil {
				t.Fatal(err)
			}
		}
	}
	set(s.pool, 1, "customer", "contact", "timeline_entry")
	const query = `{ customers { nodes { version contacts { nodes { version } } timeline { nodes { version } } } } }`
	for _, warm := range []bool{false, true} {
		lock, err := s.pool.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := lock.Exec(t.Context(), "LOCK TABLE timeline_entry IN ACCESS EXCLUSIVE MODE"); err != nil {
			t.Fatal(err)
		}
		data := make(chan string, 1)
		go func() { data <- string(s.ask(admin(s.own), query, nil).Data) }()
		s.waitForBlocked()
		set(s.pool, 2, "customer", "contact")
		set(lock, 2, "timeline_entry")
		if err := lock.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := <-data; strings.Contains(got, `"version":2`) || !strings.Contains(got, `"version":1`) {
			t.Errorf("warm %v: got %s, want the versions of one snapshot", warm, got)
		}
		set(s.pool, 1, "customer", "contact", "timeline_entry")
	}
}

// waitForBlocked waits until a session of the database waits for a lock.
func (s *seeded) waitForBlocked() {
	s.t.Helper()
	deadline := time.NewTimer(30 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		var blocked int
		err := s.pool.QueryRow(context.Background(), `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&blocked)
		if err != nil {
			s.t.Fatal(err)
		}
		if blocked > 0 {
			return
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			s.t.Fatal("nothing waits for the lock")
		}
	}
}

func TestALostStatementOrSessionIsReplaced(t *testing.T) {
	t.Parallel()
	s := newSeeded(t)
	ask := func() string { return s.data(admin(s.own), `{ account { name } }`, nil) }
	want := ask()
	conns := s.reads.AcquireAllIdle(t.Context())
	for _, c := range conns {
		if _, err := c.Exec(t.Context(), "DEALLOCATE ALL"); err != nil {
			t.Fatal(err)
		}
		c.Release()
	}
	if got := ask(); got != want {
		t.Errorf("after DEALLOCATE ALL: got %s, want %s", got, want)
	}
	if _, err := s.pool.Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'dossier read' AND datname = current_database()`); err != nil {
		t.Fatal(err)
	}
	if got := ask(); got != want {
		t.Errorf("after the sessions were ended: got %s, want %s", got, want)
	}
}

func TestADatabaseThatIsNotThereIsUnavailable(t *testing.T) {
	t.Parallel()
	s := newSeeded(t)
	s.ask(admin(s.own), `{ account { name } }`, nil)
	if _, err := s.pool.Exec(t.Context(), `ALTER TABLE account RENAME TO gone`); err != nil {
		t.Fatal(err)
	}
	if got := errorsOf(s.ask(admin(s.own), `{ account { name } }`, nil)); len(got) != 1 || got[0] != "INTERNAL account" {
		t.Errorf("got %v, want INTERNAL: a table that is not there is our mistake", got)
	}
	s.reads.Close()
	if got := errorsOf(s.ask(admin(s.own), `{ account { name } }`, nil)); len(got) != 1 || got[0] != "UNAVAILABLE account" {
		t.Errorf("got %v, want UNAVAILABLE", got)
	}
}

func TestReadsCannotWrite(t *testing.T) {
	t.Parallel()
	s := newSeeded(t)
	if _, err := s.reads.Exec(t.Context(), "DELETE FROM event"); err == nil || !strings.Contains(err.Error(), "read-only") {
		t.Errorf("got %v, want a refusal: the pool is read-only", err)
	}
}

func TestADeclarationThatDoesNotFitStopsTheStart(t *testing.T) {
	t.Parallel()
	sdl := schema().Schema().Query.Position.Src.Input
	for _, c := range []struct{ old, changed, want string }{
		{"  hint: String!", "  hint: String!\n  more: String", "ApiKey.more is in the SDL and not declared"},
		{"  hint: String!", "  tip: String!", "ApiKey.hint is declared and not in the SDL"},
		{"  extension: String\n", "  extension: String!\n", "cannot be null by the SDL, and phone_number.extension can"},
		{"  sizeBytes: BigInt!\n  \"SHA", "  sizeBytes: Boolean!\n  \"SHA", "DocumentVersion.sizeBytes is Boolean!"},
		{"  subject: Subject\n  \"Who", "  subject: Subject!\n  \"Who", "may be gone"},
		{"union Subject = Customer | Contact |", "union Subject = Customer | StaffUser | Contact |", "TimelineEntry.subject is one of"},
		{"  titleContains: String\n", "  titleContains: String\n  titleIs: String\n", "Customer.documents does not read where.titleIs"},
		{"  versions(first: Int, after: String, last", "  versions(query: String, first: Int, after: String, last", "argument query"},
		{"type Heartbeat", "type Thing implements Node { id: ID! }\ntype Heartbeat", "Thing is a Node"},
	} {
		if strings.Count(sdl, c.old) == 0 {
			t.Errorf("the SDL does not hold %q any more", c.old)
			continue
		}
		changed, err := gqlparser.LoadSchema(&ast.Source{Input: strings.Replace(sdl, c.old, c.changed, 1)})
		if err != nil {
			t.Errorf("%s: %v", c.changed, err)
			continue
		}
		if _, err := read.New(read.Config{Schema: changed}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.changed, err, c.want)
		}
	}
}

// hot are the queries that must be served by an index in the order of the page.
var hot = []struct{ name, query, index string }{
	{"directory", `{ customers(first: 20) { nodes { id } } }`, "customer_account_id_sort_name_id"},
	{"directory by time", `{ customers(first: 20, orderBy: {field: CREATED_AT, direction: DESC}) { nodes { id } } }`, "customer_account_id_created_at_id"},
	{"directory backward", `{ customers(last: 20, orderBy: {field: UPDATED_AT}) { nodes { id } } }`, "customer_account_id_updated_at_id"},
	{"search", `{ customers(first: 20, where: {displayNameStartsWith: "an"}) { nodes { id } } }`, "customer_account_id_sort_name_id"},
	{"page", `query($after: String) { customers(first: 20, after: $after) { nodes { id createdBy { displayName } } } }`, "customer_account_id_sort_name_id"},
	{"contacts", `{ customers(first: 20) { nodes { contacts(first: 3) { nodes { id } } } } }`, "contact_account_id_customer_id_secondary_sort_name_id"},
	{"documents", `{ customers(first: 20) { nodes { documents(first: 5) { nodes { id currentVersion { sizeBytes } } } } } }`, "document_account_id_customer_id_created_at_id"},
	{"all documents", `{ documents(first: 20) { nodes { id area { key maxFileBytes } currentVersion { sizeBytes } } } }`, "document_account_id_created_at_id"},
	{
		"what expires", `{ documents(first: 20, where: {expiresOn: {from: "2026-06-01", to: "2026-07-01"}}, orderBy: {field: EXPIRES_ON, direction: ASC}) { nodes { id } } }`,
		"document_account_id_expires_on_id",
	},
	{
		"what may go", `{ documents(first: 20, where: {retentionUntil: {to: "2026-06-01"}, status: [ARCHIVED]}, orderBy: {field: RETENTION_UNTIL}) { nodes { id } } }`,
		"document_account_id_retention_until_id",
	},
	{
		"areas", `{ customers(first: 20) { nodes { setupTasks attributes { key ... on FileAttributeValue { documents(first: 3) { nodes { id } } } } } } }`,
		"document_account_id_area_id_customer_id",
	},
	{"timeline", `{ customers(first: 20) { nodes { timeline(first: 10) { nodes { id } } } } }`, "timelineentry_account_id_customer_id_at_id"},
	{"notes", `{ customers(first: 20) { nodes { notes(first: 5) { nodes { body pinned } } } } }`, "note_account_id_customer_id_pinned_created_at_id"},
	{"report", `{ customerStats(groupBy: [ORIGIN, KIND], bucket: MONTH, range: {from: "2026-01-01", to: "2026-01-31"}) { origin { label } kind count } }`, "Index Only Scan using customer_report"},
	{"phones", `{ customers(first: 20) { nodes { contacts { nodes { phones { e164 } } } } } }`, "phonenumber_account_id_contact_id_position_id"},
	{"by e-mail", `{ customers(where: {email: "a@example.com"}) { nodes { id } } }`, "emailaddress_account_id_address_key_customer_id"},
	{"log", `query($after: EventCursor) { events(after: $after, first: 50) { nodes { seq } } }`, "event_account_id_seq"},
	{"log of a customer", `query($customer: ID) { events(customerId: $customer) { nodes { seq } } }`, "event_account_id_customer_id_seq"},
}

func TestHotQueriesUseTheirIndexes(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t, sizedTemplate(t, 4000, 12000, 20000, 40000))
	e := attach(t, db.DSN(), db.Pool(t))
	addNotes(t, e.pool)
	b := &benchEnv{env: e}
	b.load(t)
	vars := map[string]any{
		"customer": typeid.Format("cus", b.customers[0]), "after": read.EventCursor(b.p.AccountID, 5),
	}
	directory := e.ask(b.p, `{ customers(first: 5) { pageInfo { endCursor } } }`, nil).lookup(t, "customers.pageInfo.endCursor")
	for _, c := range hot {
		e.trace.texts = nil
		given := map[string]any{"customer": vars["customer"], "after": vars["after"]}
		if strings.Contains(c.query, "after: $after)") {
			given["after"] = directory
		}
		e.data(b.p, c.query, given)
		used := ""
		for sql := range e.trace.texts {
			plan := explain(t, e.reads, sql)
			used += sql + "\n" + plan + "\n"
			// A small table may be scanned; these may not.
			if m := regexp.MustCompile(`Seq Scan on (customer|contact|document|document_version|timeline_entry|event|email_address|phone_number|note) `).FindString(plan); m != "" {
				t.Errorf("%s: %s\n%s\n%s", c.name, m, sql, plan)
			}
			if strings.Contains(plan, "Sort") && !slices.Contains([]string{"by e-mail", "phones", "report", "areas", "what expires", "what may go"}, c.name) {
				t.Errorf("%s is sorted\n%s\n%s", c.name, sql, plan)
			}
		}
		if !strings.Contains(used, c.index) {
			t.Errorf("%s: no statement uses %s\n%s", c.name, c.index, used)
		}
	}
}

// addNotes writes notes about the customers of the bench's data, which has none: a plan for an empty table shows nothing.
func addNotes(t *testing.T, pool *pgxpool.Pool) {
	t.Helper()
	for _, sql := range []string{
		`INSERT INTO note (id, account_id, created_at, updated_at, customer_id, body, pinned)
			SELECT gen_random_uuid(), account_id, now(), now(), id, 'Note ' || n, n = 1 FROM customer, generate_series(1, 5) n`,
		`ANALYZE note`,
		`VACUUM ANALYZE customer`, // autovacuum does it, sooner or later: it is what lets an index stand for the table
	} {
		if _, err := pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
}

// explain gives the plan of a statement as the read pool runs it: one for all values.
func explain(t *testing.T, pool *pgxpool.Pool, sql string) string {
	t.Helper()
	conn, err := pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	params := 0
	for regexp.MustCompile(fmt.Sprintf(`\$%d\b`, params+1)).MatchString(sql) {
		params++
	}
	nulls := strings.TrimPrefix(strings.Repeat(", NULL", params), ", ")
	for _, q := range []string{"DEALLOCATE ALL", "PREPARE hot AS " + sql} {
		if _, err := conn.Conn().PgConn().Exec(t.Context(), q).ReadAll(); err != nil {
			t.Fatal(err)
		}
	}
	res, err := conn.Conn().PgConn().Exec(t.Context(), "EXPLAIN EXECUTE hot("+nulls+")").ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, r := range res[0].Rows {
		b.Write(r[0])
		b.WriteByte('\n')
	}
	return b.String()
}
