package system

import (
	"testing"

	"dossier/internal/apitest"
)

// refusalOf gives the type, code and message of the one user error of an answer.
func refusalOf(t testing.TB, r apitest.Result) []string {
	t.Helper()
	found := userErrors(r)
	if len(r.Errors) > 0 || len(found) != 1 {
		t.Errorf("got errors %v and user errors %v, want one user error", r.Errors, found)
		return nil
	}
	return []string{text(found[0], "__typename"), text(found[0], "code"), text(found[0], "message")}
}

var mergedRefusal = []string{"StateConflictError", "CONFLICT", "The customer was merged into another one. Use that one."}

// merged makes a customer that was merged into another one.
func (a actor) merged(t testing.TB) string {
	t.Helper()
	winner, loser := a.customer(t, "Ada"), a.customer(t, "A.")
	a.must(t, mergeCustomers, map[string]any{"winner": winner, "loser": loser, "w": 1, "l": 1})
	return loser
}

func TestRowA15AMergedCustomerGetsNoNote(t *testing.T) {
	a := featureActor(t)
	loser := a.merged(t)
	r := a.do(t, `mutation($id: ID!) { noteCreate(customerId: $id, input: {body: "Late"}) { note { id } userErrors { __typename code message path } } }`, map[string]any{"id": loser})
	want(t, "a note", refusalOf(t, r), mergedRefusal)
}

func TestRowA15AMergedCustomerGetsNoPicture(t *testing.T) {
	a := featureActor(t)
	loser := a.merged(t)
	want(t, "a picture", refusalOf(t, a.setImage(t, loser, 2, picture("late.png", 8, 8))), mergedRefusal)
	want(t, "none", refusalOf(t, a.do(t, removeImage, map[string]any{"id": loser, "version": 2})), mergedRefusal)
}

func TestRowA15AMergedCustomerGetsNoDocument(t *testing.T) {
	a := featureActor(t)
	loser := a.merged(t)
	r, err := a.upload(t.Context(), loser, "", pdf("late.pdf", 100))
	if err != nil {
		t.Fatal(err)
	}
	want(t, "a document", codes(r), mergedRefusal[1:2])
	r = a.do(t, `mutation($id: ID!) { documentUploadBegin(input: {customerId: $id, fileName: "late.pdf", sizeBytes: 9}) {
		uploadSession { id } userErrors { __typename code message path } } }`, map[string]any{"id": loser})
	want(t, "a direct upload", refusalOf(t, r), mergedRefusal)
}

func TestRowA15AMergedCustomerGetsNoTimelineEntry(t *testing.T) {
	a := featureActor(t)
	loser := a.merged(t)
	r := a.do(t, `mutation($id: ID!) { timelineEntryCreate(customerId: $id, input: {kind: CALL, at: "2026-01-01T00:00:00Z", title: "Late"}) {
		timelineEntry { id } userErrors { __typename code message path } } }`, map[string]any{"id": loser})
	want(t, "an entry", refusalOf(t, r), mergedRefusal)
}

func TestRowD18APictureThatThePolicyHidesIsRefused(t *testing.T) {
	a := featureActor(t)
	builder, home := a.idOfItem(t, "customerTypes", "label", "Builder"), a.idOfItem(t, "customerTypes", "label", "Residential")
	want(t, "the policy", a.policy(t, nil, 0, rule("image", false, false)), []string(nil))
	want(t, "that of builders", a.policy(t, builder, 0, rule("image", false, true)), []string(nil))

	c := a.create(t, map[string]any{"givenName": "Ada", "typeId": builder})
	a.mustSetImage(t, text(c, "id"), 1, picture("ada.png", 8, 8))
	a.change(t, text(c, "id"), map[string]any{"typeId": home})
	r := a.setImage(t, text(c, "id"), 3, picture("ada.png", 9, 9))
	want(t, "a hidden picture", lines(r.Data, "customerImageSet"), []string{"BAD_USER_INPUT [file]"})
	a.must(t, removeImage, map[string]any{"id": c["id"], "version": 3}) // what was there before can be taken away
}
