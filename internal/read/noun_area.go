package read

import (
	"encoding/binary"

	"dossier/internal/attribute"
)

// areaNoun is where a document is filed: what the row of the document's area says, or the general area where it has none.
// Whoever may read the document may read this of its area.
func areaNoun() *noun {
	of := func(f field, absent string) field { return ofOr(f, "AttributeDefinition", "area_id", absent) }
	return &noun{name: "DocumentArea", table: "document", id: "id", account: "account_id", fields: []field{
		of(text("key", "key"), `"`+attribute.GeneralKey+`"`),
		of(text("label", "label"), `"`+attribute.GeneralLabel+`"`),
		one("definition", "AttributeDefinition", "area_id"),
		of(stringList("accept", "accept"), "[]"),
		of(integer("maxFiles", "max_files"), "null"),
		{name: "maxFileBytes", compute: &computed{
			beside: []besideColumn{{"AttributeDefinition", "area_id", "max_file_bytes"}, {"Account", "account_id", "max_file_bytes"}},
			write:  areaMaxBytes,
		}},
		of(boolean("required", "required"), "false"),
		of(boolean("customerVisible", "customer_visible"), "false"),
		of(instant("archivedAt", "archived_at"), "null"),
	}}
}

// areaMaxBytes is the lower limit of that of the area, which may have none, and that of the account.
func areaMaxBytes(_ *environment, dst []byte, columns [][]byte) []byte {
	most := int64(binary.BigEndian.Uint64(columns[1]))
	if columns[0] != nil {
		most = min(most, int64(binary.BigEndian.Uint64(columns[0])))
	}
	return appendInt(dst, most)
}

// fileValueNoun is the value of a FILE, which has no row: it is made of the definition, see fileValues.
func fileValueNoun() *noun {
	return &noun{name: "FileAttributeValue", table: "attribute_value", id: "id", account: "account_id", fields: []field{
		one("definition", "AttributeDefinition", "definition_id"),
		of(text("key", "key"), "AttributeDefinition", "definition_id"),
		page("documents", connection{
			noun: "Document", foreignKey: "customer_id", matches: []match{{"customer_id", "customer_id"}, {"area_id", "definition_id"}},
			arguments: []string{"where", "orderBy"}, filter: documentWhere, orders: documentOrder,
		}),
	}}
}

// fileValues are the values of a customer of FILE: one for each area in which the customer has documents.
func fileValues() *toMade {
	expression := func(sql string) func(*writer, string, func()) {
		return func(w *writer, d string, _ func()) { w.template(sql, d) }
	}
	return &toMade{
		noun: "AttributeDefinition",
		columns: []madeColumn{
			// Equal wherever the same value is read in a statement, and no other one's: that is all it is for.
			{"id", "uuid", func(w *writer, d string, parent func()) {
				w.text("encode(substr(sha256(uuid_send(")
				parent()
				w.text(") || uuid_send(" + d + ".id)), 1, 16), 'hex')::uuid")
			}},
			{"account_id", "uuid", expression("{t}.account_id")},
			{"customer_id", "uuid", func(w *writer, _ string, parent func()) { parent() }},
			{"definition_id", "uuid", expression("{t}.id")},
			{"type", "text", expression("{t}.type")},
			{name: "text_value", sql: "text"},
			{name: "integer_value", sql: "bigint"},
			{name: "decimal_value", sql: "numeric"},
			{name: "boolean_value", sql: "boolean"},
			{name: "date_value", sql: "date"},
			{name: "time_value", sql: "timestamptz"},
			{name: "option_id", sql: "uuid"},
		},
		holds: func(w *writer, nouns map[string]*noun, d string, parent func()) {
			w.text(d + ".type = 'FILE' AND ")
			w.hasFiled(nouns["Document"], d, parent)
		},
	}
}

// lacksRequiredFile asks whether a customer lacks a document in an area that requires one.
var lacksRequiredFile = &ownQuestion{
	columns: []string{"type_id"},
	write: func(w *writer, nouns map[string]*noun, t string) {
		w.lacksRequiredFile(t, nouns["AttributeDefinition"], typePairs.noun(), nouns["Document"])
	},
}
