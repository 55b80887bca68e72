package schema

import (
	"entgo.io/ent"
	"entgo.io/ent/dialect"
	"entgo.io/ent/dialect/entsql"
	"entgo.io/ent/schema"
	"entgo.io/ent/schema/field"
	"entgo.io/ent/schema/index"
)

var wordsType = map[string]string{dialect.Postgres: "tsvector"}

// CustomerSearch is what the directory's search knows of a customer; its id is the customer's. It is a table of its own
// because a changed row of customer gets new entries in all indexes of its table, and those of the words are many: they
// are made again only when the words change.
type CustomerSearch struct{ ent.Schema }

// Annotations of the table.
func (CustomerSearch) Annotations() []schema.Annotation { return table("customer_search", nil) }

// Mixin of the table.
func (CustomerSearch) Mixin() []ent.Mixin { return []ent.Mixin{owned{}} }

// Fields of the table. The first ones, and created_at, are copies of columns of customer of the same name, so that a search
// in one of these orders reads this table alone. words holds lexemes that internal/search makes: folded in Go, each behind a
// tag of the account, because an index of words cannot have the account as its first column.
func (CustomerSearch) Fields() []ent.Field {
	return []ent.Field{
		text("status"),
		foldedText("sort_name"),
		foldedText("family_sort_name"),
		field.String("words").SchemaType(wordsType),
	}
}

// Indexes of the table: of the words, and of the two orders by name, along which common words are looked for.
func (CustomerSearch) Indexes() []ent.Index {
	return []ent.Index{
		index.Fields("words").Annotations(entsql.IndexType("GIN")),
		index.Fields("account_id", "sort_name", "id"),
		index.Fields("account_id", "family_sort_name", "id"),
	}
}

// SearchWord is a word that occurs in names of the account, under each spelling that has one letter less, and under itself:
// two words with such a spelling in common are one typing error apart. Words stay when their last customer goes: they then
// lead to nothing. A word can be there twice, when two transactions brought it in at the same time: a unique index would
// make one wait for the other.
type SearchWord struct{ ent.Schema }

// Annotations of the table.
func (SearchWord) Annotations() []schema.Annotation { return table("search_word", nil) }

// Fields of the table.
func (SearchWord) Fields() []ent.Field {
	return []ent.Field{id("id"), id("account_id"), foldedText("spelling"), foldedText("word")}
}

// Indexes of the table.
func (SearchWord) Indexes() []ent.Index {
	return []ent.Index{index.Fields("account_id", "spelling", "word")}
}
