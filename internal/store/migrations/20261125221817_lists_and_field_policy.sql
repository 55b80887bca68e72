-- +goose Up
-- modify "staff_user" table
ALTER TABLE "staff_user" ADD CONSTRAINT "staff_user_unknown" CHECK ((subject IS NOT NULL) OR (email_key IS NOT NULL)), ALTER COLUMN "subject" DROP NOT NULL, ADD COLUMN "version" integer NOT NULL DEFAULT 1, ADD COLUMN "email_key" text NULL COLLATE "C", ADD COLUMN "signed_in_at" timestamptz NULL, ADD COLUMN "archived_at" timestamptz NULL;
-- create index "staff_user_awaited" to table: "staff_user"
CREATE UNIQUE INDEX "staff_user_awaited" ON "staff_user" ("account_id", "email_key") WHERE ((subject IS NULL) AND (archived_at IS NULL));
-- create "customer_origin" table
CREATE TABLE "customer_origin" ("id" uuid NOT NULL, "account_id" uuid NOT NULL, "created_at" timestamptz NOT NULL, "version" integer NOT NULL DEFAULT 1, "updated_at" timestamptz NOT NULL, "key" text NOT NULL COLLATE "C", "label" text NOT NULL, "label_key" text NOT NULL COLLATE "C", "position" integer NOT NULL, "archived_at" timestamptz NULL, PRIMARY KEY ("id"), CONSTRAINT "customer_origin_key" CHECK ((key ~ '^[a-z0-9]+(_[a-z0-9]+)*$'::text) AND (char_length(key) <= 60)), CONSTRAINT "customer_origin_label" CHECK ((char_length(label) >= 1) AND (char_length(label) <= 200)), CONSTRAINT "customer_origin_position" CHECK ("position" >= 0));
-- create index "customerorigin_account_id_id" to table: "customer_origin"
CREATE UNIQUE INDEX "customerorigin_account_id_id" ON "customer_origin" ("account_id", "id");
-- create index "customerorigin_account_id_key" to table: "customer_origin"
CREATE UNIQUE INDEX "customerorigin_account_id_key" ON "customer_origin" ("account_id", "key");
-- create index "customerorigin_account_id_label_key" to table: "customer_origin"
CREATE UNIQUE INDEX "customerorigin_account_id_label_key" ON "customer_origin" ("account_id", "label_key") WHERE (archived_at IS NULL);
-- create index "customerorigin_account_id_position_id" to table: "customer_origin"
CREATE INDEX "customerorigin_account_id_position_id" ON "customer_origin" ("account_id", "position", "id");
-- create "customer_type" table
CREATE TABLE "customer_type" ("id" uuid NOT NULL, "account_id" uuid NOT NULL, "created_at" timestamptz NOT NULL, "version" integer NOT NULL DEFAULT 1, "updated_at" timestamptz NOT NULL, "key" text NOT NULL COLLATE "C", "label" text NOT NULL, "label_key" text NOT NULL COLLATE "C", "position" integer NOT NULL, "archived_at" timestamptz NULL, PRIMARY KEY ("id"), CONSTRAINT "customer_type_key" CHECK ((key ~ '^[a-z0-9]+(_[a-z0-9]+)*$'::text) AND (char_length(key) <= 60)), CONSTRAINT "customer_type_label" CHECK ((char_length(label) >= 1) AND (char_length(label) <= 200)), CONSTRAINT "customer_type_position" CHECK ("position" >= 0));
-- create index "customertype_account_id_id" to table: "customer_type"
CREATE UNIQUE INDEX "customertype_account_id_id" ON "customer_type" ("account_id", "id");
-- create index "customertype_account_id_key" to table: "customer_type"
CREATE UNIQUE INDEX "customertype_account_id_key" ON "customer_type" ("account_id", "key");
-- create index "customertype_account_id_label_key" to table: "customer_type"
CREATE UNIQUE INDEX "customertype_account_id_label_key" ON "customer_type" ("account_id", "label_key") WHERE (archived_at IS NULL);
-- create index "customertype_account_id_position_id" to table: "customer_type"
CREATE INDEX "customertype_account_id_position_id" ON "customer_type" ("account_id", "position", "id");
-- create "field_policy" table
CREATE TABLE "field_policy" ("id" uuid NOT NULL, "account_id" uuid NOT NULL, "created_at" timestamptz NOT NULL, "version" integer NOT NULL DEFAULT 1, "updated_at" timestamptz NOT NULL, "channel" text NOT NULL, "type_id" uuid NULL, PRIMARY KEY ("id"), CONSTRAINT "field_policy_channel" CHECK (channel = ANY (ARRAY['STAFF'::text, 'BOOKING'::text, 'IMPORT'::text, 'API'::text, 'SECURE_LINK'::text])));
-- create index "field_policy_all_types" to table: "field_policy"
CREATE UNIQUE INDEX "field_policy_all_types" ON "field_policy" ("account_id", "channel") WHERE (type_id IS NULL);
-- create index "field_policy_one_type" to table: "field_policy"
CREATE UNIQUE INDEX "field_policy_one_type" ON "field_policy" ("account_id", "channel", "type_id") WHERE (type_id IS NOT NULL);
-- create index "fieldpolicy_account_id_id" to table: "field_policy"
CREATE UNIQUE INDEX "fieldpolicy_account_id_id" ON "field_policy" ("account_id", "id");
-- create index "fieldpolicy_account_id_type_id" to table: "field_policy"
CREATE INDEX "fieldpolicy_account_id_type_id" ON "field_policy" ("account_id", "type_id");
-- create "field_rule" table
CREATE TABLE "field_rule" ("id" uuid NOT NULL, "account_id" uuid NOT NULL, "created_at" timestamptz NOT NULL, "policy_id" uuid NOT NULL, "field" text NOT NULL COLLATE "C", "required" boolean NOT NULL, "visible" boolean NOT NULL, PRIMARY KEY ("id"), CONSTRAINT "field_rule_field" CHECK ((char_length(field) >= 1) AND (char_length(field) <= 100)), CONSTRAINT "field_rule_sense" CHECK (visible OR (NOT required)));
-- create index "fieldrule_account_id_policy_id_field" to table: "field_rule"
CREATE UNIQUE INDEX "fieldrule_account_id_policy_id_field" ON "field_rule" ("account_id", "policy_id", "field");
-- create "office" table
CREATE TABLE "office" ("id" uuid NOT NULL, "account_id" uuid NOT NULL, "created_at" timestamptz NOT NULL, "version" integer NOT NULL DEFAULT 1, "updated_at" timestamptz NOT NULL, "key" text NOT NULL COLLATE "C", "label" text NOT NULL, "label_key" text NOT NULL COLLATE "C", "position" integer NOT NULL, "archived_at" timestamptz NULL, "time_zone" text NOT NULL, PRIMARY KEY ("id"), CONSTRAINT "office_key" CHECK ((key ~ '^[a-z0-9]+(_[a-z0-9]+)*$'::text) AND (char_length(key) <= 60)), CONSTRAINT "office_label" CHECK ((char_length(label) >= 1) AND (char_length(label) <= 200)), CONSTRAINT "office_position" CHECK ("position" >= 0));
-- create index "office_account_id_id" to table: "office"
CREATE UNIQUE INDEX "office_account_id_id" ON "office" ("account_id", "id");
-- create index "office_account_id_key" to table: "office"
CREATE UNIQUE INDEX "office_account_id_key" ON "office" ("account_id", "key");
-- create index "office_account_id_label_key" to table: "office"
CREATE UNIQUE INDEX "office_account_id_label_key" ON "office" ("account_id", "label_key") WHERE (archived_at IS NULL);
-- create index "office_account_id_position_id" to table: "office"
CREATE INDEX "office_account_id_position_id" ON "office" ("account_id", "position", "id");
-- create "service" table
CREATE TABLE "service" ("id" uuid NOT NULL, "account_id" uuid NOT NULL, "created_at" timestamptz NOT NULL, "version" integer NOT NULL DEFAULT 1, "updated_at" timestamptz NOT NULL, "key" text NOT NULL COLLATE "C", "label" text NOT NULL, "label_key" text NOT NULL COLLATE "C", "position" integer NOT NULL, "archived_at" timestamptz NULL, "duration_minutes" integer NULL, PRIMARY KEY ("id"), CONSTRAINT "service_duration" CHECK ((duration_minutes >= 1) AND (duration_minutes <= 525600)), CONSTRAINT "service_key" CHECK ((key ~ '^[a-z0-9]+(_[a-z0-9]+)*$'::text) AND (char_length(key) <= 60)), CONSTRAINT "service_label" CHECK ((char_length(label) >= 1) AND (char_length(label) <= 200)), CONSTRAINT "service_position" CHECK ("position" >= 0));
-- create index "service_account_id_id" to table: "service"
CREATE UNIQUE INDEX "service_account_id_id" ON "service" ("account_id", "id");
-- create index "service_account_id_key" to table: "service"
CREATE UNIQUE INDEX "service_account_id_key" ON "service" ("account_id", "key");
-- create index "service_account_id_label_key" to table: "service"
CREATE UNIQUE INDEX "service_account_id_label_key" ON "service" ("account_id", "label_key") WHERE (archived_at IS NULL);
-- create index "service_account_id_position_id" to table: "service"
CREATE INDEX "service_account_id_position_id" ON "service" ("account_id", "position", "id");
