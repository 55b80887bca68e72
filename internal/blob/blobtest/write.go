package blobtest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"dossier/internal/blob"
	"dossier/internal/fault"
)

func isKind(err, kind error) bool {
	var f *fault.Error
	return errors.Is(err, kind) && errors.As(err, &f)
}

func (s *suite) exists(t *testing.T, store blob.Store) {
	key := Key()
	first := mustPut(t, store, key, []byte("first"))
	for _, second := range [][]byte{[]byte("other"), []byte("first"), Bytes(300 << 10), Bytes(9 << 20)} {
		_, err := store.Put(t.Context(), key, Plain(bytes.NewReader(second)), blob.PutOptions{ExpectedSize: blob.UnknownSize})
		if !isKind(err, blob.ErrExists) || blob.OutcomeOf(err) != blob.Failed {
			t.Errorf("a second Put of %d bytes gives %v, want ErrExists", len(second), err)
		}
	}
	WantObject(t, store, key, []byte("first"))
	if got, err := store.Stat(t.Context(), key); err != nil || got.Generation != first.Generation {
		t.Errorf("generation is %d, %v; want %d", got.Generation, err, first.Generation)
	}
}

func (s *suite) race(t *testing.T, store blob.Store) {
	key := Key()
	var wg sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		wg.Go(func() {
			_, errs[i] = store.Put(t.Context(), key, strings.NewReader(fmt.Sprintf("writer %d", i)), Sized(8))
		})
	}
	wg.Wait()
	winner := -1
	for i, err := range errs {
		switch {
		case err == nil && winner < 0:
			winner = i
		case err == nil:
			t.Errorf("writers %d and %d both won", winner, i)
		case !isKind(err, blob.ErrExists):
			t.Errorf("writer %d got %v, want ErrExists", i, err)
		}
	}
	if winner < 0 {
		t.Fatal("nobody won")
	}
	WantObject(t, store, key, fmt.Appendf(nil, "writer %d", winner))
}

// brokenReader gives its bytes and then fails.
type brokenReader struct {
	io.Reader
	err error
	at  func()
}

func (b *brokenReader) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err == io.EOF { //nolint:errorlint // bytes.Reader gives it bare
		if b.at != nil {
			b.at()
		}
		err = b.err
	}
	return n, err
}

func (s *suite) sourceFails(t *testing.T, store blob.Store) {
	gone := errors.New("peer went away")
	limit := fault.New(fault.TooLarge, "The file is too large.")
	for _, size := range []int{0, 1, 100 << 10, blob.BufferSize, 1 << 20, 9 << 20} {
		for _, announced := range []int64{int64(size), int64(size) + 5, blob.UnknownSize} {
			for _, cause := range []error{gone, io.ErrUnexpectedEOF, fmt.Errorf("wrapped: %w", io.EOF), limit} {
				if size > 1<<20 && (cause != gone || announced == int64(size)) { //nolint:errorlint // the value itself
					continue // a long body is about the chunks, not about the causes
				}
				key := Key()
				src := &brokenReader{Reader: bytes.NewReader(Bytes(size)), err: cause}
				_, err := store.Put(t.Context(), key, src, blob.PutOptions{ExpectedSize: announced})
				if !isKind(err, blob.ErrSource) || !errors.Is(err, cause) || blob.OutcomeOf(err) != blob.SourceFailed {
					t.Fatalf("a source that fails with %v after %d bytes gives %v, want ErrSource", cause, size, err)
				}
				if cause == error(limit) && fault.CodeOf(err) != fault.TooLarge {
					t.Fatalf("the code is %s, want the source's own", fault.CodeOf(err))
				}
				WantNothing(t, store, key)
			}
		}
	}
}

func (s *suite) canceled(t *testing.T, store blob.Store) {
	for _, size := range []int{0, 100 << 10, 1 << 20, 9 << 20} {
		for _, announced := range []int64{int64(size) + 1, blob.UnknownSize} {
			key := Key()
			ctx, cancel := canceledContext(t)
			// The source goes on after the context ended: it is the driver that must stop.
			src := &brokenReader{Reader: bytes.NewReader(Bytes(size)), at: cancel}
			_, err := store.Put(ctx, key, src, blob.PutOptions{ExpectedSize: announced})
			if !isKind(err, blob.ErrCanceled) || blob.OutcomeOf(err) != blob.Failed {
				t.Fatalf("cancelled after %d bytes: got %v, want ErrCanceled", size, err)
			}
			WantNothing(t, store, key)
		}
	}
}

func (s *suite) invisible(t *testing.T, store blob.Store) {
	for _, size := range []int{10, 1 << 20, 9 << 20} {
		key := Key()
		looked := false
		src := &brokenReader{Reader: bytes.NewReader(Bytes(size)), err: io.EOF, at: func() {
			WantNothing(t, store, key)
			looked = true
		}}
		if _, err := store.Put(t.Context(), key, src, blob.PutOptions{ExpectedSize: blob.UnknownSize}); err != nil || !looked {
			t.Fatalf("Put of %d bytes: %v", size, err)
		}
		WantObject(t, store, key, Bytes(size))
	}
}

func (s *suite) wrongSize(t *testing.T, store blob.Store) {
	for _, c := range []struct{ announced, real int }{
		{1, 0},
		{0, 1},
		{1000, 999},
		{1000, 1001},
		{2 << 20, 1 << 20},
		{1 << 20, 2 << 20},
		{9<<20 + 1, 9 << 20},
		{9 << 20, 9<<20 + 1},
	} {
		for _, plain := range []bool{true, false} {
			key := Key()
			var src io.Reader = bytes.NewReader(Bytes(c.real))
			if plain {
				src = Plain(src)
			}
			_, err := store.Put(t.Context(), key, src, Sized(c.announced))
			if !isKind(err, blob.ErrSize) || blob.OutcomeOf(err) != blob.SourceFailed {
				t.Fatalf("%d bytes announced, %d given: got %v, want ErrSize", c.announced, c.real, err)
			}
			WantNothing(t, store, key)
		}
	}
}

func (s *suite) wrongChecksum(t *testing.T, store blob.Store) {
	for _, size := range []int{0, 10, 1 << 20, 9 << 20} {
		content := Bytes(size)
		sum := CRC(content) ^ 1
		key := Key()
		_, err := store.Put(t.Context(), key, bytes.NewReader(content), blob.PutOptions{ExpectedSize: int64(size), CRC32C: &sum})
		if !isKind(err, blob.ErrChecksum) || blob.OutcomeOf(err) != blob.Failed {
			t.Fatalf("%d bytes with another checksum: got %v, want ErrChecksum", size, err)
		}
		WantNothing(t, store, key)
	}
}

func (s *suite) concurrent(t *testing.T, store blob.Store) {
	account := uuid.New()
	keys := make([]string, 24)
	var wg sync.WaitGroup
	for i := range keys {
		keys[i] = blob.NewKey(account)
		wg.Go(func() {
			content := Bytes(i * 40 << 10)
			if _, err := store.Put(t.Context(), keys[i], Plain(bytes.NewReader(content)), Sized(len(content))); err != nil {
				t.Errorf("Put %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	for i, key := range keys {
		WantObject(t, store, key, Bytes(i*40<<10))
	}
}

func (s *suite) deletes(t *testing.T, store blob.Store) {
	key := Key()
	if err := store.Delete(t.Context(), key, 1); !isKind(err, blob.ErrNotFound) {
		t.Errorf("deleting nothing gives %v, want ErrNotFound", err)
	}
	obj := mustPut(t, store, key, []byte("content"))
	if !s.lacks[NoGenerations] {
		if err := store.Delete(t.Context(), key, obj.Generation+1); !isKind(err, blob.ErrGeneration) {
			t.Errorf("deleting another generation gives %v, want ErrGeneration", err)
		}
		WantObject(t, store, key, []byte("content"))
	}
	if err := store.Delete(t.Context(), key, obj.Generation); err != nil {
		t.Errorf("deleting: %v", err)
	}
	WantNothing(t, store, key)
	again := mustPut(t, store, key, []byte("again"))
	if again.Generation == obj.Generation {
		t.Errorf("the key written again has the same generation %d", obj.Generation)
	}
	if err := store.Delete(t.Context(), key, blob.AnyGeneration); err != nil {
		t.Errorf("deleting any generation: %v", err)
	}
	WantNothing(t, store, key)
}

func (s *suite) list(t *testing.T, store blob.Store) {
	ada, bob := uuid.New(), uuid.New()
	want := map[string]blob.Object{}
	for i := range 12 {
		account := ada
		if i%3 == 0 {
			account = bob
		}
		key := blob.NewKey(account)
		want[key] = mustPut(t, store, key, Bytes(i))
	}
	keys := func(opts blob.ListOptions) (got []string) {
		for obj, err := range store.List(t.Context(), opts) {
			if err != nil {
				t.Fatalf("List: %v", err)
			}
			if w := want[obj.Key]; obj.Size != w.Size || obj.Generation != w.Generation || obj.CRC32C != w.CRC32C ||
				!obj.CreatedAt.Equal(w.CreatedAt) {
				t.Errorf("List gives %+v, want %+v", obj, w)
			}
			if len(got) > 0 && got[len(got)-1] >= obj.Key {
				t.Errorf("%s comes after %s", obj.Key, got[len(got)-1])
			}
			got = append(got, obj.Key)
		}
		return got
	}
	all := keys(blob.ListOptions{})
	if len(all) != 12 {
		t.Fatalf("List gives %d objects, want 12", len(all))
	}
	if got := keys(blob.ListOptions{Prefix: blob.AccountPrefix(ada)}); len(got) != 8 || !strings.HasPrefix(got[0], ada.String()) {
		t.Errorf("ada has %v, want 8 objects", got)
	}
	for i, key := range all {
		if got := keys(blob.ListOptions{After: key}); len(got) != 11-i {
			t.Errorf("after number %d come %d, want %d", i, len(got), 11-i)
		}
	}
	if got := keys(blob.ListOptions{OlderThan: time.Now().Add(-time.Hour)}); len(got) != 0 {
		t.Errorf("%d are older than an hour, want none", len(got))
	}
	if got := keys(blob.ListOptions{OlderThan: time.Now().Add(time.Hour)}); len(got) != 12 {
		t.Errorf("%d are older than in an hour, want all", len(got))
	}
	for range store.List(t.Context(), blob.ListOptions{}) {
		break // stopping early must not hang or panic
	}
}
