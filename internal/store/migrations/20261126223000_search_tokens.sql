-- +goose Up
-- drop index "customersearch_words" from table: "customer_search"
DROP INDEX "customersearch_words";
-- drop index "customersearch_account_id_id" from table: "customer_search"
DROP INDEX "customersearch_account_id_id";
-- create index "customersearch_account_id_id" to table: "customer_search"
CREATE UNIQUE INDEX "customersearch_account_id_id" ON "customer_search" ("account_id", "id") INCLUDE ("status", "signature");

-- Written by hand, as ent has no table without an id of its own: the lexemes of internal/search as rows, without the tag. The index
-- is all that is read of it: those who have a word that begins somehow are a range of it, with what is looked at of each. It
-- replaces the GIN index, which collects all rows of a range before the first is seen and looks each up in the table. hint, hint_more and
-- shared are internal/search's, the others are the customer's.
CREATE TABLE "search_token" (
  "account_id" uuid NOT NULL,
  "word" text NOT NULL COLLATE "C",
  "customer_id" uuid NOT NULL,
  "hint" bigint NOT NULL,
  "hint_more" bigint NOT NULL,
  "shared" smallint NOT NULL,
  "status" text NOT NULL,
  "sort_name" text NOT NULL COLLATE "C",
  "family_sort_name" text NOT NULL COLLATE "C",
  "created_at" timestamptz NOT NULL,
  PRIMARY KEY ("account_id", "word", "customer_id") INCLUDE ("hint", "hint_more", "shared", "status", "sort_name", "family_sort_name", "created_at")
);

-- `dossier migrate` fills both again, with what customers can be found by. Nodes of the version before find nobody by words from
-- here on: stop them first.
TRUNCATE TABLE "customer_search";
