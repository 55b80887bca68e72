package schema

import (
	"entgo.io/ent"
	"entgo.io/ent/dialect/entsql"
	"entgo.io/ent/schema"
	"entgo.io/ent/schema/field"
	"entgo.io/ent/schema/index"
)

// Customer is somebody whom the business serves.
type Customer struct{ ent.Schema }

// Annotations of the table.
func (Customer) Annotations() []schema.Annotation {
	return table("customer", map[string]string{
		"customer_kind":            oneOf("kind", "PERSON", "COMPANY"),
		"customer_status":          oneOf("status", "ACTIVE", "ARCHIVED", "MERGED"),
		"customer_channel":         oneOf("preferred_channel", "EMAIL", "PHONE", "SMS"),
		"customer_created_via":     oneOf("created_via", "STAFF", "BOOKING", "IMPORT", "API", "SECURE_LINK"),
		"customer_distance":        "delivery_distance_km >= 0",
		"customer_created_by_kind": actorKinds,
	})
}

// Mixin of the table.
func (Customer) Mixin() []ent.Mixin { return []ent.Mixin{owned{}, versioned{}, authored{}} }

// Fields of the table. sort_name is display_name folded: lower case, without accents. family_sort_name is the same with the
// family name first, and external_key the external id or "": orders need columns that are never null.
func (Customer) Fields() []ent.Field {
	return []ent.Field{
		text("kind"),
		field.String("status").SchemaType(textType).Default("ACTIVE"),
		text("display_name"),
		foldedText("sort_name"),
		foldedKey("family_sort_name"),
		foldedKey("external_key"),
		optionalText("given_name"),
		optionalText("family_name"),
		optionalText("company_name"),
		optionalText("language_tag"),
		optionalText("time_zone"),
		foldedOptional("external_id"),
		optionalText("preferred_channel"),
		field.String("delivery_distance_km").SchemaType(decimalType).Optional().Nillable(),
		optionalText("website_url"),
		optionalText("business_area"),
		field.Bool("tax_exempt").Default(false).Annotations(entsql.DefaultExpr("false")),
		optionalText("tax_exempt_reason"),
		field.String("created_via").SchemaType(textType).Default("STAFF").Annotations(entsql.DefaultExpr("'STAFF'")),
		optionalID("type_id"),
		optionalID("origin_id"),
		optionalID("salesperson_id"),
		optionalID("representative_id"),
		optionalID("preferred_office_id"),
		optionalID("preferred_staff_id"),
		optionalID("merged_into_id"),
		optionalInstant("archived_at"),
		optionalID("image_id"),
	}
}

// Indexes of the table, one per order of the directory, and one to count it by state without reading the rows. The order
// that the directory opens with holds the status, so that the statements for what is below a page find its customers in
// the index alone. It costs nothing: what changes the status changes updated_at, which is in an index already.
func (Customer) Indexes() []ent.Index {
	return []ent.Index{
		index.Fields("account_id", "status"),
		index.Fields("account_id", "sort_name", "id").Annotations(entsql.IncludeColumns("status")),
		index.Fields("account_id", "family_sort_name", "id"),
		index.Fields("account_id", "external_key", "id"),
		index.Fields("account_id", "created_at", "id"),
		index.Fields("account_id", "updated_at", "id"),
		// What reports count is in the index itself: a report over years reads it and not the table.
		index.Fields("account_id", "created_at").StorageKey("customer_report").Annotations(entsql.IncludeColumns(
			"status", "kind", "origin_id", "type_id", "salesperson_id", "preferred_office_id")),
		index.Fields("account_id", "external_id").Unique().StorageKey("customer_one_external_id").
			Annotations(entsql.IndexWhere("external_id IS NOT NULL")),
		index.Fields("account_id", "merged_into_id").Annotations(entsql.IndexWhere("merged_into_id IS NOT NULL")),
	}
}

// Contact is a person to talk to at a customer. secondary is false for the primary contact, so that one ascending
// index (secondary, sort_name, id) gives the order in which contacts are shown.
type Contact struct{ ent.Schema }

// Annotations of the table.
func (Contact) Annotations() []schema.Annotation { return table("contact", nil) }

// Mixin of the table.
func (Contact) Mixin() []ent.Mixin { return []ent.Mixin{owned{}, versioned{}} }

// Fields of the table.
func (Contact) Fields() []ent.Field {
	return []ent.Field{
		id("customer_id"),
		text("display_name"),
		foldedText("sort_name"),
		optionalText("given_name"),
		optionalText("family_name"),
		optionalText("role"),
		field.Bool("secondary").Default(false),
		optionalInstant("archived_at"),
	}
}

// Indexes of the table.
func (Contact) Indexes() []ent.Index {
	return []ent.Index{
		index.Fields("account_id", "customer_id", "secondary", "sort_name", "id").
			Annotations(entsql.IndexWhere("archived_at IS NULL")),
		index.Fields("account_id", "customer_id").Unique().StorageKey("contact_one_primary").
			Annotations(entsql.IndexWhere("NOT secondary AND archived_at IS NULL")),
	}
}

// contactPoint is what e-mail addresses, telephone numbers and postal addresses share. customer_id is always set,
// contact_id only where it belongs to a contact of that customer. The primary one has position 0.
type contactPoint struct{ ent.Schema }

func (contactPoint) fields(more ...ent.Field) []ent.Field {
	return append([]ent.Field{
		id("customer_id"),
		optionalID("contact_id"),
		text("type"),
		field.Int16("position"),
	}, more...)
}

func (contactPoint) indexes(more ...ent.Index) []ent.Index {
	return append([]ent.Index{
		index.Fields("account_id", "customer_id", "position", "id").Annotations(entsql.IndexWhere("contact_id IS NULL")),
		index.Fields("account_id", "contact_id", "position", "id").Annotations(entsql.IndexWhere("contact_id IS NOT NULL")),
	}, more...)
}

func pointType(tableName string) map[string]string {
	return map[string]string{tableName + "_type": oneOf("type", "MOBILE", "HOME", "WORK", "BILLING", "SHIPPING", "OTHER")}
}

// EmailAddress is an e-mail address of a customer or a contact. address_key is the address folded, for look-ups; purposes
// is a sorted list of what mail goes there.
type EmailAddress struct{ contactPoint }

// Annotations of the table.
func (EmailAddress) Annotations() []schema.Annotation {
	return table("email_address", pointType("email_address"), upserted)
}

// Mixin of the table.
func (EmailAddress) Mixin() []ent.Mixin { return []ent.Mixin{owned{}} }

// Fields of the table.
func (e EmailAddress) Fields() []ent.Field {
	return e.fields(text("address"), foldedText("address_key"),
		field.Strings("purposes").Default([]string{}).Annotations(entsql.DefaultExpr("'[]'")))
}

// Indexes of the table.
func (e EmailAddress) Indexes() []ent.Index {
	return e.indexes(
		index.Fields("account_id", "address_key", "customer_id"),
		index.Fields("account_id", "customer_id").Unique().StorageKey("email_address_one_statement").
			Annotations(entsql.IndexWhere(`contact_id IS NULL AND purposes @> '["STATEMENT"]'`)),
	)
}

// PhoneNumber is a telephone number of a customer or a contact.
type PhoneNumber struct{ contactPoint }

// Annotations of the table.
func (PhoneNumber) Annotations() []schema.Annotation {
	return table("phone_number", pointType("phone_number"), upserted)
}

// Mixin of the table.
func (PhoneNumber) Mixin() []ent.Mixin { return []ent.Mixin{owned{}} }

// Fields of the table.
func (p PhoneNumber) Fields() []ent.Field {
	return p.fields(foldedText("e164"), optionalText("extension"))
}

// Indexes of the table.
func (p PhoneNumber) Indexes() []ent.Index {
	return p.indexes(index.Fields("account_id", "e164", "customer_id"))
}

// PostalAddress is a postal address of a customer or a contact, with the names of schema.org. locality_key and postal_key are
// the folded locality and postal code, "" where there is none, for look-ups.
type PostalAddress struct{ contactPoint }

// Annotations of the table.
func (PostalAddress) Annotations() []schema.Annotation {
	return table("postal_address", pointType("postal_address"), upserted)
}

// Mixin of the table.
func (PostalAddress) Mixin() []ent.Mixin { return []ent.Mixin{owned{}} }

// Fields of the table.
func (a PostalAddress) Fields() []ent.Field {
	return a.fields(
		optionalText("street_address"), optionalText("address_locality"), optionalText("address_region"),
		optionalText("postal_code"), optionalText("address_country"),
		foldedKey("locality_key"), foldedKey("postal_key"),
	)
}

// Indexes of the table.
func (a PostalAddress) Indexes() []ent.Index {
	return a.indexes(
		index.Fields("account_id", "locality_key", "customer_id"),
		index.Fields("account_id", "postal_key", "customer_id"),
	)
}

// Revision remembers which fields a change touched, for the conflicting fields of a stale update and as the audit record
// of the change.
type Revision struct{ ent.Schema }

// Annotations of the table.
func (Revision) Annotations() []schema.Annotation { return table("revision", nil) }

// Mixin of the table.
func (Revision) Mixin() []ent.Mixin { return []ent.Mixin{logged{}, authored{}} }

// Fields of the table. version is the subject's version after the change.
func (Revision) Fields() []ent.Field {
	return []ent.Field{
		text("subject_type"),
		id("subject_id"),
		field.Int32("version"),
		field.Strings("fields"),
	}
}

// Indexes of the table.
func (Revision) Indexes() []ent.Index {
	return []ent.Index{index.Fields("account_id", "subject_id", "version").Unique()}
}
