-- +goose Up
-- modify "attribute_definition" table
ALTER TABLE "attribute_definition" ADD COLUMN "max_file_bytes" bigint NULL;
-- modify "document" table
ALTER TABLE "document" ADD CONSTRAINT "document_purpose" CHECK (purpose = ANY (ARRAY['OPERATIONAL'::text, 'LEGAL'::text, 'ADMINISTRATIVE'::text])), ADD CONSTRAINT "document_visibility" CHECK (visibility = ANY (ARRAY['STAFF_ONLY'::text, 'CUSTOMER'::text])), ADD COLUMN "description" text NULL, ADD COLUMN "area_id" uuid NULL, ADD COLUMN "purpose" text NULL, ADD COLUMN "visibility" text NOT NULL DEFAULT 'STAFF_ONLY', ADD COLUMN "tags" jsonb NOT NULL DEFAULT '[]', ADD COLUMN "expiry_warned_at" timestamptz NULL, ADD COLUMN "retention_until" date NULL, ADD COLUMN "retention_warned_at" timestamptz NULL;
-- create index "document_account_id_area_id_customer_id" to table: "document"
CREATE INDEX "document_account_id_area_id_customer_id" ON "document" ("account_id", "area_id", "customer_id") WHERE (area_id IS NOT NULL);
-- create index "document_expires_on" to table: "document"
CREATE INDEX "document_expires_on" ON "document" ("expires_on") WHERE ((expiry_warned_at IS NULL) AND (expires_on IS NOT NULL));
-- create index "document_retention_until" to table: "document"
CREATE INDEX "document_retention_until" ON "document" ("retention_until") WHERE ((retention_warned_at IS NULL) AND (retention_until IS NOT NULL));
-- drop index "documentversion_object_key" from table: "document_version"
DROP INDEX "documentversion_object_key";
-- modify "document_version" table
ALTER TABLE "document_version" ADD CONSTRAINT "document_version_preview_state" CHECK (preview_state = ANY (ARRAY['NONE'::text, 'PENDING'::text, 'READY'::text, 'IMPOSSIBLE'::text])), ADD COLUMN "blob_id" uuid NULL, ADD COLUMN "scanned_at" timestamptz NULL, ADD COLUMN "scan_signature" text NULL, ADD COLUMN "preview_state" text NOT NULL DEFAULT 'NONE', ADD COLUMN "width" integer NULL, ADD COLUMN "height" integer NULL, ADD COLUMN "check_at" timestamptz NULL, ADD COLUMN "check_attempts" integer NOT NULL DEFAULT 0;
-- create index "documentversion_object_key" to table: "document_version"
CREATE INDEX "documentversion_object_key" ON "document_version" ("object_key");
-- create index "documentversion_account_id_blob_id" to table: "document_version"
CREATE INDEX "documentversion_account_id_blob_id" ON "document_version" ("account_id", "blob_id") WHERE (blob_id IS NOT NULL);
-- create index "documentversion_check_at" to table: "document_version"
CREATE INDEX "documentversion_check_at" ON "document_version" ("check_at") WHERE ((state = 'STORED'::text) OR (preview_state = 'PENDING'::text));
-- modify "storage_usage" table
ALTER TABLE "storage_usage" ADD COLUMN "warned_percent" smallint NOT NULL DEFAULT 0;
-- modify "upload" table
ALTER TABLE "upload" ADD COLUMN "area_id" uuid NULL, ADD COLUMN "draft" jsonb NULL;
-- create "audit_record" table
CREATE TABLE "audit_record" ("id" uuid NOT NULL, "account_id" uuid NOT NULL, "created_at" timestamptz NOT NULL, "created_by_kind" text NULL, "created_by_id" uuid NULL, "action" text NOT NULL, "outcome" text NOT NULL, "customer_id" uuid NULL, "subject_type" text NULL, "subject_id" uuid NULL, "changed_fields" jsonb NOT NULL, "request_id" text NULL, "client_address" text NULL, PRIMARY KEY ("id"), CONSTRAINT "audit_record_created_by_kind" CHECK (created_by_kind = ANY (ARRAY['STAFF'::text, 'API_KEY'::text])), CONSTRAINT "audit_record_outcome" CHECK (outcome = ANY (ARRAY['DONE'::text, 'DENIED'::text])));
-- create index "auditrecord_account_id_created_at_id" to table: "audit_record"
CREATE INDEX "auditrecord_account_id_created_at_id" ON "audit_record" ("account_id", "created_at", "id");
-- create index "auditrecord_account_id_customer_id_created_at_id" to table: "audit_record"
CREATE INDEX "auditrecord_account_id_customer_id_created_at_id" ON "audit_record" ("account_id", "customer_id", "created_at", "id") WHERE (customer_id IS NOT NULL);
-- create "blob" table
CREATE TABLE "blob" ("id" uuid NOT NULL, "account_id" uuid NOT NULL, "created_at" timestamptz NOT NULL, "sha256" bytea NOT NULL, "size_bytes" bigint NOT NULL, "crc32c" bigint NOT NULL, "object_key" text NOT NULL, "object_generation" bigint NOT NULL, "refs" integer NOT NULL, PRIMARY KEY ("id"), CONSTRAINT "blob_refs" CHECK (refs > 0), CONSTRAINT "blob_size" CHECK (size_bytes >= 0));
-- create index "blob_account_id_id" to table: "blob"
CREATE UNIQUE INDEX "blob_account_id_id" ON "blob" ("account_id", "id");
-- create index "blob_account_id_sha256" to table: "blob"
CREATE UNIQUE INDEX "blob_account_id_sha256" ON "blob" ("account_id", "sha256");
-- create index "blob_object_key" to table: "blob"
CREATE UNIQUE INDEX "blob_object_key" ON "blob" ("object_key");
-- create "document_rendition" table
CREATE TABLE "document_rendition" ("id" uuid NOT NULL, "account_id" uuid NOT NULL, "created_at" timestamptz NOT NULL, "version_id" uuid NOT NULL, "variant" text NOT NULL, "content_type" text NOT NULL, "size_bytes" bigint NOT NULL, "width" integer NOT NULL, "height" integer NOT NULL, "crc32c" bigint NOT NULL, "object_key" text NOT NULL, "object_generation" bigint NOT NULL, PRIMARY KEY ("id"), CONSTRAINT "document_rendition_size" CHECK ((size_bytes > 0) AND (width > 0) AND (height > 0)), CONSTRAINT "document_rendition_variant" CHECK (variant = ANY (ARRAY['PREVIEW'::text, 'THUMBNAIL'::text])));
-- create index "documentrendition_account_id_version_id_variant" to table: "document_rendition"
CREATE UNIQUE INDEX "documentrendition_account_id_version_id_variant" ON "document_rendition" ("account_id", "version_id", "variant");
-- create index "documentrendition_object_key" to table: "document_rendition"
CREATE UNIQUE INDEX "documentrendition_object_key" ON "document_rendition" ("object_key");

-- By hand: checks with new values, and the keys, which hold the account.
ALTER TABLE document DROP CONSTRAINT document_kind;
ALTER TABLE document ADD CONSTRAINT document_kind CHECK (kind IN ('UPLOAD', 'GENERATED', 'FORM'));
ALTER TABLE timeline_entry DROP CONSTRAINT timeline_entry_kind;
ALTER TABLE timeline_entry ADD CONSTRAINT timeline_entry_kind CHECK (kind IN
	('CUSTOMER_CREATED', 'CUSTOMER_ARCHIVED', 'CUSTOMER_RESTORED', 'CUSTOMER_MERGED', 'CUSTOMER_MERGE_UNDONE', 'CONTACT_ADDED',
	'DOCUMENT_ADDED', 'DOCUMENT_REPLACED', 'DOCUMENT_MOVED', 'DOCUMENT_DELETED', 'DOCUMENT_EXPIRES', 'DOCUMENT_RETENTION_ENDS',
	'VISIT', 'CALL', 'TASK', 'NOTE'));
ALTER TABLE document ADD CONSTRAINT document_area_fk FOREIGN KEY (account_id, area_id) REFERENCES attribute_definition (account_id, id);
ALTER TABLE upload ADD CONSTRAINT upload_area_fk FOREIGN KEY (account_id, area_id) REFERENCES attribute_definition (account_id, id);
ALTER TABLE blob ADD CONSTRAINT blob_account_fk FOREIGN KEY (account_id) REFERENCES account (id);
ALTER TABLE document_version ADD CONSTRAINT document_version_blob_fk FOREIGN KEY (account_id, blob_id) REFERENCES blob (account_id, id);
ALTER TABLE document_rendition ADD CONSTRAINT document_rendition_version_fk FOREIGN KEY (account_id, version_id)
	REFERENCES document_version (account_id, id);
ALTER TABLE audit_record ADD CONSTRAINT audit_record_account_fk FOREIGN KEY (account_id) REFERENCES account (id);
ALTER TABLE audit_record ADD CONSTRAINT audit_record_customer_fk FOREIGN KEY (account_id, customer_id) REFERENCES customer (account_id, id);
