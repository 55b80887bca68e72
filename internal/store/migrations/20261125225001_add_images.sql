-- +goose Up
-- modify "customer" table
ALTER TABLE "customer" ADD COLUMN "image_id" uuid NULL;
-- create "customer_image" table
CREATE TABLE "customer_image" ("id" uuid NOT NULL, "account_id" uuid NOT NULL, "created_at" timestamptz NOT NULL, "created_by_kind" text NULL, "created_by_id" uuid NULL, "customer_id" uuid NOT NULL, "file_name" text NOT NULL, "content_type" text NOT NULL, "size_bytes" bigint NOT NULL, "width" integer NOT NULL, "height" integer NOT NULL, PRIMARY KEY ("id"), CONSTRAINT "customer_image_created_by_kind" CHECK (created_by_kind = ANY (ARRAY['STAFF'::text, 'API_KEY'::text])), CONSTRAINT "customer_image_size" CHECK ((size_bytes > 0) AND (width > 0) AND (height > 0)));
-- create index "customerimage_account_id_customer_id" to table: "customer_image"
CREATE UNIQUE INDEX "customerimage_account_id_customer_id" ON "customer_image" ("account_id", "customer_id");
-- create index "customerimage_account_id_id" to table: "customer_image"
CREATE UNIQUE INDEX "customerimage_account_id_id" ON "customer_image" ("account_id", "id");
-- create "image_file" table
CREATE TABLE "image_file" ("id" uuid NOT NULL, "account_id" uuid NOT NULL, "created_at" timestamptz NOT NULL, "image_id" uuid NOT NULL, "variant" text NOT NULL, "content_type" text NOT NULL, "size_bytes" bigint NOT NULL, "crc32c" bigint NOT NULL, "object_key" text NOT NULL, "object_generation" bigint NOT NULL, PRIMARY KEY ("id"), CONSTRAINT "image_file_size" CHECK (size_bytes > 0), CONSTRAINT "image_file_variant" CHECK (variant = ANY (ARRAY['ORIGINAL'::text, 'PREVIEW'::text, 'THUMBNAIL'::text])));
-- create index "imagefile_account_id_image_id_variant" to table: "image_file"
CREATE UNIQUE INDEX "imagefile_account_id_image_id_variant" ON "image_file" ("account_id", "image_id", "variant");
-- create index "imagefile_object_key" to table: "image_file"
CREATE UNIQUE INDEX "imagefile_object_key" ON "image_file" ("object_key");

-- By hand: the keys, which hold the account. A picture takes the place of another in one transaction, so the customer may
-- point at one that is gone until its end.
ALTER TABLE customer_image ADD CONSTRAINT customer_image_customer_fk FOREIGN KEY (account_id, customer_id) REFERENCES customer (account_id, id);
ALTER TABLE image_file ADD CONSTRAINT image_file_image_fk FOREIGN KEY (account_id, image_id) REFERENCES customer_image (account_id, id);
ALTER TABLE customer ADD CONSTRAINT customer_image_fk FOREIGN KEY (account_id, image_id)
	REFERENCES customer_image (account_id, id) DEFERRABLE INITIALLY DEFERRED;
