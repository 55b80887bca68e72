package customer

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"dossier/internal/attribute"
	"dossier/internal/optional"
)

// definitions has one attribute of each type, called by it.
func definitions() []attribute.Definition {
	var list []attribute.Definition
	for i, t := range []attribute.Type{
		attribute.Text, attribute.LongText, attribute.Integer, attribute.Decimal, attribute.Boolean, attribute.Date, attribute.DateTime,
		attribute.Select, attribute.MultiSelect, attribute.URL, attribute.Email, attribute.Phone, attribute.File,
	} {
		d := attribute.Definition{ID: nth(byte(100 + i)), Key: strings.ToLower(string(t)), Label: string(t), Type: t}
		if t == attribute.Select || t == attribute.MultiSelect {
			d.Options = []attribute.Option{{ID: nth(201), Key: "a"}, {ID: nth(202), Key: "b"}, {ID: nth(203), Key: "old", Archived: true}}
		}
		list = append(list, d)
	}
	return list
}

func set[T any](v T) optional.Field[*T] { return optional.Some(&v) }

// values tells values as key and content.
func values(list []AttributeValue) map[string]AttributeValue {
	out := map[string]AttributeValue{}
	for _, v := range list {
		out[v.Key] = v
	}
	return out
}

func TestEachTypeOfAttributeHasItsField(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 9, 30, 0, 0, time.FixedZone("", 3600))
	day := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	c := &check{newID: numbered(), definitions: definitions()}
	got := values(c.attributes([]string{"input", "attributes"}, Customer{}, []AttributeInput{
		{Key: "text", Text: set(" Élodie  GROẞ ")},
		{Key: "long_text", Text: set("a\r\nb")},
		{Key: "integer", Integer: set(int64(-7))},
		{Key: "decimal", Decimal: set("01.50")},
		{Key: "boolean", Boolean: set(false)},
		{Key: "date", Date: set(day)},
		{Key: "date_time", DateTime: set(at)},
		{Key: "select", Option: set("b")},
		{Key: "multi_select", Options: optional.Some([]string{"b", "a", "b"})},
		{Key: "url", URL: set("https://example.com/A?b=c")},
		{Key: "email", Email: set(" Ada@Example.com ")},
		{Key: "phone", Phone: set("+49 30 901820;ext=12")},
	}))
	if len(c.faults) > 0 || len(got) != 12 {
		t.Fatalf("%d values, %v", len(got), c.faults)
	}
	for _, ok := range []bool{
		got["text"].Text == "Élodie  GROẞ", got["text"].Lookup() == "elodie gross", got["long_text"].Text == "a\nb", got["long_text"].Lookup() == "",
		got["integer"].Integer == -7, got["decimal"].Decimal == "1.5", !got["boolean"].Boolean, got["date"].Time.Equal(day),
		got["date_time"].Time == at.UTC(), slices.Equal(got["select"].Options, []uuid.UUID{nth(202)}),
		slices.Equal(got["multi_select"].Options, []uuid.UUID{nth(201), nth(202)}), got["url"].Text == "https://example.com/A?b=c",
		got["email"].Text == "Ada@Example.com", got["email"].Lookup() == "ada@example.com", got["phone"].Text == "+4930901820;ext=12",
	} {
		if !ok {
			t.Fatalf("got %+v", got)
		}
	}
}

func TestAllWrongValuesAreSaidAtOnce(t *testing.T) {
	t.Parallel()
	c := &check{newID: numbered(), definitions: definitions()}
	c.attributes([]string{"attributes"}, Customer{}, []AttributeInput{
		0:  {Key: "none", Text: set("x")},
		1:  {Key: "text", Integer: set(int64(1)), Boolean: set(true)},
		2:  {Key: "integer"},
		3:  {Key: "file", Text: set("x")},
		4:  {Key: "text", Text: set("again")},
		5:  {Key: "select", Option: set("old")},
		6:  {Key: "multi_select", Options: optional.Some([]string{"a", "nope"})},
		7:  {Key: "url", URL: set("javascript:alert(1)")},
		8:  {Key: "email", Email: set("nobody")},
		9:  {Key: "phone", Phone: set("030 1")},
		10: {Key: "decimal", Decimal: set("1e5")},
		11: {Key: "long_text", Text: set(strings.Repeat("x", attribute.MaxLongText+1))},
	})
	want := []string{
		"BAD_USER_INPUT attributes.1.boolean", "BAD_USER_INPUT attributes.1.integer", "BAD_USER_INPUT attributes.10.decimal",
		"BAD_USER_INPUT attributes.11.text", "BAD_USER_INPUT attributes.3.key", "BAD_USER_INPUT attributes.4.key", "BAD_USER_INPUT attributes.5.option",
		"BAD_USER_INPUT attributes.6.options.1", "BAD_USER_INPUT attributes.7.url", "BAD_USER_INPUT attributes.8.email",
		"BAD_USER_INPUT attributes.9.phone", "NOT_FOUND attributes.0.key", "REQUIRED attributes.2.integer",
	}
	if got := wrong(c); !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

func TestValuesObeyTheRulesOfTheirDefinition(t *testing.T) {
	t.Parallel()
	day := func(d int) *time.Time {
		at := time.Date(2026, 3, d, 0, 0, 0, 0, time.UTC)
		return &at
	}
	for _, c := range []struct {
		kind  attribute.Type
		rules attribute.Validation
		in    AttributeInput
		ok    bool
	}{
		{attribute.Text, attribute.Validation{MinLength: ptr(2)}, AttributeInput{Text: set("ü")}, false},
		{attribute.Text, attribute.Validation{MinLength: ptr(2)}, AttributeInput{Text: set("üü")}, true},
		{attribute.Text, attribute.Validation{MaxLength: ptr(2)}, AttributeInput{Text: set("üüü")}, false},
		{attribute.LongText, attribute.Validation{Pattern: `[a-z]+`}, AttributeInput{Text: set("abc")}, true},
		{attribute.LongText, attribute.Validation{Pattern: `[a-z]+`}, AttributeInput{Text: set("abc1")}, false},
		{attribute.Integer, attribute.Validation{Minimum: "-5"}, AttributeInput{Integer: set(int64(-6))}, false},
		{attribute.Integer, attribute.Validation{Minimum: "-5", Maximum: "5"}, AttributeInput{Integer: set(int64(5))}, true},
		{attribute.Decimal, attribute.Validation{Maximum: "0.5"}, AttributeInput{Decimal: set("0.50")}, true},
		{attribute.Decimal, attribute.Validation{Maximum: "0.5"}, AttributeInput{Decimal: set("0.51")}, false},
		{attribute.Date, attribute.Validation{EarliestDate: day(2)}, AttributeInput{Date: set(*day(1))}, false},
		{attribute.Date, attribute.Validation{EarliestDate: day(2), LatestDate: day(2)}, AttributeInput{Date: set(*day(2))}, true},
		{attribute.DateTime, attribute.Validation{LatestTime: day(2)}, AttributeInput{DateTime: set(day(2).Add(time.Second))}, false},
	} {
		def := attribute.Definition{ID: nth(1), Key: "k", Type: c.kind, Validation: c.rules}
		c.in.Key = "k"
		chk := &check{newID: numbered(), definitions: []attribute.Definition{def}}
		got := chk.attributes(nil, Customer{}, []AttributeInput{c.in})
		if (len(chk.faults) == 0) != c.ok || c.ok && len(got) != 1 {
			t.Errorf("%s with %+v: %v, want accepted %v", c.kind, c.rules, chk.faults, c.ok)
		}
	}
}

func TestNullEmptiesAndWhatIsNotNamedStays(t *testing.T) {
	t.Parallel()
	old := []AttributeValue{
		{DefinitionID: nth(102), Key: "integer", Type: attribute.Integer, Integer: 3},
		{DefinitionID: nth(108), Key: "multi_select", Type: attribute.MultiSelect, Options: []uuid.UUID{nth(203)}},
		{DefinitionID: nth(100), Key: "text", Type: attribute.Text, Text: "a"},
	}
	for _, c := range []struct {
		in     []AttributeInput
		fields []string
	}{
		{[]AttributeInput{{Key: "text", Text: optional.Some[*string](nil)}}, []string{"attributes", "attributes.text"}},
		{[]AttributeInput{{Key: "text", Text: set("  ")}}, []string{"attributes", "attributes.text"}},
		{[]AttributeInput{{Key: "text", Text: set("a")}}, nil},
		{[]AttributeInput{{Key: "boolean", Boolean: optional.Some[*bool](nil)}}, nil},
		{[]AttributeInput{{Key: "multi_select", Options: optional.Some([]string{"old"})}}, nil}, // archived, and the customer has it
		{
			[]AttributeInput{{Key: "multi_select", Options: optional.Some([]string{})}, {Key: "integer", Integer: set(int64(4))}},
			[]string{"attributes", "attributes.integer", "attributes.multi_select"},
		},
		{[]AttributeInput{}, nil},
	} {
		chk := &check{newID: numbered(), definitions: definitions()}
		f := File{Customer: Customer{Kind: Person, GivenName: "Ada", Attributes: old}}
		ch := update(chk, f, Patch{Attributes: optional.Some(c.in)})
		if len(chk.faults) > 0 || !slices.Equal(ch.Fields, c.fields) {
			t.Errorf("%+v: fields %q, %v, want %q", c.in, ch.Fields, chk.faults, c.fields)
		}
		for _, e := range ch.Events {
			if !slices.Equal(e.ChangedFields, []string{"attributes"}) {
				t.Errorf("the event tells %q, want attributes alone", e.ChangedFields)
			}
		}
	}
	if old[0].Integer != 3 || len(old) != 3 {
		t.Errorf("the stored values were written to: %+v", old)
	}
	if got := (Patch{Attributes: optional.Some([]AttributeInput{{Key: "text"}})}).fields(); !slices.Equal(got, []string{"attributes.text"}) {
		t.Errorf("the patch names %q", got)
	}
}

func TestRequiredAttributesAndThoseOfOtherTypes(t *testing.T) {
	t.Parallel()
	builder, private := uuid.UUID{1}, uuid.UUID{2}
	defs := []attribute.Definition{
		{ID: nth(1), Key: "everybody", Type: attribute.Text, Required: true},
		{ID: nth(2), Key: "builders", Type: attribute.Text, Required: true, CustomerTypes: []uuid.UUID{builder}},
		{ID: nth(3), Key: "papers", Type: attribute.File, Required: true},
		{ID: nth(4), Key: "free", Type: attribute.Text},
	}
	for _, c := range []struct {
		name  string
		kind  uuid.UUID
		in    []AttributeInput
		rules Rules
		want  []string
	}{
		{"nothing", private, nil, Rules{}, []string{"REQUIRED input.attributes"}},
		{"nothing, and a rule that does not ask for it", private, nil, Rules{All: []Rule{{"attributes.everybody", false, true}}}, nil},
		{
			"what a rule hides", private,
			[]AttributeInput{{Key: "everybody", Text: set("x")}},
			Rules{All: []Rule{{"attributes.everybody", true, false}}},
			[]string{"BAD_USER_INPUT input.attributes"},
		},
		{
			"what the rule of a type asks for", private,
			[]AttributeInput{{Key: "everybody", Text: set("x")}},
			Rules{All: []Rule{{"attributes.free", false, true}}, OfType: []Rule{{"attributes.free", true, true}}},
			[]string{"REQUIRED input.attributes"},
		},
		{"nothing of a builder", builder, nil, Rules{}, []string{"REQUIRED input.attributes", "REQUIRED input.attributes"}},
		{"an empty one", private, []AttributeInput{{Key: "everybody", Text: set("")}}, Rules{}, []string{"REQUIRED input.attributes.0.text"}},
		{"what is asked for", private, []AttributeInput{{Key: "everybody", Text: set("x")}}, Rules{}, nil},
		{"one for builders", private, []AttributeInput{{Key: "everybody", Text: set("x")}, {Key: "builders", Text: set("x")}}, Rules{}, []string{"BAD_USER_INPUT input.attributes.1.key"}},
	} {
		chk := &check{newID: numbered(), definitions: defs, enforceRequired: true}
		cus := Customer{Profile: Profile{TypeID: c.kind}}
		cus.Attributes = chk.attributes([]string{"input", "attributes"}, cus, c.in)
		e := entry{after: File{Customer: cus}, given: everything, path: inInput}
		if err := chk.obeyAttributes(nil, ByStaff, c.rules, e, true); err != nil {
			t.Fatal(err)
		}
		if got := wrong(chk); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
	// What a customer had before its type changed can be emptied, and not be set anew.
	had := []AttributeValue{{DefinitionID: nth(2), Key: "builders", Type: attribute.Text, Text: "x"}}
	chk := &check{newID: numbered(), definitions: defs}
	left := chk.attributes(nil, Customer{Attributes: had}, []AttributeInput{{Key: "builders", Text: optional.Some[*string](nil)}})
	if len(left) != 0 || len(chk.faults) > 0 {
		t.Errorf("emptying it: %v, %v", left, chk.faults)
	}
}
