package schema

import (
	"entgo.io/ent"
	"entgo.io/ent/dialect/entsql"
	"entgo.io/ent/schema"
	"entgo.io/ent/schema/field"
	"entgo.io/ent/schema/index"
	"github.com/google/uuid"
)

var uuidZero = uuid.UUID{}

// subjects are the types that an event or a timeline entry can be about, in the spelling of the SDL.
var subjects = []string{"Customer", "Contact", "Document", "TimelineEntry", "Account", "Job", "AttributeDefinition", "Note"}

// Event is the account's append-only log. seq is dense and in commit order.
type Event struct{ ent.Schema }

// Annotations of the table.
func (Event) Annotations() []schema.Annotation {
	return table("event", map[string]string{
		"event_subject_type":    oneOf("subject_type", subjects...),
		"event_created_by_kind": actorKinds,
	}, sqlOnly)
}

// Mixin of the table.
func (Event) Mixin() []ent.Mixin { return []ent.Mixin{logged{}, authored{}} }

// Fields of the table.
func (Event) Fields() []ent.Field {
	return []ent.Field{
		field.Int64("seq").Immutable(),
		text("type"),
		optionalID("customer_id"),
		text("subject_type"),
		id("subject_id"),
		field.Strings("changed_fields"),
	}
}

// Indexes of the table: the log, the log of one customer, the log of one type.
func (Event) Indexes() []ent.Index {
	return []ent.Index{
		index.Fields("account_id", "seq").Unique(),
		index.Fields("account_id", "customer_id", "seq"),
		index.Fields("account_id", "type", "seq"),
	}
}

// TimelineEntry is one line on a customer's timeline: a projection of the log, kept for ever, and what staff plan.
type TimelineEntry struct{ ent.Schema }

// Annotations of the table.
func (TimelineEntry) Annotations() []schema.Annotation {
	return table("timeline_entry", map[string]string{
		"timeline_entry_kind": oneOf("kind", "CUSTOMER_CREATED", "CUSTOMER_ARCHIVED", "CUSTOMER_RESTORED", "CUSTOMER_MERGED",
			"CUSTOMER_MERGE_UNDONE", "CONTACT_ADDED", "DOCUMENT_ADDED", "DOCUMENT_REPLACED", "DOCUMENT_MOVED", "DOCUMENT_DELETED",
			"DOCUMENT_EXPIRES", "DOCUMENT_RETENTION_ENDS", "VISIT", "CALL", "TASK", "NOTE"),
		"timeline_entry_subject_type":    oneOf("subject_type", subjects...),
		"timeline_entry_created_by_kind": actorKinds,
	})
}

// Mixin of the table.
func (TimelineEntry) Mixin() []ent.Mixin { return []ent.Mixin{owned{}, versioned{}, authored{}} }

// Fields of the table.
func (TimelineEntry) Fields() []ent.Field {
	return []ent.Field{
		id("customer_id"),
		instant("at"),
		text("kind"),
		text("title"),
		optionalText("subject_type"),
		optionalID("subject_id"),
	}
}

// Indexes of the table.
func (TimelineEntry) Indexes() []ent.Index {
	return []ent.Index{
		// A line to show is in the index itself: the entries of one customer lie far apart in the table.
		index.Fields("account_id", "customer_id", "at", "id").Annotations(entsql.IncludeColumns("kind", "title")),
		index.Fields("account_id", "subject_id"),
	}
}
