package read

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"dossier/internal/fault"
	"dossier/internal/typeid"
)

// maxFilterIDs is the most ids of one filter; maxFilterText the most bytes of one text of a filter.
const (
	maxFilterIDs  = 100
	maxFilterText = 1000
)

// cond writes a condition on the table with the alias t.
type cond func(w *writer, t string)

// raw is a condition without values; {t} stands for the table.
func raw(sql string) cond {
	return func(w *writer, t string) { w.template(sql, t) }
}

// allOf holds when all conditions of all groups hold.
func allOf(groups [][]cond) cond {
	return func(w *writer, t string) { w.joined("true", " AND ", flatten(groups), t) }
}

// oneOf holds when all conditions of one group hold; without groups it never does.
func oneOf(groups [][]cond) cond {
	return func(w *writer, t string) {
		list := make([]cond, len(groups))
		for i, g := range groups {
			list[i] = func(w *writer, t string) { w.joined("true", " AND ", g, t) }
		}
		w.joined("false", " OR ", list, t)
	}
}

func flatten(groups [][]cond) []cond {
	var all []cond
	for _, g := range groups {
		all = append(all, g...)
	}
	return all
}

// filter collects the conditions of one connection. Values never become SQL text: each is a parameter that is read again
// from the arguments of every operation that uses the plan.
type filter struct {
	c         *compiler
	site      int
	arguments arguments
	conds     []cond
	// having is the condition on an attribute that the rows are found by.
	having *having
	// sifted are conditions that no index serves: the first rows in order, so many at most, are looked at.
	sifted []cond
	err    error
}

func (f *filter) add(conds ...cond) {
	for _, c := range conds {
		if c != nil {
			f.conds = append(f.conds, c)
		}
	}
}

// now compares with the time of the operation.
func (f *filter) now(comparison string) cond {
	slot := f.c.nowSlot()
	return func(w *writer, t string) {
		w.template(comparison, t)
		w.param(slot)
	}
}

// top is the field's own arguments.
func (f *filter) top() input { return input{f: f, values: f.arguments} }

// input is an argument that is an input object; false when it was not given or is null.
func (f *filter) input(name string) (input, bool) {
	if v := f.arguments.in(name); v != nil {
		return input{f: f, path: []step{{name: name}}, values: v}, true
	}
	return input{}, false
}

// step is one step from a field's arguments to a value: a name, or an index when the name is empty.
type step struct {
	name  string
	index int
}

// input is an input object at a place of the arguments. Its methods give the condition for one member, nil when the member
// was not given or is null. The first value that cannot be accepted is kept in the filter.
type input struct {
	f      *filter
	path   []step
	values arguments
}

func (in input) has(name string) bool { return in.values[name] != nil }

// all drops the conditions that are not there.
func (in input) all(conds ...cond) []cond {
	list := conds[:0]
	for _, c := range conds {
		if c != nil {
			list = append(list, c)
		}
	}
	return list
}

func (in input) names(more ...string) []string {
	var list []string
	for _, s := range in.path {
		if s.name == "" {
			list = append(list, strconv.Itoa(s.index))
		} else {
			list = append(list, s.name)
		}
	}
	return append(list, more...)
}

func (in input) fault(code fault.Code, format string, args ...any) *fault.Error {
	return fault.At(code, in.names(), format, args...)
}

// param makes a parameter of the member; convert gets its coerced value. -1 means that the value was refused.
func (in input) param(oid uint32, convert func(b *binding, v any) ([]byte, error), names ...string) int {
	path := in.path[:len(in.path):len(in.path)]
	for _, n := range names {
		path = append(path, step{name: n})
	}
	site, where := in.f.site, in.names(names...)
	slot, err := in.f.c.param(oid, func(b *binding) ([]byte, error) {
		v, err := convert(b, b.argument(site, path))
		if err != nil {
			var f *fault.Error
			if f = asFault(err); f.Path == nil {
				f.Path = where
			}
			return nil, f
		}
		return v, nil
	})
	if err != nil && in.f.err == nil {
		in.f.err = err
	}
	return slot
}

// anyOf: the column, an enumeration, has one of the listed values. One value is written as an equality, which an index
// that goes on with the order of the page can serve.
func (in input) anyOf(name, column string) cond {
	list, ok := in.values[name].([]any)
	if !ok {
		return nil
	}
	if len(list) == 1 {
		slot := in.param(oidText, func(b *binding, v any) ([]byte, error) { return []byte(asText(v.([]any)[0])), nil }, name)
		return compare(column+" = ", slot)
	}
	slot := in.param(oidTextArray, func(b *binding, v any) ([]byte, error) { return encodeTexts(v.([]any)), nil }, name)
	return compareAny(column, slot)
}

// is: the column is the boolean.
func (in input) is(name, column string) cond { return in.boolean(name, column, true) }

// isNot: the column is the opposite of the boolean.
func (in input) isNot(name, column string) cond { return in.boolean(name, column, false) }

func (in input) boolean(name, column string, same bool) cond {
	if !in.has(name) {
		return nil
	}
	slot := in.param(oidBool, func(_ *binding, v any) ([]byte, error) {
		return []byte{byte(btoi((v == true) == same))}, nil
	}, name)
	return compare(column+" = ", slot)
}

// texts: the column is one of the texts.
func (in input) texts(name, column string) cond {
	slot, given := in.textList(name, asItIs)
	if !given {
		return nil
	}
	return compareAny(column, slot)
}

// isSet: whether the column has a value is the boolean.
func (in input) isSet(name, column string) cond {
	if !in.has(name) {
		return nil
	}
	slot := in.param(oidBool, func(_ *binding, v any) ([]byte, error) {
		return []byte{byte(btoi(v == true))}, nil
	}, name)
	return func(w *writer, t string) {
		w.text("(" + t + "." + column + " IS NOT NULL) = ")
		w.param(slot)
	}
}

// ids: the column is one of the ids.
func (in input) ids(name, column, prefix string) cond {
	if !in.has(name) {
		return nil
	}
	slot := in.param(oidUUIDArray, func(_ *binding, v any) ([]byte, error) {
		list, _ := v.([]any)
		if len(list) > maxFilterIDs {
			return nil, fault.New(fault.BadUserInput, "%s has %d ids; at most %d are allowed.", name, len(list), maxFilterIDs)
		}
		ids := make([]uuid.UUID, len(list))
		for i, item := range list {
			var err error
			if ids[i], err = parseID(prefix, asText(item), name); err != nil {
				return nil, err
			}
		}
		return encodeUUIDs(ids), nil
	}, name)
	return compareAny(column, slot)
}

// id: the column is the id. A malformed id names nothing, as one of another account does.
func (in input) id(name, column, prefix string, missing func() error) cond {
	if !in.has(name) {
		return nil
	}
	slot := in.param(oidUUID, func(_ *binding, v any) ([]byte, error) {
		id, err := typeid.ParseAs(prefix, asText(v))
		if err != nil {
			return nil, missing()
		}
		return id[:], nil
	}, name)
	return compare(column+" = ", slot)
}

func parseID(prefix, s, name string) (uuid.UUID, error) {
	id, err := typeid.ParseAs(prefix, s)
	if err != nil {
		return id, fault.New(fault.BadUserInput, "%s takes ids that begin with %s_ and were given out by this service.", name, prefix)
	}
	return id, nil
}

// prefix: the column, text in the collation "C", begins with the folded text. It is a range, which an index serves.
func (in input) prefix(name, column string, fold func(string) string) cond {
	if !in.has(name) {
		return nil
	}
	from := in.param(oidText, textOf(name, fold), name)
	to := in.param(oidText, textOf(name, func(s string) string { return fold(s) + "\U0010FFFF" }), name)
	return func(w *writer, t string) {
		compare(column+" >= ", from)(w, t)
		w.text(" AND ")
		compare(column+" < ", to)(w, t)
	}
}

// contains: the column holds the text, whatever the case.
func (in input) contains(name, column string) cond {
	if !in.has(name) {
		return nil
	}
	slot := in.param(oidText, textOf(name, asItIs), name)
	return func(w *writer, t string) {
		w.text("strpos(lower(" + t + "." + column + "), lower(")
		w.param(slot)
		w.text(")) > 0")
	}
}

// holds: the column, which is folded, holds the folded text.
func (in input) holds(name, column string, fold func(string) string) cond {
	if !in.has(name) {
		return nil
	}
	slot := in.param(oidText, textOf(name, fold), name)
	return func(w *writer, t string) {
		w.text("strpos(" + t + "." + column + ", ")
		w.param(slot)
		w.text(") > 0")
	}
}

// anyTag: the column, a list of texts, has one of the texts.
func (in input) anyTag(name, column string) cond {
	slot, given := in.textList(name, asItIs)
	if !given {
		return nil
	}
	return func(w *writer, t string) {
		w.text(t + "." + column + " ?| ")
		w.param(slot)
	}
}

// days: the column, a date, is in the range of a DateRange.
func (in input) days(name, column string) cond {
	where, ok := in.sub(name)
	if !ok {
		return nil
	}
	var conds []cond
	for _, end := range []struct{ name, comparison string }{{"from", " >= "}, {"to", " <= "}} {
		if where.has(end.name) {
			conds = append(conds, compare(column+end.comparison, where.param(oidDate, day.convert(end.name), end.name)))
		}
	}
	return allOf([][]cond{conds})
}

// pointOf: the customer has an e-mail address or number with this key, itself or a contact that is not archived.
func (in input) pointOf(name, nounName, column string, fold func(string) string) cond {
	if !in.has(name) {
		return nil
	}
	slot := in.param(oidText, textOf(name, fold), name)
	return func(w *writer, t string) {
		w.hasPoint(t, in.f.c.e.nouns[nounName], in.f.c.e.nouns["Contact"], column, slot)
	}
}

// between: the column is in the range of a DateTimeFilter.
func (in input) between(name, column string) cond {
	if !in.has(name) {
		return nil
	}
	var conds []cond
	for _, end := range []struct{ name, comparison string }{{"gte", " >= "}, {"lt", " < "}} {
		if in.values.in(name)[end.name] == nil {
			continue
		}
		slot := in.param(oidTimestamptz, instantOf(end.name), name, end.name)
		conds = append(conds, compare(column+end.comparison, slot))
	}
	return allOf([][]cond{conds})
}

// items are the input objects of a list; nil when it was not given.
func (in input) items(name string, limit int) ([]input, error) {
	list, ok := in.values[name].([]any)
	if !ok {
		return nil, nil
	}
	if len(list) > limit {
		return nil, fault.At(fault.BadUserInput, in.names(name), "%s has %d conditions; at most %d are allowed.", name, len(list), limit)
	}
	items := make([]input, len(list))
	for i, v := range list {
		values, _ := v.(arguments)
		items[i] = input{f: in.f, path: append(in.path[:len(in.path):len(in.path)], step{name: name}, step{index: i}), values: values}
	}
	return items, nil
}

func compare(columnAndOperator string, slot int) cond {
	return func(w *writer, t string) {
		w.text(t + "." + columnAndOperator)
		w.param(slot)
	}
}

func compareAny(column string, slot int) cond {
	return func(w *writer, t string) {
		w.text(t + "." + column + " = ANY(")
		w.param(slot)
		w.text(")")
	}
}

func asText(v any) string {
	s, _ := v.(string)
	return s
}

// textOf checks a text before it becomes a parameter: what PostgreSQL cannot store it must not be asked for.
func textOf(name string, fold func(string) string) func(*binding, any) ([]byte, error) {
	return func(_ *binding, v any) ([]byte, error) {
		s := asText(v)
		if len(s) > maxFilterText {
			return nil, fault.New(fault.BadUserInput, "%s is longer than %d bytes.", name, maxFilterText)
		}
		if !storable(s) {
			return nil, fault.New(fault.BadUserInput, "%s must be valid Unicode without the character NUL.", name)
		}
		return []byte(fold(s)), nil
	}
}

func storable(s string) bool {
	for i := range len(s) {
		if s[i] == 0 {
			return false
		}
	}
	return utf8.ValidString(s)
}

func instantOf(name string) func(*binding, any) ([]byte, error) {
	return func(_ *binding, v any) ([]byte, error) {
		t, err := time.Parse(time.RFC3339, asText(v))
		if err != nil || t.Year() < 1 || t.Year() > 9999 {
			return nil, fault.New(fault.BadUserInput, "%s is not a DateTime. A DateTime is RFC 3339 text such as 2026-03-01T09:30:00Z.", name)
		}
		return encodeInstant(t), nil
	}
}

// encodeInstant is the binary form of a timestamptz.
func encodeInstant(t time.Time) []byte {
	return binary.BigEndian.AppendUint64(nil, uint64(t.UnixMicro()-epochMicros))
}

func encodeTexts(list []any) []byte {
	texts := make([]string, len(list))
	for i, v := range list {
		texts[i] = asText(v)
	}
	return encodeStrings(texts)
}

func encodeStrings(list []string) []byte {
	dst := arrayHeader(len(list), oidText)
	for _, s := range list {
		dst = append(binary.BigEndian.AppendUint32(dst, uint32(len(s))), s...)
	}
	return dst
}

func encodeUUIDs(ids []uuid.UUID) []byte {
	dst := arrayHeader(len(ids), oidUUID)
	for i := range ids {
		dst = binary.BigEndian.AppendUint32(dst, 16)
		dst = append(dst, ids[i][:]...)
	}
	return dst
}

// arrayHeader begins the binary form of a one-dimensional array without nulls.
func arrayHeader(n int, oid uint32) []byte {
	dst := make([]byte, 0, 20+n*20)
	if n == 0 {
		dst = binary.BigEndian.AppendUint32(dst, 0)
		dst = binary.BigEndian.AppendUint32(dst, 0)
		return binary.BigEndian.AppendUint32(dst, oid)
	}
	dst = binary.BigEndian.AppendUint32(dst, 1)
	dst = binary.BigEndian.AppendUint32(dst, 0)
	dst = binary.BigEndian.AppendUint32(dst, oid)
	dst = binary.BigEndian.AppendUint32(dst, uint32(n))
	return binary.BigEndian.AppendUint32(dst, 1)
}

func int8Bytes(n int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)) }

func asFault(err error) *fault.Error {
	if f, ok := err.(*fault.Error); ok { //nolint:errorlint // made by the caller, never wrapped
		return f
	}
	return fault.New(fault.BadUserInput, "%s", fmt.Sprint(err))
}
