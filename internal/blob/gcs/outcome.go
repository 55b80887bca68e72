package gcs

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"cloud.google.com/go/storage"

	"dossier/internal/blob"
)

// verify compares what the bucket says it has with what was sent. An object that differs is deleted again.
func (u *upload) verify(ctx context.Context, attrs *storage.ObjectAttrs) (blob.Object, error) {
	if attrs.Size == u.transfer.Size && attrs.CRC32C == u.transfer.CRC32C {
		return object(attrs), nil
	}
	cause := fmt.Errorf("%w: %d bytes with CRC32C %08x, sent %d with %08x",
		errDamaged, attrs.Size, attrs.CRC32C, u.transfer.Size, u.transfer.CRC32C)
	// The caller may be gone already; the damaged object must go all the same.
	err := u.store.Delete(context.WithoutCancel(ctx), u.key, attrs.Generation)
	if err != nil && !errors.Is(err, blob.ErrNotFound) {
		return blob.Object{}, blob.Fail("gcs.Put", blob.ErrOutcomeUnknown, errors.Join(cause, err))
	}
	return blob.Object{}, blob.Fail("gcs.Put", blob.ErrUnavailable, cause)
}

// resolve finds out what a failed upload came to.
func (u *upload) resolve(ctx context.Context, cause error) (blob.Object, error) {
	kind := blob.ErrUnavailable
	if ctx.Err() != nil {
		kind = blob.ErrCanceled
	}
	taken := statusOf(cause) == http.StatusPreconditionFailed
	if !u.complete.Load() {
		// Without its end the content cannot be committed, so the object behind a 412 is not ours either.
		if taken {
			kind = blob.ErrExists
		}
		return blob.Object{}, blob.Fail("gcs.Put", kind, cause)
	}
	lookup, cancel := u.store.callContext(context.WithoutCancel(ctx))
	defer cancel()
	attrs, err := u.store.bucket.Object(u.key).Attrs(lookup)
	switch {
	case err == nil && attrs.Metadata[attemptKey] == u.attempt:
		return u.verify(ctx, attrs)
	case err == nil:
		return blob.Object{}, blob.Fail("gcs.Put", blob.ErrExists, cause)
	case !errors.Is(err, storage.ErrObjectNotExist):
		return blob.Object{}, blob.Fail("gcs.Put", blob.ErrOutcomeUnknown, errors.Join(cause, err))
	case u.doubtful.Load() || taken:
		// Not there now. But a request that got no answer may be carried out after this look, and a 412 says that
		// something was there a moment ago.
		return blob.Object{}, blob.Fail("gcs.Put", blob.ErrOutcomeUnknown, cause)
	default:
		return blob.Object{}, blob.Fail("gcs.Put", kind, cause)
	}
}

// object translates attributes. The attempt id is ours and not the caller's.
func object(attrs *storage.ObjectAttrs) blob.Object {
	obj := blob.Object{
		Key: attrs.Name, Size: attrs.Size, CRC32C: attrs.CRC32C, Generation: attrs.Generation,
		CreatedAt: attrs.Created.UTC(), ContentType: attrs.ContentType,
	}
	obj.Metadata = withoutAttempt(attrs.Metadata)
	return obj
}

// withoutAttempt copies metadata as the caller gave it. Headers give the keys in another case.
func withoutAttempt(metadata map[string]string) map[string]string {
	rest := make(map[string]string, len(metadata))
	for k, v := range metadata {
		if k = strings.ToLower(k); k != attemptKey {
			rest[k] = v
		}
	}
	return rest
}
