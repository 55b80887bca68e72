package gcs

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"cloud.google.com/go/storage"
	"github.com/google/uuid"
	"google.golang.org/api/googleapi"

	"dossier/internal/blob"
)

// attemptKey is the metadata key of the id that tells our object from another's after a lost answer.
const attemptKey = "dossier-attempt"

var (
	errStalled = errors.New("no progress for too long")
	errDamaged = errors.New("size or checksum in the bucket differ from what was sent")
	errMemory  = errors.New("no memory for a chunk became free in time")
)

// upload is one Put.
type upload struct {
	store    *Store
	key      string
	opts     blob.PutOptions
	transfer *blob.Transfer
	attempt  string
	// whole says that the source has ended before anything is sent, so the checksum is known.
	whole bool

	// complete is set before the end of the content is sent. Until then the bucket has nothing that it could commit.
	complete atomic.Bool
	// doubtful is set when, after that, an attempt ended without an answer: it may still be carried out later.
	doubtful atomic.Bool
	// failures counts the attempts of one request that failed, for the bound on them.
	failures atomic.Int64
}

// Put stores an object.
func (s *Store) Put(ctx context.Context, key string, src io.Reader, opts blob.PutOptions) (blob.Object, error) {
	opts, err := opts.Normalize(key)
	if err != nil {
		return blob.Object{}, err
	}
	u := &upload{store: s, key: key, opts: opts, transfer: blob.NewTransfer(opts), attempt: uuid.NewString()}
	buf := s.buffers.Get()
	defer s.buffers.Put(buf)
	n, ended, err := u.transfer.Fill(ctx, src, buf[:])
	if err != nil {
		return blob.Object{}, err
	}
	if ended {
		if err := u.transfer.Check(); err != nil {
			return blob.Object{}, err
		}
		u.whole = true
		return u.putSmall(ctx, buf[:n])
	}
	return u.putStream(ctx, buf[:], n, src)
}

// putSmall sends content that is all in memory, several times if need be.
func (u *upload) putSmall(ctx context.Context, content []byte) (blob.Object, error) {
	pause := u.store.backoff()
	for attempt := 1; ; attempt++ {
		obj, err := u.send(ctx, 0, func(w io.Writer) error {
			_, err := w.Write(content)
			return err
		})
		if err == nil {
			return u.verify(ctx, obj)
		}
		u.observe(err)
		if attempt == u.store.cfg.MaxAttempts || ctx.Err() != nil || errors.Is(err, errStalled) || !storage.ShouldRetry(err) {
			return u.resolve(ctx, err)
		}
		timer := time.NewTimer(pause.Pause())
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
}

// putStream sends buf[:n] and then the rest of src, as it comes.
func (u *upload) putStream(ctx context.Context, buf []byte, n int, src io.Reader) (blob.Object, error) {
	chunk := int64(0)
	if u.opts.ExpectedSize < 0 || u.opts.ExpectedSize > oneShotMax {
		var err error
		if chunk, err = u.reserve(ctx); err != nil {
			return blob.Object{}, err
		}
		defer u.store.memory.Release(chunk)
	}
	var srcErr error
	obj, err := u.send(ctx, int(chunk), func(w io.Writer) error {
		if _, err := w.Write(buf[:n]); err != nil {
			return err
		}
		var dstErr error
		if srcErr, dstErr = u.transfer.Copy(ctx, w, src, buf); srcErr != nil || dstErr != nil {
			return errors.Join(srcErr, dstErr)
		}
		srcErr = u.transfer.Check()
		return srcErr
	})
	switch {
	case srcErr != nil:
		return blob.Object{}, srcErr
	case err != nil:
		u.observe(err)
		return u.resolve(ctx, err)
	default:
		return u.verify(ctx, obj)
	}
}

// reserve waits for the memory of a chunk and gives its size.
func (u *upload) reserve(ctx context.Context) (int64, error) {
	memory := u.store.memory
	if u.opts.ExpectedSize > oneShotMax && memory.TryAcquire(largeChunk) {
		return largeChunk, nil
	}
	wait, cancel := context.WithTimeout(ctx, u.store.cfg.StallTimeout)
	defer cancel()
	if err := memory.Acquire(wait, smallChunk); err != nil {
		if ctx.Err() != nil {
			return 0, blob.Fail("gcs.Put", blob.ErrCanceled, context.Cause(ctx))
		}
		return 0, blob.Fail("gcs.Put", blob.ErrUnavailable, errMemory)
	}
	return smallChunk, nil
}

// send makes one object of what fill writes. If fill fails the writer is never closed: closing is what commits. Its
// context is cancelled, which breaks the request off.
func (u *upload) send(ctx context.Context, chunk int, fill func(io.Writer) error) (*storage.ObjectAttrs, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	w := u.writer(ctx, chunk)
	patience := u.store.cfg.StallTimeout
	if chunk > 0 {
		// A write may have to wait for a whole chunk and a second try of it.
		patience *= 2
	}
	guard := &guardedWriter{w: w, patience: patience, cancel: cancel}
	err := fill(guard)
	if err == nil {
		u.failures.Store(0)
		u.complete.Store(true)
		began := time.Now()
		err = guard.watch(w.Close)
		if chunk > 0 && time.Since(began) >= w.ChunkTransferTimeout {
			// A chunk may have been given up and sent again without a word to our retry function.
			u.doubtful.Store(true)
		}
	}
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = errors.Join(cause, err)
		}
		return nil, err
	}
	return w.Attrs(), nil
}

func (u *upload) writer(ctx context.Context, chunk int) *storage.Writer {
	s := u.store
	object := s.bucket.Object(u.key).If(storage.Conditions{DoesNotExist: true}).Retryer(
		storage.WithPolicy(storage.RetryAlways), storage.WithBackoff(s.backoff()), storage.WithErrorFunc(u.retry))
	w := object.NewWriter(ctx)
	w.ChunkSize = chunk
	w.ChunkTransferTimeout = s.cfg.StallTimeout
	w.ChunkRetryDeadline = 2 * s.cfg.StallTimeout
	w.ProgressFunc = func(int64) { u.failures.Store(0) }
	w.ContentType = u.opts.ContentType
	w.ContentDisposition = u.opts.ContentDisposition
	// SECURITY: the metadata alone makes any URL of the object safe: never shown inline, never kept by a shared cache.
	w.CacheControl = "private, no-store"
	w.Metadata = map[string]string{attemptKey: u.attempt}
	for k, v := range u.opts.Metadata {
		w.Metadata[k] = v
	}
	switch {
	case u.opts.CRC32C != nil:
		w.CRC32C, w.SendCRC32C = *u.opts.CRC32C, true
	case u.whole:
		w.CRC32C, w.SendCRC32C = u.transfer.CRC32C, true
	}
	// With chunks the client sends the sum with the last of them; in one request it could only compare afterwards,
	// which verify does better.
	w.DisableAutoChecksum = chunk == 0
	return w
}

// retry decides for Google's client whether a failed request of a resumable upload is sent again.
func (u *upload) retry(err error) bool {
	u.observe(err)
	return storage.ShouldRetry(err) && u.failures.Add(1) < int64(u.store.cfg.MaxAttempts)
}

// observe notes an attempt that may yet be carried out though it failed here.
func (u *upload) observe(err error) {
	if u.complete.Load() && !refused(err) {
		u.doubtful.Store(true)
	}
}

// refused says that the bucket itself answered, and that it had not done and will not do what it was asked. A gateway's
// 502 or 504 does not say that, nor does a 500.
func refused(err error) bool {
	status := statusOf(err)
	return status == http.StatusServiceUnavailable || status >= 400 && status < 500 && status != http.StatusRequestTimeout
}

func statusOf(err error) int {
	var apiErr *googleapi.Error
	if errors.As(err, &apiErr) {
		return apiErr.Code
	}
	return 0
}

// guardedWriter cancels an upload on which a single write takes too long.
type guardedWriter struct {
	w        io.Writer
	patience time.Duration
	cancel   context.CancelCauseFunc
}

// Write writes p, which is never more than a buffer, or gives up.
func (g *guardedWriter) Write(p []byte) (n int, err error) {
	err = g.watch(func() error {
		n, err = g.w.Write(p)
		return err
	})
	return n, err
}

func (g *guardedWriter) watch(do func() error) error {
	timer := time.AfterFunc(g.patience, func() { g.cancel(errStalled) })
	defer timer.Stop()
	return do()
}
