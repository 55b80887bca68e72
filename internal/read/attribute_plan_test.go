package read_test

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"dossier/internal/typeid"
)

// manyValues makes an account with customers who have values of attributes of each kind: so many that reading a whole table
// shows. Of the numbers one in a thousand customers has the same, of the options one in twenty.
const manyValues = `
INSERT INTO account (id, name, oidc_algorithms, created_at) VALUES ($1, 'Large', '[]', now());
INSERT INTO storage_usage (account_id) VALUES ($1);
INSERT INTO customer (id, account_id, created_at, updated_at, kind, display_name, sort_name, given_name)
SELECT gen_random_uuid(), $1, now(), now(), 'PERSON', 'Customer ' || i, 'customer ' || lpad(i::text, 6, '0'), i::text FROM generate_series(1, $2) i;
INSERT INTO attribute_definition (id, account_id, created_at, updated_at, key, label, type, required, customer_visible, position, accept)
SELECT gen_random_uuid(), $1, now(), now(), lower(t), t, t, false, false, n, '[]'
FROM unnest(ARRAY['TEXT', 'INTEGER', 'DECIMAL', 'BOOLEAN', 'DATE', 'DATE_TIME', 'SELECT', 'MULTI_SELECT', 'LONG_TEXT']) WITH ORDINALITY AS e(t, n);
INSERT INTO attribute_option (id, account_id, created_at, definition_id, key, label, position)
SELECT gen_random_uuid(), $1, now(), d.id, 'o' || i, i, i FROM attribute_definition d, generate_series(0, 19) i WHERE d.type IN ('SELECT', 'MULTI_SELECT');
INSERT INTO attribute_value (id, account_id, created_at, customer_id, definition_id, type,
	text_value, text_key, integer_value, decimal_value, boolean_value, date_value, time_value, option_id)
SELECT gen_random_uuid(), $1, now(), c.id, d.id, d.type,
	CASE WHEN d.type IN ('TEXT', 'LONG_TEXT') THEN 'Text ' || c.n END, CASE WHEN d.type = 'TEXT' THEN 'text ' || c.n END,
	CASE WHEN d.type = 'INTEGER' THEN c.n % 1000 END, CASE WHEN d.type = 'DECIMAL' THEN c.n / 100.0 END,
	CASE WHEN d.type = 'BOOLEAN' THEN c.n % 1000 = 0 END, CASE WHEN d.type = 'DATE' THEN date '2026-01-01' + c.n % 1000 END,
	CASE WHEN d.type = 'DATE_TIME' THEN timestamptz '2026-01-01 00:00Z' + c.n * interval '1 minute' END,
	CASE WHEN d.type = 'SELECT' THEN (SELECT o.id FROM attribute_option o WHERE o.definition_id = d.id AND o.position = c.n % 20) END
FROM (SELECT id, given_name::int AS n FROM customer WHERE account_id = $1) c, attribute_definition d
WHERE d.account_id = $1 AND (d.type <> 'LONG_TEXT' OR c.n % 1000 = 0);
INSERT INTO attribute_value_option (id, account_id, created_at, value_id, customer_id, definition_id, option_id)
SELECT gen_random_uuid(), $1, now(), v.id, v.customer_id, v.definition_id, o.id
FROM attribute_value v JOIN attribute_option o ON o.definition_id = v.definition_id JOIN customer c ON c.id = v.customer_id
WHERE v.type = 'MULTI_SELECT' AND o.position = c.given_name::int % 20`

// largeScan is the reading of a whole table that is large. Definitions and options are few.
var largeScan = regexp.MustCompile(`Seq Scan on (customer|attribute_value)`)

func TestFiltersByAttributeUseAnIndex(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	account := typeid.New()
	const customers = 8000
	for statement := range strings.SplitSeq(manyValues, ";") {
		sql := strings.NewReplacer("$1", "'"+account.String()+"'", "$2", fmt.Sprint(customers)).Replace(statement)
		if _, err := e.pool.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%v\n%s", err, sql)
		}
	}
	if _, err := e.pool.Exec(t.Context(), "VACUUM ANALYZE"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		where, index string
		found        int
	}{
		{`{key: "text", text: {eq: "TEXT 77"}}`, "text_key", 1},
		{`{key: "text", text: {startsWith: "text 777"}}`, "text_key", 11},
		{`{key: "text", text: {oneOf: ["text 1", "text 2"]}}`, "text_key", 2},
		{`{key: "integer", integer: {eq: 7}}`, "integer_value", 8},
		{`{key: "integer", integer: {gte: 998, lt: 999}}`, "integer_value", 8},
		{`{key: "integer", integer: {gte: 998}}`, "integer_value", 16},
		{`{key: "decimal", decimal: {gte: "79.9", lt: "80"}}`, "decimal_value", 10},
		{`{key: "decimal", decimal: {gte: "79.9"}}`, "decimal_value", 11},
		{`{key: "boolean", boolean: true}`, "boolean_value", 8},
		{`{key: "date", date: {eq: "2026-01-02"}}`, "date_value", 8},
		{`{key: "date", date: {lt: "2026-01-02"}}`, "date_value", 8},
		{`{key: "date_time", dateTime: {gte: "2026-01-01T00:00:00Z", lt: "2026-01-01T00:10:00Z"}}`, "time_value", 9},
		{`{key: "select", option: ["o1"]}`, "(option_id|customer_id)", 100},
		{`{key: "multi_select", options: ["o1"]}`, "(option_id|customer_id)", 100},
		{`{key: "long_text"}`, "definition_id", 8},
		{`{key: "long_text", exists: false}`, "definition_id", 100},
	} {
		known := e.texts()
		began := time.Now()
		got := e.ask(admin(account), `{ customers(first: 100, where: {attributes: [`+c.where+`]}) { nodes { id } } }`, nil)
		took := time.Since(began)
		if n := strings.Count(string(got.Data), `"id"`); len(got.Errors) > 0 || n != c.found {
			t.Errorf("%s finds %d (%v), want %d", c.where, n, got.Errors, c.found)
		}
		for _, sql := range e.texts() {
			if slices.Contains(known, sql) || !strings.Contains(sql, "attribute_value") {
				continue
			}
			plan := e.explain(t, sql)
			t.Logf("%s: %s", c.where, took.Round(100*time.Microsecond))
			if largeScan.MatchString(plan) || !regexp.MustCompile(`Index Cond:.*\b`+c.index+`\b`).MatchString(plan) {
				t.Errorf("%s is not looked up in an index by %s:\n%s\n%s", c.where, c.index, sql, plan)
			}
		}
	}
	// The values of a page of customers are looked up by customer.
	known := e.texts()
	e.data(admin(account), `{ customers(first: 5) { nodes { attributes { key definition { label } ... on MultiSelectAttributeValue { options { key } } } } } }`, nil)
	for _, sql := range e.texts() {
		if plan := e.explain(t, sql); !slices.Contains(known, sql) && strings.Contains(sql, "attribute_value") && largeScan.MatchString(plan) {
			t.Errorf("the values of a page are not looked up in an index:\n%s\n%s", sql, plan)
		}
	}
}

// texts are the statements that were sent so far.
func (e *env) texts() []string {
	e.trace.mu.Lock()
	defer e.trace.mu.Unlock()
	return slices.Sorted(maps.Keys(e.trace.texts))
}

// explain gives the plan of a statement as the engine's own sessions make it, which is one for all values.
func (e *env) explain(t testing.TB, sql string) string {
	t.Helper()
	count := 0
	for _, m := range regexp.MustCompile(`\$(\d+)`).FindAllStringSubmatch(sql, -1) {
		var n int
		_, _ = fmt.Sscan(m[1], &n)
		count = max(count, n)
	}
	name := "explained_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	arguments := strings.TrimSuffix(strings.Repeat("NULL, ", count), ", ")
	var lines []string
	err := pgx.BeginFunc(context.Background(), e.reads, func(tx pgx.Tx) error {
		if _, err := tx.Exec(t.Context(), "PREPARE "+name+" AS "+sql); err != nil {
			return err
		}
		rows, err := tx.Query(t.Context(), "EXPLAIN EXECUTE "+name+"("+arguments+")", pgx.QueryExecModeSimpleProtocol)
		if err != nil {
			return err
		}
		lines, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	if err != nil {
		t.Fatalf("%v\n%s", err, sql)
	}
	return strings.Join(lines, "\n")
}
