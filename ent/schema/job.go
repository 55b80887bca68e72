package schema

import (
	"encoding/json"
	"time"

	"entgo.io/ent"
	"entgo.io/ent/dialect/entsql"
	"entgo.io/ent/schema"
	"entgo.io/ent/schema/field"
	"entgo.io/ent/schema/index"
)

// Job is long work that the database remembers: an import or an export. A node that runs it holds a lease of database
// time; when the node is gone another one goes on from the checkpoint. What a step did and its checkpoint are committed
// together, so that no step happens twice.
type Job struct{ ent.Schema }

// Annotations of the table.
func (Job) Annotations() []schema.Annotation {
	return table("job", map[string]string{
		"job_kind":            oneOf("kind", "IMPORT", "EXPORT"),
		"job_state":           oneOf("state", "QUEUED", "RUNNING", "SUCCEEDED", "FAILED", "CANCELLED"),
		"job_created_by_kind": actorKinds,
		"job_lease":           "state <> 'RUNNING' OR (runner IS NOT NULL AND lease_until IS NOT NULL)",
	}, sqlOnly)
}

// Mixin of the table.
func (Job) Mixin() []ent.Mixin { return []ent.Mixin{owned{}, authored{}} }

// Fields of the table. input is what to do, as the area understands it; position is how far it came (bytes of the file,
// and its line). failures is how often it was given up since it last got further. source_key is the object that an import
// reads, result_key the one that an export makes; their bytes count as used storage.
func (Job) Fields() []ent.Field {
	return []ent.Field{
		text("kind"),
		field.String("state").SchemaType(textType).Default("QUEUED"),
		field.Bool("dry_run").Default(false),
		field.JSON("input", json.RawMessage{}),
		optionalText("file_name"),
		optionalText("source_key"),
		field.Int64("source_bytes").Default(0),
		optionalText("result_key"),
		optionalText("result_type"),
		field.Int64("result_bytes").Default(0),
		field.Int64("position").Default(0),
		field.Int64("line").Default(0),
		field.Int64("done").Default(0),
		field.Int64("total").Optional().Nillable(),
		field.Int64("created").Default(0),
		field.Int64("updated").Default(0),
		field.Int64("skipped").Default(0),
		field.Int64("failed").Default(0),
		field.Int64("errors").Default(0),
		optionalID("runner"),
		optionalInstant("lease_until"),
		field.Int32("failures").Default(0),
		optionalText("error_code"),
		optionalText("error_message"),
		optionalInstant("started_at"),
		optionalInstant("published_at"),
		optionalInstant("finished_at"),
		field.Time("updated_at").Default(time.Now),
	}
}

// Indexes of the table: the account's list, the queue, the files, and what is old.
func (Job) Indexes() []ent.Index {
	return []ent.Index{
		index.Fields("account_id", "created_at", "id"),
		index.Fields("created_at").Annotations(entsql.IndexWhere("state IN ('QUEUED', 'RUNNING')")),
		index.Fields("source_key").Unique(),
		index.Fields("result_key").Unique(),
		index.Fields("finished_at"),
	}
}

// JobRowError is what is wrong with one cell or row of an imported file. number is dense within the job.
type JobRowError struct{ ent.Schema }

// Annotations of the table.
func (JobRowError) Annotations() []schema.Annotation { return table("job_row_error", nil, sqlOnly) }

// Mixin of the table.
func (JobRowError) Mixin() []ent.Mixin { return []ent.Mixin{logged{}} }

// Fields of the table. column_number begins with 1 and is null where the row as a whole is meant.
func (JobRowError) Fields() []ent.Field {
	return []ent.Field{
		id("job_id"),
		field.Int32("number"),
		field.Int32("line"),
		field.Int32("column_number").Optional().Nillable(),
		optionalText("column_name"),
		optionalText("field_name"),
		text("code"),
		text("message"),
		optionalText("value"),
	}
}

// Indexes of the table.
func (JobRowError) Indexes() []ent.Index {
	return []ent.Index{index.Fields("account_id", "job_id", "number").Unique()}
}
