package job

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"dossier/internal/attribute"
	"dossier/internal/customer"
	"dossier/internal/fault"
	"dossier/internal/typeid"
)

func TestColumnsGoWhereTheirNamesSay(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]string{
		"givenName|GIVEN_NAME|E-Mail|Phone 2": "twice",
		"First name|Surname|E-mail|Telephone|Street|City|ZIP|Country code": "givenName|familyName|emails.1.address|phones.1.number|addresses.1.streetAddress|" +
			"addresses.1.addressLocality|addresses.1.postalCode|addresses.1.addressCountry",
		"id|status|kind|emails.20.type|contacts.50.phones.2.number|updatedAt": "||kind|emails.20.type|contacts.50.phones.2.number|",
		" givenName | company_name ":                                          "givenName|companyName",
		"givenName||":                                                         "givenName||",
		"emails.21.address":                                                   "unknown", "emails.0.address": "unknown", "emails.01.address": "unknown", "contacts.51.role": "unknown",
		"contacts.1.kind": "unknown", "emails.1.number": "unknown", "contacts.1.contacts.1.role": "unknown", "shoe size": "unknown",
	} {
		l, err := newLayout(strings.Split(header, "|"), nil, false, []string{"file"}, nil)
		switch {
		case want == "unknown" || want == "twice":
			if fault.CodeOf(err) != fault.BadUserInput {
				t.Errorf("%s: got %v, want a fault", header, err)
			}
		case err != nil:
			t.Errorf("%s: %v", header, err)
		case strings.Join(l.fields, "|") != want:
			t.Errorf("%s goes to %s, want %s", header, strings.Join(l.fields, "|"), want)
		}
	}
}

// every makes a row in which each field that there is has a value of its own.
func every() (fields []string, row cellsOf) {
	add := func(name, value string) { fields, row = append(fields, name), append(row, value) }
	for _, s := range scalars {
		value := "value of " + s.name
		switch s.name {
		case "kind":
			value = "company"
		case fieldTaxExempt:
			value = "yes"
		}
		add(s.name, value)
	}
	for _, prefix := range []string{"", "contacts.1.", "contacts.3."} {
		if prefix != "" {
			for _, p := range contactParts {
				add(prefix+p, prefix+p)
			}
		}
		for _, list := range slices.Sorted(maps.Keys(pointParts)) {
			for _, n := range []string{".1.", ".2."} {
				for _, part := range pointParts[list] {
					value := prefix + list + n + part
					switch part {
					case "type":
						value = "work"
					case "purposes":
						value = "for_" + strings.ReplaceAll(prefix+list+n, ".", "_")
					}
					add(prefix+list+n+part, value)
				}
			}
		}
	}
	return fields, row
}

// TestEveryFieldOfARowArrives holds that no value of a row is lost on its way into a draft or a patch, and that its column
// is found again by the path that the rules would name.
func TestEveryFieldOfARowArrives(t *testing.T) {
	t.Parallel()
	fields, row := every()
	l := compile(fields)
	f := customer.File{Customer: customer.Customer{ID: typeid.New(), Kind: customer.Person, GivenName: "Old"}}
	for name, in := range map[string]func(o origins) any{
		"draft": func(o origins) any { return l.draft(row, o) },
		"patch": func(o origins) any { return l.patch(row, o, f) },
	} {
		o := origins{}
		values := leaves(reflect.ValueOf(in(o)))
		for i, value := range row {
			if strings.HasSuffix(fields[i], ".purposes") {
				value = strings.ToUpper(value)
			}
			if fields[i] != "kind" && fields[i] != fieldTaxExempt && !strings.HasSuffix(fields[i], ".type") && !slices.Contains(values, value) {
				t.Errorf("%s: %s does not arrive", name, fields[i])
			}
		}
		if exempt := count(values, "true"); exempt != 1 {
			t.Errorf("%s: %d truths arrive, want 1", name, exempt)
		}
		if kinds, types := count(values, "COMPANY"), count(values, "WORK"); kinds != 1 || types != 18 {
			t.Errorf("%s: %d kinds and %d types arrive, want 1 and 18", name, kinds, types)
		}
		if len(o) != len(row) {
			t.Errorf("%s: %d origins, want %d", name, len(o), len(row))
		}
		for path, column := range o {
			// The second person of the row is the third of the columns.
			field := strings.ReplaceAll(strings.TrimPrefix(path, "input."), "contacts.1.", "contacts.2.")
			for _, n := range []string{"2", "1", "0"} {
				field = strings.ReplaceAll(field, "."+n+".", "."+string(n[0]+1)+".")
			}
			if fields[column] != field {
				t.Errorf("%s: %s came from %s, want %s", name, path, fields[column], field)
			}
		}
	}
}

func count(list []string, s string) (n int) {
	for _, v := range list {
		if v == s {
			n++
		}
	}
	return n
}

// leaves gives every text in a value.
func leaves(v reflect.Value) (out []string) {
	switch v.Kind() {
	case reflect.String:
		return []string{v.String()}
	case reflect.Bool:
		return []string{fmt.Sprint(v.Bool())}
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return nil
		}
		return leaves(v.Elem())
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			out = append(out, leaves(v.Index(i))...)
		}
	case reflect.Struct:
		if given := v.FieldByName("Given"); given.IsValid() {
			return leaves(v.FieldByName("Value"))
		}
		for i := range v.NumField() {
			out = append(out, leaves(v.Field(i))...)
		}
	}
	return out
}

func TestAnErrorFindsTheNearestColumn(t *testing.T) {
	t.Parallel()
	o := origins{"input.emails.0.address": 3, "input.emails.0.type": 4, "input.givenName": 0}
	for path, want := range map[string]int{
		"input.emails.0.address": 3, "input.emails.0": 3, "input.emails.0.id": 3, "input.emails": 3, "input.givenName": 0, "input.phones": -1, "": -1,
	} {
		if got := o.column(strings.Split(path, ".")); got != want && path != "" || path == "" && o.column(nil) != want {
			t.Errorf("%q: got column %d, want %d", path, got, want)
		}
	}
}

// noRules is an account without a field policy and without other customers.
type noRules struct{ customer.Reading }

func (noRules) Rules(customer.Channel, uuid.UUID) (customer.Rules, error) {
	return customer.Rules{}, nil
}

func (noRules) AttributeDefinitions() ([]attribute.Definition, error) { return nil, nil }

func (noRules) ExternalIDTaken(string, uuid.UUID) (bool, error) { return false, nil }

// stored makes a customer by the rules, as it is stored then.
func stored(t *testing.T, d customer.Draft) customer.File {
	t.Helper()
	ch, err := customer.Planner{NewID: typeid.New}.Create(noRules{}, d)
	if err != nil {
		t.Fatal(err)
	}
	f := customer.File{Customer: ch.Customer}
	for _, c := range ch.Contacts {
		f.Contacts = append(f.Contacts, c.Contact)
	}
	return f
}

func ptr(s string) *string { return &s }

func TestWhatARowChangesOfACustomer(t *testing.T) {
	t.Parallel()
	f := stored(t, customer.Draft{
		GivenName: ptr("Ada"), Emails: []customer.EmailInput{{Address: "ada@example.com"}, {Address: "b@example.com", Type: "WORK"}},
		Phones:    []customer.PhoneInput{{Number: "+4930901820"}},
		Addresses: []customer.AddressInput{{StreetAddress: ptr("Old 1"), AddressRegion: ptr("Region")}},
		Contacts:  []customer.ContactDraft{{GivenName: ptr("Con"), FamilyName: ptr("Tact"), Emails: []customer.EmailInput{{Address: "c@example.com"}}}},
	})
	for name, c := range map[string]struct {
		header, row string
		want        string // changed fields
		check       func(ch customer.Change) bool
	}{
		"what is there in other letters": { // found by its key, and left as it was written first
			"givenName|emails.1.address|emails.2.address|phones.1.number|contacts.1.givenName|contacts.1.familyName",
			"Ada|B@example.com|ADA@example.com|+49 30 901820||", "", nil,
		},
		"the same": {"givenName|emails.1.address|phones.1.number", "Ada|ada@example.com|+4930901820", "", nil},
		"a new address behind the others": {"emails.1.address|emails.1.type", "new@example.com|work", "emails", func(ch customer.Change) bool {
			return len(ch.Customer.Emails) == 3 && ch.Customer.Emails[2].Address == "new@example.com" && ch.Customer.Emails[2].Type == "WORK" && ch.Customer.Emails[0].ID == f.Emails[0].ID
		}},
		"a postal address as a whole": {"addresses.1.streetAddress|addresses.1.addressRegion", "New 2|", "addresses", func(ch customer.Change) bool {
			return len(ch.Customer.Addresses) == 1 && ch.Customer.Addresses[0].StreetAddress == "New 2" && ch.Customer.Addresses[0].Region == "" && ch.Customer.Addresses[0].ID == f.Addresses[0].ID
		}},
		"a second postal address": {"addresses.2.streetAddress", "New 2", "addresses", func(ch customer.Change) bool { return len(ch.Customer.Addresses) == 2 }},
		"a contact by e-mail": {"contacts.1.emails.1.address|contacts.1.role", "C@example.com|Boss", "contacts", func(ch customer.Change) bool {
			return len(ch.Contacts) == 1 && !ch.Contacts[0].New && ch.Contacts[0].Role == "Boss" && ch.Contacts[0].GivenName == "Con"
		}},
		"another contact": {"contacts.1.givenName|contacts.1.role", "Other|Boss", "contacts", func(ch customer.Change) bool {
			return len(ch.Contacts) == 1 && ch.Contacts[0].New && !ch.Contacts[0].Primary
		}},
		"empty cells": {"givenName|familyName|emails.1.address|contacts.1.givenName", "||  |", "", nil},
	} {
		l, err := newLayout(strings.Split(c.header, "|"), nil, false, []string{"file"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		ch, err := customer.Planner{NewID: typeid.New}.Update(noRules{}, f, l.patch(strings.Split(c.row, "|"), nil, f))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := strings.Join(ch.Fields, " "); got != c.want || c.check != nil && !c.check(ch) {
			t.Errorf("%s: changed %q: %+v", name, got, ch)
		}
	}
}

func TestNationalNumbersBecomeInternational(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"030 901820": "+4930901820", "(030) 90-18/20": "+4930901820", "+44 20 7123 4567": "+44 20 7123 4567", "": "", "x": "x",
		"030 901820;ext=7": "+4930901820;ext=7", "0049 30 901820": "+4930901820", "12": "12", "030901820 home": "030901820 home",
	} {
		if got := customer.International(in, "DE"); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
	if got := customer.International("030 901820", ""); got != "030 901820" {
		t.Errorf("without a region: got %q", got)
	}
	if !customer.IsRegion("DE") || customer.IsRegion("de") || customer.IsRegion("XX") || customer.IsRegion("E ") || customer.IsRegion("") {
		t.Error("IsRegion takes what is no country, or refuses one")
	}
}
