package job

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"dossier/internal/attribute"
	"dossier/internal/customer"
	"dossier/internal/fault"
	"dossier/internal/typeid"
)

// typedDefinitions has a definition of each type, its key the type in small letters.
func typedDefinitions() []attribute.Definition {
	var list []attribute.Definition
	for _, kind := range []attribute.Type{
		attribute.Text, attribute.LongText, attribute.Integer, attribute.Decimal, attribute.Boolean, attribute.Date, attribute.DateTime,
		attribute.Select, attribute.MultiSelect, attribute.URL, attribute.Email, attribute.Phone, attribute.File,
	} {
		list = append(list, attribute.Definition{ID: typeid.New(), Key: strings.ToLower(string(kind)), Type: kind, Options: []attribute.Option{
			{ID: typeid.New(), Key: "old", Label: "Red", Archived: true},
			{ID: typeid.New(), Key: "red", Label: "Red"},
			{ID: typeid.New(), Key: "green", Label: "Green; or |"},
			{ID: typeid.New(), Key: "c", Label: "red"},
		}})
	}
	return list
}

// definedRules is an account with custom attributes.
type definedRules struct {
	noRules
	defs []attribute.Definition
}

func (d definedRules) AttributeDefinitions() ([]attribute.Definition, error) { return d.defs, nil }

// TestACellBecomesTheValueOfItsAttribute holds also that what an export writes of the value is read as the same value.
func TestACellBecomesTheValueOfItsAttribute(t *testing.T) {
	t.Parallel()
	r := definedRules{defs: typedDefinitions()}
	planner := customer.Planner{NewID: typeid.New}
	for _, c := range []struct{ key, cell, want string }{
		{"text", " Rot ", "Rot"},
		{"long_text", "a\r\nb", "a\nb"},
		{"integer", " -42 ", "-42"},
		{"integer", "4 2", "!This is no whole number"},
		{"integer", "1.0", "!This is no whole number"},
		{"integer", "99999999999999999999", "!An INTEGER is from"},
		{"decimal", "1.50", "1.5"},
		{"decimal", "1,5", "!This is a decimal number"},
		{"boolean", "Yes", "true"},
		{"boolean", "0", "false"},
		{"boolean", "NO", "false"},
		{"boolean", "maybe", "!Write true or false"},
		{"date", "2024-02-29", "2024-02-29"},
		{"date", "2023-02-29", "!This is no date"},
		{"date", "29.02.2024", "!This is no date"},
		{"date_time", "2026-03-01T10:30:00.5+01:00", "2026-03-01T09:30:00.5Z"},
		{"date_time", "2026-03-01", "!This is no date with a time"},
		{"select", "red", "red"},
		{"select", "RED", "red"},
		{"select", "Green; or |", "green"},
		{"select", "blue", "!select has no option"},
		{"select", "old", "!This option of select was archived"},
		{"multi_select", "red; green", "red;green"},
		{"multi_select", "c|Red", "red;c"},
		{"multi_select", "Green; or |", "green"},
		{"multi_select", "red;blue", "!multi_select has no option"},
		{"multi_select", ";", "!multi_select has no option"},
		{"url", "https://example.com", "https://example.com"},
		{"url", "example", "!This is not an absolute URL"},
		{"email", "ada@example.com", "ada@example.com"},
		{"email", "x", "!"},
		{"phone", "030 901820", "+4930901820"},
		{"phone", "+49 30 901820;ext=1", "+4930901820;ext=1"},
		{"phone", "x", "!"},
	} {
		l, err := newLayout([]string{"givenName", attributePrefix + c.key}, nil, false, nil, r.defs)
		if err != nil {
			t.Fatal(err)
		}
		got, err := written(r, planner, l, c.cell)
		if fault.AsList(err) != nil {
			s := &batch{importer: &importer{layout: l, in: importInput{Fields: l.fields, Columns: l.fields}}, rulesReading: newRulesReading(r)}
			o := origins{}
			l.attributeInputs(cellsOf{"Ada", c.cell}, o, r.defs, "DE")
			_, _ = s.AttributeDefinitions()
			s.fail(&prepared{row: row{raw: []string{"Ada", c.cell}}}, fault.AsList(err), o)
			got = "!"
			for _, e := range s.step.Errors {
				got += e.Message
				if e.Column != 2 || e.Value != c.cell {
					t.Errorf("%s %q: the error is at column %d with %q", c.key, c.cell, e.Column, e.Value)
				}
			}
		}
		if got != c.want && (c.want[0] != '!' || !strings.HasPrefix(got, c.want)) {
			t.Errorf("%s %q: got %q, want %q", c.key, c.cell, got, c.want)
		}
		if again, err := written(r, planner, l, got); got[0] != '!' && (err != nil || again != got) {
			t.Errorf("%s: what an export writes, %q, is read as %q, %v", c.key, got, again, err)
		}
	}
}

// written reads a cell, makes a customer with it, and gives the cell that an export has for that.
func written(r definedRules, planner customer.Planner, l *layout, cell string) (string, error) {
	ch, err := planner.Create(r, customer.Draft{GivenName: ptr("Ada"), Attributes: l.attributeInputs(cellsOf{"Ada", cell}, nil, r.defs, "DE")})
	if err != nil {
		return "", err
	}
	def := definitionOf(r.defs, l.attributes[0].key)
	v := valueOf(&ch.Customer, def)
	if v == nil {
		return "", errors.New("no value arrived")
	}
	return attributeCell(v, def)
}

func TestColumnsOfCustomAttributes(t *testing.T) {
	t.Parallel()
	defs := append(typedDefinitions(), attribute.Definition{ID: typeid.New(), Key: "number", Type: attribute.Text})
	for header, c := range map[string]struct {
		mapping []ColumnMapping
		ignore  bool
		want    string // the fields, or what the fault says behind !
	}{
		"givenName|attributes.text|attributes.select":  {nil, false, "givenName|attributes.text|attributes.select"},
		"givenName|attributes.shoe_size":               {nil, false, `!attributes.shoe_size`},
		"familyName|attributes.shoe_size":              {nil, true, "familyName|"},
		"givenName|attributes.file":                    {nil, false, `!column "attributes.file" goes to a custom attribute of the type FILE`},
		"familyName|attributes.file":                   {[]ColumnMapping{{"attributes.file", "-"}}, false, "familyName|"},
		"givenName|Colour":                             {[]ColumnMapping{{"Colour", "attributes.select"}}, false, "givenName|attributes.select"},
		"givenName|Size":                               {[]ColumnMapping{{"Size", "attributes.shoe_size"}}, false, `!There is no custom attribute "shoe_size"`},
		"givenName|Paper":                              {[]ColumnMapping{{"Paper", "attributes.file"}}, false, "!file is a FILE"},
		"givenName|Colour|attributes.select":           {[]ColumnMapping{{"Colour", "attributes.select"}}, false, "!both go to attributes.select"},
		"givenName|attributes.|attributes.text.text|x": {nil, false, `!"attributes.", "attributes.text.text", "x"`},
	} {
		l, err := newLayout(strings.Split(header, "|"), c.mapping, c.ignore, []string{"file"}, defs)
		got := fmt.Sprint("!", err)
		if err == nil {
			got = strings.Join(l.fields, "|")
		}
		if got != c.want && (c.want[0] != '!' || !strings.Contains(got, c.want[1:])) {
			t.Errorf("%s: got %s, want %s", header, got, c.want)
		}
	}
	l := compile([]string{"attributes.number", "phones.1.number"})
	if got := l.read([]string{"030 901820", "030 901820"}, "DE"); !slices.Equal(got, cellsOf{"030 901820", "+4930901820"}) {
		t.Errorf("read as %q: a text that is called number is no telephone number", got)
	}
}

func TestAnExportLeavesOutWhatIsNotForTheType(t *testing.T) {
	t.Parallel()
	def := attribute.Definition{ID: typeid.New(), Key: "date", Type: attribute.Date, CustomerTypes: []uuid.UUID{typeid.New()}}
	c := customer.Customer{Attributes: []customer.AttributeValue{{DefinitionID: def.ID, Key: "date", Type: attribute.Date, Time: time.Now()}}}
	if valueOf(&c, &def) != nil {
		t.Error("the value of another type is exported")
	}
	if c.TypeID = def.CustomerTypes[0]; valueOf(&c, &def) == nil {
		t.Error("the value of the customer's type is not exported")
	}
	gone := customer.AttributeValue{Type: attribute.Select, Options: []uuid.UUID{typeid.New()}}
	if _, err := attributeCell(&gone, &def); !errors.Is(err, errWidths) {
		t.Errorf("an option that is newer than the definitions: %v, want that the export begins again", err)
	}
}
