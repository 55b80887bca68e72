package job

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/google/uuid"

	"dossier/internal/auth"
	"dossier/internal/blob"
	"dossier/internal/customer"
	"dossier/internal/fault"
	"dossier/internal/typeid"
)

// maxFailures is how often a job may be given up without getting any further.
const maxFailures = 10

// afterwards bounds what is done for a job after its work has ended.
const afterwards = 10 * time.Second

// Runner takes jobs from the database and works at them. Each node has one. Its fields may be changed before Run.
type Runner struct {
	Store Store
	Blobs blob.Store
	Log   *slog.Logger
	NewID func() uuid.UUID
	Now   func() time.Time
	// Workers is how many jobs run at a time on this node.
	Workers int
	// Lease is how long a job waits for a node that is gone. Poll is how often it is looked whether there is one.
	Lease, Poll time.Duration

	wake chan struct{}
}

// NewRunner gives a Runner with the default times.
func NewRunner(store Store, blobs blob.Store) *Runner {
	return &Runner{
		Store: store, Blobs: blobs, Log: slog.New(slog.DiscardHandler), NewID: typeid.New, Now: time.Now, Workers: 2,
		Lease: 15 * time.Second, Poll: time.Second, wake: make(chan struct{}, 1),
	}
}

// Wake has a worker look for a job at once.
func (r *Runner) Wake() {
	select {
	case r.wake <- struct{}{}:
	default: // somebody will look anyhow
	}
}

// Run works until ctx ends. Then it gives its jobs back at once, so that another node goes on with them.
func (r *Runner) Run(ctx context.Context) error {
	var workers sync.WaitGroup
	for range r.Workers {
		workers.Go(func() { r.work(ctx) })
	}
	workers.Wait()
	return nil
}

func (r *Runner) work(ctx context.Context) {
	for ctx.Err() == nil {
		c, ok, err := r.Store.ClaimJob(ctx, r.Lease)
		switch {
		case err != nil && ctx.Err() == nil:
			r.Log.WarnContext(ctx, "no job could be taken; it is tried again", slog.Any("cause", err))
		case ok:
			r.do(ctx, c)
			continue
		}
		timer := time.NewTimer(r.Poll)
		select {
		case <-ctx.Done():
		case <-r.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// do works at a job and says how it ended, if it has not done so itself.
func (r *Runner) do(ctx context.Context, c Claim) {
	id := typeid.Format(typeid.Job, c.ID)
	log := r.Log.With(slog.String("job", id), slog.String("kind", string(c.Kind)))
	ctx = auth.WithOrigin(ctx, auth.Origin{RequestID: id}) // what it changes is found in the audit trail by the job
	if c.Failures > maxFailures {
		r.settle(ctx, log, func(ctx context.Context) error { return r.Store.FailJob(ctx, c, errGivenUp()) })
		return
	}
	held, stop := r.keepAlive(ctx, c)
	err := r.guarded(held, c)
	stop()
	switch {
	case err == nil:
		log.InfoContext(ctx, "a job is done")
	case errors.Is(err, ErrLost) || errors.Is(context.Cause(held), ErrLost):
		log.InfoContext(ctx, "a job was cancelled or is run by another node")
	case ctx.Err() != nil:
		r.settle(ctx, log, func(ctx context.Context) error { return r.Store.ReleaseJob(ctx, c, 0, false) })
	case fault.AsList(err) != nil:
		log.InfoContext(ctx, "a job failed", slog.Any("cause", err))
		r.settle(ctx, log, func(ctx context.Context) error { return r.Store.FailJob(ctx, c, fault.AsList(err)[0]) })
	default:
		log.WarnContext(ctx, "a job was interrupted and will be tried again", slog.Any("cause", err), slog.Int("failures", c.Failures+1))
		pause := min(time.Minute, time.Second<<min(c.Failures, 6))
		r.settle(ctx, log, func(ctx context.Context) error { return r.Store.ReleaseJob(ctx, c, pause, true) })
	}
}

func errGivenUp() *fault.Error {
	return fault.New(fault.Internal, "The job was interrupted %d times without getting any further, and was given up. Start it again; if that fails too, report its id.", maxFailures)
}

// settle does something for a job even though the program may be stopping. When it fails the lease ends by itself.
func (r *Runner) settle(ctx context.Context, log *slog.Logger, do func(ctx context.Context) error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), afterwards)
	defer cancel()
	if err := do(ctx); err != nil && !errors.Is(err, ErrLost) {
		log.WarnContext(ctx, "the end of a job could not be noted; another node will take it", slog.Any("cause", err))
	}
}

// keepAlive extends the lease of a job. The context that it gives ends when the job is lost.
func (r *Runner) keepAlive(ctx context.Context, c Claim) (held context.Context, stop func()) {
	held, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(max(r.Lease/3, time.Millisecond))
		defer tick.Stop()
		for {
			select {
			case <-held.Done():
				return
			case <-tick.C:
			}
			if err := r.Store.ExtendJob(held, c, r.Lease); errors.Is(err, ErrLost) {
				cancel(ErrLost)
			} else if err != nil && held.Err() == nil {
				r.Log.WarnContext(ctx, "the lease of a job could not be extended; it is tried again", slog.Any("cause", err))
			}
		}
	}()
	return held, func() {
		cancel(nil)
		<-done
	}
}

// guarded turns a panic into an error: one bad file must not end the program.
func (r *Runner) guarded(ctx context.Context, c Claim) (err error) {
	defer func() {
		if p := recover(); p != nil {
			// SECURITY: the type alone, as the value may hold what stands in the file.
			r.Log.ErrorContext(ctx, "a job panicked", slog.String("type", fmt.Sprintf("%T", p)), slog.String("stack", string(debug.Stack())))
			err = errors.New("job: panic")
		}
	}()
	if c.Kind == Export {
		return r.export(ctx, c)
	}
	return r.importFile(ctx, c)
}

// importFile imports a file from the claim's checkpoint on.
func (r *Runner) importFile(ctx context.Context, c Claim) error {
	m := &importer{planner: customer.Planner{NewID: r.NewID}}
	if err := json.Unmarshal(c.Input, &m.in); err != nil {
		return err
	}
	m.layout = compile(m.in.Fields)
	if c.DryRun {
		// It remembers what it would have made, so it cannot go on where another one was.
		m.dry = newDryRun()
		if c.Position > 0 {
			if err := r.Store.RestartImport(ctx, c); err != nil {
				return err
			}
			c.Position = 0
		}
	}
	if c.Position == 0 {
		c.Position, c.Line = m.in.Offset, int64(m.in.Line)
	}
	if c.Position >= m.in.Bytes {
		return r.Store.ImportStep(ctx, c, func(context.Context, Batch) (Step, error) {
			return Step{Position: c.Position, Line: c.Line, Last: true}, nil
		})
	}
	src, err := r.Blobs.Open(ctx, c.SourceKey, blob.Range{Offset: c.Position})
	if err != nil {
		return err
	}
	defer src.Close() //nolint:errcheck // reading only: nothing can be lost
	rows := newRowReader(src, m.in, c.Position, c.Line)
	for last := false; !last; {
		var list []row
		if list, last, err = rows.step(); err != nil {
			return err
		}
		if err := r.importStep(ctx, c, m, rows, list, last); err != nil {
			return err
		}
	}
	return nil
}

func (r *Runner) importStep(ctx context.Context, c Claim, m *importer, rows *rowReader, list []row, last bool) error {
	ready := m.prepare(list)
	var commit func()
	err := r.Store.ImportStep(ctx, c, func(ctx context.Context, b Batch) (Step, error) {
		step, done, err := m.run(ctx, b, ready)
		commit = done
		step.Position, step.Line, step.Last = rows.position, int64(rows.parser.lines), last
		return step, err
	})
	if err == nil {
		commit()
	}
	return err
}

// exportTries is how often an export is begun again because customers have got longer lists meanwhile.
const exportTries = 5

// export writes the directory to an object of its own. An export that was interrupted begins again with another object;
// the old one is cleared away.
func (r *Runner) export(ctx context.Context, c Claim) error {
	x := &exporting{store: r.Store, claim: c, now: r.Now, told: r.Now()}
	if err := json.Unmarshal(c.Input, &x.draft); err != nil {
		return err
	}
	if err := r.Store.CountExport(ctx, c, *x.draft.Where); err != nil {
		return err
	}
	for try := 1; ; try++ {
		err := r.exportFile(ctx, x)
		if !errors.Is(err, errWidths) || try == exportTries {
			return err
		}
	}
}

func (r *Runner) exportFile(ctx context.Context, x *exporting) (err error) {
	c := x.claim
	x.done = 0
	if x.widths, err = r.Store.ExportWidths(ctx, c.By.AccountID); err != nil {
		return err
	}
	defs, err := r.Store.AttributeDefinitions(ctx, c.By.AccountID)
	if err != nil {
		return err
	}
	x.defs = exportedAttributes(defs)
	key, contentType := blob.NewKey(c.By.AccountID), formats[x.draft.Format].contentType
	if err := r.Store.BeginResult(ctx, c, key, contentType); err != nil {
		return err
	}
	reader, pipe := io.Pipe()
	written := make(chan error, 1) // holds the one error, so that the writer always ends
	go func() {
		err := x.file(ctx, pipe)
		_ = pipe.CloseWithError(err) // never fails; without an error it is the end of the file
		written <- err
	}()
	obj, err := r.Blobs.Put(ctx, key, reader, blob.PutOptions{ContentType: contentType, ExpectedSize: blob.UnknownSize})
	_ = reader.CloseWithError(errors.Join(err, io.ErrClosedPipe)) // ends the writer if the store did not read all
	if failed := <-written; failed != nil && !errors.Is(failed, io.ErrClosedPipe) {
		return failed
	}
	if err != nil {
		return err
	}
	return r.Store.FinishExport(ctx, c, x.done, obj.Size)
}
