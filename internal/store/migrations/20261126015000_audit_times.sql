-- +goose Up
-- modify "audit_record" table
ALTER TABLE "audit_record" ADD CONSTRAINT "audit_record_times" CHECK (times > 0), ADD COLUMN "times" integer NOT NULL DEFAULT 1;
