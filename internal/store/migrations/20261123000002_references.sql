-- Written by hand: ent knows keys of one column only. Each key holds the account, so that a row can never point at a row
-- of another account, whatever the program does. Deleting a row that others point at is refused.
-- +goose Up

-- Tables whose rows belong to the account itself. All others reach it through the keys below.
ALTER TABLE customer ADD CONSTRAINT customer_account_fk FOREIGN KEY (account_id) REFERENCES account (id);
ALTER TABLE staff_user ADD CONSTRAINT staff_user_account_fk FOREIGN KEY (account_id) REFERENCES account (id);
ALTER TABLE api_key ADD CONSTRAINT api_key_account_fk FOREIGN KEY (account_id) REFERENCES account (id);
ALTER TABLE storage_usage ADD CONSTRAINT storage_usage_account_fk FOREIGN KEY (account_id) REFERENCES account (id);
ALTER TABLE revision ADD CONSTRAINT revision_account_fk FOREIGN KEY (account_id) REFERENCES account (id);
ALTER TABLE garbage ADD CONSTRAINT garbage_account_fk FOREIGN KEY (account_id) REFERENCES account (id);
ALTER TABLE idempotency ADD CONSTRAINT idempotency_account_fk FOREIGN KEY (account_id) REFERENCES account (id);
ALTER TABLE event ADD CONSTRAINT event_account_fk FOREIGN KEY (account_id) REFERENCES account (id);

-- Rows that belong to other rows.
ALTER TABLE contact ADD CONSTRAINT contact_customer_fk FOREIGN KEY (account_id, customer_id) REFERENCES customer (account_id, id);
ALTER TABLE email_address ADD CONSTRAINT email_address_customer_fk FOREIGN KEY (account_id, customer_id) REFERENCES customer (account_id, id);
ALTER TABLE email_address ADD CONSTRAINT email_address_contact_fk FOREIGN KEY (account_id, contact_id) REFERENCES contact (account_id, id);
ALTER TABLE phone_number ADD CONSTRAINT phone_number_customer_fk FOREIGN KEY (account_id, customer_id) REFERENCES customer (account_id, id);
ALTER TABLE phone_number ADD CONSTRAINT phone_number_contact_fk FOREIGN KEY (account_id, contact_id) REFERENCES contact (account_id, id);
ALTER TABLE postal_address ADD CONSTRAINT postal_address_customer_fk FOREIGN KEY (account_id, customer_id) REFERENCES customer (account_id, id);
ALTER TABLE postal_address ADD CONSTRAINT postal_address_contact_fk FOREIGN KEY (account_id, contact_id) REFERENCES contact (account_id, id);
ALTER TABLE document ADD CONSTRAINT document_customer_fk FOREIGN KEY (account_id, customer_id) REFERENCES customer (account_id, id);
ALTER TABLE document_version ADD CONSTRAINT document_version_document_fk FOREIGN KEY (account_id, document_id) REFERENCES document (account_id, id);
ALTER TABLE upload ADD CONSTRAINT upload_customer_fk FOREIGN KEY (account_id, customer_id) REFERENCES customer (account_id, id);
ALTER TABLE upload ADD CONSTRAINT upload_document_fk FOREIGN KEY (account_id, document_id) REFERENCES document (account_id, id);
ALTER TABLE timeline_entry ADD CONSTRAINT timeline_entry_customer_fk FOREIGN KEY (account_id, customer_id) REFERENCES customer (account_id, id);
ALTER TABLE event ADD CONSTRAINT event_customer_fk FOREIGN KEY (account_id, customer_id) REFERENCES customer (account_id, id);

-- A document and its first version are made in one transaction and point at each other.
ALTER TABLE document ADD CONSTRAINT document_current_version_fk FOREIGN KEY (account_id, current_version_id)
	REFERENCES document_version (account_id, id) DEFERRABLE INITIALLY DEFERRED;

-- The row of the account is changed by every transaction that appends to its log. Free space in its page lets
-- PostgreSQL do that without touching the index, and clean up as it goes.
ALTER TABLE account SET (fillfactor = 20);
ALTER TABLE storage_usage SET (fillfactor = 20);
