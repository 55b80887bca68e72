package customer

import (
	"bytes"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"dossier/internal/attribute"
	"dossier/internal/optional"
	"dossier/internal/text"
)

// AttributeInput is the value of one custom attribute of an input. One that is given as null empties the attribute.
type AttributeInput struct {
	Key      string                     `json:"key"`
	Text     optional.Field[*string]    `json:"text,omitzero"`
	Integer  optional.Field[*int64]     `json:"integer,omitzero"`
	Decimal  optional.Field[*string]    `json:"decimal,omitzero"`
	Boolean  optional.Field[*bool]      `json:"boolean,omitzero"`
	Date     optional.Field[*time.Time] `json:"date,omitzero"`
	DateTime optional.Field[*time.Time] `json:"dateTime,omitzero"`
	Option   optional.Field[*string]    `json:"option,omitzero"`
	Options  optional.Field[[]string]   `json:"options,omitzero"`
	URL      optional.Field[*string]    `json:"url,omitzero"`
	Email    optional.Field[*string]    `json:"email,omitzero"`
	Phone    optional.Field[*string]    `json:"phone,omitzero"`
}

// attributeFields is the field of the input for each type.
var attributeFields = map[attribute.Type]string{
	attribute.Text: "text", attribute.LongText: "text", attribute.Integer: "integer", attribute.Decimal: "decimal", attribute.Boolean: "boolean",
	attribute.Date: "date", attribute.DateTime: "dateTime", attribute.Select: "option", attribute.MultiSelect: "options", attribute.URL: "url",
	attribute.Email: "email", attribute.Phone: "phone",
}

// given names the fields that were given, and those of them that have a value.
func (in AttributeInput) given() (given, filled []string) {
	for _, f := range []struct {
		name          string
		given, filled bool
	}{
		{"text", in.Text.Given, in.Text.Value != nil},
		{"integer", in.Integer.Given, in.Integer.Value != nil},
		{"decimal", in.Decimal.Given, in.Decimal.Value != nil},
		{"boolean", in.Boolean.Given, in.Boolean.Value != nil},
		{"date", in.Date.Given, in.Date.Value != nil},
		{"dateTime", in.DateTime.Given, in.DateTime.Value != nil},
		{"option", in.Option.Given, in.Option.Value != nil},
		{"options", in.Options.Given, in.Options.Value != nil},
		{"url", in.URL.Given, in.URL.Value != nil},
		{"email", in.Email.Given, in.Email.Value != nil},
		{"phone", in.Phone.Given, in.Phone.Value != nil},
	} {
		if f.given {
			given = append(given, f.name)
		}
		if f.filled {
			filled = append(filled, f.name)
		}
	}
	return given, filled
}

// attribute reads the value of one attribute; false means that the customer is to have none.
func (c *check) attribute(path []string, def attribute.Definition, in AttributeInput, had AttributeValue) (AttributeValue, bool) {
	if def.Type == attribute.File {
		c.bad(at(path, "key"), "%s is a FILE: it has no value of its own. Leave it out.", def.Key)
		return had, had.Key != ""
	}
	name := attributeFields[def.Type]
	wrong := false
	given, filled := in.given()
	for _, other := range filled {
		if other != name {
			wrong = true
			c.bad(at(path, other), "%s is of the type %s: its value belongs in the field %s.", def.Key, def.Type, name)
		}
	}
	here := at(path, name)
	switch {
	case wrong:
		return had, had.Key != ""
	case len(given) == 0:
		c.required(here, "Give the value of %s in the field %s, or null to empty it.", def.Key, name)
		return had, had.Key != ""
	}
	before := len(c.faults)
	v, is := c.typedValue(here, def, in, had)
	if !is && c.mustHave(def) && len(c.faults) == before {
		c.required(here, "A customer needs a value of %s (%s); it cannot be emptied.", def.Key, def.Label)
	}
	return v, is
}

// typedValue reads the field that the type of the definition says.
func (c *check) typedValue(path []string, def attribute.Definition, in AttributeInput, had AttributeValue) (v AttributeValue, is bool) {
	v = AttributeValue{DefinitionID: def.ID, Key: def.Key, Type: def.Type}
	switch def.Type {
	case attribute.Text, attribute.LongText:
		v.Text = c.attributeText(path, def, in.Text.Value)
		return v, v.Text != ""
	case attribute.Integer:
		if in.Integer.Value == nil {
			return v, false
		}
		v.Integer = *in.Integer.Value
		if v.Integer > attribute.MaxInteger || v.Integer < -attribute.MaxInteger {
			c.bad(path, "An INTEGER is from %d to %d.", -attribute.MaxInteger, attribute.MaxInteger)
		}
		c.attributeRange(path, def.Validation, strconv.FormatInt(v.Integer, 10))
	case attribute.Decimal:
		if in.Decimal.Value == nil {
			return v, false
		}
		var ok bool
		if v.Decimal, ok = text.Decimal(*in.Decimal.Value, attribute.MaxWhole, attribute.MaxFraction); !ok {
			c.bad(path, "This is a decimal number with at most %d digits before and %d behind the point.", attribute.MaxWhole, attribute.MaxFraction)
			return v, true
		}
		c.attributeRange(path, def.Validation, v.Decimal)
	case attribute.Boolean:
		if in.Boolean.Value == nil {
			return v, false
		}
		v.Boolean = *in.Boolean.Value
	case attribute.Date:
		if in.Date.Value == nil {
			return v, false
		}
		v.Time = *in.Date.Value
		c.attributeTime(path, v.Time, def.Validation.EarliestDate, def.Validation.LatestDate, time.DateOnly)
	case attribute.DateTime:
		if in.DateTime.Value == nil {
			return v, false
		}
		v.Time = in.DateTime.Value.UTC()
		c.attributeTime(path, v.Time, def.Validation.EarliestTime, def.Validation.LatestTime, time.RFC3339)
	case attribute.Select, attribute.MultiSelect:
		v.Options = c.attributeOptions(path, def, in, had)
		return v, len(v.Options) > 0
	case attribute.URL:
		v.Text = c.attributeURL(path, in.URL.Value)
		return v, v.Text != ""
	case attribute.Email:
		if blank(in.Email.Value) {
			return v, false
		}
		address, problem := text.Email(*in.Email.Value)
		c.add(path, problem)
		v.Text = address
	case attribute.Phone:
		if blank(in.Phone.Value) {
			return v, false
		}
		number, extension, problem := cleanPhone(*in.Phone.Value)
		c.add(path, problem)
		if v.Text = number; extension != "" {
			v.Text += ";ext=" + extension
		}
	case attribute.File:
		return v, false
	}
	return v, true
}

func (c *check) attributeText(path []string, def attribute.Definition, in *string) string {
	read, longest := c.line, attribute.MaxText
	if def.Type == attribute.LongText {
		read, longest = c.lines, attribute.MaxLongText
	}
	before := len(c.faults)
	s := read(path, in, longest)
	if s == "" || len(c.faults) > before {
		return s
	}
	n, rules := utf8.RuneCountInString(s), def.Validation
	switch {
	case rules.MinLength != nil && n < *rules.MinLength:
		c.bad(path, "This has %d characters; at least %d are needed.", n, *rules.MinLength)
	case rules.MaxLength != nil && n > *rules.MaxLength:
		c.bad(path, "This has %d characters; at most %d are accepted.", n, *rules.MaxLength)
	}
	if !rules.Matches(s) {
		c.bad(path, "This does not have the form that %s must have: %s", def.Key, rules.Pattern)
	}
	return s
}

// attributeRange holds a number to the rules.
func (c *check) attributeRange(path []string, rules attribute.Validation, n string) {
	switch {
	case rules.Minimum != "" && text.CompareDecimals(n, rules.Minimum) < 0:
		c.bad(path, "This is less than %s, the smallest number that is accepted.", rules.Minimum)
	case rules.Maximum != "" && text.CompareDecimals(n, rules.Maximum) > 0:
		c.bad(path, "This is more than %s, the largest number that is accepted.", rules.Maximum)
	}
}

func (c *check) attributeTime(path []string, t time.Time, earliest, latest *time.Time, layout string) {
	switch {
	case earliest != nil && t.Before(*earliest):
		c.bad(path, "This is before %s, the first that is accepted.", earliest.UTC().Format(layout))
	case latest != nil && t.After(*latest):
		c.bad(path, "This is after %s, the last that is accepted.", latest.UTC().Format(layout))
	}
}

// attributeOptions reads keys of options. An archived one is accepted of a customer who has it.
func (c *check) attributeOptions(path []string, def attribute.Definition, in AttributeInput, had AttributeValue) []uuid.UUID {
	keys, paths := in.Options.Value, func(i int) []string { return item(path, i) }
	if def.Type == attribute.Select {
		keys, paths = nil, func(int) []string { return path }
		if in.Option.Value != nil {
			keys = []string{*in.Option.Value}
		}
	}
	if len(keys) > attribute.MaxOptions {
		c.bad(path, "This list has %d options; at most %d are accepted.", len(keys), attribute.MaxOptions)
		return nil
	}
	var ids []uuid.UUID
	for i, key := range keys {
		o := def.Option(key)
		switch {
		case o == nil:
			c.bad(paths(i), "%s has no option with this key. Choose one of its options.", def.Key)
		case o.Archived && !slices.Contains(had.Options, o.ID):
			c.bad(paths(i), "This option of %s was archived. Choose another one.", def.Key)
		case !slices.Contains(ids, o.ID):
			ids = append(ids, o.ID)
		}
	}
	slices.SortFunc(ids, func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
	return ids
}

// attributeURL reads an absolute URL of the web.
//
// SECURITY: only http and https, because apps make links of what they get: javascript: would run as the app.
func (c *check) attributeURL(path []string, in *string) string {
	if blank(in) {
		return ""
	}
	s := c.line(path, in, attribute.MaxURL)
	if s == "" {
		return ""
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || strings.ContainsAny(s, " \\\"<>") {
		c.bad(path, "This is not an absolute URL such as https://www.example.com/page.")
	}
	return s
}
