-- +goose Up
-- Indexes that hold what a list of documents and the statements below a page of the directory read, so that they do not touch the
-- tables. Names are not among it: two of the longest would not fit into an entry of an index.
-- drop index "customer_account_id_sort_name_id" from table: "customer"
DROP INDEX "customer_account_id_sort_name_id";
-- create index "customer_account_id_sort_name_id" to table: "customer"
CREATE INDEX "customer_account_id_sort_name_id" ON "customer" ("account_id", "sort_name", "id") INCLUDE ("status");
-- drop index "document_account_id_customer_id_created_at_id" from table: "document"
DROP INDEX "document_account_id_customer_id_created_at_id";
-- create index "document_account_id_customer_id_created_at_id" to table: "document"
CREATE INDEX "document_account_id_customer_id_created_at_id" ON "document" ("account_id", "customer_id", "created_at", "id") INCLUDE ("status", "kind", "source", "title", "current_version_id");
-- modify "account" table
ALTER TABLE "account" ADD COLUMN "active_customers" bigint NOT NULL DEFAULT 0, ADD COLUMN "archived_customers" bigint NOT NULL DEFAULT 0;
-- The customers that are there already. Dropping the index above has waited for every transaction that writes customers and keeps
-- further ones out until the commit, so none is missed. Nodes of the version before do not keep the counters: stop them first.
UPDATE account AS a SET active_customers = n.active, archived_customers = n.archived
FROM (
	SELECT account_id, count(*) FILTER (WHERE status = 'ACTIVE') AS active, count(*) FILTER (WHERE status = 'ARCHIVED') AS archived
	FROM customer GROUP BY account_id
) AS n
WHERE n.account_id = a.id;
