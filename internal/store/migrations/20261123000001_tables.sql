-- +goose Up
-- create "account" table
CREATE TABLE "account" ("id" uuid NOT NULL, "name" text NOT NULL, "oidc_issuer" text NULL, "oidc_audience" text NOT NULL DEFAULT 'dossier', "oidc_algorithms" jsonb NOT NULL, "role_claim" text NOT NULL DEFAULT 'dossier_role', "max_file_bytes" bigint NOT NULL DEFAULT 5000000, "event_seq" bigint NOT NULL DEFAULT 0, "event_floor" bigint NOT NULL DEFAULT 0, "created_at" timestamptz NOT NULL, PRIMARY KEY ("id"));
-- create index "account_oidc_issuer" to table: "account"
CREATE UNIQUE INDEX "account_oidc_issuer" ON "account" ("oidc_issuer");
-- create "api_key" table
CREATE TABLE "api_key" ("id" uuid NOT NULL, "account_id" uuid NOT NULL, "created_at" timestamptz NOT NULL, "created_by_kind" text NULL, "created_by_id" uuid NULL, "name" text NOT NULL, "hint" text NOT NULL, "hash" bytea NOT NULL, "scopes" jsonb NOT NULL, "expires_at" timestamptz NULL, "revoked_at" timestamptz NULL, PRIMARY KEY ("id"));
-- create index "apikey_account_id_created_at_id" to table: "api_key"
CREATE INDEX "apikey_account_id_created_at_id" ON "api_key" ("account_id", "created_at", "id");
-- create index "apikey_account_id_id" to table: "api_key"
CREATE UNIQUE INDEX "apikey_account_id_id" ON "api_key" ("account_id", "id");
-- create "contact" table
CREATE TABLE "contact" ("id" uuid NOT NULL, "account_id" uuid NOT NULL, "created_at" timestamptz NOT NULL, "version" integer NOT NULL DEFAULT 1, "updated_at" timestamptz NOT NULL, "customer_id" uuid NOT NULL, "display_name" text NOT NULL, "sort_name" text NOT NULL COLLATE "C", "given_name" text NULL, "family_name" text NULL, "role" text NULL, "secondary" boolean NOT NULL DEFAULT false, "archived_at" timestamptz NULL, PRIMARY KEY ("id"));
-- create index "contact_account_id_customer_id_secondary_sort_name_id" to table: "contact"
CREATE INDEX "contact_account_id_customer_id_secondary_sort_name_id" ON "contact" ("account_id", "customer_id", "secondary", "sort_name", "id") WHERE (archived_at IS NULL);
-- create index "contact_account_id_id" to table: "contact"
CREATE UNIQUE INDEX "contact_account_id_id" ON "contact" ("account_id", "id");
-- create index "contact_one_primary" to table: "contact"
CREATE UNIQUE INDEX "contact_one_primary" ON "contact" ("account_id", "customer_id") WHERE ((NOT secondary) AND (archived_at IS NULL));
-- create "customer" table
CREATE TABLE "customer" ("id" uuid NOT NULL, "account_id" uuid NOT NULL, "created_at" timestamptz NOT NULL, "version" integer NOT NULL DEFAULT 1, "updated_at" timestamptz NOT NULL, "created_by_kind" text NULL, "created_by_id" uuid NULL, "kind" text NOT NULL, "status" text NOT NULL DEFAULT 'ACTIVE', "display_name" text NOT NULL, "sort_name" text NOT NULL COLLATE "C", "given_name" text NULL, "family_name" text NULL, "company_name" text NULL, "archived_at" timestamptz NULL, PRIMARY KEY ("id"), CONSTRAINT "customer_created_by_kind" CHECK (created_by_kind = ANY (ARRAY['STAFF'::text, 'API_KEY'::text])), CONSTRAINT "customer_kind" CHECK (kind = ANY (ARRAY['PERSON'::text, 'COMPANY'::text])), CONSTRAINT "customer_status" CHECK (status = ANY (ARRAY['ACTIVE'::text, 'ARCHIVED'::text])));
-- create index "customer_account_id_created_at_id" to table: "customer"
CREATE INDEX "customer_account_id_created_at_id" ON "customer" ("account_id", "created_at", "id");
-- create index "customer_account_id_id" to table: "customer"
CREATE UNIQUE INDEX "customer_account_id_id" ON "customer" ("account_id", "id");
-- create index "customer_account_id_sort_name_id" to table: "customer"
CREATE INDEX "customer_account_id_sort_name_id" ON "customer" ("account_id", "sort_name", "id");
-- create index "customer_account_id_updated_at_id" to table: "customer"
CREATE INDEX "customer_account_id_updated_at_id" ON "customer" ("account_id", "updated_at", "id");
-- create "document" table
CREATE TABLE "document" ("id" uuid NOT NULL, "account_id" uuid NOT NULL, "created_at" timestamptz NOT NULL, "version" integer NOT NULL DEFAULT 1, "updated_at" timestamptz NOT NULL, "created_by_kind" text NULL, "created_by_id" uuid NULL, "customer_id" uuid NOT NULL, "kind" text NOT NULL DEFAULT 'UPLOAD', "status" text NOT NULL DEFAULT 'ACTIVE', "source" text NOT NULL DEFAULT 'STAFF', "title" text NOT NULL, "expires_on" date NULL, "current_version_id" uuid NOT NULL, "archived_at" timestamptz NULL, PRIMARY KEY ("id"), CONSTRAINT "document_created_by_kind" CHECK (created_by_kind = ANY (ARRAY['STAFF'::text, 'API_KEY'::text])), CONSTRAINT "document_kind" CHECK (kind = 'UPLOAD'::text), CONSTRAINT "document_source" CHECK (source = ANY (ARRAY['STAFF'::text, 'CUSTOMER'::text, 'SYSTEM'::text, 'IMPORT'::text])), CONSTRAINT "document_status" CHECK (status = ANY (ARRAY['ACTIVE'::text, 'QUARANTINED'::text, 'ARCHIVED'::text])));
-- create index "document_account_id_customer_id_created_at_id" to table: "document"
CREATE INDEX "document_account_id_customer_id_created_at_id" ON "document" ("account_id", "customer_id", "created_at", "id");
-- create index "document_account_id_id" to table: "document"
CREATE UNIQUE INDEX "document_account_id_id" ON "document" ("account_id", "id");
-- create "document_version" table
CREATE TABLE "document_version" ("id" uuid NOT NULL, "account_id" uuid NOT NULL, "created_at" timestamptz NOT NULL, "created_by_kind" text NULL, "created_by_id" uuid NULL, "document_id" uuid NOT NULL, "number" integer NOT NULL, "file_name" text NOT NULL, "content_type" text NOT NULL, "size_bytes" bigint NOT NULL, "sha256" bytea NOT NULL, "crc32c" bigint NOT NULL, "object_key" text NOT NULL, "object_generation" bigint NOT NULL, "state" text NOT NULL DEFAULT 'STORED', PRIMARY KEY ("id"), CONSTRAINT "document_version_created_by_kind" CHECK (created_by_kind = ANY (ARRAY['STAFF'::text, 'API_KEY'::text])), CONSTRAINT "document_version_size" CHECK (size_bytes >= 0), CONSTRAINT "document_version_state" CHECK (state = ANY (ARRAY['STORED'::text, 'AVAILABLE'::text, 'QUARANTINED'::text, 'REJECTED'::text, 'DELETED'::text])));
-- create index "documentversion_account_id_document_id_number" to table: "document_version"
CREATE UNIQUE INDEX "documentversion_account_id_document_id_number" ON "document_version" ("account_id", "document_id", "number");
-- create index "documentversion_account_id_id" to table: "document_version"
CREATE UNIQUE INDEX "documentversion_account_id_id" ON "document_version" ("account_id", "id");
-- create index "documentversion_object_key" to table: "document_version"
CREATE UNIQUE INDEX "documentversion_object_key" ON "document_version" ("object_key");
-- create "email_address" table
CREATE TABLE "email_address" ("id" uuid NOT NULL, "account_id" uuid NOT NULL, "created_at" timestamptz NOT NULL, "customer_id" uuid NOT NULL, "contact_id" uuid NULL, "type" text NOT NULL, "position" smallint NOT NULL, "address" text NOT NULL, "address_key" text NOT NULL COLLATE "C", PRIMARY KEY ("id"), CONSTRAINT "email_address_type" CHECK (type = ANY (ARRAY['MOBILE'::text, 'HOME'::text, 'WORK'::text, 'BILLING'::text, 'SHIPPING'::text, 'OTHER'::text])));
-- create index "emailaddress_account_id_address_key_customer_id" to table: "email_address"
CREATE INDEX "emailaddress_account_id_address_key_customer_id" ON "email_address" ("account_id", "address_key", "customer_id");
-- create index "emailaddress_account_id_contact_id_position_id" to table: "email_address"
CREATE INDEX "emailaddress_account_id_contact_id_position_id" ON "email_address" ("account_id", "contact_id", "position", "id") WHERE (contact_id IS NOT NULL);
-- create index "emailaddress_account_id_customer_id_position_id" to table: "email_address"
CREATE INDEX "emailaddress_account_id_customer_id_position_id" ON "email_address" ("account_id", "customer_id", "position", "id") WHERE (contact_id IS NULL);
-- create index "emailaddress_account_id_id" to table: "email_address"
CREATE UNIQUE INDEX "emailaddress_account_id_id" ON "email_address" ("account_id", "id");
-- create "event" table
CREATE TABLE "event" ("id" uuid NOT NULL, "account_id" uuid NOT NULL, "created_at" timestamptz NOT NULL, "created_by_kind" text NULL, "created_by_id" uuid NULL, "seq" bigint NOT NULL, "type" text NOT NULL, "customer_id" uuid NULL, "subject_type" text NOT NULL, "subject_id" uuid NOT NULL, "changed_fields" jsonb NOT NULL, PRIMARY KEY ("id"), CONSTRAINT "event_created_by_kind" CHECK (created_by_kind = ANY (ARRAY['STAFF'::text, 'API_KEY'::text])), CONSTRAINT "event_subject_type" CHECK (subject_type = ANY (ARRAY['Customer'::text, 'Contact'::text, 'Document'::text, 'TimelineEntry'::text])));
-- create index "event_account_id_customer_id_seq" to table: "event"
CREATE INDEX "event_account_id_customer_id_seq" ON "event" ("account_id", "customer_id", "seq");
-- create index "event_account_id_seq" to table: "event"
CREATE UNIQUE INDEX "event_account_id_seq" ON "event" ("account_id", "seq");
-- create index "event_account_id_type_seq" to table: "event"
CREATE INDEX "event_account_id_type_seq" ON "event" ("account_id", "type", "seq");
-- create "garbage" table
CREATE TABLE "garbage" ("id" uuid NOT NULL, "account_id" uuid NOT NULL, "created_at" timestamptz NOT NULL, "object_key" text NOT NULL, "until" timestamptz NOT NULL, "next_at" timestamptz NOT NULL, PRIMARY KEY ("id"));
-- create index "garbage_next_at" to table: "garbage"
CREATE INDEX "garbage_next_at" ON "garbage" ("next_at");
-- create index "garbage_object_key" to table: "garbage"
CREATE UNIQUE INDEX "garbage_object_key" ON "garbage" ("object_key");
-- create "idempotency" table
CREATE TABLE "idempotency" ("id" uuid NOT NULL, "account_id" uuid NOT NULL, "created_at" timestamptz NOT NULL, "principal_id" uuid NOT NULL, "field" text NOT NULL, "key" text NOT NULL, "fingerprint" bytea NOT NULL, "response" bytea NULL, "lease_until" timestamptz NOT NULL, PRIMARY KEY ("id"));
-- create index "idempotency_account_id_principal_id_field_key" to table: "idempotency"
CREATE UNIQUE INDEX "idempotency_account_id_principal_id_field_key" ON "idempotency" ("account_id", "principal_id", "field", "key");
-- create index "idempotency_created_at" to table: "idempotency"
CREATE INDEX "idempotency_created_at" ON "idempotency" ("created_at");
-- create "phone_number" table
CREATE TABLE "phone_number" ("id" uuid NOT NULL, "account_id" uuid NOT NULL, "created_at" timestamptz NOT NULL, "customer_id" uuid NOT NULL, "contact_id" uuid NULL, "type" text NOT NULL, "position" smallint NOT NULL, "e164" text NOT NULL COLLATE "C", "extension" text NULL, PRIMARY KEY ("id"), CONSTRAINT "phone_number_type" CHECK (type = ANY (ARRAY['MOBILE'::text, 'HOME'::text, 'WORK'::text, 'BILLING'::text, 'SHIPPING'::text, 'OTHER'::text])));
-- create index "phonenumber_account_id_contact_id_position_id" to table: "phone_number"
CREATE INDEX "phonenumber_account_id_contact_id_position_id" ON "phone_number" ("account_id", "contact_id", "position", "id") WHERE (contact_id IS NOT NULL);
-- create index "phonenumber_account_id_customer_id_position_id" to table: "phone_number"
CREATE INDEX "phonenumber_account_id_customer_id_position_id" ON "phone_number" ("account_id", "customer_id", "position", "id") WHERE (contact_id IS NULL);
-- create index "phonenumber_account_id_e164_customer_id" to table: "phone_number"
CREATE INDEX "phonenumber_account_id_e164_customer_id" ON "phone_number" ("account_id", "e164", "customer_id");
-- create index "phonenumber_account_id_id" to table: "phone_number"
CREATE UNIQUE INDEX "phonenumber_account_id_id" ON "phone_number" ("account_id", "id");
-- create "postal_address" table
CREATE TABLE "postal_address" ("id" uuid NOT NULL, "account_id" uuid NOT NULL, "created_at" timestamptz NOT NULL, "customer_id" uuid NOT NULL, "contact_id" uuid NULL, "type" text NOT NULL, "position" smallint NOT NULL, "street_address" text NULL, "address_locality" text NULL, "address_region" text NULL, "postal_code" text NULL, "address_country" text NULL, PRIMARY KEY ("id"), CONSTRAINT "postal_address_type" CHECK (type = ANY (ARRAY['MOBILE'::text, 'HOME'::text, 'WORK'::text, 'BILLING'::text, 'SHIPPING'::text, 'OTHER'::text])));
-- create index "postaladdress_account_id_contact_id_position_id" to table: "postal_address"
CREATE INDEX "postaladdress_account_id_contact_id_position_id" ON "postal_address" ("account_id", "contact_id", "position", "id") WHERE (contact_id IS NOT NULL);
-- create index "postaladdress_account_id_customer_id_position_id" to table: "postal_address"
CREATE INDEX "postaladdress_account_id_customer_id_position_id" ON "postal_address" ("account_id", "customer_id", "position", "id") WHERE (contact_id IS NULL);
-- create index "postaladdress_account_id_id" to table: "postal_address"
CREATE UNIQUE INDEX "postaladdress_account_id_id" ON "postal_address" ("account_id", "id");
-- create "revision" table
CREATE TABLE "revision" ("id" uuid NOT NULL, "account_id" uuid NOT NULL, "created_at" timestamptz NOT NULL, "created_by_kind" text NULL, "created_by_id" uuid NULL, "subject_type" text NOT NULL, "subject_id" uuid NOT NULL, "version" integer NOT NULL, "fields" jsonb NOT NULL, PRIMARY KEY ("id"));
-- create index "revision_account_id_subject_id_version" to table: "revision"
CREATE UNIQUE INDEX "revision_account_id_subject_id_version" ON "revision" ("account_id", "subject_id", "version");
-- create "staff_user" table
CREATE TABLE "staff_user" ("id" uuid NOT NULL, "account_id" uuid NOT NULL, "created_at" timestamptz NOT NULL, "subject" text NOT NULL, "display_name" text NOT NULL, "sort_name" text NOT NULL COLLATE "C", "email" text NULL, "role" text NOT NULL, "disabled_at" timestamptz NULL, "updated_at" timestamptz NOT NULL, PRIMARY KEY ("id"), CONSTRAINT "staff_user_role" CHECK (role = ANY (ARRAY['VIEWER'::text, 'EDITOR'::text, 'ADMIN'::text])));
-- create index "staffuser_account_id_id" to table: "staff_user"
CREATE UNIQUE INDEX "staffuser_account_id_id" ON "staff_user" ("account_id", "id");
-- create index "staffuser_account_id_sort_name_id" to table: "staff_user"
CREATE INDEX "staffuser_account_id_sort_name_id" ON "staff_user" ("account_id", "sort_name", "id");
-- create index "staffuser_account_id_subject" to table: "staff_user"
CREATE UNIQUE INDEX "staffuser_account_id_subject" ON "staff_user" ("account_id", "subject");
-- create "storage_usage" table
CREATE TABLE "storage_usage" ("account_id" uuid NOT NULL, "limit_bytes" bigint NOT NULL DEFAULT 500000000, "used_bytes" bigint NOT NULL DEFAULT 0, "reserved_bytes" bigint NOT NULL DEFAULT 0, PRIMARY KEY ("account_id"), CONSTRAINT "storage_usage_positive" CHECK ((used_bytes >= 0) AND (reserved_bytes >= 0)));
-- create "timeline_entry" table
CREATE TABLE "timeline_entry" ("id" uuid NOT NULL, "account_id" uuid NOT NULL, "created_at" timestamptz NOT NULL, "version" integer NOT NULL DEFAULT 1, "updated_at" timestamptz NOT NULL, "created_by_kind" text NULL, "created_by_id" uuid NULL, "customer_id" uuid NOT NULL, "at" timestamptz NOT NULL, "kind" text NOT NULL, "title" text NOT NULL, "subject_type" text NULL, "subject_id" uuid NULL, PRIMARY KEY ("id"), CONSTRAINT "timeline_entry_created_by_kind" CHECK (created_by_kind = ANY (ARRAY['STAFF'::text, 'API_KEY'::text])), CONSTRAINT "timeline_entry_kind" CHECK (kind = ANY (ARRAY['CUSTOMER_CREATED'::text, 'CUSTOMER_ARCHIVED'::text, 'CUSTOMER_RESTORED'::text, 'CONTACT_ADDED'::text, 'DOCUMENT_ADDED'::text, 'DOCUMENT_REPLACED'::text, 'DOCUMENT_EXPIRES'::text, 'VISIT'::text, 'CALL'::text, 'TASK'::text])), CONSTRAINT "timeline_entry_subject_type" CHECK (subject_type = ANY (ARRAY['Customer'::text, 'Contact'::text, 'Document'::text, 'TimelineEntry'::text])));
-- create index "timelineentry_account_id_customer_id_at_id" to table: "timeline_entry"
CREATE INDEX "timelineentry_account_id_customer_id_at_id" ON "timeline_entry" ("account_id", "customer_id", "at", "id");
-- create index "timelineentry_account_id_id" to table: "timeline_entry"
CREATE UNIQUE INDEX "timelineentry_account_id_id" ON "timeline_entry" ("account_id", "id");
-- create index "timelineentry_account_id_subject_id" to table: "timeline_entry"
CREATE INDEX "timelineentry_account_id_subject_id" ON "timeline_entry" ("account_id", "subject_id");
-- create "upload" table
CREATE TABLE "upload" ("id" uuid NOT NULL, "account_id" uuid NOT NULL, "created_at" timestamptz NOT NULL, "created_by_kind" text NULL, "created_by_id" uuid NULL, "customer_id" uuid NOT NULL, "document_id" uuid NULL, "mode" text NOT NULL, "state" text NOT NULL DEFAULT 'PENDING', "object_key" text NOT NULL, "file_name" text NOT NULL, "title" text NOT NULL, "expires_on" date NULL, "declared_bytes" bigint NULL, "reserved_bytes" bigint NOT NULL, "lease_until" timestamptz NOT NULL, "updated_at" timestamptz NOT NULL, PRIMARY KEY ("id"), CONSTRAINT "upload_created_by_kind" CHECK (created_by_kind = ANY (ARRAY['STAFF'::text, 'API_KEY'::text])), CONSTRAINT "upload_mode" CHECK (mode = ANY (ARRAY['STREAM'::text, 'DIRECT'::text])), CONSTRAINT "upload_state" CHECK (state = ANY (ARRAY['PENDING'::text, 'DONE'::text, 'FAILED'::text])));
-- create index "upload_account_id_id" to table: "upload"
CREATE UNIQUE INDEX "upload_account_id_id" ON "upload" ("account_id", "id");
-- create index "upload_lease_until" to table: "upload"
CREATE INDEX "upload_lease_until" ON "upload" ("lease_until") WHERE (state = 'PENDING'::text);
-- create index "upload_object_key" to table: "upload"
CREATE UNIQUE INDEX "upload_object_key" ON "upload" ("object_key");
