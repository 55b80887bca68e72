package timeline

import (
	"time"

	"github.com/google/uuid"
)

// The types of events, in the spelling of the SDL's EventType. They are plain strings because the store and the API
// pass them through.
const (
	CustomerCreated  = "CUSTOMER_CREATED"
	CustomerUpdated  = "CUSTOMER_UPDATED"
	CustomerArchived = "CUSTOMER_ARCHIVED"
	CustomerRestored = "CUSTOMER_RESTORED"

	CustomerMerged      = "CUSTOMER_MERGED"
	CustomerMergeUndone = "CUSTOMER_MERGE_UNDONE"

	ContactCreated  = "CONTACT_CREATED"
	ContactUpdated  = "CONTACT_UPDATED"
	ContactArchived = "CONTACT_ARCHIVED"

	DocumentCreated  = "DOCUMENT_CREATED"
	DocumentReplaced = "DOCUMENT_REPLACED"
	DocumentUpdated  = "DOCUMENT_UPDATED"
	DocumentArchived = "DOCUMENT_ARCHIVED"
	DocumentRestored = "DOCUMENT_RESTORED"
	DocumentMoved    = "DOCUMENT_MOVED"
	DocumentDeleted  = "DOCUMENT_DELETED"

	DocumentExpiresSoon     = "DOCUMENT_EXPIRES_SOON"
	DocumentRetentionEnding = "DOCUMENT_RETENTION_ENDING"

	// A scanner has passed the content in force, or found malware in it; a preview was made.
	DocumentAvailable    = "DOCUMENT_AVAILABLE"
	DocumentQuarantined  = "DOCUMENT_QUARANTINED"
	DocumentPreviewReady = "DOCUMENT_PREVIEW_READY"

	EntryCreated = "TIMELINE_ENTRY_CREATED"
	EntryUpdated = "TIMELINE_ENTRY_UPDATED"
	EntryDeleted = "TIMELINE_ENTRY_DELETED"

	NoteCreated = "NOTE_CREATED"
	NoteUpdated = "NOTE_UPDATED"
	NoteDeleted = "NOTE_DELETED"

	// SettingsChanged is about the account; its changed fields name the fields of Query to read again.
	SettingsChanged = "ACCOUNT_SETTINGS_CHANGED"

	// StorageLimitChanged, StorageNearlyFull and StorageFull are about the account.
	StorageLimitChanged = "STORAGE_LIMIT_CHANGED"
	StorageNearlyFull   = "STORAGE_NEARLY_FULL"
	StorageFull         = "STORAGE_FULL"

	JobCreated  = "JOB_CREATED"
	JobProgress = "JOB_PROGRESS"
	JobFinished = "JOB_FINISHED"

	AttributeCreated  = "ATTRIBUTE_DEFINITION_CREATED"
	AttributeUpdated  = "ATTRIBUTE_DEFINITION_UPDATED"
	AttributeArchived = "ATTRIBUTE_DEFINITION_ARCHIVED"
	AttributeRestored = "ATTRIBUTE_DEFINITION_RESTORED"
	AttributeDeleted  = "ATTRIBUTE_DEFINITION_DELETED"
)

// Subject is a type that an event or an entry can be about, in the spelling of the SDL.
type Subject string

// The subjects.
const (
	SubjectCustomer Subject = "Customer"
	SubjectContact  Subject = "Contact"
	SubjectDocument Subject = "Document"
	SubjectEntry    Subject = "TimelineEntry"
	SubjectNote     Subject = "Note"
	SubjectAccount  Subject = "Account"
	SubjectJob      Subject = "Job"

	SubjectAttribute Subject = "AttributeDefinition"
)

// Event is something that happened, as the change that caused it writes it down. Its number, time, actor and id are
// given by the transaction that stores it.
type Event struct {
	Type       string
	CustomerID *uuid.UUID
	Subject    Subject
	SubjectID  uuid.UUID
	// ChangedFields are the GraphQL names of what changed, sorted. Empty where the whole thing is new.
	ChangedFields []string
}

// EventRef points at one event of the log.
type EventRef struct {
	ID  uuid.UUID
	Seq int64
	// PrevSeq is the number of the event before this one that matches the same filter, nil when it is the first of all.
	PrevSeq *int64
}

// Filter chooses events. The zero value chooses all.
type Filter struct {
	// Types chooses events of these types. Nil chooses all, an empty list none.
	Types []string
	// CustomerID chooses the events about one customer.
	CustomerID *uuid.UUID
}

// Entry kinds, in the spelling of the SDL's TimelineKind.
const (
	KindCustomerCreated  = "CUSTOMER_CREATED"
	KindCustomerArchived = "CUSTOMER_ARCHIVED"
	KindCustomerRestored = "CUSTOMER_RESTORED"
	KindContactAdded     = "CONTACT_ADDED"
	KindDocumentAdded    = "DOCUMENT_ADDED"
	KindDocumentReplaced = "DOCUMENT_REPLACED"
	KindDocumentExpires  = "DOCUMENT_EXPIRES"
	KindDocumentMoved    = "DOCUMENT_MOVED"
	KindDocumentDeleted  = "DOCUMENT_DELETED"

	KindDocumentRetentionEnds = "DOCUMENT_RETENTION_ENDS"

	KindVisit = "VISIT"
	KindCall  = "CALL"
	KindTask  = "TASK"

	KindCustomerMerged      = "CUSTOMER_MERGED"
	KindCustomerMergeUndone = "CUSTOMER_MERGE_UNDONE"
	KindNote                = "NOTE"
)

// Line is an entry that Dossier itself writes on a customer's timeline, as part of the change that it tells of. It is
// kept for ever, unlike the events behind it.
type Line struct {
	CustomerID uuid.UUID
	At         time.Time
	Kind       string
	Title      string
	// Subject is "" and SubjectID nil for entries that stand for themselves.
	Subject   Subject
	SubjectID *uuid.UUID
}
