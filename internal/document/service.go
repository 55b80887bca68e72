package document

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"time"

	"github.com/google/uuid"

	"dossier/internal/auth"
	"dossier/internal/blob"
	"dossier/internal/fault"
	"dossier/internal/thumbnail"
	"dossier/internal/typeid"
)

// Limits of uploads. The size of a file and the storage are the account's own and come from the Store.
type Limits struct {
	// Lease is how long an upload whose server is gone keeps its reservation. It is extended every third of it.
	Lease time.Duration
	// Session is how long an upload straight to the object store may take, from begin to complete, and a second more for
	// each SessionRate of its bytes.
	Session     time.Duration
	SessionRate int64
	// Redirect is how long the object store lets a download begin after the link was followed.
	Redirect time.Duration
}

// DefaultLimits are the limits of New.
var DefaultLimits = Limits{Lease: 2 * time.Minute, Session: 2 * time.Hour, SessionRate: 64_000, Redirect: time.Minute}

// afterwards bounds what is done for an upload after its request has ended: completing it or giving it up.
const afterwards = 20 * time.Second

// Service is the use cases of documents. Its fields may be changed before it is used first.
type Service struct {
	Store  Store
	Images ImageStore
	Blobs  blob.Store
	// Rights says what the holders of links may do when they follow them. It must be set before the first link is.
	Rights Rights
	// Denied is told that the holder of a link may not do what the link is for.
	Denied func(ctx context.Context, p auth.Principal, action string)
	// Thumbnails makes pictures small, few at a time.
	Thumbnails *thumbnail.Maker
	// Scanner looks for malware; nil when that is off.
	Scanner Scanner
	// Pages says that previews are made of PDFs.
	Pages bool
	// Wake is told that a content waits for its checks, so that this node looks at once. It must return at once.
	Wake   func()
	Now    func() time.Time
	NewID  func() uuid.UUID
	Limits Limits
	Log    *slog.Logger

	// completing are the sessions that are being completed.
	completing flights
	// at is called when an upload has come to a point; a test ends it there, as a crash would.
	at func(point string)
}

// New gives a Service with the real clock and ids and DefaultLimits.
func New(store Store, images ImageStore, blobs blob.Store) *Service {
	return &Service{
		Store: store, Images: images, Blobs: blobs, Thumbnails: thumbnail.NewMaker(), Now: time.Now, NewID: typeid.New, Limits: DefaultLimits,
		Log: slog.New(slog.DiscardHandler), Wake: func() {}, at: func(string) {}, Denied: func(context.Context, auth.Principal, string) {},
	}
}

// Points of an upload, for tests: the row is there, the object is there (and those of a picture's small ones), everything is
// done but the answer.
const (
	pointBegun    = "begun"
	pointStored   = "stored"
	pointShrunk   = "shrunk"
	pointComplete = "complete"
)

// detached is a context for what must be done even though the request may be gone.
func detached(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), afterwards)
}

// giveUp tells the store that an upload came to nothing. When that fails too the sweeper does it after the lease.
func (s *Service) giveUp(ctx context.Context, a Attempt, fail func(context.Context) error) {
	ctx, cancel := detached(ctx)
	defer cancel()
	if err := fail(ctx); err != nil {
		s.Log.WarnContext(ctx, "a failed upload could not be marked so; the sweeper will do it",
			slog.String("upload", typeid.Format(typeid.UploadSession, a.ID)), slog.Any("cause", err))
	}
}

// filePath is where the file is in the arguments.
func filePath(i int) []string { return []string{"files", strconv.Itoa(i)} }

func errTooLarge(limit int64, path []string) error {
	e := fault.At(fault.TooLarge, path, "The file is larger than the %d bytes that are allowed here. Make it smaller.", limit)
	e.Detail = fault.LimitDetail{LimitBytes: limit}
	return e
}

// ErrQuota is the answer when the account's storage does not hold a file. The Store gives it too.
func ErrQuota(q Quota, path []string) error {
	e := fault.At(fault.QuotaExceeded, path,
		"The storage of the account is used up: %d of %d bytes are in use or reserved by uploads in progress. Ask for more storage.",
		q.UsedBytes, q.LimitBytes)
	e.Detail = fault.QuotaDetail{LimitBytes: q.LimitBytes, UsedBytes: q.UsedBytes}
	return e
}

// ErrLease is the answer when an upload is not PENDING under a lease any more.
func ErrLease() error {
	e := fault.New(fault.Conflict, "The upload took too long and was given up, so nothing of it was kept. Upload the file again.")
	e.Err = ErrLeaseLost
	return e
}

// withPath gives err a path if it has none, so that the client sees which file it is about.
func withPath(err error, path []string) error {
	var f *fault.Error
	var list fault.List
	if errors.As(err, &list) || !errors.As(err, &f) || f.Path != nil || !f.Code.Expected() {
		return err
	}
	w := *f
	w.Path = path
	return &w
}
