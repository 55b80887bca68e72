package read

import (
	"github.com/google/uuid"

	"dossier/internal/typeid"
)

func jobNoun() *noun {
	return &noun{name: "Job", table: "job", prefix: typeid.Job, id: "id", account: "account_id", fields: []field{
		id(),
		plain("kind", "kind"),
		plain("state", "state"),
		{name: "dryRun", column: "dry_run", kind: kindBool},
		text("fileName", "file_name"),
		embed("progress", "JobProgress"),
		embed("counts", "JobCounts"),
		page("rowErrors", connection{
			noun: "JobRowError", foreignKey: "job_id",
			orders: func(arguments) order { return ascending("NUMBER", intKey("number")) },
		}),
		personal("downloadUrl", []string{"state", "result_key", "id"}, jobURL),
		plain("errorCode", "error_code"),
		text("errorMessage", "error_message"),
		actor("createdBy"),
		instant("createdAt", "created_at"),
		instant("startedAt", "started_at"),
		instant("finishedAt", "finished_at"),
	}}
}

// jobURL is the URL of what an export has made.
func jobURL(e *environment, dst []byte, columns [][]byte) []byte {
	if string(columns[0]) != "SUCCEEDED" || columns[1] == nil || e.config.JobURL == nil || len(columns[2]) != 16 {
		return append(dst, "null"...)
	}
	return appendString(dst, e.config.JobURL(e.holder, e.account, uuid.UUID(columns[2])))
}

// jobProgressNoun and jobCountsNoun are parts of a job's row.
func jobProgressNoun() *noun {
	return &noun{name: "JobProgress", table: "job", id: "id", account: "account_id", fields: []field{
		big("done", "done"),
		big("total", "total"),
	}}
}

func jobCountsNoun() *noun {
	return &noun{name: "JobCounts", table: "job", id: "id", account: "account_id", fields: []field{
		big("created", "created"),
		big("updated", "updated"),
		big("skipped", "skipped"),
		big("failed", "failed"),
	}}
}

func jobRowErrorNoun() *noun {
	return &noun{name: "JobRowError", table: "job_row_error", id: "id", account: "account_id", fields: []field{
		integer("line", "line"),
		integer("column", "column_number"),
		text("columnName", "column_name"),
		text("field", "field_name"),
		plain("code", "code"),
		text("message", "message"),
		text("value", "value"),
	}}
}

// jobsRoot is the account's imports and exports.
func jobsRoot() connection {
	return connection{
		noun:      "Job",
		arguments: []string{"where"},
		filter: func(f *filter) error {
			if where, ok := f.input("where"); ok {
				f.add(where.all(where.anyOf("kind", "kind"), where.anyOf("state", "state"))...)
			}
			return f.err
		},
		orders: func(arguments) order { return descending("CREATED_AT", instantKey("created_at"), idKey()) },
	}
}
