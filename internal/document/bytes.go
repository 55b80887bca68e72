package document

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"dossier/internal/auth"
	"dossier/internal/blob"
	"dossier/internal/fault"
	"dossier/internal/typeid"
)

func newKey(p auth.Principal) string { return blob.NewKey(p.AccountID) }

// slack is how many bytes of a request may follow its last file: the closing boundary and what strange clients add.
const slack = 4096

// reservation is how many bytes of the account's storage an upload needs.
type reservation struct {
	// most is more than the file can have; want is reserved, need must be there.
	most, want, need int64
	// near says that the file is at most slack smaller than its bound.
	near bool
}

// reservation refuses a file that cannot fit, before anything of it is read.
//
// Of the last file of a request whose length is known, nearly the exact size is known. A little less than that is
// reserved, and the rest settled at the end: that way as many uploads begin at the same time as there is room for. Of a
// file of unknown size as much as it may have is reserved, or what is left of the storage.
func (s *Service) reservation(in intake) (reservation, error) {
	limit, bound := in.target.MaxFileBytes, in.file.SizeBound()
	r := reservation{most: limit, want: limit, need: 1}
	if bound >= 0 {
		r.most = min(limit, bound)
		r.want = r.most
		if in.last {
			r.near = true
			r.want = max(0, bound-slack)
			r.need = max(1, r.want)
		}
	}
	switch {
	case r.near && r.want > limit:
		return r, errTooLarge(limit, in.path)
	case r.need > in.target.Quota.free():
		return r, ErrQuota(in.target.Quota, in.path)
	}
	return r, nil
}

// limit tells the source where to stop.
func (r reservation) limit(src *source, begun Begun, in intake) {
	allowed := in.target.MaxFileBytes
	if r.near || begun.ReservedBytes >= allowed {
		src.stopAt(allowed, errTooLarge(allowed, in.path))
		return
	}
	if begun.ReservedBytes >= r.most {
		// The file was bounded by the request; the transport does not give more.
		src.stopAt(r.most, errTooLarge(allowed, in.path))
		return
	}
	src.stopAt(begun.ReservedBytes, ErrQuota(begun.Quota, in.path))
}

// store brings the bytes into the object store, with no connection held, and checks that they are what was sent.
func (s *Service) store(ctx context.Context, p auth.Principal, a Attempt, src *source, mediaType string, path []string) (Content, error) {
	kept, stop := s.keepAlive(ctx, p, a)
	obj, err := s.Blobs.Put(kept, a.ObjectKey, src.reader(), blob.PutOptions{
		ContentType: mediaType, ExpectedSize: blob.UnknownSize,
		Metadata: map[string]string{"upload": a.ID.String()},
	})
	lost := stop()
	if err == nil && obj.Size != src.size {
		err = errDamaged()
	}
	if err != nil {
		outcome := blob.OutcomeOf(err)
		s.giveUp(ctx, a, func(ctx context.Context) error {
			return s.Store.FailUpload(ctx, p, a, outcome != blob.SourceFailed && outcome != blob.Failed)
		})
		return Content{}, s.putError(ctx, err, src, lost, path)
	}
	s.at(pointStored)
	c := s.checks(src, Content{
		DocumentID: s.NewID(), VersionID: s.NewID(), ContentType: mediaType,
		SizeBytes: src.size, SHA256: src.sum(), CRC32C: obj.CRC32C, Generation: obj.Generation,
	})
	if a.DocumentID != [16]byte{} {
		c.DocumentID = a.DocumentID
	}
	c.Answer = answerOf(c)
	return c, nil
}

func errDamaged() error {
	return fault.New(fault.Unavailable, "The file was damaged on its way into storage, so nothing of it was kept. Upload it again.")
}

// putError says why the bytes did not get in, in the client's words.
func (s *Service) putError(ctx context.Context, err error, src *source, lost bool, path []string) error {
	switch {
	case lost:
		return withPath(ErrLease(), path)
	case src.broken != nil:
		return brokenBody(ctx, src, path)
	case ctx.Err() != nil:
		return fault.Wrap("document.store", context.Cause(ctx))
	default:
		return fault.Wrap("document.store", withPath(err, path))
	}
}

// keepAlive extends the lease of an upload while its bytes pass. The context that it gives ends when the lease is lost.
// stop waits for the end of the work and says whether it was.
//
// It is a timer and not a goroutine with a ticker: nearly all uploads are over before the first extension.
func (s *Service) keepAlive(ctx context.Context, p auth.Principal, a Attempt) (kept context.Context, stop func() (lost bool)) {
	kept, cancel := context.WithCancelCause(ctx)
	every := max(a.Lease/3, time.Millisecond)
	var mu sync.Mutex // held while an extension runs
	var timer *time.Timer
	mu.Lock() // until timer is set
	timer = time.AfterFunc(every, func() {
		mu.Lock()
		defer mu.Unlock()
		if kept.Err() != nil {
			return
		}
		err := s.Store.ExtendUpload(kept, p, a, a.Lease)
		if errors.Is(err, ErrLeaseLost) {
			cancel(ErrLeaseLost)
			return
		}
		if err != nil && kept.Err() == nil {
			// The lease still runs; the next time tries again.
			s.Log.WarnContext(ctx, "the lease of an upload could not be extended",
				slog.String("upload", typeid.Format(typeid.UploadSession, a.ID)), slog.Any("cause", err))
		}
		timer.Reset(every)
	})
	mu.Unlock()
	return kept, func() bool {
		lost := errors.Is(context.Cause(kept), ErrLeaseLost)
		cancel(nil)
		mu.Lock() // an extension that runs ends by kept
		defer mu.Unlock()
		timer.Stop()
		return lost || errors.Is(context.Cause(kept), ErrLeaseLost)
	}
}
