-- +goose Up
-- create "note" table
CREATE TABLE "note" ("id" uuid NOT NULL, "account_id" uuid NOT NULL, "created_at" timestamptz NOT NULL, "version" integer NOT NULL DEFAULT 1, "updated_at" timestamptz NOT NULL, "created_by_kind" text NULL, "created_by_id" uuid NULL, "customer_id" uuid NOT NULL, "body" text NOT NULL, "pinned" boolean NOT NULL DEFAULT false, "edited_at" timestamptz NULL, "edited_by_kind" text NULL, "edited_by_id" uuid NULL, PRIMARY KEY ("id"), CONSTRAINT "note_created_by_kind" CHECK (created_by_kind = ANY (ARRAY['STAFF'::text, 'API_KEY'::text])), CONSTRAINT "note_edited_by_kind" CHECK (edited_by_kind = ANY (ARRAY['STAFF'::text, 'API_KEY'::text])));
-- create index "note_account_id_customer_id_pinned_created_at_id" to table: "note"
CREATE INDEX "note_account_id_customer_id_pinned_created_at_id" ON "note" ("account_id", "customer_id", "pinned", "created_at", "id");
-- create index "note_account_id_id" to table: "note"
CREATE UNIQUE INDEX "note_account_id_id" ON "note" ("account_id", "id");

-- By hand: the keys, which hold the account, and the checks of tables that are there already, which are not compared.
ALTER TABLE note ADD CONSTRAINT note_customer_fk FOREIGN KEY (account_id, customer_id) REFERENCES customer (account_id, id);
ALTER TABLE event DROP CONSTRAINT event_subject_type;
ALTER TABLE event ADD CONSTRAINT event_subject_type CHECK (subject_type IN ('Customer', 'Contact', 'Document', 'TimelineEntry', 'Account', 'Note'));
ALTER TABLE timeline_entry DROP CONSTRAINT timeline_entry_subject_type;
ALTER TABLE timeline_entry ADD CONSTRAINT timeline_entry_subject_type CHECK (subject_type IN ('Customer', 'Contact', 'Document', 'TimelineEntry', 'Account', 'Note'));
ALTER TABLE timeline_entry DROP CONSTRAINT timeline_entry_kind;
ALTER TABLE timeline_entry ADD CONSTRAINT timeline_entry_kind CHECK (kind IN ('CUSTOMER_CREATED', 'CUSTOMER_ARCHIVED', 'CUSTOMER_RESTORED', 'CONTACT_ADDED',
	'DOCUMENT_ADDED', 'DOCUMENT_REPLACED', 'DOCUMENT_EXPIRES', 'VISIT', 'CALL', 'TASK', 'NOTE'));
