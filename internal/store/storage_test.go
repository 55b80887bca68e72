package store

import (
	"math/rand/v2"
	"sync"
	"testing"

	"dossier/internal/account"
	"dossier/internal/auth"
	"dossier/internal/document"
	"dossier/internal/fault"
	"dossier/internal/timeline"
)

// upload stores a file of so many bytes.
func (e *env) upload(p auth.Principal, a document.Attempt, c document.Content, bytes int64) error {
	c.SizeBytes = bytes
	_, err := e.store.Documents().CompleteUpload(e.t.Context(), p, a, c)
	return err
}

// told gives the types of the events about the storage, in order.
func (e *env) told(p auth.Principal) string {
	e.t.Helper()
	var list string
	err := e.admin.QueryRow(e.t.Context(), `SELECT coalesce(string_agg(type || changed_fields, ' ' ORDER BY seq), '') FROM event
		WHERE account_id = $1 AND subject_type = 'Account' AND subject_id = $1`, p.AccountID).Scan(&list)
	if err != nil {
		e.t.Fatal(err)
	}
	return list
}

func (e *env) limit(p auth.Principal, bytes int64) {
	e.t.Helper()
	if err := e.store.StorageLimitSet(e.t.Context(), auth.System(p.AccountID), account.StorageLimits{LimitBytes: &bytes}); err != nil {
		e.t.Fatal(err)
	}
}

const (
	nearly  = timeline.StorageNearlyFull + "[]"
	full    = timeline.StorageFull + "[]"
	changed = timeline.StorageLimitChanged + `["limitBytes"]`
)

func TestWhenTheStorageFillsItIsToldOnce(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	customer := e.person(e.ada, "Ada")
	want := ""
	step := func(what, events string) {
		t.Helper()
		if want != "" && events != "" {
			want += " "
		}
		want += events
		if got := e.told(e.ada); got != want {
			t.Fatalf("%s: told %s\nwant %s", what, got, want)
		}
	}
	add := func(bytes int64) {
		t.Helper()
		a, c := e.begun(e.ada, customer)
		if err := e.upload(e.ada, a, c, bytes); err != nil {
			t.Fatal(err)
		}
	}
	e.limit(e.ada, 100)
	step("a limit", changed)
	add(79)
	step("79 %", "")
	add(1)
	step("80 %", nearly)
	add(19)
	step("99 %", "")
	add(1)
	step("100 %", full)
	e.limit(e.ada, 100)
	step("the same limit", "")
	e.limit(e.ada, 110)
	step("90 % of a higher limit", changed)
	add(10)
	step("100 % again", full)
	e.limit(e.ada, 1000)
	step("11 %", changed)
	e.limit(e.ada, 50)
	step("220 % of a lower limit", changed+" "+nearly+" "+full)
	a := document.Attempt{ID: e.store.cfg.NewID(), Mode: document.ModeStream, CustomerID: customer, ObjectKey: "x", WantBytes: 1, NeedBytes: 1, DeclaredBytes: -1}
	if _, err := e.store.Documents().BeginUpload(t.Context(), e.ada, a); fault.CodeOf(err) != fault.QuotaExceeded {
		t.Errorf("an upload over the limit: %v, want QUOTA_EXCEEDED", err)
	}
	e.limit(e.ada, 0)
	step("0 bytes", changed)
	e.limit(e.ada, 200)
	step("55 %", changed)
	add(90)
	step("from 55 to 100 %", nearly+" "+full)
	if got := e.told(e.bob); got != "" {
		t.Errorf("another account was told %s", got)
	}
}

// TestOfRacingUploadsOneTells: however many uploads pass 80 and 100 per cent at once.
func TestOfRacingUploadsOneTells(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	customer := e.person(e.ada, "Ada")
	const racers, size = 20, 10
	e.limit(e.ada, racers*size)
	var group sync.WaitGroup
	for range racers {
		a, c := e.begun(e.ada, customer)
		group.Go(func() {
			if err := e.upload(e.ada, a, c, size); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if got, want := e.told(e.ada), changed+" "+nearly+" "+full; got != want {
		t.Errorf("told %s\nwant %s", got, want)
	}
	if n := e.count(`SELECT event_seq - (SELECT count(*) FROM event v WHERE v.account_id = a.id) FROM account a WHERE id = $1`, e.ada.AccountID); n != 0 {
		t.Errorf("%d gaps in the numbers of the events", n)
	}
}

// TestTheShareOfTheStorageIsTheSameInSQL compares usage.level with warned.
func TestTheShareOfTheStorageIsTheSameInSQL(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	for range 300 {
		u := usage{limit: rand.Int64N(30)}
		if rand.IntN(3) == 0 {
			u.limit = account.MaxStorageBytes - rand.Int64N(30)
		}
		u.used = max(0, nearlyFull(u.limit)+rand.Int64N(5)-2)
		if rand.IntN(2) == 0 {
			u.used = max(0, u.limit+rand.Int64N(5)-2)
		}
		got := e.count(`SELECT `+warned("$2::bigint")+` FROM (SELECT $1::bigint AS limit_bytes) s`, u.limit, u.used)
		if int16(got) != u.level() { //nolint:gosec // 0, 80 or 100
			t.Errorf("%d of %d bytes: %d %% in SQL, %d in Go", u.used, u.limit, got, u.level())
		}
		if u.limit > 0 && (u.level() >= storageNearly) != (float64(u.used) >= float64(u.limit)*0.8-0.000001) {
			t.Errorf("%d of %d bytes count as %d %%", u.used, u.limit, u.level())
		}
	}
}

func TestLimitsAreThoseOfTheAccount(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	file := int64(7_000_000)
	set := func(p auth.Principal) error {
		return e.store.StorageLimitSet(t.Context(), p, account.StorageLimits{MaxFileBytes: &file})
	}
	for range 2 { // the second time it holds already
		if err := set(auth.System(e.ada.AccountID)); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := e.told(e.ada), timeline.StorageLimitChanged+`["maxFileBytes"]`; got != want {
		t.Errorf("told %s, want %s", got, want)
	}
	for p, want := range map[*auth.Principal]account.Storage{
		&e.ada: {LimitBytes: 500_000_000, MaxFileBytes: file}, &e.bob: {LimitBytes: 500_000_000, MaxFileBytes: 5_000_000},
	} {
		if got, err := e.store.Storage(t.Context(), *p); err != nil || got != want {
			t.Errorf("%s: %+v %v, want %+v", p.DisplayName, got, err, want)
		}
	}
	nobody := auth.System(e.store.cfg.NewID())
	if err := set(nobody); fault.CodeOf(err) != fault.NotFound {
		t.Errorf("an account that is not there: %v, want NOT_FOUND", err)
	}
	if _, err := e.store.Storage(t.Context(), nobody); fault.CodeOf(err) != fault.NotFound {
		t.Errorf("an account that is not there: %v, want NOT_FOUND", err)
	}
	if n := e.count(`SELECT count(*) FROM event`); n != 1 {
		t.Errorf("%d events, want that of the one change", n)
	}
}
