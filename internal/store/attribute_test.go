package store

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"dossier/internal/attribute"
	"dossier/internal/auth"
	"dossier/internal/customer"
	"dossier/internal/fault"
	"dossier/internal/optional"
	"dossier/internal/typeid"
)

func someValue[T any](v T) optional.Field[*T] { return optional.Some(&v) }

// define makes a custom attribute that is called by its type.
func (e *env) define(p auth.Principal, kind attribute.Type) uuid.UUID {
	e.t.Helper()
	d := attribute.Draft{Label: strings.ReplaceAll(string(kind), "_", " "), Type: kind}
	if kind == attribute.Select || kind == attribute.MultiSelect {
		d.Options = []attribute.OptionInput{{Label: "A"}, {Label: "B"}, {Label: "C"}}
	}
	id, err := attribute.NewService(e.store).Create(e.t.Context(), p, d, nil)
	if err != nil {
		e.t.Fatal(err)
	}
	return id
}

// everything is a value of each type.
func everything() []customer.AttributeInput {
	return []customer.AttributeInput{
		{Key: "text", Text: someValue("Grün")},
		{Key: "long_text", Text: someValue("a\nb")},
		{Key: "integer", Integer: someValue(int64(-7))},
		{Key: "decimal", Decimal: someValue("1234567890.0123456789")},
		{Key: "boolean", Boolean: someValue(false)},
		{Key: "date", Date: someValue(time.Date(1969, 12, 31, 0, 0, 0, 0, time.UTC))},
		{Key: "date_time", DateTime: someValue(time.Date(2026, 3, 1, 9, 30, 0, 123456000, time.UTC))},
		{Key: "select", Option: someValue("b")},
		{Key: "multi_select", Options: optional.Some([]string{"c", "a"})},
		{Key: "url", URL: someValue("https://example.com/x")},
		{Key: "email", Email: someValue("ada@example.com")},
		{Key: "phone", Phone: someValue("+49 30 901820;ext=1")},
	}
}

func (e *env) defineAll(p auth.Principal) {
	e.t.Helper()
	for _, kind := range []attribute.Type{
		attribute.Text, attribute.LongText, attribute.Integer, attribute.Decimal, attribute.Boolean, attribute.Date, attribute.DateTime,
		attribute.Select, attribute.MultiSelect, attribute.URL, attribute.Email, attribute.Phone,
	} {
		e.define(p, kind)
	}
}

// What was stored is read as it was given: an update with the same values changes nothing.
func TestValuesOfEachTypeSurviveTheStore(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	e.defineAll(e.ada)
	customers := customer.NewService(e.store)
	id, err := customers.Create(t.Context(), e.ada, customer.Draft{GivenName: ptr("Ada"), Attributes: everything()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := customers.Update(t.Context(), e.ada, id, 1, customer.Patch{Attributes: optional.Some(everything())}, ""); err != nil {
		t.Fatal(err)
	}
	version := "SELECT version FROM customer WHERE id = $1"
	if n := e.count(version, id); n != 1 {
		t.Errorf("the same values made version %d", n)
	}
	empty := []customer.AttributeInput{{Key: "multi_select", Options: optional.Some([]string{})}, {Key: "text", Text: optional.Some[*string](nil)}}
	if err := customers.Update(t.Context(), e.ada, id, 1, customer.Patch{Attributes: optional.Some(empty)}, ""); err != nil {
		t.Fatal(err)
	}
	if n := e.count("SELECT count(*) FROM attribute_value WHERE customer_id = $1", id); n != len(everything())-2 {
		t.Errorf("%d values are left", n)
	}
	if n := e.count("SELECT count(*) FROM attribute_value_option WHERE customer_id = $1", id); n != 0 {
		t.Errorf("%d options are left of a value that is gone", n)
	}
	// A stale update collides only with changes of the attributes that it names.
	stale := func(key string) error {
		in := []customer.AttributeInput{{Key: key, Integer: someValue(int64(1)), Text: optional.Field[*string]{}}}
		if key == "text" {
			in = []customer.AttributeInput{{Key: key, Text: someValue("new")}}
		}
		return customers.Update(t.Context(), e.ada, id, 1, customer.Patch{Attributes: optional.Some(in)}, customer.MergeDisjoint)
	}
	if err := stale("text"); fault.CodeOf(err) != fault.VersionConflict {
		t.Errorf("a stale update of what was changed: %v", err)
	}
	if err := stale("integer"); err != nil {
		t.Errorf("a stale update of another attribute: %v", err)
	}
}

func TestAnotherAccountsAttributesNameNothing(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	theirs := e.define(e.ada, attribute.Select)
	option := typeid.Format(typeid.AttributeOption, e.id("SELECT id FROM attribute_option LIMIT 1"))
	mine := e.define(e.bob, attribute.MultiSelect)
	s, ctx := attribute.NewService(e.store), t.Context()
	bobs := e.person(e.bob, "Bob's")
	for name, call := range map[string]struct {
		path string
		do   func(id uuid.UUID) error
	}{
		"update":  {"id", func(id uuid.UUID) error { return s.Update(ctx, e.bob, id, 1, attribute.Patch{Label: someValue("x")}) }},
		"move":    {"id", func(id uuid.UUID) error { return s.Move(ctx, e.bob, id, 1, nil) }},
		"behind":  {"afterId", func(id uuid.UUID) error { return s.Move(ctx, e.bob, mine, 1, &id) }},
		"archive": {"id", func(id uuid.UUID) error { return s.Archive(ctx, e.bob, id, 1) }},
		"restore": {"id", func(id uuid.UUID) error { return s.Restore(ctx, e.bob, id, 1) }},
		"delete":  {"id", func(id uuid.UUID) error { return s.Delete(ctx, e.bob, id, 1) }},
	} {
		foreign, nobody := call.do(theirs), call.do(typeid.New())
		list := fault.AsList(foreign)
		if len(list) != 1 || list[0].Code != fault.NotFound || strings.Join(list[0].Path, ".") != call.path || nobody == nil || nobody.Error() != foreign.Error() {
			t.Errorf("%s: another account's id got %v, nobody's %v", name, foreign, nobody)
		}
	}
	customerType := typeid.New()
	if _, err := e.admin.Exec(ctx, `INSERT INTO customer_type (id, account_id, created_at, updated_at, key, label, label_key, position)
		VALUES ($1, $2, now(), now(), 'k', 'K', 'k', 100)`, customerType, e.ada.AccountID); err != nil {
		t.Fatal(err)
	}
	for path, err := range map[string]error{
		"input.options.0.id": s.Update(ctx, e.bob, mine, 1, attribute.Patch{Options: optional.Some([]attribute.OptionInput{{ID: &option, Label: "x"}, {Label: "y"}})}),
		"input.customerTypeIds.0": s.Update(ctx, e.bob, mine, 1, attribute.Patch{
			CustomerTypeIDs: optional.Some([]string{typeid.Format(typeid.CustomerType, customerType)}),
		}),
		"input.attributes.0.key": customer.NewService(e.store).Update(ctx, e.bob, bobs, 1, customer.Patch{
			Attributes: optional.Some([]customer.AttributeInput{{Key: "select", Option: someValue("a")}}),
		}, ""),
	} {
		if list := fault.AsList(err); len(list) != 1 || list[0].Code != fault.NotFound || strings.Join(list[0].Path, ".") != path {
			t.Errorf("%s: %v, want NOT_FOUND", path, err)
		}
	}
}

// The keys of the tables hold what the rules promise, whatever the program does.
func TestTheTablesHoldValuesToTheirDefinition(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	e.defineAll(e.ada)
	ctx := t.Context()
	id, err := customer.NewService(e.store).Create(ctx, e.ada, customer.Draft{GivenName: ptr("Ada"), Attributes: everything()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	const insert = `INSERT INTO attribute_value (id, account_id, created_at, customer_id, definition_id, type, integer_value, option_id)
		SELECT gen_random_uuid(), %ACCOUNT%, now(), %CUSTOMER%, d.id, %TYPE%, 1, %OPTION% FROM attribute_definition d WHERE d.key = '%KEY%'`
	bobs := e.person(e.bob, "Bob's")
	ada := e.person(e.ada, "Another")
	quote := func(id uuid.UUID) string { return "'" + id.String() + "'" }
	for name, c := range map[string]struct{ account, customer, kind, option, key, code string }{
		"another account's customer":   {quote(e.ada.AccountID), quote(bobs), "'INTEGER'", "NULL", "integer", foreignKeyViolation},
		"another account's definition": {quote(e.bob.AccountID), quote(bobs), "'INTEGER'", "NULL", "integer", foreignKeyViolation},
		"another type":                 {quote(e.ada.AccountID), quote(ada), "'INTEGER'", "NULL", "text", foreignKeyViolation},
		"another definition's option":  {quote(e.ada.AccountID), quote(ada), "'SELECT'", "(SELECT o.id FROM attribute_option o JOIN attribute_definition x ON x.id = o.definition_id WHERE x.key = 'multi_select' LIMIT 1)", "select", foreignKeyViolation},
		"nothing in the column":        {quote(e.ada.AccountID), quote(ada), "'DATE'", "NULL", "date", "23514"},
		"two values":                   {quote(e.ada.AccountID), quote(id), "'INTEGER'", "NULL", "integer", uniqueViolation},
	} {
		sql := strings.NewReplacer("%ACCOUNT%", c.account, "%CUSTOMER%", c.customer, "%TYPE%", c.kind, "%OPTION%", c.option, "%KEY%", c.key).Replace(insert)
		if _, err := e.admin.Exec(ctx, sql); pgError(err) == nil || pgError(err).Code != c.code {
			t.Errorf("%s: %v, want %s", name, err, c.code)
		}
	}
	if _, err := e.admin.Exec(ctx, `UPDATE attribute_definition SET type = 'TEXT' WHERE key = 'integer'`); pgError(err) == nil {
		t.Error("the type of a definition was changed under its values")
	}
	// The options of a value go to another customer with it.
	if _, err := e.admin.Exec(ctx, `UPDATE attribute_value SET customer_id = $1 WHERE customer_id = $2`, ada, id); err != nil {
		t.Fatal(err)
	}
	if n := e.count("SELECT count(*) FROM attribute_value_option WHERE customer_id = $1", ada); n != 2 {
		t.Errorf("%d options went with their value, want 2", n)
	}
}

func TestDefinitionsMadeAtOnceGetTheirOwnKeysAndPlaces(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	s := attribute.NewService(e.store)
	const writers = 6
	var wg sync.WaitGroup
	errs := make([]error, writers)
	for i := range writers {
		wg.Go(func() {
			_, errs[i] = s.Create(t.Context(), e.ada, attribute.Draft{Label: "Size", Type: attribute.Text}, nil)
		})
	}
	wg.Wait()
	if i := slices.IndexFunc(errs, func(err error) bool { return err != nil }); i >= 0 {
		t.Fatal(errs[i])
	}
	if n := e.count("SELECT count(DISTINCT key) * 100 + count(DISTINCT position) FROM attribute_definition"); n != writers*100+writers {
		t.Errorf("keys and places are %d, want %d of each", n, writers)
	}
	key := "once"
	first, err := s.Create(t.Context(), e.ada, attribute.Draft{Label: "Once", Type: attribute.Text}, &key)
	again, errAgain := s.Create(t.Context(), e.ada, attribute.Draft{Label: "Once", Type: attribute.Text}, &key)
	if err != nil || errAgain != nil || first != again {
		t.Errorf("a retry made %v and %v (%v, %v)", first, again, err, errAgain)
	}
}
