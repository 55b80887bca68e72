package gcs

import (
	"context"
	"errors"
	"io"
	"iter"
	"net/http"
	"time"

	"cloud.google.com/go/storage"
	"google.golang.org/api/iterator"

	"dossier/internal/blob"
)

// Open reads an object or a part of it. A whole object is checked against its CRC32C as it is read. CreatedAt of the
// Reader's Object is rounded to the second, which is what a read's answer has.
func (s *Store) Open(ctx context.Context, key string, rng blob.Range) (*blob.Reader, error) {
	if _, err := blob.KeyAccount(key); err != nil {
		return nil, err
	}
	if rng.Offset < 0 || rng.Length < 0 {
		return nil, blob.Fail("gcs.Open", blob.ErrRange, nil)
	}
	length := rng.Length
	if length == 0 {
		length = -1
	}
	ctx, cancel := context.WithCancelCause(ctx)
	watch := time.AfterFunc(s.cfg.StallTimeout, func() { cancel(errStalled) })
	r, err := s.bucket.Object(key).NewRangeReader(ctx, rng.Offset, length)
	watch.Stop()
	if err != nil {
		err = readError(ctx, "gcs.Open", err)
		cancel(nil)
		return nil, err
	}
	obj := blob.Object{
		Key: key, Size: r.Attrs.Size, CRC32C: r.Attrs.CRC32C, Generation: r.Attrs.Generation,
		CreatedAt: r.Attrs.LastModified.UTC(), ContentType: r.Attrs.ContentType, Metadata: withoutAttempt(r.Metadata()),
	}
	offset, n, err := rng.Resolve(obj.Size)
	if err != nil {
		_ = r.Close()
		cancel(nil)
		return nil, err
	}
	return blob.NewReader(obj, offset, n, &body{Reader: r, patience: s.cfg.StallTimeout, ctx: ctx, cancel: cancel}), nil
}

// body breaks a read off on which nothing moves.
type body struct {
	*storage.Reader
	patience time.Duration
	ctx      context.Context //nolint:containedctx // the body lives within the call of Open that made this context for it
	cancel   context.CancelCauseFunc
}

// Read reads on, or gives up.
func (b *body) Read(p []byte) (int, error) {
	timer := time.AfterFunc(b.patience, func() { b.cancel(errStalled) })
	defer timer.Stop()
	n, err := b.Reader.Read(p)
	if err != nil && err != io.EOF && context.Cause(b.ctx) != nil { //nolint:errorlint // io.EOF is given bare
		err = errors.Join(context.Cause(b.ctx), err)
	}
	return n, err
}

// WriteTo hides the client's own, which would not be watched.
func (b *body) WriteTo(w io.Writer) (int64, error) {
	return io.CopyBuffer(w, struct{ io.Reader }{b}, make([]byte, 64<<10))
}

// Close ends the request.
func (b *body) Close() error {
	err := b.Reader.Close()
	b.cancel(nil)
	return err
}

// Stat describes an object.
func (s *Store) Stat(ctx context.Context, key string) (blob.Object, error) {
	if _, err := blob.KeyAccount(key); err != nil {
		return blob.Object{}, err
	}
	ctx, cancel := s.callContext(ctx)
	defer cancel()
	attrs, err := s.bucket.Object(key).Attrs(ctx)
	if err != nil {
		return blob.Object{}, readError(ctx, "gcs.Stat", err)
	}
	return object(attrs), nil
}

// Delete removes an object. After an answer that was lost and a second try it may give ErrNotFound for what it deleted.
func (s *Store) Delete(ctx context.Context, key string, generation int64) error {
	if _, err := blob.KeyAccount(key); err != nil {
		return err
	}
	ctx, cancel := s.callContext(ctx)
	defer cancel()
	o := s.bucket.Object(key)
	if generation != blob.AnyGeneration {
		o = o.If(storage.Conditions{GenerationMatch: generation})
	}
	err := o.Delete(ctx)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, storage.ErrObjectNotExist):
		return blob.Fail("gcs.Delete", blob.ErrNotFound, nil)
	case statusOf(err) == http.StatusPreconditionFailed:
		return blob.Fail("gcs.Delete", blob.ErrGeneration, nil)
	case refused(err):
		return blob.Fail("gcs.Delete", blob.ErrUnavailable, err)
	default:
		return blob.Fail("gcs.Delete", blob.ErrOutcomeUnknown, err)
	}
}

// List walks the objects in the order of their keys.
func (s *Store) List(ctx context.Context, opts blob.ListOptions) iter.Seq2[blob.Object, error] {
	return func(yield func(blob.Object, error) bool) {
		query := &storage.Query{Prefix: opts.Prefix, StartOffset: opts.After, Projection: storage.ProjectionNoACL}
		if err := query.SetAttrSelection([]string{"Name", "Size", "CRC32C", "Generation", "Created", "ContentType"}); err != nil {
			yield(blob.Object{}, blob.Fail("gcs.List", blob.ErrInvalid, err))
			return
		}
		objects := s.bucket.Objects(ctx, query)
		for {
			attrs, err := objects.Next()
			if errors.Is(err, iterator.Done) {
				return
			}
			if err != nil {
				yield(blob.Object{}, readError(ctx, "gcs.List", err))
				return
			}
			// StartOffset is inclusive. Names that NewKey did not make belong to somebody else.
			if _, err := blob.KeyAccount(attrs.Name); err != nil || attrs.Name == opts.After {
				continue
			}
			if !opts.OlderThan.IsZero() && !attrs.Created.Before(opts.OlderThan) {
				continue
			}
			if !yield(object(attrs), nil) {
				return
			}
		}
	}
}

func readError(ctx context.Context, op string, err error) error {
	switch {
	case errors.Is(err, storage.ErrObjectNotExist), statusOf(err) == http.StatusNotFound:
		return blob.Fail(op, blob.ErrNotFound, nil)
	case statusOf(err) == http.StatusRequestedRangeNotSatisfiable:
		return blob.Fail(op, blob.ErrRange, nil)
	case errors.Is(context.Cause(ctx), context.Canceled):
		return blob.Fail(op, blob.ErrCanceled, err)
	default:
		return blob.Fail(op, blob.ErrUnavailable, errors.Join(context.Cause(ctx), err))
	}
}
