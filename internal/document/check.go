package document

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/google/uuid"

	"dossier/internal/blob"
	"dossier/internal/pdfpage"
	"dossier/internal/thumbnail"
	"dossier/internal/typeid"
)

// CheckStore is what the Checker needs of the database. Which content is due is asked across accounts, by time and state
// only; all else is one short transaction of the content's account.
type CheckStore interface {
	// ClaimCheck takes the content that has been due for longest, so that nobody else does before the lease has ended; ok is
	// false when there is none. Contents to be scanned are left alone unless scan is true.
	ClaimCheck(ctx context.Context, scan bool, lease time.Duration) (c Check, ok bool, err error)
	// ExtendCheck moves the lease on, by the clock of the database. ErrCheckLost when somebody else has the content.
	ExtendCheck(ctx context.Context, c Check, lease time.Duration) error
	// FinishScan makes a content that is held back AVAILABLE or QUARANTINED, and its document with it; if there is to be a
	// preview it is due at once. For a content that is not held back any more it does nothing.
	FinishScan(ctx context.Context, c Check, v Verdict) error
	// PostponeCheck gives a content back until the pause is over, and notes why a scan of it came to nothing.
	PostponeCheck(ctx context.Context, c Check, pause time.Duration, problem ScanProblem) error
	// BeginRenditions notes the objects that are about to be written as garbage, which they are until FinishPreview. The
	// sweeper comes for them after the time keep.
	BeginRenditions(ctx context.Context, c Check, keys []string, keep time.Duration) error
	// FinishPreview stores what was made of a content, or that nothing can be made of it when there are no renditions. The
	// objects stay garbage when the content is gone, is not AVAILABLE, or has its preview already.
	FinishPreview(ctx context.Context, c Check, p Preview) error
}

// ErrCheckLost is in the chain of an error about a content that somebody else has claimed, or that is gone.
var ErrCheckLost = errors.New("document: the content is checked by somebody else")

// Check is a content that waits for something, claimed.
type Check struct {
	AccountID, DocumentID, VersionID uuid.UUID
	// Attempt is how often it was claimed for what it waits for. It is part of the claim.
	Attempt int
	// Scan says that it is held back until a scanner has passed it; else a preview is to be made of it.
	Scan bool

	ContentType string
	ObjectKey   string
	SizeBytes   int64
	CRC32C      uint32
}

// Checker does what is to be done with contents after they were stored: it has them scanned and makes their previews.
// Each node has one; what waits is rows in the database, so the nodes share it and a node that dies gives its part back by
// the end of a lease. Its fields may be changed before Run.
type Checker struct {
	Store CheckStore
	Blobs blob.Store
	// Scanner is nil when scanning is off. What was held back before stays so.
	Scanner Scanner
	// Thumbnails makes pictures small, few at a time.
	Thumbnails *thumbnail.Maker
	// Pages draws pages of PDFs; nil when there are no previews of them.
	Pages *pdfpage.Renderer
	Log   *slog.Logger
	NewID func() uuid.UUID
	// Workers is how many contents are checked at a time on this node.
	Workers int
	// Lease is how long a content waits for a node that is gone. Poll is how often it is looked whether one is due.
	Lease, Poll time.Duration
	// Observe is told how each check ended, for metrics.
	Observe func(what CheckOutcome)

	wake chan struct{}
	down outage
	// at is called when a check has come to a point; a test ends it there, as a crash would.
	at func(point string)
}

// CheckOutcome is how one step of a check ended.
type CheckOutcome string

// The outcomes.
const (
	ScanClean         CheckOutcome = "scan_clean"
	ScanInfected      CheckOutcome = "scan_infected"
	ScanWithout       CheckOutcome = "scan_without_verdict"
	PreviewReady      CheckOutcome = "preview_ready"
	PreviewImpossible CheckOutcome = "preview_impossible"
	PreviewFailed     CheckOutcome = "preview_failed"
)

// CheckOutcomes are all of them.
var CheckOutcomes = []CheckOutcome{ScanClean, ScanInfected, ScanWithout, PreviewReady, PreviewImpossible, PreviewFailed}

// NewChecker gives a Checker with the default times and without a scanner.
func NewChecker(store CheckStore, blobs blob.Store, thumbnails *thumbnail.Maker) *Checker {
	return &Checker{
		Store: store, Blobs: blobs, Thumbnails: thumbnails, Log: slog.New(slog.DiscardHandler), NewID: typeid.New, Workers: 2,
		Lease: 30 * time.Second, Poll: time.Second, Observe: func(CheckOutcome) {}, wake: make(chan struct{}, 1), at: func(string) {},
	}
}

// Points of a check, for tests: the content is claimed, it was scanned and nobody knows, the objects of its preview are
// there and nobody knows.
const (
	pointClaimed  = "claimed"
	pointScanned  = "scanned"
	pointRendered = "rendered"
)

// Wake has a worker look at once whether something is due.
func (c *Checker) Wake() {
	select {
	case c.wake <- struct{}{}:
	default: // somebody will look anyhow
	}
}

// Run works until ctx ends. Then it gives back at once what it has claimed, so that another node goes on with it.
func (c *Checker) Run(ctx context.Context) error {
	var workers sync.WaitGroup
	for range c.Workers {
		workers.Go(func() { c.work(ctx) })
	}
	workers.Wait()
	return nil
}

func (c *Checker) work(ctx context.Context) {
	for ctx.Err() == nil {
		worked, err := c.RunOnce(ctx)
		if err != nil && ctx.Err() == nil {
			c.Log.WarnContext(ctx, "no content could be taken for its checks; it is tried again", slog.Any("cause", err))
		}
		if worked {
			continue
		}
		timer := time.NewTimer(c.Poll)
		select {
		case <-ctx.Done():
		case <-c.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// RunOnce checks the content that has been due for longest; worked is false when there is none. How the check ended is in
// the database; the error is about finding one.
func (c *Checker) RunOnce(ctx context.Context) (worked bool, err error) {
	k, ok, err := c.Store.ClaimCheck(ctx, c.mayScan(ctx), c.Lease)
	if err != nil || !ok {
		return false, err
	}
	c.at(pointClaimed)
	held, stop := c.keepAlive(ctx, k)
	defer stop()
	step := c.preview
	if k.Scan {
		step = c.scan
	}
	if err := c.recovered(held, k, step); err != nil {
		c.giveBack(held, k, err)
	}
	return true, nil
}

// maxPause is the longest pause before a content is tried again; one that is too large for the scanner waits for somebody
// to change the limits, so it is tried again after limitPause.
const (
	maxPause   = 5 * time.Minute
	limitPause = time.Hour
)

// pauseAfter is how long a content waits after its nth try.
func pauseAfter(attempt int) time.Duration { return min(maxPause, time.Second<<min(attempt, 10)) }

// giveBack is for a check that came to nothing.
func (c *Checker) giveBack(ctx context.Context, k Check, cause error) {
	log := c.Log.With(slog.String("version", typeid.Format(typeid.DocumentVersion, k.VersionID)), slog.Int("attempt", k.Attempt))
	pause, problem := pauseAfter(k.Attempt), ScanProblem("")
	switch {
	case errors.Is(cause, ErrCheckLost) || errors.Is(context.Cause(ctx), ErrCheckLost):
		log.InfoContext(ctx, "a content is checked by another node, or is gone")
		return
	case ctx.Err() != nil: // the program stops
		pause = 0
	case k.Scan:
		c.Observe(ScanWithout)
		if problem = problemOf(cause); problem == ScanFileTooLarge {
			pause = limitPause
		}
		log.WarnContext(ctx, "a content could not be scanned; it stays held back and is tried again",
			slog.String("problem", string(problem)), slog.Any("cause", cause))
	default:
		c.Observe(PreviewFailed)
		log.WarnContext(ctx, "the preview of a content could not be made; it is tried again", slog.Any("cause", cause))
	}
	settling, cancel := detached(ctx)
	defer cancel()
	if err := c.Store.PostponeCheck(settling, k, pause, problem); err != nil && !errors.Is(err, ErrCheckLost) {
		log.WarnContext(settling, "a content could not be given back; it is tried again after the lease", slog.Any("cause", err))
	}
}

// recovered runs a step of a check. A panic is a failure of it: one bad file must not end the program.
func (c *Checker) recovered(ctx context.Context, k Check, step func(ctx context.Context, k Check) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			// SECURITY: the type alone, as the value may hold what stands in the file.
			c.Log.ErrorContext(ctx, "a check panicked", slog.String("type", fmt.Sprintf("%T", p)), slog.String("stack", string(debug.Stack())))
			err = fmt.Errorf("%w: panic", ErrScanFailed)
		}
	}()
	return step(ctx, k)
}

// scanTime bounds a scan, so that a scanner that gets no further does not keep a worker for ever.
const scanTime = 15 * time.Minute

// scan has a content scanned and stores the verdict.
func (c *Checker) scan(ctx context.Context, k Check) error {
	timed, cancel := context.WithTimeout(ctx, scanTime)
	defer cancel()
	v, err := scanObject(timed, c.Scanner, c.Blobs, stored{key: k.ObjectKey, size: k.SizeBytes, crc: k.CRC32C})
	if err != nil && problemOf(err) == ScanScannerUnavailable && ctx.Err() == nil {
		c.down.begin(ctx, c.Log, err)
	}
	if err != nil {
		return err
	}
	c.at(pointScanned)
	if err := c.Store.FinishScan(ctx, k, v); err != nil {
		return err
	}
	if v.Clean {
		c.Observe(ScanClean)
		return nil
	}
	c.Observe(ScanInfected)
	c.Log.WarnContext(ctx, "malware was found", slog.String("version", typeid.Format(typeid.DocumentVersion, k.VersionID)), slog.String("signature", v.Signature))
	return nil
}

// keepAlive extends the lease of a claim. The context that it gives ends when the claim is lost.
func (c *Checker) keepAlive(ctx context.Context, k Check) (held context.Context, stop func()) {
	held, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(max(c.Lease/3, time.Millisecond))
		defer tick.Stop()
		for {
			select {
			case <-held.Done():
				return
			case <-tick.C:
			}
			if err := c.Store.ExtendCheck(held, k, c.Lease); errors.Is(err, ErrCheckLost) {
				cancel(ErrCheckLost)
			} else if err != nil && held.Err() == nil {
				c.Log.WarnContext(ctx, "the lease of a check could not be extended; it is tried again", slog.Any("cause", err))
			}
		}
	}()
	return held, func() {
		cancel(nil)
		<-done
	}
}

// outage remembers that the scanner does not answer, so that contents that wait are not tried one by one meanwhile, and
// all of them are due when it is back.
type outage struct {
	mu    sync.Mutex
	is    bool
	tries int
	next  time.Time
}

// maxProbe is the longest pause between two looks at a scanner that does not answer.
const maxProbe = 10 * time.Second

func (o *outage) begin(ctx context.Context, log *slog.Logger, cause error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.is {
		log.ErrorContext(ctx, "the malware scanner does not answer; new documents are held back until it does", slog.Any("cause", cause))
	}
	o.is, o.tries, o.next = true, 0, time.Now()
}

// mayScan says whether contents may be taken to be scanned: there is a scanner, and it answers as far as is known.
func (c *Checker) mayScan(ctx context.Context) bool {
	if c.Scanner == nil {
		return false
	}
	o := &c.down
	if !o.mu.TryLock() { // another worker is asking
		return false
	}
	defer o.mu.Unlock()
	if !o.is {
		return true
	}
	if time.Now().Before(o.next) {
		return false
	}
	if err := c.Scanner.Ping(ctx); err != nil {
		o.tries++
		o.next = time.Now().Add(min(maxProbe, time.Second<<min(o.tries, 10)/2))
		return false
	}
	o.is = false
	c.Log.InfoContext(ctx, "the malware scanner answers again")
	return true
}
