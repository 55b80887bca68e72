package document_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"dossier/internal/attribute"
	"dossier/internal/document"
	"dossier/internal/fault"
	"dossier/internal/optional"
)

// area defines an area of Ada's account and gives its id.
func (e *env) area(d attribute.Draft) uuid.UUID {
	e.t.Helper()
	d.Type = attribute.File
	id, err := attribute.NewService(e.store).Create(e.t.Context(), e.ada, d, nil)
	if err != nil {
		e.t.Fatal(err)
	}
	return id
}

// uploadTo uploads files for Ada to an area.
func (e *env) uploadTo(area string, files ...document.Incoming) ([]document.UploadResult, error) {
	return e.service.Upload(e.t.Context(), e.ada, document.UploadDraft{
		CustomerID: e.adasCustomer, DetailsDraft: document.DetailsDraft{AreaKey: &area},
	}, files, nil)
}

// storedIn uploads one content to an area that must take it.
func (e *env) storedIn(area, name string, content []byte) uuid.UUID {
	e.t.Helper()
	r, err := e.uploadTo(area, incoming(name, content))
	if err != nil || r[0].Errs != nil {
		e.t.Fatal(err, r)
	}
	e.acknowledge(r[0].Document, content)
	return r[0].Document
}

func (e *env) revisionOf(id uuid.UUID) int {
	return int(e.number(`SELECT version FROM document WHERE id = $1`, id))
}

func smallPicture(t *testing.T) []byte {
	t.Helper()
	return picture(t, 20, 20, 1)
}

func TestAnAreaTakesWhatItAcceptsOnBothWays(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	builder := uuid.New()
	e.exec(`INSERT INTO customer_type (id, account_id, created_at, updated_at, key, label, position, version, label_key)
		VALUES ($1, $2, now(), now(), 'builder', 'Builder', 0, 1, 'builder')`, builder, e.ada.AccountID)
	e.area(attribute.Draft{Label: "Contracts", Accept: []string{"application/pdf"}, MaxFileBytes: ptr(int64(5000))})
	e.area(attribute.Draft{Label: "Pictures", Accept: []string{"IMAGE"}})
	e.area(attribute.Draft{Label: "Sites", CustomerTypeIDs: []string{typeID(builder)}})
	old := e.area(attribute.Draft{Label: "Old"})
	if err := attribute.NewService(e.store).Archive(t.Context(), e.ada, old, 1); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		area    string
		content []byte
		want    fault.Code
		path    string
	}{
		"a contract":              {"contracts", pdf(4000, 1), "", ""},
		"the general area":        {"general", pdf(9000, 2), "", ""},
		"a picture of a contract": {"contracts", smallPicture(t), fault.UnsupportedMediaType, "[files 0]"},
		"a picture":               {"pictures", smallPicture(t), "", ""},
		"a contract as a picture": {"pictures", pdf(100, 3), fault.UnsupportedMediaType, "[files 0]"},
		"too large a contract":    {"contracts", pdf(5001, 4), fault.TooLarge, "[files 0]"},
		"no area":                 {"none", pdf(100, 5), fault.NotFound, "[input areaKey]"},
		"an empty key":            {"", pdf(100, 5), fault.NotFound, "[input areaKey]"},
		"an archived area":        {"old", pdf(100, 6), fault.Conflict, "[input areaKey]"},
		"an area of others":       {"sites", pdf(100, 7), fault.Conflict, "[input areaKey]"},
	} {
		results, err := e.uploadTo(c.area, incoming(name, c.content))
		if err == nil {
			err = results[0].Errs.Err()
		}
		if list := fault.AsList(err); fault.CodeOf(err) != c.want || c.want != "" && fmt.Sprint(list[0].Path) != c.path {
			t.Errorf("%s: %v, want %s at %s", name, err, c.want, c.path)
		}
		s, err := e.service.UploadBegin(t.Context(), e.ada, document.BeginDraft{
			CustomerID: e.adasCustomer, FileName: name, SizeBytes: int64(len(c.content)), DetailsDraft: document.DetailsDraft{AreaKey: &c.area},
		}, nil)
		if err == nil {
			e.send(s, c.content)
			_, err = e.service.UploadComplete(t.Context(), e.ada, s.ID)
		}
		if fault.CodeOf(err) != c.want {
			t.Errorf("%s, straight to the store: %v, want %s", name, err, c.want)
		}
	}
	if got := e.number(`SELECT count(*) FROM document`); got != 6 {
		t.Errorf("%d documents, want 6", got)
	}
	CheckInvariants(t, e)
}

func TestASessionRemembersWhatTheDocumentIsToBe(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	e.area(attribute.Draft{Label: "Contracts"})
	day := time.Date(2040, 5, 1, 0, 0, 0, 0, time.UTC)
	draft := document.DetailsDraft{
		AreaKey: ptr("contracts"), Description: ptr(" Line 1\nline 2 "), Purpose: ptr("LEGAL"), Visibility: document.VisibleToCustomer,
		Tags: []string{" a ", "Größe", "GROSSE", "b"}, RetentionUntil: &day,
	}
	results, err := e.service.Upload(t.Context(), e.ada, document.UploadDraft{CustomerID: e.adasCustomer, ExpiresOn: &day, DetailsDraft: draft},
		[]document.Incoming{incoming("one.pdf", pdf(100, 1))}, nil)
	if err != nil || results[0].Errs != nil {
		t.Fatal(err, results)
	}
	s, err := e.service.UploadBegin(t.Context(), e.ada, document.BeginDraft{
		CustomerID: e.adasCustomer, FileName: "two.pdf", SizeBytes: 100, ExpiresOn: &day, DetailsDraft: draft,
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	e.send(s, pdf(100, 2))
	if _, err := e.service.UploadComplete(t.Context(), e.ada, s.ID); err != nil {
		t.Fatal(err)
	}
	const all = `SELECT string_agg(concat_ws('|', k.key, d.description, d.purpose, d.visibility, d.tags, d.expires_on, d.retention_until,
		(SELECT string_agg(kind || ' ' || at::date, ', ' ORDER BY kind) FROM timeline_entry e WHERE e.subject_id = d.id AND at > now())), E'\n')
		FROM document d JOIN attribute_definition k ON k.id = d.area_id`
	line := "contracts|Line 1\nline 2|LEGAL|CUSTOMER|[\"a\", \"Größe\", \"b\"]|2040-05-01|2040-05-01|DOCUMENT_EXPIRES 2040-05-01, DOCUMENT_RETENTION_ENDS 2040-05-01"
	if got := e.text(all); got != line+"\n"+line {
		t.Errorf("got  %s\nwant %s twice", got, line)
	}
	if got := e.text(`SELECT search_key FROM document WHERE title = 'one.pdf'`); got != "one.pdf\nline 1 line 2\none.pdf" {
		t.Errorf("the key of the filter by text is %q", got)
	}
	CheckInvariants(t, e)
}

func TestDetailsAreChecked(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	for path, d := range map[string]document.DetailsDraft{
		"[input purpose]":     {Purpose: ptr("FUN")},
		"[input visibility]":  {Visibility: "ALL"},
		"[input tags]":        {Tags: make([]string, 21)},
		"[input tags 1]":      {Tags: []string{"a", " "}},
		"[input description]": {Description: ptr(strings.Repeat("x", 2001))},
	} {
		_, err := e.service.Upload(t.Context(), e.ada, document.UploadDraft{CustomerID: e.adasCustomer, DetailsDraft: d},
			[]document.Incoming{incoming("a.pdf", pdf(100, 1))}, nil)
		if list := fault.AsList(err); len(list) != 1 || fmt.Sprint(list[0].Path) != path {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// TestPlacesInAnAreaAreGivenOnce has many uploads race for few places, on both ways at once.
func TestPlacesInAnAreaAreGivenOnce(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	const places = 5
	e.area(attribute.Draft{Label: "Few", MaxFiles: ptr(places)})
	var won, full atomic.Int32
	count := func(err error) {
		switch fault.CodeOf(err) {
		case "":
			won.Add(1)
		case fault.Conflict:
			full.Add(1)
		default:
			t.Error(err)
		}
	}
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			results, err := e.uploadTo("few", incoming("a.pdf", pdf(3000, byte(i))))
			if err == nil {
				err = results[0].Errs.Err()
			}
			count(err)
		})
		wg.Go(func() {
			_, err := e.service.UploadBegin(t.Context(), e.ada, document.BeginDraft{
				CustomerID: e.adasCustomer, FileName: "b.pdf", SizeBytes: 10, DetailsDraft: document.DetailsDraft{AreaKey: ptr("few")},
			}, nil)
			count(err)
		})
	}
	wg.Wait()
	if won.Load() != places || full.Load() != 40-places {
		t.Errorf("%d uploads got a place and %d were refused, want %d and %d", won.Load(), full.Load(), places, 40-places)
	}
	// A session that nobody completed holds its place no longer than its lease.
	e.expireLeases()
	for range int(places - e.documents()) {
		e.storedIn("few", "c.pdf", pdf(100, 200))
	}
	results, err := e.uploadTo("few", incoming("d.pdf", pdf(100, 201)))
	if err != nil {
		t.Fatal(err)
	}
	wantResult(t, results[0], fault.Conflict)
	CheckInvariants(t, e)
}

func TestAnArchivedDocumentGivesItsPlaceUp(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	e.area(attribute.Draft{Label: "One", MaxFiles: ptr(1)})
	first := e.storedIn("one", "a.pdf", pdf(100, 1))
	if err := e.service.Archive(t.Context(), e.ada, first, 1); err != nil {
		t.Fatal(err)
	}
	second := e.storedIn("one", "b.pdf", pdf(100, 2))
	wantCode(t, e.service.Restore(t.Context(), e.ada, first, 2), fault.Conflict)
	if err := e.service.Move(t.Context(), e.ada, second, 1, document.Destination{AreaKey: ptr("general")}); err != nil {
		t.Fatal(err)
	}
	if err := e.service.Restore(t.Context(), e.ada, first, 2); err != nil {
		t.Error(err)
	}
	wantCode(t, e.service.Move(t.Context(), e.ada, second, 2, document.Destination{AreaKey: ptr("one")}), fault.Conflict)
	if err := e.service.Move(t.Context(), e.ada, second, 99, document.Destination{AreaKey: ptr("general")}); err != nil {
		t.Errorf("a document that is there already: %v", err)
	}
	// A new content takes no further place.
	if err := e.service.Replace(t.Context(), e.ada, first, 3, incoming("c.pdf", pdf(200, 3)), document.Patch{}); err != nil {
		t.Error(err)
	}
	e.acknowledge(first, pdf(200, 3))
	CheckInvariants(t, e)
}

func TestANewContentObeysTheAreaAndChangesWhatIsGiven(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	area := e.area(attribute.Draft{Label: "Contracts", Accept: []string{"application/pdf"}, MaxFileBytes: ptr(int64(500))})
	id := e.storedIn("contracts", "a.pdf", pdf(100, 1))
	wantCode(t, e.service.Replace(t.Context(), e.ada, id, 1, incoming("b.png", smallPicture(t)), document.Patch{}), fault.UnsupportedMediaType)
	wantCode(t, e.service.Replace(t.Context(), e.ada, id, 1, incoming("b.pdf", pdf(501, 2)), document.Patch{}), fault.TooLarge)
	if err := attribute.NewService(e.store).Archive(t.Context(), e.ada, area, 1); err != nil {
		t.Fatal(err)
	}
	day := time.Date(2041, 1, 2, 0, 0, 0, 0, time.UTC)
	patch := document.Patch{Title: optional.Some(ptr("New")), ExpiresOn: optional.Some(&day)}
	if err := e.service.Replace(t.Context(), e.ada, id, 1, incoming("b.pdf", pdf(200, 2)), patch); err != nil {
		t.Fatal(err)
	}
	e.acknowledge(id, pdf(200, 2))
	got := e.text(`SELECT concat_ws('|', d.version, d.title, d.expires_on, d.search_key, (SELECT fields FROM revision r WHERE r.subject_id = d.id AND r.version = 2),
		(SELECT changed_fields FROM event v WHERE v.subject_id = d.id AND v.type = 'DOCUMENT_REPLACED')) FROM document d`)
	fields := `["currentVersion", "expiresOn", "title"]`
	if want := "2|New|2041-01-02|new\n\nb.pdf|" + fields + "|" + fields; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	CheckInvariants(t, e)
}
