package store

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/google/uuid"

	"dossier/internal/auth"
	"dossier/internal/customer"
	"dossier/internal/optional"
	"dossier/internal/search"
)

// found says whether the stored words of a customer match a search text.
func (e *env) found(p auth.Principal, id uuid.UUID, text string) bool {
	e.t.Helper()
	q, err := search.Parse(text)
	if err != nil {
		e.t.Fatal(err)
	}
	conn, err := e.admin.Acquire(e.t.Context())
	if err != nil {
		e.t.Fatal(err)
	}
	defer conn.Release()
	result := conn.Conn().PgConn().ExecParams(e.t.Context(), `SELECT count(*) FROM customer_search WHERE id = $1 AND words @@ $2`,
		[][]byte{id[:], q.Match(p.AccountID, search.LeadNone, nil)}, []uint32{2950, 3615}, []int16{1, 1}, nil).Read()
	if result.Err != nil {
		e.t.Fatal(result.Err)
	}
	return string(result.Rows[0][0]) == "1"
}

// indexed holds that what is stored for the search is what the stored file says.
func (e *env) indexed(p auth.Principal, id uuid.UUID) {
	e.t.Helper()
	var f customer.File
	err := e.store.inTx(e.t.Context(), "test", p, func(ctx context.Context, t *tx) (err error) {
		f, err = t.lockFile(ctx, id, nil)
		return err
	})
	if err != nil {
		e.t.Fatal(err)
	}
	var words []string
	var same bool
	var signature string
	err = e.admin.QueryRow(e.t.Context(), `SELECT tsvector_to_array(s.words), encode(substr(bit_send(s.signature), 5), 'hex'), (s.account_id, s.created_at, s.status, s.sort_name, s.family_sort_name)
		= (c.account_id, c.created_at, c.status, c.sort_name, c.family_sort_name) FROM customer_search s JOIN customer c USING (id) WHERE id = $1`, id).Scan(&words, &signature, &same)
	if err != nil {
		e.t.Fatal(err)
	}
	slices.Sort(words)
	if want := f.Search().Lexemes(p.AccountID); !slices.Equal(words, want) {
		e.t.Errorf("the words are %q, want %q", words, want)
	}
	if want := f.Search().Signature().Hex(); signature != want {
		e.t.Errorf("the signature is %s, want %s", signature, want)
	}
	if !same {
		e.t.Error("the copied columns differ from the customer's")
	}
	var tokens []string
	if err := e.admin.QueryRow(e.t.Context(), `SELECT coalesce(array_agg(concat_ws(' ', t.word, t.hint, t.hint_more, t.shared) ORDER BY t.word), '{}') FROM search_token t
		JOIN customer c ON (c.account_id, c.id, c.status, c.sort_name, c.family_sort_name, c.created_at)
			= (t.account_id, t.customer_id, t.status, t.sort_name, t.family_sort_name, t.created_at) WHERE c.id = $1`, id).Scan(&tokens); err != nil {
		e.t.Fatal(err)
	}
	all := search.Tokens(f.Search().Lexemes(p.AccountID))
	want := make([]string, len(all))
	for i, token := range all {
		hint := f.Search().Hint(all)
		want[i] = fmt.Sprint(token.Word, " ", hint[0], " ", hint[1], " ", token.Shared)
	}
	if n := e.count("SELECT count(*) FROM search_token WHERE customer_id = $1", id); !slices.Equal(tokens, want) || n != len(want) {
		e.t.Errorf("the tokens are %q, %d in all, want %q", tokens, n, want)
	}
	missing := e.count(`SELECT count(*) FROM unnest($2::text[]) AS w WHERE NOT EXISTS
		(SELECT FROM search_word WHERE account_id = $1 AND spelling = w AND word = w)`, p.AccountID, f.Search().Words())
	if missing != 0 {
		e.t.Errorf("%d of the words %q cannot be corrected to", missing, f.Search().Words())
	}
}

func TestTheSearchFollowsEveryChangeOfAFile(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	svc := customer.NewService(e.store)
	ctx := t.Context()
	id, err := svc.Create(ctx, e.ada, customer.Draft{
		Kind: customer.Company, CompanyName: ptr("Müller & Söhne"), Emails: []customer.EmailInput{{Address: "info@mueller.example"}},
		Phones: []customer.PhoneInput{{Number: "+49 30 901820"}}, Contacts: []customer.ContactDraft{{GivenName: ptr("Zoë"), FamilyName: ptr("Yılmaz")}},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var contactID uuid.UUID
	if err := e.admin.QueryRow(ctx, "SELECT id FROM contact WHERE customer_id = $1", id).Scan(&contactID); err != nil {
		t.Fatal(err)
	}
	contactVersion := 1
	version := func() int { return e.count("SELECT version FROM customer WHERE id = $1", id) }
	update := func(p customer.Patch) func() error {
		return func() error { return svc.Update(ctx, e.ada, id, version(), p, "") }
	}
	for _, step := range []struct {
		name        string
		do          func() error
		found, lost []string
	}{
		{"created", func() error { return nil }, []string{"muller", "SOHNE", "zoe", "info@mueller", "mueller", "901820", "030 90"}, []string{"hoffmann"}},
		{"renamed", update(customer.Patch{CompanyName: optional.Some(ptr("Hoffmann"))}), []string{"hoffm", "zoe"}, []string{"muller", "sohne"}},
		{"contact renamed", func() error {
			contactVersion++
			return svc.ContactUpdate(ctx, e.ada, contactID, contactVersion-1, customer.ContactPatch{GivenName: optional.Some(ptr("Xaver"))}, "")
		}, []string{"xaver", "hoffmann xav"}, []string{"zoe"}},
		{"contact's address added", func() error {
			contactVersion++
			return svc.ContactUpdate(ctx, e.ada, contactID, contactVersion-1,
				customer.ContactPatch{Emails: optional.Some([]customer.EmailInput{{Address: "boss@other.example"}})}, "")
		}, []string{"boss@other.example", "other"}, nil},
		{"contact archived", func() error { return svc.ContactArchive(ctx, e.ada, contactID, contactVersion) }, []string{"hoffmann"}, []string{"xaver", "boss@other.example", "other"}},
		{"e-mail and phone removed", update(customer.Patch{
			Emails: optional.Some([]customer.EmailInput{}), Phones: optional.Some([]customer.PhoneInput{}),
		}), []string{"hoffmann"}, []string{"info@mueller", "mueller", "901820"}},
		{"contact added in an update", update(customer.Patch{Contacts: optional.Some([]customer.ContactNested{
			{ContactPatch: customer.ContactPatch{FamilyName: optional.Some(ptr("Quandt"))}},
		})}), []string{"quandt"}, nil},
		{"archived", func() error { return svc.Archive(ctx, e.ada, id, version()) }, []string{"quandt"}, nil},
		{"restored", func() error { return svc.Restore(ctx, e.ada, id, version()) }, []string{"quandt"}, nil},
	} {
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		e.indexed(e.ada, id)
		for _, text := range step.found {
			if !e.found(e.ada, id, text) {
				t.Errorf("%s: not found by %q", step.name, text)
			}
		}
		for _, text := range step.lost {
			if e.found(e.ada, id, text) {
				t.Errorf("%s: still found by %q", step.name, text)
			}
		}
	}
}

// TestAChangeOfNoWordLeavesTheIndexAlone holds that the many index entries of the words are not made anew by every change.
func TestAChangeOfNoWordLeavesTheIndexAlone(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	id := e.person(e.ada, "Ada")
	row := func() (s string) {
		if err := e.admin.QueryRow(t.Context(), "SELECT ctid::text || xmin FROM customer_search WHERE id = $1", id).Scan(&s); err != nil {
			t.Fatal(err)
		}
		return s
	}
	before := row()
	err := customer.NewService(e.store).Update(t.Context(), e.ada, id, 1, customer.Patch{ProfileInput: customer.ProfileInput{LanguageTag: optional.Some(ptr("de"))}}, "")
	if err != nil {
		t.Fatal(err)
	}
	if after := row(); after != before {
		t.Errorf("the row was written again: %s, before %s", after, before)
	}
}

// TestMigratingIndexesCustomersThatAreOlderThanTheSearch empties what the search has and lets Migrate make it again.
func TestMigratingIndexesCustomersThatAreOlderThanTheSearch(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	svc := customer.NewService(e.store)
	type owned struct {
		by auth.Principal
		id uuid.UUID
	}
	var all []owned
	for i, p := range []auth.Principal{e.ada, e.bob, e.ada} {
		name := []string{"Ödön", "Zoë", "Ada"}[i]
		id, err := svc.Create(t.Context(), p, customer.Draft{
			GivenName: &name, FamilyName: ptr("Groß"), Emails: []customer.EmailInput{{Address: "a.b@example.com"}}, Phones: []customer.PhoneInput{{Number: "+4930901820"}},
			Contacts: []customer.ContactDraft{
				{GivenName: ptr("Maria"), Emails: []customer.EmailInput{{Address: "maria@example.org"}}, Phones: []customer.PhoneInput{{Number: "+4930901821"}}},
				{GivenName: ptr("Gone")},
			},
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		var gone uuid.UUID
		if err := e.admin.QueryRow(t.Context(), "SELECT id FROM contact WHERE customer_id = $1 AND given_name = 'Gone'", id).Scan(&gone); err != nil {
			t.Fatal(err)
		}
		if err := svc.ContactArchive(t.Context(), p, gone, 1); err != nil {
			t.Fatal(err)
		}
		all = append(all, owned{p, id})
	}
	if _, err := e.admin.Exec(t.Context(), "TRUNCATE customer_search, search_token, search_word; UPDATE customer SET family_sort_name = ''"); err != nil {
		t.Fatal(err)
	}
	for i := range 3 { // the second time there is nothing to do
		if i == 2 { // as rows of the version before are after the migration
			if _, err := e.admin.Exec(t.Context(), "UPDATE customer_search SET signature = ~ 0::bit(512)"); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := Migrate(t.Context(), e.db.DSN(), nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range all {
		e.indexed(c.by, c.id)
		if !e.found(c.by, c.id, "gross maria 901821") || e.found(c.by, c.id, "gone") {
			t.Error("found by the wrong words")
		}
	}
	if n := e.count("SELECT count(*) FROM customer WHERE family_sort_name NOT LIKE 'gross %'"); n != 0 {
		t.Errorf("%d customers have no family_sort_name", n)
	}
	if a, b := e.count("SELECT count(*) FROM search_word"), e.count("SELECT count(DISTINCT (account_id, spelling, word)) FROM search_word"); a != b {
		t.Errorf("%d spellings, %d different ones", a, b)
	}
}

// TestTwoNewCustomersWithTheSameNewWordDoNotWaitForEachOther holds the reason why search_word has no unique index.
func TestTwoNewCustomersWithTheSameNewWordDoNotWaitForEachOther(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	err := e.store.inTx(t.Context(), "test", e.ada, func(ctx context.Context, t *tx) error {
		if err := t.addWords(ctx, []string{"neuwort"}); err != nil {
			return err
		}
		return e.store.inTx(ctx, "test", e.ada, func(ctx context.Context, t *tx) error { return t.addWords(ctx, []string{"neuwort"}) })
	})
	if err != nil {
		t.Fatal(err)
	}
}
