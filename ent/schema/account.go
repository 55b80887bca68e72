package schema

import (
	"time"

	"entgo.io/ent"
	"entgo.io/ent/dialect/entsql"
	"entgo.io/ent/schema"
	"entgo.io/ent/schema/field"
	"entgo.io/ent/schema/index"
	"github.com/google/uuid"
)

// Account is a business. event_seq is the number of its newest event; it is taken by the last statement of each writing
// transaction, which makes the numbers dense and puts them in commit order. Events up to event_floor were pruned. The same
// statement keeps active_customers and archived_customers, how many customers there are of each status, so that the
// directory need not count its rows.
type Account struct{ ent.Schema }

// Annotations of the table.
func (Account) Annotations() []schema.Annotation { return table("account", nil) }

// Fields of the table.
func (Account) Fields() []ent.Field {
	return []ent.Field{
		field.UUID("id", uuid.UUID{}).Immutable(),
		text("name"),
		optionalText("oidc_issuer"),
		field.String("oidc_audience").SchemaType(textType).Default("dossier"),
		field.Strings("oidc_algorithms").Default([]string{"RS256", "ES256", "EdDSA"}),
		field.String("role_claim").SchemaType(textType).Default("dossier_role"),
		field.Int64("max_file_bytes").Default(5_000_000),
		field.Int64("event_seq").Default(0),
		field.Int64("event_floor").Default(0),
		field.Int64("active_customers").Default(0),
		field.Int64("archived_customers").Default(0),
		field.Time("created_at").Immutable().Default(time.Now),
	}
}

// Indexes of the table. One issuer serves one account: a token's issuer decides whose data it sees.
func (Account) Indexes() []ent.Index {
	return []ent.Index{index.Fields("oidc_issuer").Unique()}
}

// StorageUsage is the account's storage: used + reserved <= limit, held by one conditional UPDATE. It is a table of its
// own so that an upload's reservation does not wait for the account's event counter. warned_percent is the highest share
// of the limit (80 or 100) that an event told of since the storage was below it, 0 for none.
type StorageUsage struct{ ent.Schema }

// Annotations of the table. The id is the account's.
func (StorageUsage) Annotations() []schema.Annotation {
	return table("storage_usage", map[string]string{"storage_usage_positive": "used_bytes >= 0 AND reserved_bytes >= 0"})
}

// Fields of the table.
func (StorageUsage) Fields() []ent.Field {
	return []ent.Field{
		field.UUID("id", uuid.UUID{}).StorageKey("account_id").Immutable(),
		field.Int64("limit_bytes").Default(500_000_000),
		field.Int64("used_bytes").Default(0),
		field.Int64("reserved_bytes").Default(0),
		field.Int16("warned_percent").Default(0),
	}
}

// StaffUser is a person of the staff, made when the person's first token arrives or before that by an administrator; then
// subject is null until a token with the same verified e-mail address claims the row. archived_at takes the person out of
// what can be chosen; disabled_at locks the person out.
type StaffUser struct{ ent.Schema }

// Annotations of the table.
func (StaffUser) Annotations() []schema.Annotation {
	return table("staff_user", map[string]string{
		"staff_user_role":    oneOf("role", "VIEWER", "EDITOR", "ADMIN"),
		"staff_user_unknown": "subject IS NOT NULL OR email_key IS NOT NULL",
	})
}

// Mixin of the table.
func (StaffUser) Mixin() []ent.Mixin { return []ent.Mixin{owned{}, versioned{}} }

// Fields of the table.
func (StaffUser) Fields() []ent.Field {
	return []ent.Field{
		optionalText("subject"),
		text("display_name"),
		foldedText("sort_name"),
		optionalText("email"),
		field.String("email_key").SchemaType(textType).Optional().Nillable().Annotations(entsql.Annotation{Collation: "C"}),
		text("role"),
		optionalInstant("signed_in_at"),
		optionalInstant("disabled_at"),
		optionalInstant("archived_at"),
	}
}

// Indexes of the table.
func (StaffUser) Indexes() []ent.Index {
	return []ent.Index{
		index.Fields("account_id", "subject").Unique(),
		index.Fields("account_id", "sort_name", "id"),
		// Whom a first token may claim: one person for each address.
		index.Fields("account_id", "email_key").Unique().StorageKey("staff_user_awaited").
			Annotations(entsql.IndexWhere("subject IS NULL AND archived_at IS NULL")),
	}
}

// ApiKey is a secret key of a server; only its hash is kept.
type ApiKey struct{ ent.Schema } //nolint:revive // ent derives the client's names from it, and the SDL says ApiKey

// Annotations of the table.
func (ApiKey) Annotations() []schema.Annotation { return table("api_key", nil) }

// Mixin of the table.
func (ApiKey) Mixin() []ent.Mixin { return []ent.Mixin{owned{}, authored{}} }

// Fields of the table.
func (ApiKey) Fields() []ent.Field {
	return []ent.Field{
		text("name"),
		text("hint"),
		field.Bytes("hash").SchemaType(binaryType).Sensitive(),
		field.Strings("scopes"),
		optionalInstant("expires_at"),
		optionalInstant("revoked_at"),
	}
}

// Indexes of the table.
func (ApiKey) Indexes() []ent.Index {
	return []ent.Index{index.Fields("account_id", "created_at", "id")}
}
