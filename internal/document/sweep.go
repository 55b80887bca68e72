package document

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"dossier/internal/blob"
)

// SweepStore is what the sweeper needs of the database. It works across accounts.
type SweepStore interface {
	// Lead runs work while it is the only one to do so, and gives false at once when another node does. The context
	// of work ends when the lead is lost.
	Lead(ctx context.Context, work func(ctx context.Context) error) (led bool, err error)
	// ExpireUploads makes uploads FAILED whose lease has ended, at most limit of them: the reservation is given back
	// and the object is garbage for the time keep.
	ExpireUploads(ctx context.Context, limit int, keep time.Duration) (int, error)
	// DueGarbage gives garbage whose next deletion is due, at most limit.
	DueGarbage(ctx context.Context, limit int) ([]Garbage, error)
	// GarbageDeleted says that these objects are gone for now: they are due again after pause, or never when their time
	// is over.
	GarbageDeleted(ctx context.Context, ids []uuid.UUID, pause time.Duration) error
	// GarbageFailed makes garbage due again after pause.
	GarbageFailed(ctx context.Context, ids []uuid.UUID, pause time.Duration) error
	// ForgetGarbage drops garbage that is none: a document or picture has the object.
	ForgetGarbage(ctx context.Context, ids []uuid.UUID) error
	// AddGarbage makes objects garbage that nothing owns, for the time keep, and gives how many it did: those of
	// accounts that do not exist and those that are owned after all are left out.
	AddGarbage(ctx context.Context, keys []string, keep time.Duration) (int, error)
	// Owned gives who owns objects: rows with keys after the first and up to the second one ("" means no end), in the
	// order of the keys, at most limit.
	Owned(ctx context.Context, after, through string, limit int) ([]Owned, error)
	// Unshare keeps further contents from sharing an object: those that have it keep it.
	Unshare(ctx context.Context, objectKey string) error
	// PruneIdempotency forgets idempotency keys that were first used longer ago than keep.
	PruneIdempotency(ctx context.Context, keep time.Duration) (int64, error)
	// PruneUploads forgets uploads that ended longer ago than keep.
	PruneUploads(ctx context.Context, keep time.Duration) (int64, error)
}

// Garbage is an object that must not stay.
type Garbage struct {
	ID        uuid.UUID
	ObjectKey string
	// SessionURL is that of a resumable upload which could still make the object, "" when there is none.
	SessionURL string
	// Owned says that a document or picture has the object, so that deleting it would lose a content.
	Owned bool
}

// Owned is an object that a row knows.
type Owned struct {
	ObjectKey string
	// Content is the id that clients know of what has the object as its content: the version of a document or the
	// picture of a customer. "" for the object of an upload that is PENDING, for garbage, and for a blob, whose versions
	// have rows of their own.
	Content string
}

// Sweeper clears up after what broke: uploads whose server died, objects that nobody owns, keys that are too old. Its
// fields may be changed before it is used first.
type Sweeper struct {
	Store SweepStore
	Blobs blob.Store
	Now   func() time.Time
	Log   *slog.Logger
	// Every is the pause between two sweeps, AuditEvery the one between two comparisons of all objects with all rows.
	Every, AuditEvery time.Duration
	// Grace is how old an object must be before it counts as owned by nobody.
	Grace time.Duration
	// KeepGarbage is how long an object that was deleted is deleted again, because an upload whose lease had ended may
	// still finish.
	KeepGarbage time.Duration
	// KeepKeys is how long idempotency keys are kept, KeepUploads uploads that ended.
	KeepKeys, KeepUploads time.Duration
	// Force lets an audit collect more objects than the brake allows. Somebody must have looked first.
	Force bool
	// Observe is told each report, for metrics.
	Observe func(Report)
	// Also is further work for the leader, such as pruning events.
	Also []func(ctx context.Context) error

	lastAudit time.Time
}

// NewSweeper gives a Sweeper with the default times.
func NewSweeper(store SweepStore, blobs blob.Store) *Sweeper {
	return &Sweeper{
		Store: store, Blobs: blobs, Now: time.Now, Log: slog.New(slog.DiscardHandler), Every: time.Minute, AuditEvery: 24 * time.Hour,
		Grace: 24 * time.Hour, KeepGarbage: 24 * time.Hour, KeepKeys: 24 * time.Hour, KeepUploads: 30 * 24 * time.Hour,
		Observe: func(Report) {},
	}
}

// Report is what a sweep did.
type Report struct {
	// Led is false when another node is at it; then nothing was done here.
	Led bool
	// Expired are uploads whose lease had ended.
	Expired int
	// Deleted are objects that were there and are not now.
	Deleted int
	// Failed are objects that the store did not delete.
	Failed int
	// Guarded is garbage that a document owns: a bug, but nothing was lost.
	Guarded int
	// Audited says that all objects were compared with all rows: Objects of them, of which Orphans are old and owned by
	// nobody. They were not deleted when Braked is true. Missing are versions whose object is gone.
	Audited bool
	Objects int
	Orphans int
	Braked  bool
	Missing int
	// PrunedKeys and PrunedUploads are records that were too old.
	PrunedKeys, PrunedUploads int64
}

const (
	// batch is how many rows or objects one step takes.
	batch = 1000
	// maxDeletes is the most objects that a run deletes.
	maxDeletes = 1000
	// orphanFloor is how many orphans a small store may have: 1 % of a few objects is none.
	orphanFloor = 10
	// deletedAgain and failedAgain are the pauses before an object is deleted again.
	deletedAgain = time.Hour
	failedAgain  = 5 * time.Minute
)

// Run sweeps until ctx ends.
func (s *Sweeper) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		audit := s.lastAudit.IsZero() || s.Now().Sub(s.lastAudit) >= s.AuditEvery
		if _, err := s.run(ctx, audit); err != nil && ctx.Err() == nil {
			s.Log.WarnContext(ctx, "a sweep failed; the next one goes on", slog.Any("cause", err))
		}
		timer.Reset(s.Every)
	}
}

// RunOnce does everything once, the audit too.
func (s *Sweeper) RunOnce(ctx context.Context) (Report, error) { return s.run(ctx, true) }

func (s *Sweeper) run(ctx context.Context, audit bool) (Report, error) {
	var r Report
	led, err := s.Store.Lead(ctx, func(ctx context.Context) error { return s.sweep(ctx, &r, audit) })
	r.Led = led
	if audit && led && err == nil {
		s.lastAudit = s.Now()
	}
	s.Observe(r)
	return r, err
}

// sweep does each part even when another one fails, so that one broken object store does not keep leases from ending.
func (s *Sweeper) sweep(ctx context.Context, r *Report, audit bool) error {
	errs := []error{s.expire(ctx, r)}
	if audit {
		errs = append(errs, s.audit(ctx, r))
	}
	errs = append(errs, s.collect(ctx, r), s.prune(ctx, r, audit))
	for _, also := range s.Also {
		errs = append(errs, also(ctx))
	}
	return errors.Join(errs...)
}

func (s *Sweeper) expire(ctx context.Context, r *Report) error {
	for {
		n, err := s.Store.ExpireUploads(ctx, batch, s.KeepGarbage)
		r.Expired += n
		if err != nil || n < batch {
			return err
		}
	}
}

// collect deletes garbage. What was made garbage is known to be that from its upload's row, so the brake here is only
// the number of a run; the next run goes on.
func (s *Sweeper) collect(ctx context.Context, r *Report) error {
	for r.Deleted+r.Failed < maxDeletes {
		due, err := s.Store.DueGarbage(ctx, min(batch, maxDeletes-r.Deleted-r.Failed))
		if err != nil || len(due) == 0 {
			return err
		}
		var gone, failed, guarded []uuid.UUID
		for _, g := range due {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			switch err := s.delete(ctx, g); {
			case g.Owned:
				guarded = append(guarded, g.ID)
			case err == nil:
				gone = append(gone, g.ID)
				r.Deleted++
			case errors.Is(err, blob.ErrNotFound):
				gone = append(gone, g.ID)
			default:
				failed = append(failed, g.ID)
				s.Log.WarnContext(ctx, "an object could not be deleted", slog.String("object", g.ObjectKey), slog.Any("cause", err))
			}
		}
		r.Failed += len(failed)
		r.Guarded += len(guarded)
		if err := s.record(ctx, gone, failed, guarded); err != nil {
			return err
		}
	}
	return nil
}

func (s *Sweeper) delete(ctx context.Context, g Garbage) error {
	if g.Owned {
		s.Log.ErrorContext(ctx, "an object is marked as garbage but a document or picture has it; it stays", slog.String("object", g.ObjectKey))
		return nil
	}
	if g.SessionURL != "" {
		// First, so that nothing can come after the deletion.
		if err := s.Blobs.CancelResumable(ctx, g.ObjectKey, g.SessionURL); err != nil && !errors.Is(err, blob.ErrNotFound) {
			return err
		}
	}
	return s.Blobs.Delete(ctx, g.ObjectKey, blob.AnyGeneration)
}

func (s *Sweeper) record(ctx context.Context, gone, failed, guarded []uuid.UUID) error {
	var errs []error
	if len(gone) > 0 {
		errs = append(errs, s.Store.GarbageDeleted(ctx, gone, deletedAgain))
	}
	if len(failed) > 0 {
		errs = append(errs, s.Store.GarbageFailed(ctx, failed, failedAgain))
	}
	if len(guarded) > 0 {
		errs = append(errs, s.Store.ForgetGarbage(ctx, guarded))
	}
	return errors.Join(errs...)
}

func (s *Sweeper) prune(ctx context.Context, r *Report, audit bool) (err error) {
	r.PrunedKeys, err = s.Store.PruneIdempotency(ctx, s.KeepKeys)
	if !audit {
		return err
	}
	// Uploads are looked through as a whole, which is too much for each sweep.
	var err2 error
	r.PrunedUploads, err2 = s.Store.PruneUploads(ctx, s.KeepUploads)
	return errors.Join(err, err2)
}

// audit compares all objects with all rows, a stretch of keys at a time. Old objects that nothing owns become garbage,
// if they are not suspiciously many; versions whose object is gone raise an alarm.
func (s *Sweeper) audit(ctx context.Context, r *Report) error {
	a := &audit{s: s, r: r, before: s.Now().Add(-s.Grace)}
	listed := make([]blob.Object, 0, batch)
	after := ""
	for obj, err := range s.Blobs.List(ctx, blob.ListOptions{}) {
		if err != nil {
			return fmt.Errorf("list objects: %w", err)
		}
		if listed = append(listed, obj); len(listed) < batch {
			continue
		}
		if err := a.stretch(ctx, after, obj.Key, listed); err != nil {
			return err
		}
		after, listed = obj.Key, listed[:0]
	}
	if err := a.stretch(ctx, after, "", listed); err != nil {
		return err
	}
	r.Audited = true
	return a.collect(ctx)
}

type audit struct {
	s       *Sweeper
	r       *Report
	before  time.Time
	orphans []string
	named   int
}

// stretch compares the objects with keys in (after, through] with the rows there.
func (a *audit) stretch(ctx context.Context, after, through string, listed []blob.Object) error {
	a.r.Objects += len(listed)
	there := make(map[string]bool, len(listed))
	for _, obj := range listed {
		there[obj.Key] = true
	}
	owned := make(map[string]bool, len(listed))
	for {
		rows, err := a.s.Store.Owned(ctx, after, through, batch)
		if err != nil {
			return err
		}
		for _, row := range rows {
			switch {
			case there[row.ObjectKey]: // only these are kept: a stretch without objects can have any number of rows
				owned[row.ObjectKey] = true
			case row.Content != "":
				a.missing(ctx, row)
			}
			after = row.ObjectKey
		}
		if len(rows) < batch {
			break
		}
	}
	for _, obj := range listed {
		if _, err := blob.KeyAccount(obj.Key); err != nil {
			continue // not written by Dossier, so not for it to judge
		}
		if !owned[obj.Key] && obj.CreatedAt.Before(a.before) {
			a.r.Orphans++
			if len(a.orphans) <= maxDeletes {
				a.orphans = append(a.orphans, obj.Key)
			}
		}
	}
	return nil
}

// maxNamed is how many missing objects of a run are named in the log.
const maxNamed = 100

// missing raises the alarm for a version whose object was not listed, after one more look: it may be newer than the list.
func (a *audit) missing(ctx context.Context, row Owned) {
	if a.named < maxNamed {
		if _, err := a.s.Blobs.Stat(ctx, row.ObjectKey); !errors.Is(err, blob.ErrNotFound) {
			return
		}
		a.named++
		a.s.Log.ErrorContext(ctx, "the content of a document or picture is gone from the object store",
			slog.String("content", row.Content), slog.String("object", row.ObjectKey))
		// Who uploads the same bytes again must not be given the object that is gone instead of the new one.
		if err := a.s.Store.Unshare(ctx, row.ObjectKey); err != nil {
			a.s.Log.WarnContext(ctx, "an object that is gone may still be shared", slog.String("object", row.ObjectKey), slog.Any("cause", err))
		}
	}
	a.r.Missing++
}

// collect makes the orphans garbage. When they are more than 1 % of all objects or more than a run may delete, it is
// more likely that the rows were lost than that so much went wrong: then nothing is touched until somebody has looked.
func (a *audit) collect(ctx context.Context) error {
	limit := min(maxDeletes, max(orphanFloor, a.r.Objects/100))
	if len(a.orphans) > limit && !a.s.Force {
		a.r.Braked = true
		a.s.Log.ErrorContext(ctx, "too many objects are owned by nobody; none was deleted. Was the database restored? Sweep with force after a look",
			slog.Int("orphans", a.r.Orphans), slog.Int("objects", a.r.Objects), slog.Int("limit", limit))
		return nil
	}
	if len(a.orphans) == 0 {
		return nil
	}
	n, err := a.s.Store.AddGarbage(ctx, a.orphans, a.s.KeepGarbage)
	if err == nil && n < len(a.orphans) {
		a.s.Log.ErrorContext(ctx, "objects of accounts that do not exist were left alone", slog.Int("objects", len(a.orphans)-n))
	}
	return err
}
