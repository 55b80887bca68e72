package system

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"dossier/internal/auth"
)

// defineAll makes a custom attribute of each type, its key the type in small letters.
func (a actor) defineAll(t testing.TB) {
	t.Helper()
	for _, kind := range []string{
		"TEXT", "LONG_TEXT", "INTEGER", "DECIMAL", "BOOLEAN", "DATE", "DATE_TIME", "SELECT", "MULTI_SELECT", "URL", "EMAIL", "PHONE", "FILE",
	} {
		d := map[string]any{"label": kind, "type": kind}
		if strings.HasSuffix(kind, "SELECT") {
			d["options"] = []any{map[string]any{"label": "A"}, map[string]any{"label": "Big Red"}, map[string]any{"label": "C"}}
		}
		a.define(t, d)
	}
}

// defineAs makes the custom attributes that somebody else's account has.
func (a actor) defineAs(t testing.TB, from actor) {
	t.Helper()
	data := from.must(t, `{ attributeDefinitions(first: 100) { nodes { key label type options { key label } } } }`, nil)
	for _, d := range list(data, "attributeDefinitions.nodes") {
		in := map[string]any{"key": at(d, "key"), "label": at(d, "label"), "type": at(d, "type")}
		if options := list(d, "options"); len(options) > 0 {
			in["options"] = options
		}
		a.define(t, in)
	}
}

// withoutIDs is an answer as text, its ids taken away.
func withoutIDs(t testing.TB, nodes []any) string {
	t.Helper()
	var clean func(v any)
	clean = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			delete(v, "id")
			for _, x := range v {
				clean(x)
			}
		case []any:
			for _, x := range v {
				clean(x)
			}
		}
	}
	clean(nodes)
	texts := make([]string, len(nodes))
	for i, n := range nodes {
		b, err := json.MarshalIndent(n, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		texts[i] = string(b)
	}
	slices.Sort(texts)
	return strings.Join(texts, "\n")
}

// everyAttribute is a value of each type, the text being the given one.
func everyAttribute(text string) []any {
	return []any{
		map[string]any{"key": "text", "text": text},
		map[string]any{"key": "long_text", "text": text + "\n" + text},
		map[string]any{"key": "integer", "integer": -7},
		map[string]any{"key": "decimal", "decimal": "-1234567890.50"},
		map[string]any{"key": "boolean", "boolean": false},
		map[string]any{"key": "date", "date": "1969-12-31"},
		map[string]any{"key": "date_time", "dateTime": "2026-03-01T10:30:00.5+01:00"},
		map[string]any{"key": "select", "option": "big_red"},
		map[string]any{"key": "multi_select", "options": []any{"c", "a"}},
		map[string]any{"key": "url", "url": "https://example.com/x"},
		map[string]any{"key": "email", "email": "ada@example.com"},
		map[string]any{"key": "phone", "phone": "+49 30 901820;ext=1"},
	}
}

func TestCustomAttributesAreImported(t *testing.T) {
	a := featureActor(t)
	a.defineAll(t)
	job := a.imported(t, table("sizes.csv", "givenName,emails.1.address,attributes.integer,attributes.boolean,attributes.date,attributes.select,attributes.multi_select,attributes.text",
		`Ada,ada@example.com,42,yes,2024-02-29,big red,C|A,blue`,
		`Bob,bob@example.com,many,,29.02.2024,green,"A;green",`,
		`Eve,eve@example.com,,,,,,`), map[string]any{}, false)
	wantCounts(t, job, 2, 0, 0, 1)
	var got []string
	for _, e := range list(job, "rowErrors.nodes") {
		got = append(got, fmt.Sprint(at(e, "line"), " ", at(e, "column"), " ", at(e, "field"), " ", at(e, "value"), ": ", at(e, "message")))
	}
	slices.Sort(got)
	want(t, "the errors", got, []string{
		"3 3 attributes.integer many: This is no whole number. Write for example 42.",
		"3 5 attributes.date 29.02.2024: This is no date. Write it as 2024-02-29.",
		"3 6 attributes.select green: select has no option with this key. Choose one of its options.",
		"3 7 attributes.multi_select A;green: multi_select has no option with this key. Choose one of its options.",
	})
	ada := a.idOf(t, `{ customers(where: {displayNameStartsWith: "ada"}) { nodes { id } } }`, "customers.nodes.0.id")
	values, _ := a.valuesOf(t, ada, "")
	option := func(key, label string) any { return map[string]any{"key": key, "label": label} }
	expected := map[string]any{
		"integer": 42.0, "boolean": true, "date": "2024-02-29", "select": option("big_red", "Big Red"), "multi_select": []any{option("a", "A"), option("c", "C")}, "text": "blue",
	}
	want(t, "the values", values, expected)

	// An update changes what the row has, and an empty cell nothing. The same again changes nothing.
	again := table("sizes.csv", "emails.1.address,attributes.integer,attributes.multi_select,attributes.text", `ada@example.com,43,b;big_red,`, `eve@example.com,1,,`)
	job = a.imported(t, again, map[string]any{"mode": "UPDATE_ONLY"}, false)
	wantCounts(t, job, 0, 1, 0, 1) // there is no option b
	again = table("sizes.csv", "emails.1.address,attributes.integer,attributes.multi_select,attributes.text", `ada@example.com,43,big_red,`, `eve@example.com,1,,`)
	wantCounts(t, a.imported(t, again, map[string]any{"mode": "UPDATE_ONLY"}, false), 0, 1, 1, 0)
	wantCounts(t, a.imported(t, again, map[string]any{"mode": "UPDATE_ONLY"}, false), 0, 0, 2, 0)
	expected["integer"], expected["multi_select"] = 43.0, []any{option("big_red", "Big Red")}
	values, _ = a.valuesOf(t, ada, "")
	want(t, "the values then", values, expected)

	// A column that is no attribute of the account, or one without values, is told at once.
	for header, says := range map[string]string{"attributes.shoe_size": `"attributes.shoe_size"`, "attributes.file": "FILE"} {
		r := a.startImport(t, table("x.csv", "givenName,"+header, "Ada,1"), map[string]any{}, true, "")
		if found := userErrors(r); len(found) != 1 || !strings.Contains(text(found[0], "message"), says) || fmt.Sprint(found[0]["path"]) != "[file]" {
			t.Errorf("%s: got %v and %v, want one error at the file that says %s", header, found, r.Errors, says)
		}
	}
}

func TestRowE9AnImportObeysThePolicyAboutAnAttribute(t *testing.T) {
	a := featureActor(t)
	a.defineAll(t)
	_, wrong := a.settle(t, "fieldPolicyUpdate", `channel: IMPORT, expectedVersion: 0, rules: [{field: "attributes.integer", required: true}, {field: "attributes.text", visible: false}]`,
		"fieldPolicy", " { field }", nil)
	want(t, "the policy", wrong, []string(nil))
	job := a.imported(t, table("x.csv", "givenName,attributes.date,attributes.text,attributes.integer", "Ada,2024-01-01,,7", "Bob,2024-01-01,hidden,7", "Eve,2024-01-01,,"), map[string]any{}, false)
	wantCounts(t, job, 1, 0, 0, 2)
	var got []string
	for _, e := range list(job, "rowErrors.nodes") {
		got = append(got, fmt.Sprint(at(e, "line"), " ", at(e, "column"), " ", at(e, "code")))
	}
	want(t, "the errors", got, []string{"3 3 BAD_USER_INPUT", "4 4 REQUIRED"})
}

func TestRowC1JSONLinesHaveTheAttributesAsAnInputTakesThem(t *testing.T) {
	a := staff(t, featureActor(t).node, auth.Admin)
	a.defineAll(t)
	in := everyAttribute("blue")
	c := a.create(t, map[string]any{"givenName": "Ada", "attributes": in})
	content, _ := a.exported(t, map[string]any{"format": "JSON_LINES"})
	var line struct {
		Attributes []any `json:"attributes"`
	}
	if err := json.Unmarshal(content, &line); err != nil || len(line.Attributes) != len(in) {
		t.Fatalf("%s: %v", content, err)
	}
	copied := a.create(t, map[string]any{"givenName": "Ada", "attributes": line.Attributes})
	values, _ := a.valuesOf(t, c["id"], "")
	same, _ := a.valuesOf(t, copied["id"], "")
	want(t, "the values of a customer made of the line", same, values)
}
