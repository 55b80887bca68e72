package read

import (
	"time"

	"github.com/google/uuid"
	"github.com/vektah/gqlparser/v2/ast"

	"dossier/internal/auth"
)

// unit is the compiled form of one selection: a tree of levels with a statement each. It holds no value of a request, so
// it is shared by all requests that ask the same way.
type unit struct {
	params []param
	sites  []site
	levels []*level
	steps  []sqlStep
	// root is the level that the unit's own rows come from.
	root *level
	// faults are the fields that this viewer may not read, or whose arguments were refused.
	faults []located
	// null says that a fault made the whole unit null.
	null bool
	// walled says that the statements run behind the wall.
	walled bool
}

// seal drops what only writing the statements needed. Conditions may refer to the request that the unit was compiled for,
// and a unit outlives it.
func (u *unit) seal() {
	for _, l := range u.levels {
		l.conds, l.bounds, l.sifted, l.derived, l.search, l.base, l.having = nil, nil, nil, nil, nil, columns{}, nil
	}
}

// param is one value that statements take, read again for each request.
type param struct {
	oid uint32
	get func(b *binding) ([]byte, error)
}

// site is one use of a field with arguments.
type site struct {
	def   *ast.FieldDefinition
	given ast.ArgumentList
}

// located is an error at a field; the path holds response keys from the unit's root, without the indexes of lists.
type located struct {
	path []string
	err  error
}

// sqlStep is one statement of a unit, in the order in which they are sent: children before parents.
type sqlStep struct {
	statement *statement
	// level gets the rows; nil for a guard.
	level *level
	// count says that the rows are counts of the level.
	count bool
	// guard looks at the first row, nil when there is none, and may refuse the whole unit.
	guard func(b *binding, row [][]byte) error
}

// request is what all units of one operation share.
type request struct {
	env  *environment
	vars map[string]any
	now  time.Time
	// meant are the words that mistyped ones of searches stand for.
	meant map[string][]string
	// shares says how common words are, the same for all parameters of the request.
	shares *shareList
}

// environment is what computed fields may use.
type environment struct {
	config  *Config
	viewer  Viewer
	account uuid.UUID
	holder  auth.Holder
}

// binding is one use of a unit by one request: its values.
type binding struct {
	rq     *request
	unit   *unit
	schema *ast.Schema
	ids    []uuid.UUID
	args   []arguments
	values [][]byte
	// endless says that there are more rows than are sifted for a page, uncounted that there are for a count.
	endless, uncounted bool
}

// argument gives the value at a place of the arguments of a site.
func (b *binding) argument(site int, path []step) any {
	var v any = b.args[site]
	for _, s := range path {
		switch at := v.(type) {
		case arguments:
			v = at[s.name]
		case []any:
			if s.index >= len(at) {
				return nil
			}
			v = at[s.index]
		default:
			return nil
		}
	}
	return v
}

// bind reads all arguments and parameters for a request.
func (b *binding) bind() error {
	b.args = make([]arguments, len(b.unit.sites))
	for i, s := range b.unit.sites {
		args, err := coercer{schema: b.schema, vars: b.rq.vars}.field(s.def, s.given)
		if err != nil {
			return err
		}
		b.args[i] = args
	}
	b.values = make([][]byte, len(b.unit.params))
	for i, p := range b.unit.params {
		v, err := p.get(b)
		if err != nil {
			return err
		}
		b.values[i] = v
	}
	return nil
}

// shape is what becomes of a level's rows.
type shape uint8

const (
	shapeRows  shape = iota // each row by itself, found by its id
	shapeList               // a list per parent
	shapePages              // a connection per parent
	shapeFirst              // one row per parent, or null
)

// level is one statement's rows and how they are written.
type level struct {
	index  int
	noun   *noun
	shape  shape
	parent *level
	// via is the joined row of the parent's that this level hangs on; nil for the parent's own row.
	via *joined
	// foreignKey is the column that holds the parent's id, "" where the account is the parent.
	foreignKey string
	// matches are columns that equal the parent's, where foreignKey does not hold its id.
	matches []match
	// grouped says that the rows of several parents come, each behind its parent's key.
	grouped bool
	// ids is the slot of the ids to find, -1 where rows are found by their parent. many says that it is a list.
	ids  int
	many bool

	// derived writes the query whose rows are the level's, where they are not those of the noun's table. over is the answer
	// when there are more of them than the limit.
	derived func(w *writer)
	over    error
	// short is the answer when the rows that are sifted do not fill the page; nil where all rows are.
	short error

	conds  []cond
	bounds []cond
	// sifted are conditions that are looked at on the first rows only, see sift.go.
	sifted   []cond
	search   *found
	order    order
	backward bool
	// limit is the slot of the page's size and more that of one row more; -1 where there is no limit.
	limit, more int

	// beside is a row that is joined to each row, whatever is selected of it: conditions and the order may need it.
	beside *joined
	// having narrows the rows, which are customers, to those who have a value; nil where nothing does.
	having *having
	// through is the table of pairs that holds the parent's id; nil where the own table does.
	through *noun
	// also are further rows, which are made of those of another noun; nil where there are none.
	also *toMade
	e    *Engine

	joins []*joined
	slots []columnSlot
	// base are the columns of the own table that a page must pass on.
	base columns

	// lanes are the programs that each row is written with, into a run of items each.
	lanes []*object
	// ownID is the slot of the row's id, for shapeRows.
	ownID int
	// redirect is the slot of the id of the row that answers for this one, -1 where every row answers for itself.
	redirect int
	// fields write a connection.
	fields []pageField
	// cursor describes the cursors of the rows, for connections.
	cursor cursorShape
	// ends says that the cursors of the first and last row are needed.
	ends           bool
	afterGiven     bool
	beforeGiven    bool
	counted, rowed bool
	// counter is the column of the account's row that gives the count, "" where the rows must be counted.
	counter string
}

// columnSlot is one column of a result.
type columnSlot struct {
	via    *joined
	column string
	// asks is set where the value is an answer: whether a row of asks exists that has the column's value as its key.
	asks *question
}

// question is an existence with its noun.
type question struct {
	existence
	of *noun
	e  *Engine
}

// joined is a row of another table that is found by an id in a row of the level.
type joined struct {
	noun   *noun
	parent *joined
	column string
	// fallback is the column that counts where column is null, "" where there is none.
	fallback string
	// typeColumn and typeValue say when column is an id of this noun.
	typeColumn, typeValue string
	alias                 string
	idSlot                int
}

// key writes the expression of the joined row's id; t is the table that it hangs on.
func (j *joined) key(w *writer, t string) {
	if j.fallback != "" {
		// Not COALESCE, which PostgreSQL does not look a row up by below a policy: see package wall.
		w.text("CASE WHEN " + t + "." + j.column + " IS NULL THEN " + t + "." + j.fallback + " ELSE " + t + "." + j.column + " END")
		return
	}
	if j.typeColumn == "" {
		w.text(t + "." + j.column)
		return
	}
	// Null where the row is of another type: the index is not even probed then.
	w.text("CASE WHEN " + t + "." + j.typeColumn + " = '" + j.typeValue + "' THEN " + t + "." + j.column + " END")
}

func (j *joined) addColumns(c *columns) {
	c.add(j.column)
	if j.fallback != "" {
		c.add(j.fallback)
	}
	if j.typeColumn != "" {
		c.add(j.typeColumn)
	}
}

// chain gives the joins from the level's own row to j.
func (j *joined) chain() []*joined {
	if j.parent == nil {
		return []*joined{j}
	}
	return append(j.parent.chain(), j)
}

// slot gives the place of a column in the level's rows.
func (l *level) slot(via *joined, column string) int {
	for i, s := range l.slots {
		if s.via == via && s.column == column && s.asks == nil {
			return i
		}
	}
	return l.addSlot(columnSlot{via: via, column: column})
}

// answer gives the place of the answer to a question about the row at via, whose id is in the column.
func (l *level) answer(via *joined, column string, q question) int {
	for i, s := range l.slots {
		if s.via == via && s.asks != nil && *s.asks == q {
			return i
		}
	}
	return l.addSlot(columnSlot{via: via, column: column, asks: &q})
}

func (l *level) addSlot(s columnSlot) int {
	l.slots = append(l.slots, s)
	if s.via == nil {
		l.base.add(s.column)
		if s.asks != nil && s.asks.own != nil {
			for _, column := range s.asks.own.columns {
				l.base.add(column)
			}
		}
	}
	return len(l.slots) - 1
}

// join gives the joined row, made on its first use.
func (l *level) join(want joined) *joined {
	for _, j := range l.joins {
		if j.noun == want.noun && j.parent == want.parent && j.column == want.column && j.fallback == want.fallback && j.typeValue == want.typeValue {
			return j
		}
	}
	j := &want
	if j.parent == nil {
		j.addColumns(&l.base)
	}
	l.joins = append(l.joins, j)
	j.idSlot = l.slot(j, j.noun.id)
	return j
}

// object is the program that writes one object. With arms it is one of several, which the column at slot chooses.
type object struct {
	ops  []op
	slot int
	arms []arm
}

// chosen gives the program for a row, nil when no arm is for it.
func (o *object) chosen(row [][]byte) *object {
	if o.arms == nil {
		return o
	}
	for i := range o.arms {
		if o.arms[i].value == string(row[o.slot]) {
			return o.arms[i].object
		}
	}
	return nil
}

type opCode uint8

const (
	opColumn  opCode = iota
	opLiteral        // the key already holds the value
	opInline         // an object on the same row
	opOne            // a joined row
	opPoly           // one of several joined rows
	opChild          // a list or connection of another level
	opCompute
	opCursor
)

// op writes one field. key is the comma or brace before it, its name and the colon.
type op struct {
	code    opCode
	kind    kind
	nonNull bool
	slot    int
	key     []byte
	prefix  string
	// absent is written where the column is null.
	absent  string
	object  *object
	arms    []arm
	level   *level
	compute *computed
	slots   []int
	// path is for the error when a field that cannot be null is.
	path []string
}

// arm is one type of a polymorphic field.
type arm struct {
	value  string
	idSlot int
	object *object
	denied *located
}

// pageField writes one field of a connection.
type pageField struct {
	key  []byte
	code pageCode
	lane int
	info []infoField
}

type pageCode uint8

const (
	pageLane pageCode = iota
	pageInfo
	pageTotal
	pageLiteral
)

// infoField writes one field of a PageInfo.
type infoField struct {
	key  []byte
	code infoCode
}

type infoCode uint8

const (
	infoNext infoCode = iota
	infoPrevious
	infoStart
	infoEnd
	infoLiteral
)
