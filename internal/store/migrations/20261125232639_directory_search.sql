-- +goose Up
-- modify "customer" table
ALTER TABLE "customer" ADD COLUMN "family_sort_name" text NOT NULL DEFAULT '' COLLATE "C", ADD COLUMN "external_key" text NOT NULL DEFAULT '' COLLATE "C";
-- create index "customer_account_id_external_key_id" to table: "customer"
CREATE INDEX "customer_account_id_external_key_id" ON "customer" ("account_id", "external_key", "id");
-- create index "customer_account_id_family_sort_name_id" to table: "customer"
CREATE INDEX "customer_account_id_family_sort_name_id" ON "customer" ("account_id", "family_sort_name", "id");
-- modify "postal_address" table
ALTER TABLE "postal_address" ADD COLUMN "locality_key" text NOT NULL DEFAULT '' COLLATE "C", ADD COLUMN "postal_key" text NOT NULL DEFAULT '' COLLATE "C";
-- create index "postaladdress_account_id_locality_key_customer_id" to table: "postal_address"
CREATE INDEX "postaladdress_account_id_locality_key_customer_id" ON "postal_address" ("account_id", "locality_key", "customer_id");
-- create index "postaladdress_account_id_postal_key_customer_id" to table: "postal_address"
CREATE INDEX "postaladdress_account_id_postal_key_customer_id" ON "postal_address" ("account_id", "postal_key", "customer_id");
-- create "customer_search" table
CREATE TABLE "customer_search" ("id" uuid NOT NULL, "account_id" uuid NOT NULL, "created_at" timestamptz NOT NULL, "status" text NOT NULL, "sort_name" text NOT NULL COLLATE "C", "family_sort_name" text NOT NULL COLLATE "C", "words" tsvector NOT NULL, PRIMARY KEY ("id"));
-- create index "customersearch_account_id_id" to table: "customer_search"
CREATE UNIQUE INDEX "customersearch_account_id_id" ON "customer_search" ("account_id", "id");
-- create index "customersearch_account_id_family_sort_name_id" to table: "customer_search"
CREATE INDEX "customersearch_account_id_family_sort_name_id" ON "customer_search" ("account_id", "family_sort_name", "id");
-- create index "customersearch_account_id_sort_name_id" to table: "customer_search"
CREATE INDEX "customersearch_account_id_sort_name_id" ON "customer_search" ("account_id", "sort_name", "id");
-- create index "customersearch_words" to table: "customer_search"
CREATE INDEX "customersearch_words" ON "customer_search" USING gin ("words");
-- create "search_word" table
CREATE TABLE "search_word" ("id" uuid NOT NULL, "account_id" uuid NOT NULL, "spelling" text NOT NULL COLLATE "C", "word" text NOT NULL COLLATE "C", PRIMARY KEY ("id"));
-- create index "searchword_account_id_spelling_word" to table: "search_word"
CREATE INDEX "searchword_account_id_spelling_word" ON "search_word" ("account_id", "spelling", "word");

-- Written by hand: the composite keys, and the columns of rows that exist. `dossier migrate` goes on with what only the program can
-- fold: family_sort_name and the rows of customer_search and search_word. Nodes of the version before write none of them: stop them
-- first, or migrate again once they are gone.
ALTER TABLE customer_search ADD CONSTRAINT customer_search_customer_fk FOREIGN KEY (account_id, id) REFERENCES customer (account_id, id);
ALTER TABLE search_word ADD CONSTRAINT search_word_account_fk FOREIGN KEY (account_id) REFERENCES account (id);
ALTER TABLE customer_search SET (fillfactor = 90);
UPDATE customer SET external_key = external_id WHERE external_id IS NOT NULL;
-- As in fold.Text, for the letters that occur in addresses: decomposed, without accents, in lower case.
UPDATE postal_address SET
	locality_key = btrim(regexp_replace(lower(normalize(regexp_replace(normalize(coalesce(address_locality, ''), NFKD), '[\u0300-\u036f]', '', 'g'), NFKC)), '\s+', ' ', 'g')),
	postal_key = lower(regexp_replace(normalize(coalesce(postal_code, ''), NFKC), '\s', '', 'g'))
WHERE address_locality IS NOT NULL OR postal_code IS NOT NULL;
-- A search reads the entries that wait to be merged into the index one by one, so there may be few of them.
ALTER INDEX customersearch_words SET (gin_pending_list_limit = 256);
