package document_test

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"dossier/internal/document"
	"dossier/internal/fault"
	"dossier/internal/optional"
)

func TestReplaceAddsAVersion(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	first, second := pdf(40_000, 1), pdf(50_000, 2)
	id := e.stored("a.pdf", first)
	if err := e.service.Replace(t.Context(), e.ada, id, 1, incoming("b.pdf", second), document.Patch{}); err != nil {
		t.Fatal(err)
	}
	e.acknowledge(id, second)
	got := e.text(`SELECT string_agg(concat_ws('|', number, file_name, size_bytes, state), ', ' ORDER BY number) FROM document_version WHERE document_id = $1`, id)
	if want := "1|a.pdf|40000|AVAILABLE, 2|b.pdf|50000|AVAILABLE"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	got = e.text(`SELECT string_agg(concat_ws('|', seq, type, changed_fields), ', ' ORDER BY seq) FROM event`)
	if want := `1|DOCUMENT_CREATED|[], 2|DOCUMENT_REPLACED|["currentVersion"]`; got != want {
		t.Errorf("events: got %s, want %s", got, want)
	}
	got = e.text(`SELECT title || '|' || version FROM document`)
	if want := "a.pdf|2"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	CheckInvariants(t, e)
}

func TestReplaceFindsConflictsBeforeAndAfterTheBytes(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	id := e.stored("a.pdf", pdf(40_000, 1))
	if err := e.service.Update(t.Context(), e.ada, id, 1, document.Patch{Title: optional.Some(ptr("New"))}); err != nil {
		t.Fatal(err)
	}
	unread := incoming("b.pdf", pdf(50_000, 2))
	wantCode(t, e.service.Replace(t.Context(), e.ada, id, 1, unread, document.Patch{}), fault.VersionConflict)
	if unread.read != 0 {
		t.Errorf("%d bytes were read although the version was wrong", unread.read)
	}
	content := pdf(200_000, 3)
	gate := newGate(content, 100_000)
	done := make(chan error, 1)
	go func() {
		done <- e.service.Replace(t.Context(), e.ada, id, 2, &file{name: "c.pdf", bound: -1, r: gate}, document.Patch{})
	}()
	<-gate.reached
	if err := e.service.Update(t.Context(), e.ada, id, 2, document.Patch{Title: optional.Some(ptr("Newer"))}); err != nil {
		t.Fatal(err)
	}
	close(gate.open)
	err := <-done
	wantCode(t, err, fault.VersionConflict)
	var f *fault.Error
	if errors.As(err, &f) {
		if d, ok := f.Detail.(fault.VersionConflictDetail); !ok || d.CurrentVersion != 3 || len(d.ConflictingFields) != 0 {
			t.Errorf("detail %#v, want version 3 and no conflicting fields", f.Detail)
		}
	}
	if got := e.number(`SELECT count(*) FROM garbage`); got != 1 {
		t.Errorf("%d objects are garbage, want 1", got)
	}
	wantCode(t, e.service.Replace(t.Context(), e.ada, uuid.New(), 1, unread, document.Patch{}), fault.NotFound)
	wantCode(t, e.service.Replace(t.Context(), e.bob, id, 3, unread, document.Patch{}), fault.NotFound)
	wantCode(t, e.service.Replace(t.Context(), e.ada, id, 3, incoming("d.pdf", []byte("<html>")), document.Patch{}), fault.UnsupportedMediaType)
	CheckInvariants(t, e)
}

func TestUpdateMovesTheExpiryOnTheTimeline(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	id := e.stored("a.pdf", pdf(4000, 1))
	day := func(d int) *time.Time { return ptr(time.Date(2031, 1, d, 0, 0, 0, 0, time.UTC)) }
	coming := func() string {
		return e.text(`SELECT coalesce(string_agg(at::date || ' ' || title, ', '), '') FROM timeline_entry WHERE kind = 'DOCUMENT_EXPIRES'`)
	}
	version := 1
	change := func(want string, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		version = int(e.number(`SELECT version FROM document WHERE id = $1`, id))
		if got := coming(); got != want {
			t.Errorf("coming: got %q, want %q", got, want)
		}
		CheckInvariants(t, e)
	}
	change("2031-01-05 Document expires: a.pdf", e.service.Update(t.Context(), e.ada, id, version, document.Patch{ExpiresOn: optional.Some(day(5))}))
	change("2031-01-06 Document expires: a.pdf", e.service.Update(t.Context(), e.ada, id, version, document.Patch{ExpiresOn: optional.Some(day(6))}))
	change("2031-01-06 Document expires: Pass", e.service.Update(t.Context(), e.ada, id, version, document.Patch{Title: optional.Some(ptr(" Pass "))}))
	change("", e.service.Archive(t.Context(), e.ada, id, version))
	change("", e.service.Update(t.Context(), e.ada, id, version, document.Patch{ExpiresOn: optional.Some(day(7))}))
	change("2031-01-07 Document expires: Pass", e.service.Restore(t.Context(), e.ada, id, version))
	change("", e.service.Update(t.Context(), e.ada, id, version, document.Patch{ExpiresOn: optional.Some[*time.Time](nil)}))
	if version != 8 {
		t.Errorf("version %d, want 8", version)
	}
}

func TestAChangeThatChangesNothingLeavesNoTrace(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	id := e.stored("a.pdf", pdf(4000, 1))
	for name, err := range map[string]error{
		"the same title": e.service.Update(t.Context(), e.ada, id, 1, document.Patch{Title: optional.Some(ptr("a.pdf"))}),
		"an empty patch": e.service.Update(t.Context(), e.ada, id, 1, document.Patch{}),
		"restore":        e.service.Restore(t.Context(), e.ada, id, 99),
	} {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := e.number(`SELECT count(*) FROM event`); got != 1 {
		t.Errorf("got %d events, want 1", got)
	}
	if err := e.service.Archive(t.Context(), e.ada, id, 1); err != nil {
		t.Fatal(err)
	}
	if err := e.service.Archive(t.Context(), e.ada, id, 1); err != nil {
		t.Errorf("archiving again: %v", err)
	}
	if got := e.number(`SELECT version FROM document`); got != 2 {
		t.Errorf("version %d, want 2", got)
	}
	CheckInvariants(t, e)
}

func TestChangesCheckTheirInput(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	id := e.stored("a.pdf", pdf(4000, 1))
	ctx := t.Context()
	title := document.Patch{Title: optional.Some(ptr("T"))}
	for name, c := range map[string]struct {
		err  error
		want fault.Code
	}{
		"stale version":   {e.service.Update(ctx, e.ada, id, 2, title), fault.VersionConflict},
		"stale archive":   {e.service.Archive(ctx, e.ada, id, 0), fault.VersionConflict},
		"empty title":     {e.service.Update(ctx, e.ada, id, 1, document.Patch{Title: optional.Some(ptr(" "))}), fault.Required},
		"null title":      {e.service.Update(ctx, e.ada, id, 1, document.Patch{Title: optional.Some[*string](nil)}), fault.Required},
		"long title":      {e.service.Update(ctx, e.ada, id, 1, document.Patch{Title: optional.Some(ptr(strings.Repeat("x", 201)))}), fault.BadUserInput},
		"foreign update":  {e.service.Update(ctx, e.bob, id, 1, title), fault.NotFound},
		"foreign archive": {e.service.Archive(ctx, e.bob, id, 1), fault.NotFound},
		"foreign restore": {e.service.Restore(ctx, e.bob, id, 1), fault.NotFound},
		"viewer update":   {e.service.Update(ctx, viewer(e.ada), id, 1, title), fault.Forbidden},
		"viewer archive":  {e.service.Archive(ctx, viewer(e.ada), id, 1), fault.Forbidden},
		"viewer restore":  {e.service.Restore(ctx, viewer(e.ada), id, 1), fault.Forbidden},
		"viewer replace":  {e.service.Replace(ctx, viewer(e.ada), id, 1, incoming("b.pdf", nil), document.Patch{}), fault.Forbidden},
	} {
		if got := fault.CodeOf(c.err); got != c.want {
			t.Errorf("%s: got %v, want %s", name, c.err, c.want)
		}
	}
	CheckInvariants(t, e)
}

func TestOfParallelUpdatesOneWinsAndTheOthersLearnWhy(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	id := e.stored("a.pdf", pdf(4000, 1))
	var won atomic.Int32
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			err := e.service.Update(t.Context(), e.ada, id, 1, document.Patch{Title: optional.Some(ptr(names(i)))})
			var f *fault.Error
			switch {
			case err == nil:
				won.Add(1)
			case errors.As(err, &f) && f.Code == fault.VersionConflict:
				d, _ := f.Detail.(fault.VersionConflictDetail)
				if d.CurrentVersion != 2 || !slices.Equal(d.ConflictingFields, []string{"title"}) || !strings.HasPrefix(d.NodeID, "doc_") {
					t.Errorf("detail %+v", d)
				}
			default:
				t.Errorf("got %v", err)
			}
		})
	}
	wg.Wait()
	if got := won.Load(); got != 1 {
		t.Errorf("%d updates won, want 1", got)
	}
	CheckInvariants(t, e)
}

func TestADownloadLinkLeadsToTheContentWhileItMay(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	content := pdf(40_000, 1)
	id := e.stored("Übersicht.pdf", content)
	version := uuid.MustParse(e.text(`SELECT current_version_id::text FROM document WHERE id = $1`, id))
	links := &document.Links{Secret: []byte(strings.Repeat("s", 32)), BaseURL: "https://api.example.com/files/"}
	follow := func(link string) (int, []byte, http.Header) {
		t.Helper()
		offer, err := e.service.DownloadRequest(t.Context(), links, link, document.Visit{})
		if err != nil {
			wantCode(t, err, fault.NotFound)
			return http.StatusNotFound, nil, nil
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, offer.URL, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		client := &http.Client{Timeout: 10 * time.Second}
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, body, res.Header
	}
	status, body, header := follow(links.URLFor(e.ada.Holder(), e.ada.AccountID, version))
	if status != http.StatusOK || string(body) != string(content) {
		t.Errorf("got status %d and %d bytes, want the content", status, len(body))
	}
	if got := header.Get("Content-Disposition"); !strings.HasPrefix(got, "attachment") || !strings.Contains(got, "%C3%9Cbersicht.pdf") {
		t.Errorf("disposition %q", got)
	}
	if err := e.service.Archive(t.Context(), e.ada, id, 1); err != nil {
		t.Fatal(err)
	}
	if status, _, _ := follow(links.URLFor(e.ada.Holder(), e.ada.AccountID, version)); status != http.StatusOK {
		t.Errorf("an archived document: status %d, want 200", status)
	}
	if status, _, _ := follow(links.URLFor(e.bob.Holder(), e.bob.AccountID, version)); status != http.StatusNotFound {
		t.Errorf("a version of another account: status %d, want 404", status)
	}
	e.exec(`UPDATE document_version SET state = 'QUARANTINED'`)
	if status, _, _ := follow(links.URLFor(e.ada.Holder(), e.ada.AccountID, version)); status != http.StatusNotFound {
		t.Errorf("a version that is held back: status %d, want 404", status)
	}
}
