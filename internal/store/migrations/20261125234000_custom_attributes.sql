-- +goose Up
-- create "attribute_definition" table
CREATE TABLE "attribute_definition" ("id" uuid NOT NULL, "account_id" uuid NOT NULL, "created_at" timestamptz NOT NULL, "version" integer NOT NULL DEFAULT 1, "updated_at" timestamptz NOT NULL, "created_by_kind" text NULL, "created_by_id" uuid NULL, "key" text NOT NULL COLLATE "C", "label" text NOT NULL, "description" text NULL, "type" text NOT NULL, "required" boolean NOT NULL, "customer_visible" boolean NOT NULL, "position" integer NOT NULL, "min_length" integer NULL, "max_length" integer NULL, "pattern" text NULL, "minimum" numeric NULL, "maximum" numeric NULL, "earliest_date" date NULL, "latest_date" date NULL, "earliest_time" timestamptz NULL, "latest_time" timestamptz NULL, "accept" jsonb NOT NULL, "max_files" integer NULL, "archived_at" timestamptz NULL, PRIMARY KEY ("id"), CONSTRAINT "attribute_definition_created_by_kind" CHECK (created_by_kind = ANY (ARRAY['STAFF'::text, 'API_KEY'::text])), CONSTRAINT "attribute_definition_type" CHECK (type = ANY (ARRAY['TEXT'::text, 'LONG_TEXT'::text, 'INTEGER'::text, 'DECIMAL'::text, 'BOOLEAN'::text, 'DATE'::text, 'DATE_TIME'::text, 'SELECT'::text, 'MULTI_SELECT'::text, 'URL'::text, 'EMAIL'::text, 'PHONE'::text, 'FILE'::text])));
-- create index "attributedefinition_account_id_id" to table: "attribute_definition"
CREATE UNIQUE INDEX "attributedefinition_account_id_id" ON "attribute_definition" ("account_id", "id");
-- create index "attributedefinition_account_id_id_type" to table: "attribute_definition"
CREATE UNIQUE INDEX "attributedefinition_account_id_id_type" ON "attribute_definition" ("account_id", "id", "type");
-- create index "attributedefinition_account_id_key" to table: "attribute_definition"
CREATE UNIQUE INDEX "attributedefinition_account_id_key" ON "attribute_definition" ("account_id", "key");
-- create index "attributedefinition_account_id_position_id" to table: "attribute_definition"
CREATE INDEX "attributedefinition_account_id_position_id" ON "attribute_definition" ("account_id", "position", "id");
-- create "attribute_option" table
CREATE TABLE "attribute_option" ("id" uuid NOT NULL, "account_id" uuid NOT NULL, "created_at" timestamptz NOT NULL, "definition_id" uuid NOT NULL, "key" text NOT NULL COLLATE "C", "label" text NOT NULL, "position" integer NOT NULL, "archived" boolean NOT NULL DEFAULT false, PRIMARY KEY ("id"));
-- create index "attributeoption_account_id_definition_id_id" to table: "attribute_option"
CREATE UNIQUE INDEX "attributeoption_account_id_definition_id_id" ON "attribute_option" ("account_id", "definition_id", "id");
-- create index "attributeoption_account_id_definition_id_key" to table: "attribute_option"
CREATE UNIQUE INDEX "attributeoption_account_id_definition_id_key" ON "attribute_option" ("account_id", "definition_id", "key");
-- create index "attributeoption_account_id_definition_id_position_id" to table: "attribute_option"
CREATE INDEX "attributeoption_account_id_definition_id_position_id" ON "attribute_option" ("account_id", "definition_id", "position", "id");
-- create index "attributeoption_account_id_id" to table: "attribute_option"
CREATE UNIQUE INDEX "attributeoption_account_id_id" ON "attribute_option" ("account_id", "id");
-- create "attribute_value" table
CREATE TABLE "attribute_value" ("id" uuid NOT NULL, "account_id" uuid NOT NULL, "created_at" timestamptz NOT NULL, "customer_id" uuid NOT NULL, "definition_id" uuid NOT NULL, "type" text NOT NULL, "text_value" text NULL, "text_key" text NULL COLLATE "C", "integer_value" bigint NULL, "decimal_value" numeric NULL, "boolean_value" boolean NULL, "date_value" date NULL, "time_value" timestamptz NULL, "option_id" uuid NULL, PRIMARY KEY ("id"), CONSTRAINT "attribute_value_typed" CHECK (
CASE type
    WHEN 'INTEGER'::text THEN (integer_value IS NOT NULL)
    WHEN 'DECIMAL'::text THEN (decimal_value IS NOT NULL)
    WHEN 'BOOLEAN'::text THEN (boolean_value IS NOT NULL)
    WHEN 'DATE'::text THEN (date_value IS NOT NULL)
    WHEN 'DATE_TIME'::text THEN (time_value IS NOT NULL)
    WHEN 'SELECT'::text THEN (option_id IS NOT NULL)
    WHEN 'MULTI_SELECT'::text THEN true
    WHEN 'FILE'::text THEN false
    ELSE (text_value IS NOT NULL)
END));
-- create index "attributevalue_account_id_customer_id_definition_id" to table: "attribute_value"
CREATE UNIQUE INDEX "attributevalue_account_id_customer_id_definition_id" ON "attribute_value" ("account_id", "customer_id", "definition_id");
-- create index "attributevalue_account_id_customer_id_id" to table: "attribute_value"
CREATE UNIQUE INDEX "attributevalue_account_id_customer_id_id" ON "attribute_value" ("account_id", "customer_id", "id");
-- create index "attributevalue_account_id_defi_37f64a2e6894e5ac40464563027918bd" to table: "attribute_value"
CREATE INDEX "attributevalue_account_id_defi_37f64a2e6894e5ac40464563027918bd" ON "attribute_value" ("account_id", "definition_id", "boolean_value", "customer_id") WHERE (boolean_value IS NOT NULL);
-- create index "attributevalue_account_id_defi_9cd67ebe14412fd132fde8f1e796b516" to table: "attribute_value"
CREATE INDEX "attributevalue_account_id_defi_9cd67ebe14412fd132fde8f1e796b516" ON "attribute_value" ("account_id", "definition_id", "decimal_value", "customer_id") WHERE (decimal_value IS NOT NULL);
-- create index "attributevalue_account_id_defi_fbc68b1ffae67a5b5eb535d387ce897f" to table: "attribute_value"
CREATE INDEX "attributevalue_account_id_defi_fbc68b1ffae67a5b5eb535d387ce897f" ON "attribute_value" ("account_id", "definition_id", "integer_value", "customer_id") WHERE (integer_value IS NOT NULL);
-- create index "attributevalue_account_id_definition_id_customer_id" to table: "attribute_value"
CREATE INDEX "attributevalue_account_id_definition_id_customer_id" ON "attribute_value" ("account_id", "definition_id", "customer_id");
-- create index "attributevalue_account_id_definition_id_date_value_customer_id" to table: "attribute_value"
CREATE INDEX "attributevalue_account_id_definition_id_date_value_customer_id" ON "attribute_value" ("account_id", "definition_id", "date_value", "customer_id") WHERE (date_value IS NOT NULL);
-- create index "attributevalue_account_id_definition_id_option_id_customer_id" to table: "attribute_value"
CREATE INDEX "attributevalue_account_id_definition_id_option_id_customer_id" ON "attribute_value" ("account_id", "definition_id", "option_id", "customer_id") WHERE (option_id IS NOT NULL);
-- create index "attributevalue_account_id_definition_id_text_key_customer_id" to table: "attribute_value"
CREATE INDEX "attributevalue_account_id_definition_id_text_key_customer_id" ON "attribute_value" ("account_id", "definition_id", "text_key", "customer_id") WHERE (text_key IS NOT NULL);
-- create index "attributevalue_account_id_definition_id_time_value_customer_id" to table: "attribute_value"
CREATE INDEX "attributevalue_account_id_definition_id_time_value_customer_id" ON "attribute_value" ("account_id", "definition_id", "time_value", "customer_id") WHERE (time_value IS NOT NULL);
-- create "attribute_value_option" table
CREATE TABLE "attribute_value_option" ("id" uuid NOT NULL, "account_id" uuid NOT NULL, "created_at" timestamptz NOT NULL, "value_id" uuid NOT NULL, "customer_id" uuid NOT NULL, "definition_id" uuid NOT NULL, "option_id" uuid NOT NULL, PRIMARY KEY ("id"));
-- create index "attributevalueoption_account_i_ea87da936872167a6fc56584fbe18420" to table: "attribute_value_option"
CREATE INDEX "attributevalueoption_account_i_ea87da936872167a6fc56584fbe18420" ON "attribute_value_option" ("account_id", "definition_id", "option_id", "customer_id");
-- create index "attributevalueoption_account_id_value_id_option_id" to table: "attribute_value_option"
CREATE UNIQUE INDEX "attributevalueoption_account_id_value_id_option_id" ON "attribute_value_option" ("account_id", "value_id", "option_id");
-- create index "attributevalueoption_account_i_756f36dc19f5e35747042c5943134298" to table: "attribute_value_option"
CREATE INDEX "attributevalueoption_account_i_756f36dc19f5e35747042c5943134298" ON "attribute_value_option" ("account_id", "customer_id", "definition_id", "option_id");
-- create "attribute_definition_type" table
CREATE TABLE "attribute_definition_type" ("id" uuid NOT NULL, "account_id" uuid NOT NULL, "created_at" timestamptz NOT NULL, "definition_id" uuid NOT NULL, "type_id" uuid NOT NULL, PRIMARY KEY ("id"));
-- create index "attributedefinitiontype_account_id_definition_id_type_id" to table: "attribute_definition_type"
CREATE UNIQUE INDEX "attributedefinitiontype_account_id_definition_id_type_id" ON "attribute_definition_type" ("account_id", "definition_id", "type_id");
-- create index "attributedefinitiontype_account_id_type_id_definition_id" to table: "attribute_definition_type"
CREATE INDEX "attributedefinitiontype_account_id_type_id_definition_id" ON "attribute_definition_type" ("account_id", "type_id", "definition_id");

-- Written by hand: keys that hold the account. A value is of its definition's type, and an option of its definition.
ALTER TABLE attribute_definition ADD CONSTRAINT attribute_definition_account_fk FOREIGN KEY (account_id) REFERENCES account (id);
ALTER TABLE attribute_option ADD CONSTRAINT attribute_option_definition_fk FOREIGN KEY (account_id, definition_id)
	REFERENCES attribute_definition (account_id, id);
ALTER TABLE attribute_value ADD CONSTRAINT attribute_value_customer_fk FOREIGN KEY (account_id, customer_id) REFERENCES customer (account_id, id);
ALTER TABLE attribute_value ADD CONSTRAINT attribute_value_definition_fk FOREIGN KEY (account_id, definition_id, type)
	REFERENCES attribute_definition (account_id, id, type);
ALTER TABLE attribute_value ADD CONSTRAINT attribute_value_option_fk FOREIGN KEY (account_id, definition_id, option_id)
	REFERENCES attribute_option (account_id, definition_id, id);
ALTER TABLE attribute_definition_type ADD CONSTRAINT attribute_definition_type_definition_fk FOREIGN KEY (account_id, definition_id)
	REFERENCES attribute_definition (account_id, id);
ALTER TABLE attribute_definition_type ADD CONSTRAINT attribute_definition_type_type_fk FOREIGN KEY (account_id, type_id)
	REFERENCES customer_type (account_id, id);
-- The options of a value go to another customer with it.
ALTER TABLE attribute_value_option ADD CONSTRAINT attribute_value_option_value_fk FOREIGN KEY (account_id, customer_id, value_id)
	REFERENCES attribute_value (account_id, customer_id, id) ON UPDATE CASCADE;
ALTER TABLE attribute_value_option ADD CONSTRAINT attribute_value_option_option_fk FOREIGN KEY (account_id, definition_id, option_id)
	REFERENCES attribute_option (account_id, definition_id, id);

-- By hand, because checks of tables that are there already are not compared. Notes and jobs are made beside this.
ALTER TABLE event DROP CONSTRAINT event_subject_type;
ALTER TABLE event ADD CONSTRAINT event_subject_type CHECK (subject_type IN ('Customer', 'Contact', 'Document', 'TimelineEntry', 'Account', 'Note', 'Job', 'AttributeDefinition'));
ALTER TABLE timeline_entry DROP CONSTRAINT timeline_entry_subject_type;
ALTER TABLE timeline_entry ADD CONSTRAINT timeline_entry_subject_type
	CHECK (subject_type IN ('Customer', 'Contact', 'Document', 'TimelineEntry', 'Account', 'Note', 'Job', 'AttributeDefinition'));
