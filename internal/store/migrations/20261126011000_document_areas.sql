-- +goose Up
-- drop index "document_expires_on" from table: "document"
DROP INDEX "document_expires_on";
-- modify "document" table
ALTER TABLE "document" ADD COLUMN "search_key" text NOT NULL DEFAULT '';
-- create index "document_expires_on" to table: "document"
CREATE INDEX "document_expires_on" ON "document" ("expires_on") WHERE ((expiry_warned_at IS NULL) AND (expires_on IS NOT NULL) AND (status <> 'ARCHIVED'::text));
-- create index "document_account_id_created_at_id" to table: "document"
CREATE INDEX "document_account_id_created_at_id" ON "document" ("account_id", "created_at", "id") INCLUDE ("status");
-- create index "document_account_id_expires_on_id" to table: "document"
CREATE INDEX "document_account_id_expires_on_id" ON "document" ("account_id", "expires_on", "id") WHERE (expires_on IS NOT NULL);
-- create index "document_account_id_retention_until_id" to table: "document"
CREATE INDEX "document_account_id_retention_until_id" ON "document" ("account_id", "retention_until", "id") WHERE (retention_until IS NOT NULL);

-- By hand: the area that is always there has the key general, so no other one has it.
UPDATE attribute_definition SET key = 'general_' || substr(md5(id::text), 1, 12) WHERE type = 'FILE' AND key = 'general';
ALTER TABLE attribute_definition ADD CONSTRAINT attribute_definition_general CHECK (type <> 'FILE' OR key <> 'general');
