-- Written by hand: the checks that several parts extend, each of which wrote them without the others'.
-- +goose Up
ALTER TABLE event DROP CONSTRAINT event_subject_type;
ALTER TABLE event ADD CONSTRAINT event_subject_type CHECK (subject_type IN
	('Customer', 'Contact', 'Document', 'TimelineEntry', 'Account', 'Job', 'AttributeDefinition', 'Note'));
ALTER TABLE timeline_entry DROP CONSTRAINT timeline_entry_subject_type;
ALTER TABLE timeline_entry ADD CONSTRAINT timeline_entry_subject_type CHECK (subject_type IN
	('Customer', 'Contact', 'Document', 'TimelineEntry', 'Account', 'Job', 'AttributeDefinition', 'Note'));
ALTER TABLE timeline_entry DROP CONSTRAINT timeline_entry_kind;
ALTER TABLE timeline_entry ADD CONSTRAINT timeline_entry_kind CHECK (kind IN
	('CUSTOMER_CREATED', 'CUSTOMER_ARCHIVED', 'CUSTOMER_RESTORED', 'CUSTOMER_MERGED', 'CUSTOMER_MERGE_UNDONE', 'CONTACT_ADDED',
	'DOCUMENT_ADDED', 'DOCUMENT_REPLACED', 'DOCUMENT_EXPIRES', 'VISIT', 'CALL', 'TASK', 'NOTE'));
