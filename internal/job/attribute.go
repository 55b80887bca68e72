package job

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"dossier/internal/attribute"
	"dossier/internal/customer"
	"dossier/internal/fault"
	"dossier/internal/fold"
	"dossier/internal/optional"
)

const (
	fieldAttributes = "attributes"
	// attributePrefix is before the key of a custom attribute in the name of its column.
	attributePrefix = fieldAttributes + "."
	// optionSeparator is between the options of an exported MULTI_SELECT; an import takes also |.
	optionSeparator = ";"
)

// attributeColumn is the column of a custom attribute.
type attributeColumn struct {
	key    string
	column int
}

// attributeKey gives the key in a column's name, "" when it has none.
func attributeKey(name string) string {
	key, ok := strings.CutPrefix(name, attributePrefix)
	if !ok || strings.ContainsAny(key, ". ") {
		return ""
	}
	return key
}

func definitionOf(defs []attribute.Definition, key string) *attribute.Definition {
	i := slices.IndexFunc(defs, func(d attribute.Definition) bool { return d.Key == key })
	if i < 0 {
		return nil
	}
	return &defs[i]
}

// attributeInputs makes the values of a row: a cell becomes the input of its attribute's type. What cannot be read as that
// type goes into the field of texts, where the rules refuse it; see unreadable.
func (l *layout) attributeInputs(row cellsOf, o origins, defs []attribute.Definition, region string) []customer.AttributeInput {
	var list []customer.AttributeInput
	for _, c := range l.attributes {
		v := row.at(c.column)
		if v == nil {
			continue
		}
		o.note(c.column, fieldAttributes, strconv.Itoa(len(list)))
		in := customer.AttributeInput{Key: c.key}
		if def := definitionOf(defs, c.key); def != nil {
			readAttribute(&in, def, *v, region)
		}
		list = append(list, in)
	}
	return list
}

func readAttribute(in *customer.AttributeInput, def *attribute.Definition, cell, region string) {
	trimmed := strings.TrimSpace(cell)
	readable := true
	switch def.Type {
	case attribute.Integer:
		var n int64
		n, readable = wholeNumber(trimmed)
		in.Integer = optional.Some(&n)
	case attribute.Boolean:
		readable = !badTruth(cell)
		in.Boolean = optional.Some(truth(cell))
	case attribute.Date:
		at, err := time.Parse(time.DateOnly, trimmed)
		readable, in.Date = err == nil, optional.Some(&at)
	case attribute.DateTime:
		at, err := time.Parse(time.RFC3339, trimmed)
		readable, in.DateTime = err == nil, optional.Some(&at)
	case attribute.Decimal:
		in.Decimal = optional.Some(&trimmed)
	case attribute.Select:
		key := optionKey(def, trimmed)
		in.Option = optional.Some(&key)
	case attribute.MultiSelect:
		in.Options = optional.Some(optionKeys(def, trimmed))
	case attribute.URL:
		in.URL = optional.Some(&cell)
	case attribute.Email:
		in.Email = optional.Some(&cell)
	case attribute.Phone:
		number := customer.International(cell, region)
		in.Phone = optional.Some(&number)
	case attribute.Text, attribute.LongText:
		in.Text = optional.Some(&cell)
	case attribute.File: // the rules refuse it
	}
	if !readable {
		*in = customer.AttributeInput{Key: in.Key, Text: optional.Some(&cell)}
	}
}

// wholeNumber reads an integer. One that is too large for int64 is the largest, which the rules refuse with what is
// accepted.
func wholeNumber(s string) (int64, bool) {
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil || errors.Is(err, strconv.ErrRange)
}

// optionKey finds an option by its key, or else by its label in any case; of equal labels one that is in use. What names no
// option stays as it is, and the rules refuse it.
func optionKey(def *attribute.Definition, s string) string {
	if def.Option(s) != nil {
		return s
	}
	folded, found := fold.Text(s), ""
	for _, o := range def.Options {
		if fold.Text(o.Label) == folded && (found == "" || !o.Archived) {
			found = o.Key
			if !o.Archived {
				break
			}
		}
	}
	if found != "" {
		return found
	}
	return s
}

// optionKeys reads several options. A label may have a separator in it when it is the only one of the cell.
func optionKeys(def *attribute.Definition, s string) []string {
	if key := optionKey(def, s); def.Option(key) != nil {
		return []string{key}
	}
	var keys []string
	for part := range strings.FieldsFuncSeq(s, func(r rune) bool { return r == ';' || r == '|' }) {
		if part = strings.TrimSpace(part); part != "" {
			keys = append(keys, optionKey(def, part))
		}
	}
	if keys == nil { // separators alone: not an empty list, which would empty the attribute
		keys = []string{s}
	}
	return keys
}

// unreadables say what a cell of a type must be.
var unreadables = map[attribute.Type]string{
	attribute.Integer:  "This is no whole number. Write for example 42.",
	attribute.Boolean:  "Write true or false.",
	attribute.Date:     "This is no date. Write it as 2024-02-29.",
	attribute.DateTime: "This is no date with a time and a time zone. Write it as 2024-02-29T13:30:00Z or 2024-02-29T13:30:00+01:00.",
}

// unreadable gives the message for a cell that could not be read as its attribute's type: the rules only say that it is in
// the wrong field, which the author of a file has not chosen. "" for any other fault.
func unreadable(defs []attribute.Definition, f *fault.Error, field string) string {
	def := definitionOf(defs, attributeKey(field))
	if def == nil || len(f.Path) != 4 || f.Path[1] != fieldAttributes || f.Path[3] != "text" {
		return ""
	}
	return unreadables[def.Type]
}

// exportedAttributes are the definitions that an export has a column for: the value of a FILE is documents.
func exportedAttributes(defs []attribute.Definition) []attribute.Definition {
	return slices.DeleteFunc(slices.Clone(defs), func(d attribute.Definition) bool { return d.Type == attribute.File })
}

// valueOf finds what a customer has of an attribute. One that is not for customers of this type is passed over: it stayed
// behind when the type was changed, and no import would take it.
func valueOf(c *customer.Customer, def *attribute.Definition) *customer.AttributeValue {
	i := slices.IndexFunc(c.Attributes, func(v customer.AttributeValue) bool { return v.DefinitionID == def.ID })
	if i < 0 || !def.For(c.TypeID) {
		return nil
	}
	return &c.Attributes[i]
}

// chosenKeys are the keys of the options of a value; false when one was made since the definitions were read.
func chosenKeys(v *customer.AttributeValue, def *attribute.Definition) ([]string, bool) {
	keys := make([]string, 0, len(v.Options))
	for _, o := range def.Options {
		if slices.Contains(v.Options, o.ID) {
			keys = append(keys, o.Key)
		}
	}
	return keys, len(keys) == len(v.Options)
}

// attributeCell is a value as a cell, in the spelling that an import reads.
func attributeCell(v *customer.AttributeValue, def *attribute.Definition) (string, error) {
	switch v.Type {
	case attribute.Integer:
		return strconv.FormatInt(v.Integer, 10), nil
	case attribute.Decimal:
		return v.Decimal, nil
	case attribute.Boolean:
		return strconv.FormatBool(v.Boolean), nil
	case attribute.Date:
		return v.Time.Format(time.DateOnly), nil
	case attribute.DateTime:
		return instant(v.Time), nil
	case attribute.Select, attribute.MultiSelect:
		keys, ok := chosenKeys(v, def)
		if !ok {
			return "", errWidths
		}
		return strings.Join(keys, optionSeparator), nil
	case attribute.Text, attribute.LongText, attribute.URL, attribute.Email, attribute.Phone, attribute.File:
	}
	return v.Text, nil
}

// attributeFields are the names of the schema's input for each type whose value is a text or another plain value.
var attributeFields = map[attribute.Type]string{
	attribute.Text: "text", attribute.LongText: "text", attribute.Decimal: "decimal", attribute.Date: "date", attribute.DateTime: "dateTime",
	attribute.Select: "option", attribute.URL: "url", attribute.Email: "email", attribute.Phone: "phone",
}

// attributeLine is a value with the names of the schema's input.
func attributeLine(v *customer.AttributeValue, def *attribute.Definition) (map[string]any, error) {
	line := map[string]any{"key": def.Key}
	switch v.Type {
	case attribute.Integer:
		line["integer"] = v.Integer
	case attribute.Boolean:
		line["boolean"] = v.Boolean
	case attribute.MultiSelect:
		keys, ok := chosenKeys(v, def)
		if !ok {
			return nil, errWidths
		}
		line["options"] = keys
	case attribute.Text, attribute.LongText, attribute.Decimal, attribute.Date, attribute.DateTime, attribute.Select, attribute.URL,
		attribute.Email, attribute.Phone, attribute.File:
		cell, err := attributeCell(v, def)
		if err != nil {
			return nil, err
		}
		line[attributeFields[v.Type]] = cell
	}
	return line, nil
}
