-- +goose Up
-- create index "document_version_unshared" to table: "document_version"
CREATE INDEX "document_version_unshared" ON "document_version" ("account_id", "blob_id") WHERE ((state = 'QUARANTINED'::text) OR (state = 'REJECTED'::text));
