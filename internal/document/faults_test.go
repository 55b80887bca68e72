package document_test

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"dossier/internal/auth"
	"dossier/internal/blob"
	"dossier/internal/document"
	"dossier/internal/fault"
)

// The points of an upload at which a fault is put: before a call to the database or the object store, while it runs, or
// when it is carried out and its answer is on the way.
const (
	pointTarget    = "the target is asked for"
	pointBegin     = "the upload begins"
	pointBegun     = "the upload has begun"
	pointBody      = "the client sends"
	pointPut       = "the object is opened"
	pointPutting   = "the object is written"
	pointPlaced    = "the object is written to its end"
	pointExtend    = "the lease is extended"
	pointComplete  = "the upload completes"
	pointCompleted = "the upload is complete"
	pointFail      = "the upload is given up"
	pointFailed    = "the upload was given up"

	// Of the direct way, where the client puts the object into the store by itself.
	pointStat    = "the object is looked for"
	pointOpen    = "the object is opened for reading"
	pointReading = "the object is read"
)

// What happens there.
const (
	faultError   = "error"   // the call fails
	faultHang    = "hang"    // nothing goes on until long after the lease has ended
	faultKill    = "kill"    // the process dies
	faultUnknown = "unknown" // nobody knows whether it was carried out
)

var errInjected = &fault.Error{Code: fault.Unavailable, Message: "injected", Err: errors.New("injected")}

// plan is one fault at one point, the first time that an upload comes there.
type plan struct {
	point, kind string
	once        sync.Once
	// reached is closed when the point is, open ends a hang.
	reached, open chan struct{}
	// behind says that the lease is extended in a goroutine that is not the request's. When the process dies there, dead is set
	// and the request dies as soon as it can.
	behind bool
	dead   atomic.Bool
}

func newPlan(point, kind string) *plan {
	return &plan{point: point, kind: kind, reached: make(chan struct{}), open: make(chan struct{})}
}

// mark notes that an upload has come to the point, where the fault is carried out by itself.
func (p *plan) mark() { p.once.Do(func() { close(p.reached) }) }

// at carries the fault out. ofStore says whose words an unknown outcome has.
func (p *plan) at(point string, ofStore bool) (err error) {
	if p == nil || p.point != point {
		return nil
	}
	p.once.Do(func() {
		close(p.reached)
		switch p.kind {
		case faultHang:
			<-p.open
		case faultKill:
			if point == pointExtend && p.behind {
				p.dead.Store(true)
				return
			}
			panic(document.Crash(point))
		case faultUnknown:
			err = errUnknown
			if ofStore {
				err = blob.Fail("injected", blob.ErrOutcomeUnknown, nil)
			}
		default:
			err = errInjected
			if ofStore {
				err = blob.Fail("injected", blob.ErrUnavailable, nil)
				if point == pointPlaced {
					err = errors.New("injected: nothing is known of an error of no kind")
				}
			}
		}
	})
	return err
}

// faultyStore is the database, with the plan's fault.
type faultyStore struct {
	document.Store
	*plan
}

func (s faultyStore) UploadTarget(ctx context.Context, p auth.Principal, customerID uuid.UUID, areaKey string) (document.Target, error) {
	if err := s.at(pointTarget, false); err != nil {
		return document.Target{}, err
	}
	return s.Store.UploadTarget(ctx, p, customerID, areaKey)
}

func (s faultyStore) ReplaceTarget(ctx context.Context, p auth.Principal, id uuid.UUID, version int) (document.Target, error) {
	if err := s.at(pointTarget, false); err != nil {
		return document.Target{}, err
	}
	return s.Store.ReplaceTarget(ctx, p, id, version)
}

func (s faultyStore) BeginUpload(ctx context.Context, p auth.Principal, a document.Attempt) (document.Begun, error) {
	if err := s.at(pointBegin, false); err != nil {
		return document.Begun{}, err
	}
	begun, err := s.Store.BeginUpload(ctx, p, a)
	if injected := s.at(pointBegun, false); injected != nil {
		return document.Begun{}, injected
	}
	return begun, err
}

func (s faultyStore) BeginUnasked(ctx context.Context, p auth.Principal, a document.Attempt) (document.Begun, int64, bool, error) {
	for _, point := range []string{pointTarget, pointBegin} {
		if err := s.at(point, false); err != nil {
			return document.Begun{}, 0, false, err
		}
	}
	begun, most, ok, err := s.Store.BeginUnasked(ctx, p, a)
	if !ok {
		return begun, most, ok, err
	}
	if injected := s.at(pointBegun, false); injected != nil {
		return document.Begun{}, 0, false, injected
	}
	return begun, most, ok, err
}

func (s faultyStore) ExtendUpload(ctx context.Context, p auth.Principal, a document.Attempt, lease time.Duration) error {
	if err := s.at(pointExtend, false); err != nil || s.dead.Load() {
		return errors.Join(err, ctx.Err())
	}
	return s.Store.ExtendUpload(ctx, p, a, lease)
}

func (s faultyStore) CompleteUpload(ctx context.Context, p auth.Principal, a document.Attempt, c document.Content) (uuid.UUID, error) {
	if err := s.at(pointComplete, false); err != nil {
		return uuid.Nil, err
	}
	id, err := s.Store.CompleteUpload(ctx, p, a, c)
	if injected := s.at(pointCompleted, false); injected != nil {
		return uuid.Nil, injected
	}
	return id, err
}

func (s faultyStore) FailUpload(ctx context.Context, p auth.Principal, a document.Attempt, mayHaveObject bool) error {
	if err := s.at(pointFail, false); err != nil {
		return err
	}
	err := s.Store.FailUpload(ctx, p, a, mayHaveObject)
	if injected := s.at(pointFailed, false); injected != nil {
		return injected
	}
	return err
}

// faultyBlobs is the object store, with the plan's fault.
type faultyBlobs struct {
	blob.Store
	*plan
}

func (b faultyBlobs) Put(ctx context.Context, key string, src io.Reader, opts blob.PutOptions) (blob.Object, error) {
	if err := b.at(pointPut, true); err != nil {
		return blob.Object{}, err
	}
	half := &halfway{r: src, left: matrixBytes / 2, at: func() error { return b.at(pointPutting, true) }}
	obj, err := b.Store.Put(ctx, key, half, opts)
	if half.err != nil {
		return blob.Object{}, half.err
	}
	if injected := b.at(pointPlaced, true); injected != nil {
		return blob.Object{}, injected
	}
	return obj, err
}

func (b faultyBlobs) Stat(ctx context.Context, key string) (blob.Object, error) {
	if err := b.at(pointStat, true); err != nil {
		return blob.Object{}, err
	}
	return b.Store.Stat(ctx, key)
}

func (b faultyBlobs) Open(ctx context.Context, key string, rng blob.Range) (*blob.Reader, error) {
	if err := b.at(pointOpen, true); err != nil {
		return nil, err
	}
	r, err := b.Store.Open(ctx, key, rng)
	if err != nil {
		return nil, err
	}
	half := &halfway{r: r, left: matrixBytes / 2, at: func() error { return b.at(pointReading, true) }}
	return blob.NewReader(r.Object, r.Offset, r.Length, struct {
		io.Reader
		io.Closer
	}{half, r}), nil
}

// halfway calls at when so many bytes have passed, and fails with what that gives.
type halfway struct {
	r    io.Reader
	left int
	at   func() error
	err  error
}

func (h *halfway) Read(p []byte) (int, error) {
	if h.left == 0 {
		h.left = -1
		if h.err = h.at(); h.err != nil {
			return 0, h.err
		}
	}
	if h.left > 0 {
		p = p[:min(len(p), h.left)]
	}
	n, err := h.r.Read(p)
	if h.left > 0 {
		h.left -= n
	}
	return n, err
}

// clientFile is a file on its way from a client, with the plan's fault. spoilt is one whose client leaves in the middle.
type clientFile struct {
	*file
	plan   *plan
	spoilt bool
}

func newClientFile(name string, content []byte, p *plan) *clientFile {
	f := &clientFile{file: incoming(name, content), plan: p}
	if p != nil {
		f.spoilt = p.point == pointFail || p.point == pointFailed
		f.r = io.MultiReader(&halfway{r: f.r, left: len(content) / 2, at: f.half}, readerFunc(f.end))
	}
	return f
}

func (f *clientFile) Read(p []byte) (int, error) {
	if f.plan != nil && f.plan.dead.Load() {
		panic(document.Crash(f.plan.point))
	}
	return f.file.Read(p)
}

// half is what happens when half of the file has come.
func (f *clientFile) half() error {
	if f.plan.point == pointExtend {
		<-f.plan.reached
	}
	if f.spoilt {
		return errSource
	}
	if f.plan.point == pointBody && f.plan.kind == faultError {
		f.plan.mark()
		return errSource
	}
	if f.plan.point == pointBody && f.plan.kind != faultUnknown {
		return f.plan.at(pointBody, false)
	}
	return nil
}

// end is the end of the file: of a client whose connection breaks just there, nobody knows whether it was all.
func (f *clientFile) end([]byte) (int, error) {
	if f.plan.point == pointBody && f.plan.kind == faultUnknown {
		f.plan.mark()
		return 0, errSource
	}
	return 0, io.EOF
}
