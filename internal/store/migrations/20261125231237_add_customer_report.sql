-- +goose Up
-- create index "customer_report" to table: "customer"
CREATE INDEX "customer_report" ON "customer" ("account_id", "created_at") INCLUDE ("status", "kind", "origin_id", "type_id", "salesperson_id", "preferred_office_id");
