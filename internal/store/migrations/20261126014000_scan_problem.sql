-- +goose Up
-- modify "document_version" table
ALTER TABLE "document_version" ADD CONSTRAINT "document_version_scan_problem" CHECK (scan_problem = ANY (ARRAY['FILE_TOO_LARGE'::text, 'SCANNER_UNAVAILABLE'::text, 'SCANNER_FAILED'::text, 'CONTENT_UNREADABLE'::text])), ADD COLUMN "scan_problem" text NULL;
