package read

import (
	"encoding/binary"
	"slices"
	"strconv"
	"time"

	"dossier/internal/fault"
	"dossier/internal/fold"
)

// attributeMembers is the member of AttributeWhere for each type that can be looked up by its value.
var attributeMembers = map[string]string{
	"TEXT": "text", "INTEGER": "integer", "DECIMAL": "decimal", "BOOLEAN": "boolean", "DATE": "date", "DATE_TIME": "dateTime",
	"SELECT": "option", "MULTI_SELECT": "options", "URL": "url", "EMAIL": "email", "PHONE": "phone",
}

// attributes: all conditions on custom attributes hold.
func (in input) attributes(name string) cond {
	items, err := in.items(name, maxWhereItems)
	if err != nil {
		if in.f.err == nil {
			in.f.err = err
		}
		return nil
	}
	if items == nil {
		return nil
	}
	var conds []cond
	for _, item := range items {
		h, lacks := item.attribute()
		switch {
		case lacks != nil:
			conds = append(conds, lacks)
		case len(in.path) == 1 && in.f.having == nil: // the first of the field's own, which holds for all rows
			in.f.having = h
		default:
			conds = append(conds, func(w *writer, t string) { w.hasAttribute(t, h) })
		}
	}
	return allOf([][]cond{conds})
}

// having is a condition on the value of an attribute: whether a row of table, of values or of options, is there for a
// customer and the definition with a key, for which conds hold.
type having struct {
	table, definition *noun
	key               int
	conds             []cond
	// files are the documents, in whose area a customer may have one instead; nil where only a value will do.
	files *noun
	// few is up to how many customers all are looked at, as it is written.
	few string
}

// attribute is one AttributeWhere: a value that is there, or the condition that none is.
func (in input) attribute() (*having, cond) {
	nouns := in.f.c.e.nouns
	value, definition, option, document := nouns["AttributeValue"], nouns["AttributeDefinition"], nouns["AttributeOption"], nouns["Document"]
	key := in.param(oidText, textOf("key", asItIs), "key")
	var members []string
	for name, v := range in.values {
		if v != nil && name != "key" && name != "exists" {
			members = append(members, name)
		}
	}
	slices.Sort(members)
	in.guardAttribute(key, members)
	if in.values["exists"] == false {
		if len(members) > 0 && in.f.err == nil {
			in.f.err = fault.At(fault.BadUserInput, in.names(members[0]), "A value that is not there has no %s. Give exists: false alone.", members[0])
		}
		return nil, func(w *writer, t string) { w.lacksAttribute(t, value, document, definition, key) }
	}
	few := strconv.Itoa(in.f.c.e.few)
	conds := in.all(
		in.textOf("text", fold.Text), in.textOf("url", fold.Text), in.textOf("email", fold.Email), in.textOf("phone", phoneDigits),
		in.ranged("integer", "integer_value", whole), in.ranged("decimal", "decimal_value", fraction),
		in.ranged("date", "date_value", day), in.between("dateTime", "time_value"), in.is("boolean", "boolean_value"),
	)
	if list, ok := in.keysOf("option"); ok {
		conds = append(conds, func(w *writer, v string) { w.isOption(v, option, definition, key, list) })
	}
	if list, ok := in.keysOf("options"); ok { // whoever has an option has a value
		chosen := func(w *writer, v string) { w.isOption(v, option, definition, key, list) }
		return &having{table: optionPairs.noun(), definition: definition, key: key, conds: []cond{chosen}, few: few}, nil
	}
	h := &having{table: value, definition: definition, key: key, conds: conds, few: few}
	if len(members) == 0 {
		h.files = document
	}
	return h, nil
}

// guardAttribute refuses a key that names no attribute in use, and a member that is not of its type: without it a slip of
// the pen would look like a condition that holds for nobody, or for all.
func (in input) guardAttribute(key int, members []string) {
	if key < 0 {
		return
	}
	w := newWriter(in.f.c.u)
	t := w.alias()
	w.text("SELECT " + t + ".type")
	w.from(in.f.c.e.nouns["AttributeDefinition"], t, nil)
	w.text(" AND " + t + ".archived_at IS NULL AND " + t + ".key = ")
	w.param(key)
	path := in.names()
	in.f.c.u.steps = append(in.f.c.u.steps, sqlStep{statement: w.statement(), guard: func(_ *binding, row [][]byte) error {
		if row == nil {
			return fault.At(fault.NotFound, append(slices.Clip(path), "key"), "No custom attribute in use has this key.")
		}
		for _, member := range members {
			if attributeMembers[string(row[0])] != member {
				return fault.At(fault.BadUserInput, append(slices.Clip(path), member), "%s", wrongMember(string(row[0]), member))
			}
		}
		return nil
	}})
}

func wrongMember(typeName, member string) string {
	if right := attributeMembers[typeName]; right != "" {
		return "The custom attribute is of the type " + typeName + ": its condition belongs in " + right + ", not in " + member + "."
	}
	return "The custom attribute is of the type " + typeName + ", which can only be asked whether it is there: use exists."
}

// sub is an input object in a member.
func (in input) sub(name string) (input, bool) {
	values := in.values.in(name)
	return input{f: in.f, path: append(in.path[:len(in.path):len(in.path)], step{name: name}), values: values}, values != nil
}

// textOf: the text satisfies an AttributeTextWhere.
func (in input) textOf(name string, fold func(string) string) cond {
	where, ok := in.sub(name)
	if !ok {
		return nil
	}
	var eq cond
	if where.has("eq") {
		eq = compare("text_key = ", where.param(oidText, textOf("eq", fold), "eq"))
	}
	return allOf([][]cond{where.all(eq, where.oneOfTexts("oneOf", "text_key", fold), where.prefix("startsWith", "text_key", fold))})
}

// oneOfTexts: the column is one of the texts.
func (in input) oneOfTexts(name, column string, fold func(string) string) cond {
	if slot, ok := in.textList(name, fold); ok {
		return compareAny(column, slot)
	}
	return nil
}

// optionKeys is the keys of options: a list, or one text, which an index that goes on can serve better.
type optionKeys struct {
	slot int
	one  bool
}

func (in input) keysOf(name string) (keys optionKeys, given bool) {
	if list, _ := in.values[name].([]any); len(list) == 1 {
		check := textOf(name, asItIs)
		return optionKeys{in.param(oidText, func(b *binding, v any) ([]byte, error) { return check(b, v.([]any)[0]) }, name), true}, true
	}
	slot, given := in.textList(name, asItIs)
	return optionKeys{slot, false}, given
}

func (in input) textList(name string, fold func(string) string) (slot int, given bool) {
	if !in.has(name) {
		return -1, false
	}
	return in.param(oidTextArray, func(b *binding, v any) ([]byte, error) {
		list, _ := v.([]any)
		if len(list) > maxFilterIDs {
			return nil, tooMany(name, len(list))
		}
		out := make([]any, len(list))
		for i, item := range list {
			s, err := textOf(name, fold)(b, item)
			if err != nil {
				return nil, err
			}
			out[i] = string(s)
		}
		return encodeTexts(out), nil
	}, name), true
}

func tooMany(name string, n int) error {
	return fault.New(fault.BadUserInput, "%s has %d items; at most %d are allowed.", name, n, maxFilterIDs)
}

// scalarParam is how a value becomes a parameter. cast is what the statement makes of it.
type scalarParam struct {
	oid, list uint32
	cast      string
	convert   func(name string) func(*binding, any) ([]byte, error)
}

var (
	whole = scalarParam{oid: oidInt8, list: oidInt8Array, convert: func(string) func(*binding, any) ([]byte, error) {
		return func(_ *binding, v any) ([]byte, error) {
			n, _ := v.(int64)
			return int8Bytes(n), nil
		}
	}}
	fraction = scalarParam{oid: oidText, cast: "::numeric", convert: func(string) func(*binding, any) ([]byte, error) {
		return func(_ *binding, v any) ([]byte, error) { return []byte(asText(v)), nil }
	}}
	day = scalarParam{oid: oidDate, convert: func(name string) func(*binding, any) ([]byte, error) {
		return func(_ *binding, v any) ([]byte, error) {
			t, err := time.Parse(time.DateOnly, asText(v))
			if err != nil || t.Year() < 1 {
				return nil, fault.New(fault.BadUserInput, "%s is not a Date. A Date is RFC 3339 text such as 2026-03-01.", name)
			}
			return encodeDate(t), nil
		}
	}}
)

// encodeDate is the binary form of a date.
func encodeDate(t time.Time) []byte {
	return binary.BigEndian.AppendUint32(nil, uint32(int32(t.Unix()/86400-epochDays)))
}

// ranged: the column is what a condition with eq, oneOf, gte and lt says.
func (in input) ranged(name, column string, p scalarParam) cond {
	where, ok := in.sub(name)
	if !ok {
		return nil
	}
	var conds []cond
	for _, end := range []struct{ name, comparison string }{{"eq", " = "}, {"gte", " >= "}, {"lt", " < "}} {
		if !where.has(end.name) {
			continue
		}
		slot := where.param(p.oid, p.convert(end.name), end.name)
		conds = append(conds, func(w *writer, v string) {
			compare(column+end.comparison, slot)(w, v)
			w.text(p.cast)
		})
	}
	if where.has("oneOf") {
		slot := where.param(p.list, func(_ *binding, v any) ([]byte, error) {
			list, _ := v.([]any)
			if len(list) > maxFilterIDs {
				return nil, tooMany("oneOf", len(list))
			}
			return encodeIntegers(list), nil
		}, "oneOf")
		conds = append(conds, compareAny(column, slot))
	}
	return allOf([][]cond{conds})
}

func encodeIntegers(list []any) []byte {
	dst := arrayHeader(len(list), oidInt8)
	for _, v := range list {
		n, _ := v.(int64)
		dst = binary.BigEndian.AppendUint32(dst, 8)
		dst = binary.BigEndian.AppendUint64(dst, uint64(n))
	}
	return dst
}

func asItIs(s string) string { return s }
