package read_test

import (
	"testing"

	"github.com/google/uuid"

	"dossier/internal/auth"
	"dossier/internal/read"
)

// TestWhatIsKnownIsNotReadAgain renders a document from values that differ from those in the database, so that it shows where
// each answer comes from.
func TestWhatIsKnownIsNotReadAgain(t *testing.T) {
	t.Parallel()
	s := newSeeded(t)
	d := s.w.rows("document", s.own, func(r row) bool { return r["current_version_id"] != nil })[0]
	version, _ := d["current_version_id"].(uuid.UUID)
	known := func() read.Known {
		return read.Known{
			"Document": read.KnownColumns(map[string]any{
				"id": d.id(), "version": 77, "title": `known "title"`, "current_version_id": version, "description": nil,
			}),
			"DocumentVersion": read.KnownColumns(map[string]any{
				"id": version, "size_bytes": int64(123), "sha256": []byte{0xab, 0xcd},
			}),
		}
	}
	title := dump(d["title"])
	without := func(name string, columns ...string) read.Known {
		k := known()
		for _, c := range columns {
			delete(k[name], c)
		}
		return k
	}
	none := known()
	delete(none, "DocumentVersion")
	elsewhere := known()
	elsewhere["DocumentVersion"] = read.KnownColumns(map[string]any{"id": d.id(), "size_bytes": 1, "sha256": []byte{}})
	for name, c := range map[string]struct {
		known     read.Known
		selection string
		want      string
		batches   int64
	}{
		"all":                             {known(), `v: version title description currentVersion { sizeBytes sha256 }`, `{"v":77,"title":"known \"title\"","description":null,"currentVersion":{"sizeBytes":123,"sha256":"abcd"}}`, 0},
		"no more than an id":              {known(), `__typename version`, `{"__typename":"Document","version":77}`, 0},
		"nothing":                         {nil, `title`, `{"title":` + title + `}`, 1},
		"not one column":                  {without("Document", "title"), `title`, `{"title":` + title + `}`, 1},
		"not a column beside":             {known(), `title currentVersion { sizeBytes number }`, "", 1},
		"not the row beside":              {none, `title currentVersion { sizeBytes }`, "", 1},
		"a row beside that is another":    {elsewhere, `title currentVersion { sizeBytes }`, "", 1},
		"not a list below":                {known(), `title versions(first: 1) { totalCount }`, "", 1},
		"not a row of another type":       {known(), `title customer { id }`, "", 1},
		"not what refers to the next row": {without("Document", "current_version_id"), `currentVersion { sizeBytes }`, "", 1},
	} {
		s.render(read.Obj{Type: "DocumentPayload", Fields: map[string]any{
			"document": read.Ref{Type: "Document", ID: d.id(), Known: c.known}, "userErrors": []any{},
		}})
		before := s.trace.batches.Load()
		got := s.data(admin(s.own), `mutation { p: documentArchive(id: "x", expectedVersion: 1) { document { `+c.selection+` } } }`, nil)
		if n := s.trace.batches.Load() - before; n != c.batches {
			t.Errorf("%s: %d batches, want %d", name, n, c.batches)
		}
		want := c.want
		if want == "" { // what is read of it
			s.render(read.Obj{Type: "DocumentPayload", Fields: map[string]any{"document": read.Ref{Type: "Document", ID: d.id()}, "userErrors": []any{}}})
			want = s.data(admin(s.own), `mutation { p: documentArchive(id: "x", expectedVersion: 1) { document { `+c.selection+` } } }`, nil)
		} else {
			want = `{"p":{"document":` + want + `}}`
		}
		if got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", name, got, want)
		}
	}
}

// TestAViewerMayReadNoMoreOfWhatIsKnown: the policy is the selection's, wherever its values come from.
func TestAViewerMayReadNoMoreOfWhatIsKnown(t *testing.T) {
	t.Parallel()
	s := newSeeded(t)
	d := s.w.rows("document", s.own, all)[0]
	s.render(read.Obj{Type: "DocumentPayload", Fields: map[string]any{"userErrors": []any{}, "document": read.Ref{
		Type: "Document", ID: d.id(), Known: read.Known{"Document": read.KnownColumns(map[string]any{"id": d.id(), "title": "secret"})},
	}}})
	got := s.ask(auth.Principal{AccountID: s.own, Kind: auth.KindAPIKey, ID: uuid.New(), Scopes: []string{"customers:read"}}, `mutation { documentArchive(id: "x", expectedVersion: 1) { document { title } } }`, nil)
	if len(got.Errors) == 0 || string(got.Data) != `{"documentArchive":{"document":null}}` {
		t.Errorf("got %s and %v, want null and an error", got.Data, got.Errors)
	}
}
