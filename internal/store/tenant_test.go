package store

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"dossier/internal/customer"
	"dossier/internal/fault"
	"dossier/internal/note"
	"dossier/internal/optional"
	"dossier/internal/timeline"
	"dossier/internal/typeid"
)

// TestOtherAccountsIDsNameNothing calls every use case of account B with an id of account A, and with one of nobody: both
// must get the same answer, and nothing of A may change.
func TestOtherAccountsIDsNameNothing(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	customers, lines := customer.NewService(e.store), timeline.NewService(e.store)
	ctx := t.Context()
	cus, err := customers.Create(ctx, e.ada, customer.Draft{
		Kind: customer.Company, CompanyName: ptr("Analytical Engines"),
		Emails: []customer.EmailInput{{Address: "ada@example.com"}}, Contacts: []customer.ContactDraft{{GivenName: ptr("Ada")}},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	con, err := customers.ContactCreate(ctx, e.ada, cus, customer.ContactDraft{GivenName: ptr("Charles")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	entry, err := lines.EntryCreate(ctx, e.ada, cus, timeline.Draft{Kind: timeline.KindCall, At: time.Now(), Title: "Call"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	notes := note.NewService(e.store)
	written, err := notes.Create(ctx, e.ada, cus, note.Draft{Body: "Private"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	head, _, err := e.store.Head(ctx, e.ada.AccountID)
	if err != nil {
		t.Fatal(err)
	}
	mine := e.person(e.bob, "Bob's")
	for name, call := range map[string]struct {
		id   uuid.UUID
		path string
		do   func(id uuid.UUID) error
	}{
		"customerUpdate":  {cus, "id", func(id uuid.UUID) error { return e.rename(e.bob, id, 1, "x") }},
		"customerArchive": {cus, "id", func(id uuid.UUID) error { return customers.Archive(ctx, e.bob, id, 1) }},
		"customerRestore": {cus, "id", func(id uuid.UUID) error { return customers.Restore(ctx, e.bob, id, 1) }},
		"customerExists":  {cus, "customerId", func(id uuid.UUID) error { return customers.Exists(ctx, e.bob, id) }},
		"contactCreate": {cus, "customerId", func(id uuid.UUID) error {
			return second(customers.ContactCreate(ctx, e.bob, id, customer.ContactDraft{GivenName: ptr("x")}, nil))
		}},
		"contactUpdate": {con, "id", func(id uuid.UUID) error {
			return customers.ContactUpdate(ctx, e.bob, id, 1, customer.ContactPatch{Role: optional.Some(ptr("x"))}, "")
		}},
		"contactArchive": {con, "id", func(id uuid.UUID) error { return customers.ContactArchive(ctx, e.bob, id, 1) }},
		"timelineEntryCreate": {cus, "customerId", func(id uuid.UUID) error {
			return second(lines.EntryCreate(ctx, e.bob, id, timeline.Draft{Kind: timeline.KindTask, At: time.Now(), Title: "x"}, nil))
		}},
		"timelineEntryUpdate": {entry, "id", func(id uuid.UUID) error {
			return lines.EntryUpdate(ctx, e.bob, id, 1, timeline.Patch{Title: ptr("x")})
		}},
		"timelineEntryDelete": {entry, "id", func(id uuid.UUID) error { return lines.EntryDelete(ctx, e.bob, id, 1) }},
		"noteCreate": {cus, "customerId", func(id uuid.UUID) error {
			return second(notes.Create(ctx, e.bob, id, note.Draft{Body: "x"}, nil))
		}},
		"noteUpdate": {written, "id", func(id uuid.UUID) error {
			return notes.Update(ctx, e.bob, id, 1, note.Patch{Body: optional.Some(ptr("x"))})
		}},
		"noteDelete": {written, "id", func(id uuid.UUID) error { return notes.Delete(ctx, e.bob, id, 1) }},
		"contact of another in an own list": {con, "input.contacts.0.id", func(id uuid.UUID) error {
			ref := typeid.Format(typeid.Contact, id)
			return customers.Update(ctx, e.bob, mine, 1, customer.Patch{Contacts: optional.Some([]customer.ContactNested{{ID: &ref}})}, "")
		}},
		"e-mail address of another in an own list": {e.id("SELECT id FROM email_address"), "input.emails.0.id", func(id uuid.UUID) error {
			ref := typeid.Format(typeid.EmailAddress, id)
			return customers.Update(ctx, e.bob, mine, 1, customer.Patch{Emails: optional.Some([]customer.EmailInput{{ID: &ref, Address: "a@example.com"}})}, "")
		}},
	} {
		foreign, nobody := call.do(call.id), call.do(typeid.New())
		var f *fault.Error
		if list := fault.AsList(foreign); len(list) > 0 {
			f = list[0]
		}
		if f == nil || f.Code != fault.NotFound || strings.Join(f.Path, ".") != call.path {
			t.Errorf("%s: another account's id got %v, want NOT_FOUND at %s", name, foreign, call.path)
		}
		if foreign == nil || nobody == nil || foreign.Error() != nobody.Error() {
			t.Errorf("%s: another account's id got %v, nobody's id %v; want the same", name, foreign, nobody)
		}
	}
	if after, _, err := e.store.Head(ctx, e.ada.AccountID); err != nil || after != head {
		t.Errorf("account A's log went from %d to %d (%v), want it untouched", head, after, err)
	}
	events, _, err := e.store.Events(ctx, e.bob.AccountID, 0, 1000, timeline.Filter{CustomerID: &cus}, 10)
	if err != nil || len(events) != 0 {
		t.Errorf("account B read %d events of A's customer (%v), want none", len(events), err)
	}
	if n := e.count("SELECT count(*) FROM event WHERE account_id = $1", e.bob.AccountID); n != 1 {
		t.Errorf("account B has %d events, want only that of its own customer", n)
	}
}

// TestRowsCannotPointIntoAnotherAccount goes round the program: the composite keys must hold by themselves.
func TestRowsCannotPointIntoAnotherAccount(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	cus := e.person(e.ada, "Ada")
	for name, insert := range map[string]string{
		"contact":        `INSERT INTO contact (id, account_id, created_at, updated_at, customer_id, display_name, sort_name) VALUES ($1, $2, now(), now(), $3, 'x', 'x')`,
		"email_address":  `INSERT INTO email_address (id, account_id, created_at, customer_id, type, position, address, address_key) VALUES ($1, $2, now(), $3, 'OTHER', 0, 'x', 'x')`,
		"field_policy":   `INSERT INTO field_policy (id, account_id, created_at, updated_at, channel, type_id) VALUES ($1, $2, now(), now(), 'STAFF', $3)`,
		"timeline_entry": `INSERT INTO timeline_entry (id, account_id, created_at, updated_at, customer_id, at, kind, title) VALUES ($1, $2, now(), now(), $3, now(), 'TASK', 'x')`,
		"note":           `INSERT INTO note (id, account_id, created_at, updated_at, customer_id, body) VALUES ($1, $2, now(), now(), $3, 'x')`,
		"customer_image": `INSERT INTO customer_image (id, account_id, created_at, customer_id, file_name, content_type, size_bytes, width, height) VALUES ($1, $2, now(), $3, 'x', 'image/png', 1, 1, 1)`,
		"event":          `INSERT INTO event (id, account_id, created_at, customer_id, seq, type, subject_type, subject_id, changed_fields) VALUES ($1, $2, now(), $3, 99, 'x', 'Customer', $3, '[]')`,
	} {
		_, err := e.admin.Exec(t.Context(), insert, typeid.New(), e.bob.AccountID, cus)
		if pe := pgError(err); pe == nil || pe.Code != foreignKeyViolation {
			t.Errorf("%s of account B at a customer of account A: %v, want the foreign key to refuse it", name, err)
		}
	}
}

func (e *env) id(query string) uuid.UUID {
	e.t.Helper()
	var id uuid.UUID
	if err := e.admin.QueryRow(e.t.Context(), query).Scan(&id); err != nil {
		e.t.Fatal(err)
	}
	return id
}

// TestRawClientIsUsedInOnePlace holds what makes the account predicate certain: the field raw is selected in tenant.go only.
// And what makes certain that each statement says whose rows it is about: few files have a connection.
func TestRawClientIsUsedInOnePlace(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	allowed := map[string][]string{
		"raw": {"tenant.go"},
		// event.go takes connections, sweep.go their settings, and migrate.go looks at a table that has no account.
		"conns":   {"store.go", "event.go", "sweep.go", "migrate.go"},
		"acquire": {"tenant.go", "conn.go", "system.go", "pipe.go", "event.go"},
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			use, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if where, ok := allowed[use.Sel.Name]; ok && !slices.Contains(where, name) {
				t.Errorf("%s uses %s: build queries from scope, statements, readOne or system, which carry the account or say that they do not",
					set.Position(n.Pos()), use.Sel.Name)
			}
			return true
		})
	}
}

func TestForeignIssuerIsAConflict(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	for i, want := range []fault.Code{"", fault.Conflict} {
		_, err := e.admin.Exec(t.Context(), `UPDATE account SET oidc_issuer = 'https://issuer.example' WHERE id = $1`,
			[]uuid.UUID{e.ada.AccountID, e.bob.AccountID}[i])
		got := translate("test", err)
		if fault.CodeOf(got) != want {
			t.Errorf("account %d: %v, want %q", i, got, want)
		}
		if err != nil && (errors.Is(got, fault.New(want, "")) || strings.Contains(fault.AsList(got)[0].Message, "constraint")) {
			t.Errorf("the message tells of the database: %v", got)
		}
	}
}
