package graph

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/vektah/gqlparser/v2/ast"

	"dossier/graph/model"
	"dossier/internal/catalog"
	"dossier/internal/optional"
	"dossier/internal/typeid"
)

// distinct makes values of an input type of the schema, with every field given and no two texts, numbers or times equal.
type distinct struct {
	schema *ast.Schema
	n      int
}

func (d *distinct) value(t *ast.Type, field string) any {
	if t.Elem != nil {
		return []any{d.value(t.Elem, field), d.value(t.Elem, field)}
	}
	def := d.schema.Types[t.NamedType]
	switch def.Kind {
	case ast.Enum:
		d.n++
		return def.EnumValues[d.n%len(def.EnumValues)].Name
	case ast.InputObject:
		out := map[string]any{}
		for _, f := range def.Fields {
			out[f.Name] = d.value(f.Type, f.Name)
		}
		return out
	}
	d.n++
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, d.n)
	switch {
	case field == "customerId":
		return typeid.Format(typeid.Customer, uuid.MustParse(fmt.Sprintf("01980000-0000-7000-8000-%012d", d.n)))
	case t.NamedType == "Int", t.NamedType == "BigInt":
		return d.n
	case t.NamedType == "Boolean":
		return true
	case t.NamedType == "DateTime", t.NamedType == "Date":
		return at.Format(time.RFC3339)
	default:
		return fmt.Sprintf("text %d", d.n)
	}
}

// leaves gives every value in v by its path, in small letters. A field that holds nothing is not there.
func leaves(v reflect.Value, path string, into map[string]string) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			leaves(v.Elem(), path, into)
		}
		return
	case reflect.Slice:
		for i := range v.Len() {
			leaves(v.Index(i), fmt.Sprintf("%s.%d", path, i), into)
		}
		return
	case reflect.Map:
		for _, k := range v.MapKeys() {
			leaves(v.MapIndex(k), path+"."+strings.ToLower(k.String()), into)
		}
		return
	case reflect.Array, reflect.Struct:
		switch x := v.Interface().(type) {
		case time.Time:
			into[path] = x.Format(time.RFC3339)
			return
		case uuid.UUID:
			into[path] = typeid.Format(typeid.Customer, x)
			return
		}
	default:
		into[path] = fmt.Sprint(v.Interface())
		return
	}
	if given := v.FieldByName("Given"); given.IsValid() {
		if given.Bool() {
			leaves(v.FieldByName("Value"), path, into)
		}
		return
	}
	for i := range v.NumField() {
		if f := v.Type().Field(i); f.Anonymous {
			leaves(v.Field(i), path, into)
		} else {
			leaves(v.Field(i), path+"."+strings.ToLower(f.Name), into)
		}
	}
}

// arrives says what of an input was lost, changed or invented on its way to an area.
func arrives[In any](t *testing.T, typeName string, convert func(In) (any, error)) {
	t.Helper()
	d := distinct{schema: Schema()}
	given := d.value(ast.NamedType(typeName, nil), "")
	text, err := json.Marshal(given)
	if err != nil {
		t.Fatal(err)
	}
	var in In
	if err := json.Unmarshal(text, &in); err != nil {
		t.Fatalf("%s: %v\n%s", typeName, err, text)
	}
	out, err := convert(in)
	if err != nil {
		t.Fatalf("%s: %v", typeName, err)
	}
	got, want := map[string]string{}, map[string]string{}
	leaves(reflect.ValueOf(out), "", got)
	leaves(reflect.ValueOf(given), "", want)
	for _, path := range slices.Sorted(maps.Keys(want)) {
		if got[path] != want[path] {
			t.Errorf("%s%s = %q, want %q", typeName, path, got[path], want[path])
		}
	}
	for path, value := range got {
		if _, ok := want[path]; !ok {
			t.Errorf("%s%s = %q, which nobody gave", typeName, path, value)
		}
	}
}

func plain[In, Out any](convert func(In) Out) func(In) (any, error) {
	return func(in In) (any, error) { return convert(in), nil }
}

func checked[In, Out any](convert func(In) (Out, error)) func(In) (any, error) {
	return func(in In) (any, error) { return convert(in) }
}

func TestEveryFieldOfAnInputArrives(t *testing.T) {
	t.Parallel()
	arrives(t, "CustomerCreateInput", plain(customerDraft))
	arrives(t, "CustomerUpdateInput", plain(customerPatch))
	arrives(t, "CustomerUpsertInput", plain(upsertPatch))
	arrives(t, "CustomerKey", plain(customerKey))
	arrives(t, "ContactCreateInput", plain(contactDraft))
	arrives(t, "ContactUpdateInput", plain(contactPatch))
	arrives(t, "ContactNestedInput", func(in model.ContactNestedInput) (any, error) { return contactNested(&in), nil })
	arrives(t, "DocumentUploadInput", checked(uploadDraft))
	arrives(t, "DocumentUploadBeginInput", checked(beginDraft))
	arrives(t, "DocumentUpdateInput", plain(documentPatch))
	arrives(t, "TimelineEntryInput", plain(entryDraft))
	arrives(t, "TimelineEntryUpdateInput", plain(entryPatch))
	arrives(t, "NoteCreateInput", plain(noteDraft))
	arrives(t, "NoteUpdateInput", plain(notePatch))
	arrives(t, "ApiKeyCreateInput", plain(keyDraft))
	arrives(t, "StorageLimitSetInput", plain(storageLimits))
	arrives(t, "AttributeDefinitionCreateInput", plain(attributeDraft))
	arrives(t, "AttributeDefinitionUpdateInput", plain(attributePatch))
	arrives(t, "AttributeValueInput", func(in model.AttributeValueInput) (any, error) { return attributeValue(&in), nil })
	arrives(t, "CustomerTypeCreateInput", plain(typeDraft))
	arrives(t, "CustomerTypeUpdateInput", plain(typePatch))
	arrives(t, "CustomerOriginCreateInput", plain(originDraft))
	arrives(t, "CustomerOriginUpdateInput", plain(originPatch))
	arrives(t, "OfficeCreateInput", func(in model.OfficeCreateInput) (any, error) { return named(officeDraft(in)), nil })
	arrives(t, "OfficeUpdateInput", func(in model.OfficeUpdateInput) (any, error) { return renamed(officePatch(in)), nil })
	arrives(t, "ServiceCreateInput", func(in model.ServiceCreateInput) (any, error) { return named(serviceDraft(in)), nil })
	arrives(t, "ServiceUpdateInput", func(in model.ServiceUpdateInput) (any, error) { return renamed(servicePatch(in)), nil })
	arrives(t, "FieldRuleInput", func(in model.FieldRuleInput) (any, error) { return fieldRule(&in), nil })
	arrives(t, "StaffUserCreateInput", plain(staffDraft))
	arrives(t, "StaffUserUpdateInput", plain(staffPatch))
	arrives(t, "ImportInput", plain(importDraft))
	arrives(t, "ExportInput", plain(exportDraft))
}

// named and renamed call the label a name, as the schema does for offices and services.
func named(d catalog.Draft) any {
	return struct {
		Key, TimeZone   *string
		Name            string
		DurationMinutes *int
	}{d.Key, d.TimeZone, d.Label, d.DurationMinutes}
}

func renamed(p catalog.Patch) any {
	return struct {
		Name, TimeZone  optional.Field[*string]
		DurationMinutes optional.Field[*int]
	}{p.Label, p.TimeZone, p.DurationMinutes}
}

// The inputs of mutations that have no line in the test above would not be tested at all.
func TestEveryInputOfAMutationIsConverted(t *testing.T) {
	t.Parallel()
	tested := map[string]bool{
		"CustomerCreateInput": true, "CustomerUpdateInput": true, "CustomerUpsertInput": true, "CustomerKey": true, "ContactCreateInput": true, "ContactUpdateInput": true,
		"DocumentUploadInput": true, "DocumentUploadBeginInput": true, "DocumentUpdateInput": true,
		"TimelineEntryInput": true, "TimelineEntryUpdateInput": true, "ApiKeyCreateInput": true, "StorageLimitSetInput": true,
		"AttributeDefinitionCreateInput": true, "AttributeDefinitionUpdateInput": true, "NoteCreateInput": true, "NoteUpdateInput": true,
		"CustomerTypeCreateInput": true, "CustomerTypeUpdateInput": true, "CustomerOriginCreateInput": true, "CustomerOriginUpdateInput": true,
		"OfficeCreateInput": true, "OfficeUpdateInput": true, "ServiceCreateInput": true, "ServiceUpdateInput": true,
		"FieldRuleInput": true, "StaffUserCreateInput": true, "StaffUserUpdateInput": true,
		"ImportInput": true, "ExportInput": true,
	}
	schema := Schema()
	for _, f := range schema.Mutation.Fields {
		for _, arg := range f.Arguments {
			name := arg.Type.Name()
			if schema.Types[name].Kind == ast.InputObject && !tested[name] {
				t.Errorf("%s.%s takes %s, which no test converts: add it to TestEveryFieldOfAnInputArrives", f.Name, arg.Name, name)
			}
		}
	}
}

func TestNullInAnUpdateIsGivenAndAMissingFieldIsNot(t *testing.T) {
	t.Parallel()
	schema := Schema()
	for typeName, convert := range map[string]func(string) any{
		"CustomerUpdateInput":  func(s string) any { return customerPatch(unmarshal[model.CustomerUpdateInput](t, s)) },
		"ContactUpdateInput":   func(s string) any { return contactPatch(unmarshal[model.ContactUpdateInput](t, s)) },
		"StaffUserUpdateInput": func(s string) any { return staffPatch(unmarshal[model.StaffUserUpdateInput](t, s)) },
		"DocumentUpdateInput":  func(s string) any { return documentPatch(unmarshal[model.DocumentUpdateInput](t, s)) },
		"AttributeDefinitionUpdateInput": func(s string) any {
			return attributePatch(unmarshal[model.AttributeDefinitionUpdateInput](t, s))
		},
	} {
		for _, f := range schema.Types[typeName].Fields {
			out := reflect.ValueOf(convert(`{"` + f.Name + `":null}`))
			for _, member := range reflect.VisibleFields(out.Type()) {
				if member.Anonymous {
					continue
				}
				name, stored := member.Name, out.FieldByIndex(member.Index)
				given, value := stored.FieldByName("Given").Bool(), stored.FieldByName("Value")
				if want := strings.EqualFold(name, f.Name); given != want || !value.IsZero() {
					t.Errorf("%s{%s: null}: %s is given %v with %v, want given %v with nothing", typeName, f.Name, name, given, value, want)
				}
			}
		}
	}
}

func TestAnEmptyListInAnUpdateIsNotNull(t *testing.T) {
	t.Parallel()
	patch := customerPatch(unmarshal[model.CustomerUpdateInput](t, `{"emails":[]}`))
	if !patch.Emails.Given || patch.Emails.Value == nil || len(patch.Emails.Value) != 0 {
		t.Errorf("emails is %+v, want an empty list that was given", patch.Emails)
	}
}

func unmarshal[T any](t *testing.T, text string) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return v
}
