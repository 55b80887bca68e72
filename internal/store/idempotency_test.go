package store

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"dossier/internal/customer"
	"dossier/internal/fault"
	"dossier/internal/idempotency"
	"dossier/internal/typeid"
)

func ptr[T any](v T) *T { return &v }

func draft(name string) customer.Draft {
	return customer.Draft{Kind: customer.Person, GivenName: &name, Emails: []customer.EmailInput{{Address: "ada@example.com"}}}
}

func TestParallelRetriesMakeOneCustomer(t *testing.T) {
	t.Parallel()
	e := newEnv(t, func(c *Config) { c.MaxConns = 30 })
	svc := customer.NewService(e.store)
	const retries = 20
	ids := make([]uuid.UUID, retries)
	var g errgroup.Group
	for i := range retries {
		g.Go(func() (err error) {
			ids[i], err = svc.Create(t.Context(), e.ada, draft("Ada"), ptr("key"))
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		if id != ids[0] {
			t.Fatalf("the retries got %v, want one id", ids)
		}
	}
	for table, want := range map[string]int{"customer": 1, "event": 1, "revision": 1, "email_address": 1, "timeline_entry": 1, "idempotency": 1} {
		if got := e.count("SELECT count(*) FROM " + table); got != want {
			t.Errorf("%d rows in %s, want %d", got, table, want)
		}
	}
}

func TestKeyWithOtherInputIsRefused(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	svc := customer.NewService(e.store)
	first, err := svc.Create(t.Context(), e.ada, draft("Ada"), ptr("key"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := svc.Create(t.Context(), e.ada, draft("Grace"), ptr("key")); fault.CodeOf(err) != fault.IdempotencyKeyReused {
		t.Errorf("other input got %v, want IDEMPOTENCY_KEY_REUSED", err)
	}
	if again, err := svc.Create(t.Context(), e.ada, draft("Ada"), ptr("key")); err != nil || again != first {
		t.Errorf("the same input got %v, %v; want %v", again, err, first)
	}
}

func TestKeysAreScopedToPrincipalAndField(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	svc := customer.NewService(e.store)
	first, err := svc.Create(t.Context(), e.ada, draft("Ada"), ptr("key"))
	if err != nil {
		t.Fatal(err)
	}
	colleague := e.ada
	colleague.ID = typeid.New()
	for who, p := range map[string]struct{ err error }{
		"a colleague":     {second(svc.Create(t.Context(), colleague, draft("Grace"), ptr("key")))},
		"another account": {second(svc.Create(t.Context(), e.bob, draft("Grace"), ptr("key")))},
		"another field":   {second(svc.ContactCreate(t.Context(), e.ada, first, customer.ContactDraft{GivenName: ptr("Grace")}, ptr("key")))},
	} {
		if p.err != nil {
			t.Errorf("the same key of %s got %v, want success", who, p.err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestFailedUseOfAKeyIsNotStored(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	svc := customer.NewService(e.store)
	missing := typeid.New()
	d := customer.ContactDraft{GivenName: ptr("Grace")}
	if _, err := svc.ContactCreate(t.Context(), e.ada, missing, d, ptr("key")); fault.CodeOf(err) != fault.NotFound {
		t.Fatalf("got %v, want NOT_FOUND", err)
	}
	bad := draft("Ada")
	bad.Emails[0].Address = "nonsense"
	if _, err := svc.Create(t.Context(), e.ada, bad, ptr("key")); fault.CodeOf(err) != fault.BadUserInput {
		t.Fatalf("got %v, want BAD_USER_INPUT", err)
	}
	if n := e.count("SELECT count(*) FROM idempotency"); n != 0 {
		t.Errorf("%d keys are stored, want none", n)
	}
	if _, err := svc.Create(t.Context(), e.ada, draft("Ada"), ptr("key")); err != nil {
		t.Errorf("the corrected input got %v, want success under the same key", err)
	}
}

func TestKeyOfWorkInSeveralTransactions(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	key, err := idempotency.New("documentUpload", ptr("key"), "input")
	if err != nil {
		t.Fatal(err)
	}
	begin := func(lease time.Duration) (answer []byte, err error) {
		err = e.store.inTx(t.Context(), "test", e.ada, func(ctx context.Context, tr *tx) error {
			answer, err = tr.idempotencyBegin(ctx, key, lease)
			return err
		})
		return answer, err
	}
	reply := func(b string) error {
		return e.store.inTx(t.Context(), "test", e.ada, func(ctx context.Context, tr *tx) error {
			return tr.idempotencyAnswer(ctx, key, []byte(b))
		})
	}
	if answer, err := begin(time.Hour); answer != nil || err != nil {
		t.Fatalf("the first use got %q, %v; want to be first", answer, err)
	}
	if _, err := begin(time.Hour); fault.CodeOf(err) != fault.IdempotencyKeyReused {
		t.Errorf("a use while the first runs got %v, want IDEMPOTENCY_KEY_REUSED", err)
	}
	if _, err := e.admin.Exec(t.Context(), `UPDATE idempotency SET lease_until = now() - interval '1 second'`); err != nil {
		t.Fatal(err)
	}
	if answer, err := begin(time.Hour); answer != nil || err != nil {
		t.Errorf("a use after the end of the lease got %q, %v; want to take over", answer, err)
	}
	if err := reply("document"); err != nil {
		t.Fatal(err)
	}
	if err := reply("another document"); fault.CodeOf(err) != fault.IdempotencyKeyReused {
		t.Errorf("a second answer got %v, want a refusal: one key never makes two things", err)
	}
	if answer, err := begin(time.Hour); string(answer) != "document" || err != nil {
		t.Errorf("a use after the end got %q, %v; want the stored answer", answer, err)
	}
}

func TestReleasedKeyCanBeUsedAtOnce(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	key, err := idempotency.New("documentUpload", ptr("key"), "input")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		err := e.store.inTx(t.Context(), "test", e.ada, func(ctx context.Context, tr *tx) error {
			if _, err := tr.idempotencyBegin(ctx, key, time.Hour); err != nil {
				return err
			}
			return tr.idempotencyRelease(ctx, key)
		})
		if err != nil {
			t.Errorf("got %v, want to be first", err)
		}
	}
}

func TestKeysAreKeptForADay(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	svc := customer.NewService(e.store)
	for _, key := range []string{"old", "new"} {
		if _, err := svc.Create(t.Context(), e.ada, draft("Ada"), &key); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := e.admin.Exec(t.Context(), `UPDATE idempotency SET lease_until = now() - interval '1 hour',
		created_at = now() - CASE key WHEN 'old' THEN interval '25 hours' ELSE interval '23 hours' END`); err != nil {
		t.Fatal(err)
	}
	if n, err := e.store.PruneIdempotency(t.Context(), time.Minute); n != 1 || err != nil {
		t.Errorf("pruned %d keys (%v), want the one of yesterday", n, err)
	}
	if n := e.count("SELECT count(*) FROM idempotency WHERE key = 'new'"); n != 1 {
		t.Errorf("the key of today is gone")
	}
}

func TestBadKeysAreRefused(t *testing.T) {
	t.Parallel()
	for name, key := range map[string]string{"empty": "", "too long": string(make([]byte, 256)), "control character": "a\nb", "invalid UTF-8": "\xff"} {
		_, err := idempotency.New("customerCreate", &key, nil)
		var f *fault.Error
		if !errors.As(err, &f) || f.Code != fault.BadUserInput || len(f.Path) != 1 || f.Path[0] != "idempotencyKey" {
			t.Errorf("%s: got %v, want BAD_USER_INPUT at idempotencyKey", name, err)
		}
	}
}
