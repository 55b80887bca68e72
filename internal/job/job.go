package job

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"dossier/internal/attribute"
	"dossier/internal/auth"
	"dossier/internal/customer"
	"dossier/internal/document"
	"dossier/internal/fault"
	"dossier/internal/idempotency"
)

// Kind is what a job does, in the spelling of the SDL.
type Kind string

// The kinds.
const (
	Import Kind = "IMPORT"
	Export Kind = "EXPORT"
)

// ErrLost is in the chain of an error about a job that its runner does not hold any more: it was cancelled, or its lease
// ended and another node has it. Nothing of the step was kept.
var ErrLost = errors.New("job: another runner has the job, or it has ended")

// New is a job that is asked for.
type New struct {
	ID     uuid.UUID
	Kind   Kind
	DryRun bool
	// Input is what to do, as JSON of this package.
	Input []byte
	// FileName is that of the file to import or to make.
	FileName string
	// Total is the number of rows, nil when it is not known.
	Total *int64
}

// Claim is a job that a runner holds.
type Claim struct {
	ID uuid.UUID
	// Runner is new for each claim, so that a runner that was thought dead cannot change anything.
	Runner uuid.UUID
	// By is who asked for the job. What it does is done in this name; whether it may was asked then.
	By       auth.Principal
	Kind     Kind
	DryRun   bool
	Input    []byte
	FileName string
	// SourceKey is the object to read.
	SourceKey string
	// Position is the byte of the file at which the next row begins, Line how many lines come before it, Done the rows.
	Position, Line, Done int64
	// Failures is how often the job was given up since it last got further.
	Failures int
}

// Step is what one transaction of a job did.
type Step struct {
	// Position and Line are where the next row begins.
	Position, Line int64
	// What became of the rows.
	Created, Updated, Skipped, Failed int64
	Errors                            []RowError
	// Last says that it was the last step: the job has SUCCEEDED.
	Last bool
}

// Rows is how many rows the step has.
func (s Step) Rows() int64 { return s.Created + s.Updated + s.Skipped + s.Failed }

// RowError is what is wrong with a cell, or with a row when Column is 0.
type RowError struct {
	Line, Column                            int
	ColumnName, Field, Code, Message, Value string
}

// MaxRowErrors is how many errors of a job are kept.
const MaxRowErrors = 10_000

// MatchKey is by what a row finds its customer, in the spelling of the SDL.
type MatchKey string

// The keys.
const (
	MatchExternalID MatchKey = "EXTERNAL_ID"
	MatchEmail      MatchKey = "EMAIL"
	MatchPhone      MatchKey = "PHONE"
)

// Write is a change of one customer to be stored, and the file that it was made from; none when the customer is new.
type Write struct {
	New    bool
	File   customer.File
	Change customer.Change
}

// Batch is the account's customers within one transaction of an import.
type Batch interface {
	// Reading is what the rules ask for.
	customer.Reading
	// Match gives the customers that have one of the values as their own, by value.
	Match(ctx context.Context, key MatchKey, values []string) (map[string][]uuid.UUID, error)
	// Lock gives the files of customers, locked until the end of the transaction.
	Lock(ctx context.Context, ids []uuid.UUID) ([]customer.File, error)
	// Write stores changes of customers that are new or locked, each customer at most once.
	Write(ctx context.Context, changes []Write) error
}

// ExportWhere says which customers an export has. Empty lists and nil choose all.
type ExportWhere struct {
	Status []string `json:"status,omitempty"`
	Kind   []string `json:"kind,omitempty"`
	// TypeID and OriginID are TypeIDs. One that names nothing chooses nobody.
	TypeID    []string   `json:"typeId,omitempty"`
	OriginID  []string   `json:"originId,omitempty"`
	CreatedAt *TimeRange `json:"createdAt,omitempty"`
}

// TimeRange is a time from Gte on and before Lt, either of which may be missing.
type TimeRange struct {
	Gte *time.Time `json:"gte,omitempty"`
	Lt  *time.Time `json:"lt,omitempty"`
}

// Exported is a customer as an export has it.
type Exported struct {
	customer.File
	CreatedAt, UpdatedAt time.Time
}

// Widths are the longest lists of the account's customers, for the columns of a table.
type Widths struct {
	Points, ContactPoints PointWidths
	Contacts              int
}

// PointWidths are the longest lists of contact points.
type PointWidths struct{ Emails, Phones, Addresses int }

// Result is the file that an export has made.
type Result struct {
	ObjectKey, FileName, ContentType string
	SizeBytes                        int64
}

// Store keeps jobs and does their work on the tables. Errors are faults; each method is one transaction.
type Store interface {
	// CompleteImport ends the upload of a file and makes the job that imports it, with the rules of
	// document.Store.CompleteUpload.
	CompleteImport(ctx context.Context, p auth.Principal, a document.Attempt, c document.Content, n New) (uuid.UUID, error)
	// CreateJob makes a job without a file, at most once per key.
	CreateJob(ctx context.Context, p auth.Principal, key *idempotency.Key, n New) (uuid.UUID, error)
	// CancelJob ends a job when allow, which is told its kind, says so. A job that has ended stays as it is. A job of
	// another account is NOT_FOUND at path.
	CancelJob(ctx context.Context, p auth.Principal, id uuid.UUID, path []string, allow func(Kind) error) error
	// JobResult gives the file of an export, and writes the record of p's download in the same transaction.
	JobResult(ctx context.Context, p auth.Principal, id uuid.UUID, r document.Reading) (Result, error)

	// ClaimJob takes the oldest job that waits or whose lease has ended, of an account none of whose jobs is running; false
	// when there is none. The lease is of the database's clock.
	ClaimJob(ctx context.Context, lease time.Duration) (Claim, bool, error)
	// ExtendJob moves the lease on. This, and all that follows, is ErrLost when the runner does not hold the job.
	ExtendJob(ctx context.Context, c Claim, lease time.Duration) error
	// ReleaseJob lets another runner have the job after the pause. failed counts as a failure.
	ReleaseJob(ctx context.Context, c Claim, pause time.Duration, failed bool) error
	// FailJob ends the job as FAILED.
	FailJob(ctx context.Context, c Claim, cause *fault.Error) error

	// RestartImport forgets what the job has counted: a dry run that is begun again.
	RestartImport(ctx context.Context, c Claim) error
	// ImportStep runs work and keeps what it did together with what it says of it, or nothing. work may run several times.
	ImportStep(ctx context.Context, c Claim, work func(ctx context.Context, b Batch) (Step, error)) error

	// AttributeDefinitions gives the custom attributes in use.
	AttributeDefinitions(ctx context.Context, accountID uuid.UUID) ([]attribute.Definition, error)

	// BeginResult notes the object that the export will write, and gives up the one of an earlier attempt.
	BeginResult(ctx context.Context, c Claim, objectKey, contentType string) error
	// ExportProgress says how many customers are written.
	ExportProgress(ctx context.Context, c Claim, done int64) error
	// FinishExport ends the job as SUCCEEDED, if the account's storage holds the file.
	FinishExport(ctx context.Context, c Claim, done, bytes int64) error
	// ExportWidths gives the longest lists of the account.
	ExportWidths(ctx context.Context, accountID uuid.UUID) (Widths, error)
	// CountExport notes how many customers the export will have.
	CountExport(ctx context.Context, c Claim, where ExportWhere) error
	// ExportPage gives customers in the order of their ids, after the one given, as they were at one moment.
	ExportPage(ctx context.Context, accountID uuid.UUID, where ExportWhere, after uuid.UUID, limit int) ([]Exported, error)
}
