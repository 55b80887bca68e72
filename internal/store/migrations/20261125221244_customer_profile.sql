-- +goose Up
-- modify "customer" table
ALTER TABLE "customer" ADD CONSTRAINT "customer_channel" CHECK (preferred_channel = ANY (ARRAY['EMAIL'::text, 'PHONE'::text, 'SMS'::text])), ADD CONSTRAINT "customer_created_via" CHECK (created_via = ANY (ARRAY['STAFF'::text, 'BOOKING'::text, 'IMPORT'::text, 'API'::text, 'SECURE_LINK'::text])), ADD CONSTRAINT "customer_distance" CHECK (delivery_distance_km >= (0)::numeric), ADD COLUMN "language_tag" text NULL, ADD COLUMN "time_zone" text NULL, ADD COLUMN "external_id" text NULL COLLATE "C", ADD COLUMN "preferred_channel" text NULL, ADD COLUMN "delivery_distance_km" numeric(12,3) NULL, ADD COLUMN "website_url" text NULL, ADD COLUMN "business_area" text NULL, ADD COLUMN "tax_exempt" boolean NOT NULL DEFAULT false, ADD COLUMN "tax_exempt_reason" text NULL, ADD COLUMN "created_via" text NOT NULL DEFAULT 'STAFF', ADD COLUMN "type_id" uuid NULL, ADD COLUMN "origin_id" uuid NULL, ADD COLUMN "salesperson_id" uuid NULL, ADD COLUMN "representative_id" uuid NULL, ADD COLUMN "preferred_office_id" uuid NULL, ADD COLUMN "preferred_staff_id" uuid NULL, ADD COLUMN "merged_into_id" uuid NULL;
-- create index "customer_account_id_merged_into_id" to table: "customer"
CREATE INDEX "customer_account_id_merged_into_id" ON "customer" ("account_id", "merged_into_id") WHERE (merged_into_id IS NOT NULL);
-- create index "customer_one_external_id" to table: "customer"
CREATE UNIQUE INDEX "customer_one_external_id" ON "customer" ("account_id", "external_id") WHERE (external_id IS NOT NULL);
-- modify "email_address" table
ALTER TABLE "email_address" ADD COLUMN "purposes" jsonb NOT NULL DEFAULT '[]';
-- create index "email_address_one_statement" to table: "email_address"
CREATE UNIQUE INDEX "email_address_one_statement" ON "email_address" ("account_id", "customer_id") WHERE ((contact_id IS NULL) AND (purposes @> '["STATEMENT"]'::jsonb));

-- Written by hand: a changed check, and the composite keys.
ALTER TABLE customer DROP CONSTRAINT customer_status;
ALTER TABLE customer ADD CONSTRAINT customer_status CHECK (status IN ('ACTIVE', 'ARCHIVED', 'MERGED'));
ALTER TABLE customer ADD CONSTRAINT customer_salesperson_fk FOREIGN KEY (account_id, salesperson_id) REFERENCES staff_user (account_id, id);
ALTER TABLE customer ADD CONSTRAINT customer_representative_fk FOREIGN KEY (account_id, representative_id) REFERENCES staff_user (account_id, id);
ALTER TABLE customer ADD CONSTRAINT customer_preferred_staff_fk FOREIGN KEY (account_id, preferred_staff_id) REFERENCES staff_user (account_id, id);
ALTER TABLE customer ADD CONSTRAINT customer_merged_into_fk FOREIGN KEY (account_id, merged_into_id) REFERENCES customer (account_id, id);
