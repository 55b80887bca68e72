package read_test

import (
	"fmt"
	"testing"

	"dossier/internal/read"
)

// TestWhatIsRareIsRefusedAndNotCutOff asks for documents of all customers by what no index serves, where more documents are than
// are looked at: a page that is full is answered, one that would be cut off is refused.
func TestWhatIsRareIsRefusedAndNotCutOff(t *testing.T) {
	t.Parallel()
	s := newSeeded(t)
	const looked = 6
	read.Sift(s.engine, looked)
	p := admin(s.own)
	for _, statement := range []string{
		`DELETE FROM attribute_value_option`, // the documents are cut down to ten of one account
		`ALTER TABLE document DISABLE TRIGGER ALL`,
		`DELETE FROM document WHERE account_id <> '` + s.own.String() + `'`,
		`DELETE FROM document WHERE id NOT IN (SELECT id FROM document ORDER BY id LIMIT 10)`,
		`UPDATE document d SET status = 'ACTIVE', title = 't' || o.n, purpose = CASE WHEN o.n % 2 = 0 THEN 'LEGAL' END,
			created_at = timestamptz '2026-01-01' - o.n * interval '1 day', expires_on = CASE WHEN o.n > 8 THEN date '2026-02-01' END
			FROM (SELECT id, row_number() OVER (ORDER BY id) AS n FROM document) o WHERE o.id = d.id`,
	} {
		if _, err := s.pool.Exec(t.Context(), statement); err != nil {
			t.Fatal(statement, err)
		}
	}
	ask := func(arguments, selection string) string {
		a := s.ask(p, fmt.Sprintf(`{ documents(%s) { %s } }`, arguments, selection), nil)
		if len(a.Errors) > 0 {
			return fmt.Sprint(a.Errors[0].Extensions["code"])
		}
		return string(a.Data)
	}
	const nodes = `nodes { title } pageInfo { hasNextPage hasPreviousPage }`
	page := func(titles string, next, previous bool) string {
		return fmt.Sprintf(`{"documents":{"nodes":[%s],"pageInfo":{"hasNextPage":%v,"hasPreviousPage":%v}}}`, titles, next, previous)
	}
	const refused = "BAD_USER_INPUT"
	for _, c := range []struct{ arguments, selection, want string }{
		{`first: 10`, `nodes { title }`, `{"documents":{"nodes":[{"title":"t1"},{"title":"t2"},{"title":"t3"},{"title":"t4"},{"title":"t5"},{"title":"t6"},{"title":"t7"},{"title":"t8"},{"title":"t9"},{"title":"t10"}]}}`},
		{`first: 2, where: {purpose: [LEGAL]}`, nodes, page(`{"title":"t2"},{"title":"t4"}`, true, false)},
		{`first: 3, where: {purpose: [LEGAL]}`, nodes, page(`{"title":"t2"},{"title":"t4"},{"title":"t6"}`, true, false)}, // whether there is more was not looked at
		{`first: 4, where: {purpose: [LEGAL]}`, nodes, refused},
		{`last: 4, where: {purpose: [LEGAL]}`, nodes, refused},
		{`last: 2, where: {purpose: [LEGAL]}`, nodes, page(`{"title":"t8"},{"title":"t10"}`, false, true)},
		{`first: 4, where: {purpose: [LEGAL], createdAt: {lt: "2025-12-27T00:00:00Z"}}`, nodes, page(`{"title":"t6"},{"title":"t8"},{"title":"t10"}`, false, false)},
		{`first: 4, where: {purpose: [LEGAL], expiresOn: {from: "2026-01-01"}}`, nodes, page(`{"title":"t10"}`, false, false)},
		{`where: {purpose: [LEGAL]}`, `totalCount`, refused},
		{`where: {purpose: [LEGAL], expiresOn: {from: "2026-01-01"}}`, `totalCount`, `{"documents":{"totalCount":1}}`},
		{`first: 5`, `totalCount`, `{"documents":{"totalCount":10}}`},
	} {
		if got := ask(c.arguments, c.selection); got != c.want {
			t.Errorf("%s: got %s, want %s", c.arguments, got, c.want)
		}
	}
	// The page behind a cursor has few enough left.
	after := s.ask(p, `{ documents(first: 4) { pageInfo { endCursor } } }`, nil).lookup(t, "documents.pageInfo.endCursor")
	if got, want := ask(fmt.Sprintf(`after: %q, where: {purpose: [LEGAL]}`, after), nodes), page(`{"title":"t6"},{"title":"t8"},{"title":"t10"}`, false, true); got != want {
		t.Errorf("behind a cursor: got %s, want %s", got, want)
	}
}

// TestDocumentsOfAreasArePricedForSeveralAreas: a list of values is no page, but the documents in it are one for each area.
func TestDocumentsOfAreasArePricedForSeveralAreas(t *testing.T) {
	t.Parallel()
	const query = `{ customers(first: 10) { nodes { attributes { ... on FileAttributeValue { documents(first: 10) { nodes { id } } } } } } }`
	for most, refused := range map[int]bool{501: true, 502: false} {
		e := newEnv(t, func(c *read.Config) { c.MaxCost = most })
		w := newWorld(1, 1)
		w.insert(t, e.pool)
		if a := e.ask(admin(w.accounts[0]), query, nil); (len(a.Errors) > 0) != refused {
			t.Errorf("with %d: %v, want refused %v", most, a.Errors, refused)
		}
	}
}
