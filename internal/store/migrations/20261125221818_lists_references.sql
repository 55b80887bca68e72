-- Written by hand: what ent does not know, and what accounts that exist already get.
-- +goose Up
ALTER TABLE customer_type ADD CONSTRAINT customer_type_account_fk FOREIGN KEY (account_id) REFERENCES account (id);
ALTER TABLE customer_origin ADD CONSTRAINT customer_origin_account_fk FOREIGN KEY (account_id) REFERENCES account (id);
ALTER TABLE office ADD CONSTRAINT office_account_fk FOREIGN KEY (account_id) REFERENCES account (id);
ALTER TABLE service ADD CONSTRAINT service_account_fk FOREIGN KEY (account_id) REFERENCES account (id);
ALTER TABLE field_policy ADD CONSTRAINT field_policy_account_fk FOREIGN KEY (account_id) REFERENCES account (id);

ALTER TABLE field_policy ADD CONSTRAINT field_policy_type_fk FOREIGN KEY (account_id, type_id) REFERENCES customer_type (account_id, id);
ALTER TABLE field_rule ADD CONSTRAINT field_rule_policy_fk FOREIGN KEY (account_id, policy_id) REFERENCES field_policy (account_id, id);

-- Settings are changed in the account, which their events are about.
ALTER TABLE event DROP CONSTRAINT event_subject_type;
ALTER TABLE event ADD CONSTRAINT event_subject_type CHECK (subject_type IN ('Customer', 'Contact', 'Document', 'TimelineEntry', 'Account'));
ALTER TABLE timeline_entry DROP CONSTRAINT timeline_entry_subject_type;
ALTER TABLE timeline_entry ADD CONSTRAINT timeline_entry_subject_type CHECK (subject_type IN ('Customer', 'Contact', 'Document', 'TimelineEntry', 'Account'));

-- Until now a person was made by their first token.
UPDATE staff_user SET signed_in_at = created_at, email_key = lower(email);

-- What a new account has (internal/catalog: Defaults). A UUID of version 7 begins with the milliseconds since 1970.
-- +goose StatementBegin
CREATE FUNCTION pg_temp.uuid7() RETURNS uuid LANGUAGE sql VOLATILE AS $$
	SELECT encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid())
		PLACING substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3) FROM 1 FOR 6), 52, 1), 53, 1), 'hex')::uuid
$$;
-- +goose StatementEnd
INSERT INTO customer_type (id, account_id, created_at, updated_at, key, label, label_key, position)
SELECT pg_temp.uuid7(), a.id, now(), now(), d.key, d.label, lower(d.label), d.position
FROM account a CROSS JOIN (VALUES ('residential', 'Residential', 0), ('commercial', 'Commercial', 1), ('builder', 'Builder', 2)) AS d (key, label, position);
INSERT INTO customer_origin (id, account_id, created_at, updated_at, key, label, label_key, position)
SELECT pg_temp.uuid7(), a.id, now(), now(), d.key, d.label, lower(d.label), d.position
FROM account a CROSS JOIN (VALUES ('google', 'Google', 0), ('flyer', 'Flyer', 1), ('facebook', 'Facebook', 2),
	('friends_reference', 'Friend''s reference', 3), ('other', 'Other', 4)) AS d (key, label, position);
INSERT INTO office (id, account_id, created_at, updated_at, key, label, label_key, position, time_zone)
SELECT pg_temp.uuid7(), a.id, now(), now(), 'main_office', 'Main office', 'main office', 0, 'UTC' FROM account a;
