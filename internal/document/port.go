package document

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/google/uuid"

	"dossier/internal/auth"
	"dossier/internal/idempotency"
)

// Incoming is a file that is arriving. Its Read gives io.EOF only at the true end of the file; a connection that broke,
// a body that was cut off or a client that became too slow is another error. It may be an io.WriterTo, which saves a
// copy.
type Incoming interface {
	// Name is what the client called the file. It may be anything.
	Name() string
	// DeclaredType is the media type that the client gave. It makes nothing acceptable: the content decides, and a claim that
	// the file is one to run is believed.
	DeclaredType() string
	// SizeBound is a number of bytes that the file cannot be larger than, -1 when that is not known.
	SizeBound() int64
	io.Reader
}

// ErrOutcomeUnknown is in the chain of an error of CompleteUpload that may have been committed all the same.
var ErrOutcomeUnknown = errors.New("document: the outcome of the transaction is unknown")

// ErrLeaseLost is in the chain of an error about an upload that is not PENDING under a lease any more.
var ErrLeaseLost = errors.New("document: the lease of the upload has ended")

// Store keeps documents and uploads. Each method is one short transaction of p's account. Errors are faults; an id of
// another account is NOT_FOUND like one that does not exist.
type Store interface {
	// UploadTarget says what may be uploaded to an area of a customer. Area.Key is "" where the account has no such area.
	UploadTarget(ctx context.Context, p auth.Principal, customerID uuid.UUID, areaKey string) (Target, error)
	// ReplaceTarget says what may replace the content of a document, or VERSION_CONFLICT.
	ReplaceTarget(ctx context.Context, p auth.Principal, documentID uuid.UUID, expectedVersion int) (Target, error)

	// BeginUpload stores a PENDING upload, reserves its bytes and its place in the area, and claims its key, or gives the
	// answer that is stored under the key.
	BeginUpload(ctx context.Context, p auth.Principal, a Attempt) (Begun, error)
	// BeginUnasked is UploadTarget for the general area and BeginUpload at once, of an upload without a key. ok is false where a
	// condition does not hold; then nothing has begun. maxFileBytes is the account's limit for one file, which is at least
	// a.WantBytes.
	BeginUnasked(ctx context.Context, p auth.Principal, a Attempt) (begun Begun, maxFileBytes int64, ok bool, err error)
	// ExtendUpload moves the leases of the upload and of its key on, by the clock of the database. ErrLeaseLost when the
	// upload is not PENDING.
	ExtendUpload(ctx context.Context, p auth.Principal, a Attempt, lease time.Duration) error
	// CompleteUpload makes the upload DONE and everything that follows from it, or nothing. For an upload that is DONE
	// already it gives the document that was made. ErrLeaseLost when the upload FAILED or its lease has ended;
	// ErrOutcomeUnknown when the commit got no answer.
	CompleteUpload(ctx context.Context, p auth.Principal, a Attempt, c Content) (uuid.UUID, error)
	// FailUpload makes a PENDING upload FAILED, gives its reservation and its key back and, if there may be an object,
	// makes that garbage. It leaves an upload that is DONE alone.
	FailUpload(ctx context.Context, p auth.Principal, a Attempt, mayHaveObject bool) error
	// DirectUpload gives an upload that was begun for the object store.
	DirectUpload(ctx context.Context, p auth.Principal, id uuid.UUID) (Direct, error)
	// KeepSession notes where the resumable upload of a PENDING upload is and gives that, or what was noted before.
	// ErrLeaseLost when the upload is not PENDING.
	KeepSession(ctx context.Context, p auth.Principal, a Attempt, sessionURL string) (string, error)

	// ChangeDocument locks the document, hands it to decide and stores the change, if it is any. A document of another
	// account is NOT_FOUND at ["id"].
	ChangeDocument(ctx context.Context, p auth.Principal, id uuid.UUID, decide func(Document, Conflict) (Change, error)) error

	// PlaceDocument locks the document and the place where it goes, or where it is when nothing else is asked for, hands both
	// to decide and stores the change, if it is any. Place.Area.Key is "" where the account has no such area; ids that name
	// nothing in the account are NOT_FOUND at their arguments, a merged customer is CONFLICT.
	PlaceDocument(ctx context.Context, p auth.Principal, id uuid.UUID, to Destination, decide func(Document, Place, Conflict) (Change, error)) error
	// DeleteDocument locks the document and its uploads, asks decide, and deletes it with all its contents. One that is not
	// there any more was deleted before, which is no error; one that never was in the account is NOT_FOUND at ["id"].
	DeleteDocument(ctx context.Context, p auth.Principal, id uuid.UUID, decide func(Document, Conflict) error) error
	// Areas gives the areas of the account in order, the general one first: those for customers of a type, with a type, and
	// with a customer those for it and those where it has documents. What is not in the account is NOT_FOUND at the
	// argument's name.
	Areas(ctx context.Context, p auth.Principal, customerID, typeID uuid.UUID) ([]Area, error)

	// Download gives the content of a version that is AVAILABLE, and writes the record of p's download in the same
	// transaction.
	Download(ctx context.Context, p auth.Principal, versionID uuid.UUID, r Reading) (Download, error)
	// Rendition gives a picture of a version that is AVAILABLE.
	Rendition(ctx context.Context, accountID, versionID uuid.UUID, variant string) (Download, error)
	// Archive gives what is needed to begin the ZIP of a customer's documents, and writes the record of p's download in the
	// same transaction, unless there are more than MaxArchived.
	Archive(ctx context.Context, p auth.Principal, customerID uuid.UUID, r Reading) (Archived, error)
	// ArchivePage gives the documents of a customer after one of them, in the order of their making, at most limit.
	ArchivePage(ctx context.Context, p auth.Principal, customerID uuid.UUID, after ArchivePlace, limit int) ([]ArchiveItem, error)
	// ArchiveItem gives one of them as it is now, or NOT_FOUND.
	ArchiveItem(ctx context.Context, p auth.Principal, documentID uuid.UUID) (ArchiveItem, error)
}

// Conflict makes the fault of a change whose expected version is not the stored one, naming which of the fields of the
// input were changed since. It reads the revisions only when the versions differ.
type Conflict func(expected int, fields []string) error

// Target is where a content can go.
type Target struct {
	CustomerID uuid.UUID
	// MaxFileBytes is the limit for one file, of the account or of the area.
	MaxFileBytes int64
	// Area is where the document is or will be filed.
	Area Area
	// Quota is the account's storage.
	Quota Quota
	// Title and ExpiresOn are the document's, when it is there already.
	Title     string
	ExpiresOn *time.Time
}

// Quota is how much may be stored and how much is, with what uploads in progress have reserved.
type Quota struct{ LimitBytes, UsedBytes int64 }

func (q Quota) free() int64 { return max(0, q.LimitBytes-q.UsedBytes) }

// The modes of an upload, as they are stored.
const (
	ModeStream = "STREAM"
	ModeDirect = "DIRECT"
)

// Attempt is an upload, as it is known before its bytes are.
type Attempt struct {
	ID         uuid.UUID
	Mode       string
	CustomerID uuid.UUID
	// DocumentID is the document to get a new content, or uuid.Nil; then ExpectedVersion says of which version.
	DocumentID      uuid.UUID
	ExpectedVersion int
	ObjectKey       string
	FileName        string
	Title           string
	ExpiresOn       *time.Time
	// Details are those of the document to make.
	Details Details
	// AreaKey, Accept and MaxFiles are the area's.
	AreaKey  string
	Accept   []string
	MaxFiles int
	// Patch is what else changes of the document that gets a new content.
	Patch Patch
	// DeclaredBytes is the exact size where it is known (-1 otherwise).
	DeclaredBytes int64
	// WantBytes is what should be reserved. When less is left, anything down to NeedBytes will do.
	WantBytes, NeedBytes int64
	Lease                time.Duration
	Key                  *idempotency.Key
	// Sending is how the bytes come of an upload straight to the object store.
	Sending Sending
}

// Begun is an upload that has begun.
type Begun struct {
	// Answer is what an earlier use of the key came to; then nothing has begun.
	Answer []byte
	// ReservedBytes is what could be reserved.
	ReservedBytes int64
	// Quota is the account's storage with this reservation.
	Quota Quota
	// LeaseUntil is when the lease ends by itself.
	LeaseUntil time.Time
}

// Content is the bytes of an upload, checked, and the ids of what is to be made of them.
type Content struct {
	DocumentID, VersionID uuid.UUID
	ContentType           string
	SizeBytes             int64
	SHA256                [32]byte
	CRC32C                uint32
	Generation            int64
	// Hold says that the content is held back until a scanner has passed it, Preview that a preview is to be made of it.
	Hold, Preview bool
	// Answer is stored under the key.
	Answer []byte
}

// The states of an upload.
const (
	UploadPending = "PENDING"
	UploadDone    = "DONE"
	UploadFailed  = "FAILED"
)

// Direct is an upload that the client sends to the object store itself.
type Direct struct {
	Attempt
	State string
	// Expired says that the session has ended, by the clock of the database.
	Expired bool
	// LeaseUntil is when the session ends.
	LeaseUntil time.Time
}

// Download is the content of a version, as it is offered for download.
type Download struct {
	ObjectKey   string
	FileName    string
	ContentType string
	SizeBytes   int64
	SHA256      []byte
}
