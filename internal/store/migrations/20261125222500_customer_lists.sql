-- Written by hand: the composite keys of what a customer has of the account's lists.
-- +goose Up
ALTER TABLE customer ADD CONSTRAINT customer_type_fk FOREIGN KEY (account_id, type_id) REFERENCES customer_type (account_id, id);
ALTER TABLE customer ADD CONSTRAINT customer_origin_fk FOREIGN KEY (account_id, origin_id) REFERENCES customer_origin (account_id, id);
ALTER TABLE customer ADD CONSTRAINT customer_preferred_office_fk FOREIGN KEY (account_id, preferred_office_id) REFERENCES office (account_id, id);
