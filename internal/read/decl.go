package read

import (
	"github.com/vektah/gqlparser/v2/ast"
)

// kind is how a column's binary value becomes JSON.
type kind uint8

const (
	kindText    kind = iota + 1 // text of users: escaped
	kindPlain                   // text that never needs escaping: enumerations, digits
	kindInt                     // int2, int4
	kindBig                     // int8
	kindBool                    // bool
	kindNot                     // bool, negated
	kindZero                    // integer: whether it is 0
	kindInstant                 // timestamptz
	kindDate                    // date
	kindID                      // uuid, written as TypeID with the noun's prefix
	kindJSON                    // jsonb, passed through
	kindHex                     // bytea
	kindDecimal                 // numeric
)

// noun declares how one GraphQL type is read. Adding a field is adding one line to its list.
type noun struct {
	name   string
	table  string
	prefix string
	// id is the column that identifies a row, account the one that holds its account.
	id, account string
	// redirect is the column that holds the id of the row which answers for this one, "" where every row answers for itself.
	// It is followed where a row is asked for by an id or a key, and nowhere else.
	redirect string
	fields   []field
	// variants makes the noun an interface whose rows are of one of several types; it has no fields of its own.
	variants *variants
	// derived are the columns that a report makes, which the table does not have.
	derived map[string]kind

	def    *ast.Definition
	byName map[string]*field
}

// variants says by a column of what type a row is. All types are nouns of the same table; several values may share one.
type variants struct {
	column string
	types  []polyType
}

// field is one field of a noun. Exactly one of its parts is set: column, embed, constant, compute, one, poly, list, first or
// page.
type field struct {
	name   string
	column string
	kind   kind
	// of is the row that column is of, where it is not the noun's own. With absent, the JSON that stands for a row that is not
	// there, the column counts as the noun's own: reading it needs what the noun needs.
	of     *toOne
	absent string
	// held says that a check of the table keeps the column from being null in rows of this type, though it can be in others.
	held bool
	// embed is a type whose columns are in the same row.
	embed string
	// constant is a value of the configuration.
	constant func(*Config) int64
	compute  *computed
	one      *toOne
	poly     *toPoly
	list     *toList
	first    *toFirst
	page     *connection
}

// computed is a field that is a function of columns, of columns of rows that this one points at, and of whether rows that
// belong to this one exist.
type computed struct {
	columns []string
	beside  []besideColumn
	exists  []existence
	// personal says that the value depends on who asks, and not only on what they may see.
	personal bool
	// write appends the JSON value.
	write func(e *environment, dst []byte, columns [][]byte) []byte
}

// besideColumn is a column of a row whose id is in a column.
type besideColumn struct{ noun, key, column string }

// existence asks whether there is a row of a noun that has this row's id in its foreign key, and for which where holds, or
// whatever own asks.
type existence struct {
	noun, foreignKey, where string
	own                     *ownQuestion
}

// ownQuestion is a condition on a row of which some columns are needed.
type ownQuestion struct {
	columns []string
	write   func(w *writer, nouns map[string]*noun, t string)
}

// toOne is a row of another noun whose id is in a column, or in the column fallback where that one is null.
type toOne struct{ noun, column, fallback string }

// toPoly is a row of one of several nouns: a column says which, another holds the id.
type toPoly struct {
	typeColumn, idColumn string
	// types maps the values of typeColumn to nouns.
	types []polyType
}

type polyType struct{ value, noun string }

// toList is all rows of a noun that belong to this one; there are few by the rules of their area.
type toList struct {
	noun, foreignKey string
	where            string
	order            order
	// arguments and filter are as those of a connection.
	arguments []string
	filter    func(f *filter) error
	// beside is a row that each row of the list refers to. It is joined under the alias {t}b, for filter and order.
	beside *toOne
	// through is a table of pairs of a parent and a row (many to many): foreignKey is its column with the parent's id.
	through *pairs
	// also are further rows of the list, which are not in the noun's table.
	also *toMade
}

// toMade are rows that are made of those of another noun, one for each for which holds writes true. columns are those of the
// list's own noun that its types are read from; made gives the expression of each in a row d, of the parent whose id is the
// expression parent, "" standing for NULL.
type toMade struct {
	noun    string
	columns []madeColumn
	holds   func(w *writer, nouns map[string]*noun, d string, parent func())
}

// madeColumn is a column with its type in SQL.
type madeColumn struct {
	name, sql string
	made      func(w *writer, d string, parent func())
}

// pairs is a table between two nouns; column holds the id of a list's row.
type pairs struct{ table, column string }

// toFirst is the first row of a noun that its arguments choose; null when there is none.
type toFirst struct {
	noun string
	// foreignKey is the column of noun's table that holds the parent's id, "" for what belongs to the account itself.
	foreignKey string
	where      string
	arguments  []string
	filter     func(f *filter) error
	order      order
}

// connection is a list with pages.
type connection struct {
	noun string
	// foreignKey is the column of noun's table that holds the parent's id, "" for what belongs to the account itself.
	foreignKey string
	// matches are columns of noun's table that equal columns of the parent's row, where no column of it holds the parent's id.
	matches []match
	// where always holds; {t} stands for the table.
	where string
	// arguments are those that filter and orders read; first, after, last and before are known without.
	arguments []string
	// filter adds the conditions that the arguments ask for.
	filter func(f *filter) error
	// orders gives the order that the arguments ask for.
	orders func(a arguments) order
	// log says that cursors are places in the account's event log.
	log bool
	// counted is a counter that says totalCount without counting; nil where there is none.
	counted *counter
	// searched says how the argument search finds rows; nil where there is none.
	searched *searched
}

// match is a column that equals a column of the parent.
type match struct{ column, parent string }

// counter is a column of the account's row that the write side keeps equal to the number of a connection's rows.
type counter struct {
	column string
	// stands says whether the arguments ask for exactly the rows that the counter counts.
	stands func(a arguments) bool
}

// order is a total order of rows. All keys have the same direction, so that a page is one row comparison.
type order struct {
	name string
	keys []orderKey
	desc bool
}

type orderKey struct {
	column string
	kind   kind
	// bytewise compares text by its bytes where the column's own collation is another.
	bytewise bool
	// beside says that the column is of the row beside the list's.
	beside bool
	// held says that a condition of the list leaves out the rows in which the column is null.
	held bool
}

// ascending and descending make orders.
func ascending(name string, keys ...orderKey) order { return order{name: name, keys: keys} }

func descending(name string, keys ...orderKey) order {
	return order{name: name, keys: keys, desc: true}
}

func textKey(column string) orderKey { return orderKey{column: column, kind: kindText} }
func titleKey(column string) orderKey {
	return orderKey{column: column, kind: kindText, bytewise: true}
}
func instantKey(column string) orderKey { return orderKey{column: column, kind: kindInstant} }
func boolKey(column string) orderKey    { return orderKey{column: column, kind: kindBool} }
func intKey(column string) orderKey     { return orderKey{column: column, kind: kindInt} }
func dateKey(column string) orderKey {
	return orderKey{column: column, kind: kindDate, held: true}
}
func bigKey(column string) orderKey   { return orderKey{column: column, kind: kindBig} }
func smallKey(column string) orderKey { return orderKey{column: column, kind: kindZero} }
func idKey() orderKey                 { return orderKey{column: "id", kind: kindID} }

// The constructors of fields.

func id() field                       { return field{name: "id", column: "id", kind: kindID} }
func text(name, column string) field  { return field{name: name, column: column, kind: kindText} }
func plain(name, column string) field { return field{name: name, column: column, kind: kindPlain} }
func integer(name, column string) field {
	return field{name: name, column: column, kind: kindInt}
}

func big(name, column string) field { return field{name: name, column: column, kind: kindBig} }

func boolean(name, column string) field {
	return field{name: name, column: column, kind: kindBool}
}

// of is a field whose column is of the row that the column key points at.
func of(f field, nounName, key string) field {
	f.of = &toOne{noun: nounName, column: key}
	return f
}

// ofOr is of a row that may not be there; absent is the JSON that stands for it then.
func ofOr(f field, nounName, key, absent string) field {
	f = of(f, nounName, key)
	f.absent = absent
	return f
}

func not(name, column string) field { return field{name: name, column: column, kind: kindNot} }

func zero(name, column string) field { return field{name: name, column: column, kind: kindZero} }

func instant(name, column string) field { return field{name: name, column: column, kind: kindInstant} }

func date(name, column string) field { return field{name: name, column: column, kind: kindDate} }

func stringList(name, column string) field { return field{name: name, column: column, kind: kindJSON} }

func decimal(name, column string) field { return field{name: name, column: column, kind: kindDecimal} }

func hexadecimal(name, column string) field { return field{name: name, column: column, kind: kindHex} }

func constant(name string, value func(*Config) int64) field {
	return field{name: name, constant: value}
}

func compute(name string, columns []string, write func(*environment, []byte, [][]byte) []byte) field {
	return field{name: name, compute: &computed{columns: columns, write: write}}
}

// personal is compute of a value that is the viewer's own, such as a link in their name. An answer that has one is never
// given to anybody else: see Personal.
func personal(name string, columns []string, write func(*environment, []byte, [][]byte) []byte) field {
	return field{name: name, compute: &computed{columns: columns, personal: true, write: write}}
}

func embed(name, typeName string) field { return field{name: name, embed: typeName} }

func one(name, nounName, column string) field {
	return field{name: name, one: &toOne{noun: nounName, column: column}}
}

func oneOr(name, nounName, column, fallback string) field {
	return field{name: name, one: &toOne{noun: nounName, column: column, fallback: fallback}}
}

func first(name string, f toFirst) field { return field{name: name, first: &f} }

func many(name, nounName, foreignKey, where string, o order) field {
	return field{name: name, list: &toList{noun: nounName, foreignKey: foreignKey, where: where, order: o}}
}

// among is many of rows that belong to several parents, through a table of pairs.
func among(name, nounName string, through pairs, foreignKey string, o order) field {
	return field{name: name, list: &toList{noun: nounName, foreignKey: foreignKey, through: &through, order: o}}
}

func page(name string, c connection) field { return field{name: name, page: &c} }

// actor is who created the row.
func actor(name string) field { return actorIn(name, "created_by_kind", "created_by_id") }

// actorIn is an actor whose kind and id are in two columns.
func actorIn(name, kindColumn, idColumn string) field {
	return field{name: name, poly: &toPoly{typeColumn: kindColumn, idColumn: idColumn, types: []polyType{
		{"STAFF", "StaffUser"}, {"API_KEY", "ApiKey"},
	}}}
}

// subject is what an event or a timeline entry is about.
func subject(name string) field {
	return field{name: name, poly: &toPoly{typeColumn: "subject_type", idColumn: "subject_id", types: []polyType{
		{"Customer", "Customer"},
		{"Contact", "Contact"},
		{"Document", "Document"},
		{"TimelineEntry", "TimelineEntry"},
		{"Account", "Account"},
		{"Job", "Job"},
		{"AttributeDefinition", "AttributeDefinition"},
		{"Note", "Note"},
	}}}
}
