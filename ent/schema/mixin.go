// Package schema declares the tables of Dossier for ent, which generates the write-side client and the migrations.
//
// Three rules hold for every table. It has account_id (the account itself excepted). It has no ent edges: foreign keys
// are composite, (account_id, parent_id), so that a row can never point into another account, and ent knows only
// single-column keys; they are written in the migrations by hand. And enumerations are text with a CHECK, in the
// spelling of the SDL, so that the read engine copies them into the response as they are.
package schema

import (
	"strings"
	"time"

	"entgo.io/ent"
	"entgo.io/ent/dialect"
	"entgo.io/ent/dialect/entsql"
	"entgo.io/ent/schema"
	"entgo.io/ent/schema/field"
	"entgo.io/ent/schema/index"
	"entgo.io/ent/schema/mixin"
	"github.com/google/uuid"
)

var (
	textType = map[string]string{dialect.Postgres: "text"}
	dateType = map[string]string{dialect.Postgres: "date"}
	// decimalType holds exact decimal fractions; in Go they are texts such as 12.5.
	decimalType = map[string]string{dialect.Postgres: "numeric(12,3)"}
	binaryType  = map[string]string{dialect.Postgres: "bytea"}
	jsonType    = map[string]string{dialect.Postgres: "jsonb"}
)

// text is a text column; PostgreSQL's varchar(n) would add a limit in the wrong place, the rules are in the areas.
func text(name string) ent.Field { return field.String(name).SchemaType(textType) }

func optionalText(name string) ent.Field {
	return field.String(name).SchemaType(textType).Optional().Nillable()
}

// foldedText is text in the collation "C": folded in Go, compared bytewise, so that neither the order of pages nor an
// index depends on the version of a collation library.
func foldedText(name string) ent.Field {
	return field.String(name).SchemaType(textType).Annotations(entsql.Annotation{Collation: "C"})
}

// foldedKey is folded text that is "" where there is nothing to fold.
func foldedKey(name string) ent.Field {
	return field.String(name).SchemaType(textType).Default("").Annotations(entsql.Annotation{Collation: "C"}, entsql.DefaultExpr("''"))
}

func foldedOptional(name string) ent.Field {
	return field.String(name).SchemaType(textType).Optional().Nillable().Annotations(entsql.Annotation{Collation: "C"})
}

func id(name string) ent.Field { return field.UUID(name, uuid.UUID{}).Immutable() }

func optionalID(name string) ent.Field { return field.UUID(name, uuid.UUID{}).Optional().Nillable() }

func instant(name string) ent.Field { return field.Time(name) }

func optionalInstant(name string) ent.Field { return field.Time(name).Optional().Nillable() }

// oneOf is the CHECK of an enumeration.
func oneOf(column string, values ...string) string {
	return column + " IN ('" + strings.Join(values, "', '") + "')"
}

// table names the table and its checks.
func table(name string, checks map[string]string, more ...schema.Annotation) []schema.Annotation {
	return append(more, entsql.Annotation{Table: name, Checks: checks})
}

// mark is what internal/genent asks of a table.
type mark string

const (
	// sqlOnly is a table that is read and written with SQL alone: it is migrated, and gets no builders, which would be some
	// thousand lines to compile.
	sqlOnly mark = "SQLOnly"
	// upserted is a table with builders that has ON CONFLICT in them too.
	upserted mark = "Upserted"
)

// Name implements schema.Annotation.
func (m mark) Name() string { return string(m) }

// owned is what every row of an account has: an id (UUIDv7) and the account.
type owned struct{ mixin.Schema }

func (owned) Fields() []ent.Field {
	return []ent.Field{
		field.UUID("id", uuid.UUID{}).Immutable(),
		id("account_id"),
		field.Time("created_at").Immutable().Default(time.Now),
	}
}

// Indexes: the target of composite foreign keys and of look-ups by id.
func (owned) Indexes() []ent.Index {
	return []ent.Index{index.Fields("account_id", "id").Unique()}
}

// logged is owned without that index, for tables that nothing points at and that take a row with every change: each
// index is paid for there.
type logged struct{ mixin.Schema }

func (logged) Fields() []ent.Field { return owned{}.Fields() }

// versioned is what every node that clients change has.
type versioned struct{ mixin.Schema }

func (versioned) Fields() []ent.Field {
	return []ent.Field{
		field.Int32("version").Default(1),
		field.Time("updated_at").Default(time.Now),
	}
}

// authored is who created the row; both columns are null where it was Dossier itself.
type authored struct{ mixin.Schema }

func (authored) Fields() []ent.Field {
	return []ent.Field{optionalText("created_by_kind"), optionalID("created_by_id")}
}

const (
	actorKinds = "created_by_kind IN ('STAFF', 'API_KEY')"
)
