-- +goose Up
-- modify "garbage" table
ALTER TABLE "garbage" ADD COLUMN "session_url" text NULL;
-- modify "upload" table
ALTER TABLE "upload" ADD CONSTRAINT "upload_method" CHECK (method = ANY (ARRAY['PUT'::text, 'RESUMABLE'::text])), ADD COLUMN "declared_crc32c" bigint NULL, ADD COLUMN "declared_sha256" bytea NULL, ADD COLUMN "method" text NULL, ADD COLUMN "session_url" text NULL;
