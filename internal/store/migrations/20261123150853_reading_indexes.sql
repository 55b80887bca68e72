-- +goose Up
-- create index "customer_account_id_status" to table: "customer"
CREATE INDEX "customer_account_id_status" ON "customer" ("account_id", "status");
-- drop index "timelineentry_account_id_customer_id_at_id" from table: "timeline_entry"
DROP INDEX "timelineentry_account_id_customer_id_at_id";
-- create index "timelineentry_account_id_customer_id_at_id" to table: "timeline_entry"
CREATE INDEX "timelineentry_account_id_customer_id_at_id" ON "timeline_entry" ("account_id", "customer_id", "at", "id") INCLUDE ("kind", "title");
