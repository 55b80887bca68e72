-- +goose Up
-- modify "upload" table
ALTER TABLE "upload" ALTER COLUMN "customer_id" DROP NOT NULL;
-- create "job" table
CREATE TABLE "job" ("id" uuid NOT NULL, "account_id" uuid NOT NULL, "created_at" timestamptz NOT NULL, "created_by_kind" text NULL, "created_by_id" uuid NULL, "kind" text NOT NULL, "state" text NOT NULL DEFAULT 'QUEUED', "dry_run" boolean NOT NULL DEFAULT false, "input" jsonb NOT NULL, "file_name" text NULL, "source_key" text NULL, "source_bytes" bigint NOT NULL DEFAULT 0, "result_key" text NULL, "result_type" text NULL, "result_bytes" bigint NOT NULL DEFAULT 0, "position" bigint NOT NULL DEFAULT 0, "line" bigint NOT NULL DEFAULT 0, "done" bigint NOT NULL DEFAULT 0, "total" bigint NULL, "created" bigint NOT NULL DEFAULT 0, "updated" bigint NOT NULL DEFAULT 0, "skipped" bigint NOT NULL DEFAULT 0, "failed" bigint NOT NULL DEFAULT 0, "errors" bigint NOT NULL DEFAULT 0, "runner" uuid NULL, "lease_until" timestamptz NULL, "failures" integer NOT NULL DEFAULT 0, "error_code" text NULL, "error_message" text NULL, "started_at" timestamptz NULL, "published_at" timestamptz NULL, "finished_at" timestamptz NULL, "updated_at" timestamptz NOT NULL, PRIMARY KEY ("id"), CONSTRAINT "job_created_by_kind" CHECK (created_by_kind = ANY (ARRAY['STAFF'::text, 'API_KEY'::text])), CONSTRAINT "job_kind" CHECK (kind = ANY (ARRAY['IMPORT'::text, 'EXPORT'::text])), CONSTRAINT "job_lease" CHECK ((state <> 'RUNNING'::text) OR ((runner IS NOT NULL) AND (lease_until IS NOT NULL))), CONSTRAINT "job_state" CHECK (state = ANY (ARRAY['QUEUED'::text, 'RUNNING'::text, 'SUCCEEDED'::text, 'FAILED'::text, 'CANCELLED'::text])));
-- create index "job_account_id_created_at_id" to table: "job"
CREATE INDEX "job_account_id_created_at_id" ON "job" ("account_id", "created_at", "id");
-- create index "job_account_id_id" to table: "job"
CREATE UNIQUE INDEX "job_account_id_id" ON "job" ("account_id", "id");
-- create index "job_created_at" to table: "job"
CREATE INDEX "job_created_at" ON "job" ("created_at") WHERE (state = ANY (ARRAY['QUEUED'::text, 'RUNNING'::text]));
-- create index "job_finished_at" to table: "job"
CREATE INDEX "job_finished_at" ON "job" ("finished_at");
-- create index "job_result_key" to table: "job"
CREATE UNIQUE INDEX "job_result_key" ON "job" ("result_key");
-- create index "job_source_key" to table: "job"
CREATE UNIQUE INDEX "job_source_key" ON "job" ("source_key");
-- create "job_row_error" table
CREATE TABLE "job_row_error" ("id" uuid NOT NULL, "account_id" uuid NOT NULL, "created_at" timestamptz NOT NULL, "job_id" uuid NOT NULL, "number" integer NOT NULL, "line" integer NOT NULL, "column_number" integer NULL, "column_name" text NULL, "field_name" text NULL, "code" text NOT NULL, "message" text NOT NULL, "value" text NULL, PRIMARY KEY ("id"));
-- create index "jobrowerror_account_id_job_id_number" to table: "job_row_error"
CREATE UNIQUE INDEX "jobrowerror_account_id_job_id_number" ON "job_row_error" ("account_id", "job_id", "number");

-- Written by hand: changed checks, which are not found by comparing, and keys of several columns.
ALTER TABLE event DROP CONSTRAINT event_subject_type;
ALTER TABLE event ADD CONSTRAINT event_subject_type CHECK (subject_type IN ('Customer', 'Contact', 'Document', 'TimelineEntry', 'Account', 'Job'));
ALTER TABLE timeline_entry DROP CONSTRAINT timeline_entry_subject_type;
ALTER TABLE timeline_entry ADD CONSTRAINT timeline_entry_subject_type CHECK (subject_type IN ('Customer', 'Contact', 'Document', 'TimelineEntry', 'Account', 'Job'));
ALTER TABLE upload DROP CONSTRAINT upload_mode;
ALTER TABLE upload ADD CONSTRAINT upload_mode CHECK (mode IN ('STREAM', 'DIRECT', 'IMPORT'));
ALTER TABLE job ADD CONSTRAINT job_account_fk FOREIGN KEY (account_id) REFERENCES account (id);
ALTER TABLE job_row_error ADD CONSTRAINT job_row_error_job_fk FOREIGN KEY (account_id, job_id) REFERENCES job (account_id, id);
