package blob_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"testing"

	"dossier/internal/blob"
)

// failing is a store of which every call fails alike.
type failing struct{ err error }

func (f failing) Put(context.Context, string, io.Reader, blob.PutOptions) (blob.Object, error) {
	return blob.Object{}, f.err
}

func (f failing) Open(context.Context, string, blob.Range) (*blob.Reader, error) { return nil, f.err }

func (f failing) Stat(context.Context, string) (blob.Object, error) { return blob.Object{}, f.err }
func (f failing) Delete(context.Context, string, int64) error       { return f.err }
func (f failing) List(context.Context, blob.ListOptions) iter.Seq2[blob.Object, error] {
	return func(yield func(blob.Object, error) bool) { yield(blob.Object{}, f.err) }
}

func (f failing) SignPut(context.Context, string, blob.SignPutOptions) (blob.SignedRequest, error) {
	return blob.SignedRequest{}, f.err
}

func (f failing) SignGet(context.Context, string, blob.SignGetOptions) (blob.SignedRequest, error) {
	return blob.SignedRequest{}, f.err
}

func (f failing) StartResumable(context.Context, string, blob.ResumableOptions) (blob.Resumable, error) {
	return blob.Resumable{}, f.err
}

func (f failing) CancelResumable(context.Context, string, string) error { return f.err }

func TestCountedCountsWhatTheStoreFailedAndNothingElse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		want int64
	}{
		{nil, 0},
		{blob.ErrNotFound, 0},
		{blob.ErrSource, 0},
		{blob.ErrExists, 0},
		{blob.ErrCanceled, 0},
		{errors.New("x"), 0},
		{fmt.Errorf("put: %w", blob.ErrUnavailable), 9},
		{blob.ErrOutcomeUnknown, 9},
	} {
		store := blob.NewCounted(failing{c.err})
		var errs []error
		_, err := store.Put(t.Context(), "k", strings.NewReader(""), blob.PutOptions{})
		errs = append(errs, err)
		_, err = store.Open(t.Context(), "k", blob.Range{})
		errs = append(errs, err)
		_, err = store.Stat(t.Context(), "k")
		errs = append(errs, err, store.Delete(t.Context(), "k", blob.AnyGeneration))
		for _, err := range store.List(t.Context(), blob.ListOptions{}) {
			errs = append(errs, err)
		}
		_, err = store.SignPut(t.Context(), "k", blob.SignPutOptions{})
		errs = append(errs, err)
		_, err = store.SignGet(t.Context(), "k", blob.SignGetOptions{})
		errs = append(errs, err)
		_, err = store.StartResumable(t.Context(), "k", blob.ResumableOptions{})
		errs = append(errs, err, store.CancelResumable(t.Context(), "k", "u"))
		for i, err := range errs {
			if !errors.Is(err, c.err) {
				t.Errorf("call %d gives %v, want %v", i, err, c.err)
			}
		}
		if got := store.Failures(); got != c.want || len(errs) != 9 {
			t.Errorf("%v: %d failures of %d calls, want %d of 9", c.err, got, len(errs), c.want)
		}
	}
}
