-- +goose Up
-- create index "upload_account_id_customer_id" to table: "upload"
CREATE INDEX "upload_account_id_customer_id" ON "upload" ("account_id", "customer_id") WHERE (state = 'PENDING'::text);
-- create "customer_merge" table
CREATE TABLE "customer_merge" ("id" uuid NOT NULL, "account_id" uuid NOT NULL, "created_at" timestamptz NOT NULL, "created_by_kind" text NULL, "created_by_id" uuid NULL, "winner_id" uuid NOT NULL, "loser_id" uuid NOT NULL, "record" jsonb NOT NULL, "emails" integer NOT NULL, "phones" integer NOT NULL, "addresses" integer NOT NULL, "contacts" integer NOT NULL, "documents" integer NOT NULL, "timeline_entries" integer NOT NULL, "undone_at" timestamptz NULL, "undone_by_kind" text NULL, "undone_by_id" uuid NULL, PRIMARY KEY ("id"), CONSTRAINT "customer_merge_created_by_kind" CHECK (created_by_kind = ANY (ARRAY['STAFF'::text, 'API_KEY'::text])), CONSTRAINT "customer_merge_undone_by_kind" CHECK (undone_by_kind = ANY (ARRAY['STAFF'::text, 'API_KEY'::text])));
-- create index "customermerge_account_id_created_at_id" to table: "customer_merge"
CREATE INDEX "customermerge_account_id_created_at_id" ON "customer_merge" ("account_id", "created_at", "id");
-- create index "customermerge_account_id_id" to table: "customer_merge"
CREATE UNIQUE INDEX "customermerge_account_id_id" ON "customer_merge" ("account_id", "id");
-- create index "customermerge_account_id_loser_id" to table: "customer_merge"
CREATE INDEX "customermerge_account_id_loser_id" ON "customer_merge" ("account_id", "loser_id");
-- create index "customermerge_account_id_winner_id" to table: "customer_merge"
CREATE INDEX "customermerge_account_id_winner_id" ON "customer_merge" ("account_id", "winner_id");

-- By hand: the keys, which hold the account, and a check of a table that is there already, which is not compared. It has the
-- kinds of all migrations before this one.
ALTER TABLE customer_merge ADD CONSTRAINT customer_merge_winner_fk FOREIGN KEY (account_id, winner_id) REFERENCES customer (account_id, id);
ALTER TABLE customer_merge ADD CONSTRAINT customer_merge_loser_fk FOREIGN KEY (account_id, loser_id) REFERENCES customer (account_id, id);
ALTER TABLE timeline_entry DROP CONSTRAINT timeline_entry_kind;
ALTER TABLE timeline_entry ADD CONSTRAINT timeline_entry_kind CHECK (kind IN ('CUSTOMER_CREATED', 'CUSTOMER_ARCHIVED', 'CUSTOMER_RESTORED',
	'CUSTOMER_MERGED', 'CUSTOMER_MERGE_UNDONE', 'CONTACT_ADDED', 'DOCUMENT_ADDED', 'DOCUMENT_REPLACED', 'DOCUMENT_EXPIRES', 'VISIT', 'CALL',
	'TASK', 'NOTE'));
