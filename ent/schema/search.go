package schema

import (
	"entgo.io/ent"
	"entgo.io/ent/dialect"
	"entgo.io/ent/dialect/entsql"
	"entgo.io/ent/schema"
	"entgo.io/ent/schema/field"
	"entgo.io/ent/schema/index"
)

var (
	wordsType     = map[string]string{dialect.Postgres: "tsvector"}
	signatureType = map[string]string{dialect.Postgres: "bit(512)"}
)

// CustomerSearch is what the directory's search knows of a customer; its id is the customer's. It is a table of its own
// because a changed row of customer gets new entries in all indexes of its table, and those of the words are many: they
// are made again only when the words change.
type CustomerSearch struct{ ent.Schema }

// Annotations of the table.
func (CustomerSearch) Annotations() []schema.Annotation {
	return table("customer_search", nil, sqlOnly)
}

// Mixin of the table.
func (CustomerSearch) Mixin() []ent.Mixin { return []ent.Mixin{logged{}} }

// Fields of the table. The first ones, and created_at, are copies of columns of customer of the same name, so that a search
// in one of these orders reads this table alone. words holds lexemes that internal/search makes: folded in Go, each behind a
// tag of the account. They are found by the rows of search_token, a table without an id that the migrations make by hand, which
// has each lexeme once more. signature is a Bloom filter of the words, of internal/search too; it has all bits where it was
// not made yet.
func (CustomerSearch) Fields() []ent.Field {
	return []ent.Field{
		text("status"),
		foldedText("sort_name"),
		foldedText("family_sort_name"),
		field.String("words").SchemaType(wordsType),
		field.String("signature").SchemaType(signatureType),
	}
}

// Indexes of the table: by id, and of the orders along which common words are looked for. A look-up or a walk along these needs the index
// alone: it has what is looked at of each row.
func (CustomerSearch) Indexes() []ent.Index {
	passed := entsql.IncludeColumns("status", "signature")
	return []ent.Index{
		index.Fields("account_id", "id").Unique().Annotations(passed),
		index.Fields("account_id", "sort_name", "id").Annotations(passed),
		index.Fields("account_id", "family_sort_name", "id").Annotations(passed),
		index.Fields("account_id", "created_at", "id").Annotations(passed),
	}
}

// SearchWord is a word that occurs in names of the account, under each spelling that has one letter less, and under itself:
// two words with such a spelling in common are one typing error apart. Words stay when their last customer goes: they then
// lead to nothing. A word can be there twice, when two transactions brought it in at the same time: a unique index would
// make one wait for the other.
type SearchWord struct{ ent.Schema }

// Annotations of the table.
func (SearchWord) Annotations() []schema.Annotation { return table("search_word", nil, sqlOnly) }

// Fields of the table.
func (SearchWord) Fields() []ent.Field {
	return []ent.Field{id("id"), id("account_id"), foldedText("spelling"), foldedText("word")}
}

// Indexes of the table.
func (SearchWord) Indexes() []ent.Index {
	return []ent.Index{index.Fields("account_id", "spelling", "word")}
}
