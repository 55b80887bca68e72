package read

import "dossier/internal/typeid"

// attributeNouns are custom attributes: definitions, and values of a type for each kind.
func attributeNouns() []*noun {
	return append([]*noun{definitionNoun(), validationNoun(), optionNoun(), valueNoun()}, valueNouns()...)
}

func definitionNoun() *noun {
	return &noun{name: "AttributeDefinition", table: "attribute_definition", prefix: typeid.AttributeDefinition, id: "id", account: "account_id", fields: []field{
		id(),
		integer("version", "version"),
		text("key", "key"),
		text("label", "label"),
		text("description", "description"),
		plain("type", "type"),
		boolean("required", "required"),
		boolean("customerVisible", "customer_visible"),
		integer("position", "position"),
		many("options", "AttributeOption", "definition_id", "", ascending("POSITION", intKey("position"), idKey())),
		among("customerTypes", "CustomerType", typePairs, "definition_id", ascending("POSITION", intKey("position"), idKey())),
		embed("validation", "AttributeValidation"),
		stringList("accept", "accept"),
		integer("maxFiles", "max_files"),
		big("maxFileBytes", "max_file_bytes"),
		actor("createdBy"),
		instant("createdAt", "created_at"),
		instant("updatedAt", "updated_at"),
		instant("archivedAt", "archived_at"),
	}}
}

// validationNoun is the rules of a definition, which are in its row.
func validationNoun() *noun {
	return &noun{name: "AttributeValidation", table: "attribute_definition", id: "id", account: "account_id", fields: []field{
		integer("minLength", "min_length"),
		integer("maxLength", "max_length"),
		text("pattern", "pattern"),
		decimal("minimum", "minimum"),
		decimal("maximum", "maximum"),
		date("earliestDate", "earliest_date"),
		date("latestDate", "latest_date"),
		instant("earliestTime", "earliest_time"),
		instant("latestTime", "latest_time"),
	}}
}

func optionNoun() *noun {
	return &noun{name: "AttributeOption", table: "attribute_option", prefix: typeid.AttributeOption, id: "id", account: "account_id", fields: []field{
		id(),
		text("key", "key"),
		text("label", "label"),
		integer("position", "position"),
		boolean("archived", "archived"),
	}}
}

// typePairs is the customer types that a definition is for.
var typePairs = pairs{table: "attribute_definition_type", column: "type_id"}

// optionPairs is the options of a MULTI_SELECT value.
var optionPairs = pairs{table: "attribute_value_option", column: "option_id"}

// valueNoun is the interface of values: the type of the definition, which is also in the row, says of which type it is.
func valueNoun() *noun {
	return &noun{name: "AttributeValue", table: "attribute_value", id: "id", account: "account_id", variants: &variants{
		column: "type", types: []polyType{
			{"TEXT", "TextAttributeValue"},
			{"LONG_TEXT", "TextAttributeValue"},
			{"INTEGER", "IntegerAttributeValue"},
			{"DECIMAL", "DecimalAttributeValue"},
			{"BOOLEAN", "BooleanAttributeValue"},
			{"DATE", "DateAttributeValue"},
			{"DATE_TIME", "DateTimeAttributeValue"},
			{"SELECT", "SelectAttributeValue"},
			{"MULTI_SELECT", "MultiSelectAttributeValue"},
			{"URL", "UrlAttributeValue"},
			{"EMAIL", "EmailAttributeValue"},
			{"PHONE", "PhoneAttributeValue"},
			{"FILE", "FileAttributeValue"},
		},
	}}
}

// valueNouns are the types of values. A column of another type is null in a row, which is why the columns are read as they
// are and the SDL says that they are there: the table's check holds it.
func valueNouns() []*noun {
	var list []*noun
	for _, kind := range []struct {
		name  string
		value field
	}{
		{"TextAttributeValue", text("text", "text_value")},
		{"IntegerAttributeValue", big("integer", "integer_value")},
		{"DecimalAttributeValue", decimal("decimal", "decimal_value")},
		{"BooleanAttributeValue", boolean("boolean", "boolean_value")},
		{"DateAttributeValue", date("date", "date_value")},
		{"DateTimeAttributeValue", instant("dateTime", "time_value")},
		{"SelectAttributeValue", one("option", "AttributeOption", "option_id")},
		{"MultiSelectAttributeValue", among("options", "AttributeOption", optionPairs, "value_id",
			ascending("POSITION", intKey("position"), idKey()))},
		{"UrlAttributeValue", text("url", "text_value")},
		{"EmailAttributeValue", text("email", "text_value")},
		{"PhoneAttributeValue", text("phone", "text_value")},
	} {
		kind.value.held = true
		list = append(list, &noun{name: kind.name, table: "attribute_value", id: "id", account: "account_id", fields: []field{
			one("definition", "AttributeDefinition", "definition_id"),
			of(text("key", "key"), "AttributeDefinition", "definition_id"),
			kind.value,
		}})
	}
	return append(list, fileValueNoun())
}

// attributesOf is the values of a customer in the order of their definitions, without those that were archived.
func attributesOf(name string) field {
	return field{name: name, list: &toList{
		noun: "AttributeValue", foreignKey: "customer_id", where: "{t}b.archived_at IS NULL",
		beside: &toOne{noun: "AttributeDefinition", column: "definition_id"},
		order: ascending("POSITION", orderKey{column: "position", kind: kindInt, beside: true},
			orderKey{column: "id", kind: kindID, beside: true}),
		arguments: []string{"keys"},
		filter: func(f *filter) error {
			if keys := f.top().texts("keys", "key"); keys != nil {
				f.add(func(w *writer, t string) { keys(w, t+"b") })
			}
			return f.err
		},
		also: fileValues(),
	}}
}

// forType: the definition is for customers of a type, or for all.
func (in input) forType(name string) cond {
	if !in.has(name) {
		return nil
	}
	slot := in.param(oidUUID, func(_ *binding, v any) ([]byte, error) {
		id, err := parseID(typeid.CustomerType, asText(v), name)
		return id[:], err
	}, name)
	pair := typePairs.noun()
	return func(w *writer, t string) {
		w.text("(NOT ")
		w.exists(&question{existence: existence{foreignKey: "definition_id"}, of: pair}, t+".id")
		p := w.alias()
		w.text(" OR EXISTS (SELECT 1")
		w.from(pair, p, nil)
		w.text(" AND " + p + ".definition_id = " + t + ".id AND " + p + ".type_id = ")
		w.param(slot)
		w.text("))")
	}
}

// attributesRoot is the definitions of the account.
func attributesRoot() connection {
	return connection{
		noun:      "AttributeDefinition",
		arguments: []string{"where"},
		filter: func(f *filter) error {
			where, _ := f.input("where")
			if where.values["archived"] == true {
				f.add(raw("{t}.archived_at IS NOT NULL"))
			} else {
				f.add(raw("{t}.archived_at IS NULL"))
			}
			if where.f != nil {
				f.add(where.anyOf("type", "type"), where.texts("keys", "key"), where.forType("customerTypeId"))
			}
			return f.err
		},
		orders: func(arguments) order { return ascending("POSITION", intKey("position"), idKey()) },
	}
}
