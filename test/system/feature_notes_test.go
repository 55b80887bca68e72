package system

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"dossier/internal/apitest"
	"dossier/internal/auth"
)

const (
	noteFields = ` note { id version body pinned author { id displayName } createdAt editedAt editedBy { displayName } updatedAt customer { id } }`
	createNote = `mutation($customer: ID!, $input: NoteCreateInput!, $key: String) {
		noteCreate(customerId: $customer, input: $input, idempotencyKey: $key) {` + noteFields + errorFields + ` } }`
	updateNote = `mutation($id: ID!, $version: Int!, $input: NoteUpdateInput!) {
		noteUpdate(id: $id, expectedVersion: $version, input: $input) {` + noteFields + ` userErrors { code message path
			... on VersionConflictError { currentVersion conflictingFields current { id ... on Note { body } } } } } }`
	deleteNote = `mutation($id: ID!, $version: Int!) { noteDelete(id: $id, expectedVersion: $version) { deletedId` + errorFields + ` } }`
	readNotes  = `query($id: ID!, $first: Int, $after: String, $last: Int, $before: String, $where: NoteWhere) { customer(id: $id) {
		notes(first: $first, after: $after, last: $last, before: $before, where: $where) {
			nodes { id body pinned } totalCount pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } }`
)

// note writes a note and gives it.
func (a actor) note(t testing.TB, customer, body string, pinned bool) any {
	t.Helper()
	data := a.must(t, createNote, map[string]any{"customer": customer, "input": map[string]any{"body": body, "pinned": pinned}})
	return at(data, "noteCreate.note")
}

func (a actor) notes(t testing.TB, customer string, more map[string]any) (bodies []string, page any) {
	t.Helper()
	variables := map[string]any{"id": customer}
	for k, v := range more {
		variables[k] = v
	}
	page = at(a.must(t, readNotes, variables), "customer.notes")
	for _, n := range list(page, "nodes") {
		bodies = append(bodies, text(n, "body"))
	}
	return bodies, page
}

func TestRowC8StaffWriteNotesForEachOther(t *testing.T) {
	t.Parallel()
	system(t)
	s := apitest.Start(t, 0)
	ada, bob := staff(t, s, auth.Editor), staff(t, s, auth.Admin)
	customer := ada.customer(t, "Noted")

	n := ada.note(t, customer, "Prefers mornings.\r\nPays late.", false)
	if got := text(n, "body"); got != "Prefers mornings.\nPays late." {
		t.Errorf("the text is %q", got)
	}
	if text(n, "author.displayName") == "" || at(n, "editedAt") != nil || at(n, "editedBy") != nil || text(n, "customer.id") != customer {
		t.Errorf("a new note is %v, want an author and no edit", n)
	}
	id := text(n, "id")

	// Pinning is no edit of the text; another text is, by whoever changed it.
	data := bob.must(t, updateNote, map[string]any{"id": id, "version": 1, "input": map[string]any{"pinned": true}})
	if n = at(data, "noteUpdate.note"); at(n, "editedAt") != nil || at(n, "pinned") != true {
		t.Errorf("after pinning the note is %v", n)
	}
	data = bob.must(t, updateNote, map[string]any{"id": id, "version": 2, "input": map[string]any{"body": "Pays in time."}})
	n = at(data, "noteUpdate.note")
	if text(n, "editedAt") == "" || text(n, "editedBy.displayName") == text(n, "author.displayName") || at(n, "pinned") != true || number(n, "version") != 3 {
		t.Errorf("after an edit by somebody else the note is %v", n)
	}

	// Who was slower learns what collides and what is there now.
	r := ada.do(t, updateNote, map[string]any{"id": id, "version": 1, "input": map[string]any{"body": "Mine", "pinned": false}})
	conflict := at(r.Data, "noteUpdate.userErrors.0")
	if text(conflict, "code") != "VERSION_CONFLICT" || fmt.Sprint(at(conflict, "conflictingFields")) != "[body pinned]" ||
		text(conflict, "current.body") != "Pays in time." {
		t.Errorf("a stale update gives %v", conflict)
	}
	for name, c := range map[string]struct {
		input map[string]any
		want  string
	}{
		"an empty text":      {map[string]any{"body": " "}, "REQUIRED"},
		"a text too long":    {map[string]any{"body": strings.Repeat("x", 10_001)}, "BAD_USER_INPUT"},
		"neither nor pinned": {map[string]any{"pinned": nil}, "BAD_USER_INPUT"},
	} {
		if got := codes(ada.do(t, updateNote, map[string]any{"id": id, "version": 3, "input": c.input})); !slices.Equal(got, []string{c.want}) {
			t.Errorf("%s gives %v, want %s", name, got, c.want)
		}
	}

	// A repeated create makes one note.
	variables := map[string]any{"customer": customer, "input": map[string]any{"body": "Once"}, "key": "note-1"}
	first, again := ada.must(t, createNote, variables), ada.must(t, createNote, variables)
	if text(first, "noteCreate.note.id") != text(again, "noteCreate.note.id") {
		t.Error("the same key made two notes")
	}
	if _, page := ada.notes(t, customer, nil); number(page, "totalCount") != 2 {
		t.Errorf("there are %v notes, want 2", at(page, "totalCount"))
	}
}

func TestRowC8PinnedNotesComeFirstThenTheNewest(t *testing.T) {
	t.Parallel()
	system(t)
	s := apitest.Start(t, 0)
	a := staff(t, s, auth.Editor)
	customer := a.customer(t, "Ordered")
	for i, pinned := range []bool{false, true, false, false, true} {
		a.note(t, customer, fmt.Sprint("n", i), pinned)
	}
	want := []string{"n4", "n1", "n3", "n2", "n0"}
	if got, _ := a.notes(t, customer, nil); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got, _ := a.notes(t, customer, map[string]any{"where": map[string]any{"pinned": true}}); !slices.Equal(got, want[:2]) {
		t.Errorf("only pinned: got %v, want %v", got, want[:2])
	}
	if got, _ := a.notes(t, customer, map[string]any{"where": map[string]any{"pinned": false}}); !slices.Equal(got, want[2:]) {
		t.Errorf("only the others: got %v, want %v", got, want[2:])
	}
	var forward []string
	after := any(nil)
	for range 3 {
		got, page := a.notes(t, customer, map[string]any{"first": 2, "after": after})
		forward = append(forward, got...)
		after = at(page, "pageInfo.endCursor")
	}
	if !slices.Equal(forward, want) {
		t.Errorf("forward in pages of two: got %v, want %v", forward, want)
	}
	last, page := a.notes(t, customer, map[string]any{"last": 3})
	before, _ := a.notes(t, customer, map[string]any{"last": 3, "before": at(page, "pageInfo.startCursor")})
	if got := append(before, last...); !slices.Equal(got, want) {
		t.Errorf("backward in pages of three: got %v, want %v", got, want)
	}
}

func TestRowC8NotesAreOnTheTimelineAndLeaveItWhenTheyAreDeleted(t *testing.T) {
	t.Parallel()
	system(t)
	s := apitest.Start(t, 0)
	db := database(t, s)
	a := staff(t, s, auth.Editor)
	customer := a.customer(t, "Timeline")
	since := head(t, a)
	const secret = "Unmistakable-7c1f"
	id := text(a.note(t, customer, secret, false), "id")
	a.must(t, updateNote, map[string]any{"id": id, "version": 1, "input": map[string]any{"body": secret + " again"}})

	const timeline = `query($id: ID!) { customer(id: $id) { timeline(kinds: [NOTE]) { nodes { kind title subject { __typename ... on Note { id body } } } } } }`
	entries := list(a.must(t, timeline, map[string]any{"id": customer}), "customer.timeline.nodes")
	if len(entries) != 1 || text(entries[0], "subject.id") != id || text(entries[0], "subject.body") != secret+" again" || strings.Contains(text(entries[0], "title"), secret) {
		t.Errorf("the timeline has %v, want one entry that leads to the note and does not quote it", entries)
	}
	a.must(t, deleteNote, map[string]any{"id": id, "version": 2})
	if entries := list(a.must(t, timeline, map[string]any{"id": customer}), "customer.timeline.nodes"); len(entries) != 0 {
		t.Errorf("after the deletion the timeline has %v", entries)
	}
	if got := codes(a.do(t, deleteNote, map[string]any{"id": id, "version": 2})); !slices.Equal(got, []string{"NOT_FOUND"}) {
		t.Errorf("deleting it again gives %v", got)
	}

	data := a.must(t, `query($after: EventCursor) { events(after: $after) { nodes { type changedFields customer { id } subject { __typename } } } }`, map[string]any{"after": since})
	var types []string
	for _, e := range list(data, "events.nodes") {
		types = append(types, text(e, "type")+fmt.Sprint(at(e, "changedFields")))
		if at(e, "subject") != nil || text(e, "customer.id") != customer {
			t.Errorf("the event of a note that is gone is %v, want its customer and no subject", e)
		}
	}
	if want := []string{"NOTE_CREATED[]", "NOTE_UPDATED[body]", "NOTE_DELETED[]"}; !slices.Equal(types, want) {
		t.Errorf("the log has %v, want %v", types, want)
	}

	// The text is nowhere any more, and was never in the log of the program.
	for _, table := range []string{"note", "event", "revision", "timeline_entry"} {
		if n := scalar[int64](t, db, fmt.Sprintf(`SELECT count(*) FROM %s r WHERE r::text LIKE '%%%s%%'`, table, secret)); n != 0 {
			t.Errorf("%d rows of %s still hold the text", n, table)
		}
	}
	if strings.Contains(s.Output(), secret) {
		t.Error("the text is in the program's log")
	}
}

func TestRowC8NotesNeedAScopeOfTheirOwn(t *testing.T) {
	t.Parallel()
	system(t)
	s := apitest.Start(t, 0)
	admin := staff(t, s, auth.Admin)
	customer := admin.customer(t, "Scoped")
	id := text(admin.note(t, customer, "Staff only", true), "id")
	account := text(admin.must(t, `{ account { id } }`, nil), "account.id")
	for scopes, c := range map[string]struct{ reads, writes bool }{
		"customers:read,customers:write,timeline:read,timeline:write,events:read": {false, false},
		"customers:read,notes:read":  {true, false},
		"customers:read,notes:write": {false, true},
		"read":                       {true, false},
		"write":                      {true, true},
	} {
		key := newActor(s, s.Key(t, account, strings.Split(scopes, ",")...))
		r := key.do(t, readNotes, map[string]any{"id": customer})
		if got := len(list(r.Data, "customer.notes.nodes")) == 1; got != c.reads || !c.reads && !slices.Contains(codes(r), "FORBIDDEN") {
			t.Errorf("%s reads notes: %v (%v), want %v", scopes, got, codes(r), c.reads)
		}
		r = key.do(t, `mutation($id: ID!) { noteUpdate(id: $id, expectedVersion: 99, input: {body: "x"}) { userErrors { code } } }`, map[string]any{"id": id})
		want := "FORBIDDEN"
		if c.writes {
			want = "VERSION_CONFLICT"
		}
		if got := codes(r); !slices.Equal(got, []string{want}) {
			t.Errorf("%s writes notes: %v, want %s", scopes, got, want)
		}
	}
	// The timeline of somebody who may not read notes shows that one was written, and nothing of it.
	blind := newActor(s, s.Key(t, account, "customers:read", "timeline:read"))
	r := blind.do(t, `query($id: ID!) { customer(id: $id) { timeline(kinds: [NOTE]) { nodes { title subject { ... on Note { body } } } } } }`, map[string]any{"id": customer})
	if strings.Contains(fmt.Sprint(r.Data, r.Errors), "Staff only") {
		t.Errorf("a key without notes:read reads %v", r.Data)
	}
}
