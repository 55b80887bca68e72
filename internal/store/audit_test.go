package store

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"dossier/internal/account"
	"dossier/internal/auth"
	"dossier/internal/timeline"
	"dossier/internal/typeid"
)

// trail gives the account's records as text, oldest first.
func (e *env) trail(p auth.Principal) []string {
	e.t.Helper()
	rows, err := e.admin.Query(e.t.Context(), `SELECT concat_ws(' ', action, outcome, created_by_kind, created_by_id, subject_type, changed_fields::text, request_id, client_address)
		FROM audit_record WHERE account_id = $1 ORDER BY created_at, id`, p.AccountID)
	if err != nil {
		e.t.Fatal(err)
	}
	defer rows.Close()
	var list []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			e.t.Fatal(err)
		}
		list = append(list, s)
	}
	return list
}

// unrecorded is how many events have no record of the same content, those left out that have none on purpose.
const unrecorded = `SELECT count(*) FROM event e WHERE type NOT IN ('JOB_PROGRESS', 'ACCOUNT_SETTINGS_CHANGED') AND NOT EXISTS (
	SELECT FROM audit_record r WHERE r.id = e.id AND r.account_id = e.account_id AND r.created_at = e.created_at AND r.action = e.type AND r.outcome = 'DONE'
		AND (r.created_by_kind, r.created_by_id, r.customer_id, r.subject_type, r.subject_id, r.changed_fields, r.times) IS NOT DISTINCT FROM
			(e.created_by_kind, e.created_by_id, e.customer_id, e.subject_type, e.subject_id, e.changed_fields, 1))`

func TestEachChangeHasItsRecord(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	ctx := auth.WithOrigin(t.Context(), auth.Origin{RequestID: "r-1", ClientAddress: "2001:db8::1"})
	id := e.person(e.ada, "Ada")
	if err := e.rename(e.ada, id, 1, "Lovelace"); err != nil {
		t.Fatal(err)
	}
	if err := e.rename(e.ada, id, 1, "Stale"); err == nil {
		t.Fatal("a stale version was taken")
	}
	accounts := account.NewService(e.store, auth.Pepper{1})
	key, _, err := accounts.KeyCreate(ctx, e.ada, account.KeyDraft{Name: "K", Scopes: []string{"read"}})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time changes nothing
		if err := accounts.KeyRevoke(ctx, e.ada, key); err != nil {
			t.Fatal(err)
		}
	}
	who := "STAFF " + e.ada.ID.String()
	want := []string{
		"CUSTOMER_CREATED DONE " + who + " Customer []",
		"CUSTOMER_UPDATED DONE " + who + ` Customer ["givenName"]`,
		"API_KEY_CREATED DONE " + who + " ApiKey [] r-1 2001:db8::1",
		"API_KEY_REVOKED DONE " + who + ` ApiKey ["revokedAt"] r-1 2001:db8::1`,
	}
	if got := e.trail(e.ada); !slices.Equal(got, want) {
		t.Errorf("the trail is\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if n := e.count(unrecorded); n != 0 {
		t.Errorf("%d events have no record", n)
	}
	if got := e.trail(e.bob); len(got) != 0 {
		t.Errorf("the other account's trail has %q", got)
	}
}

func TestAnAccountsBeginningAndIssuerAreOnRecord(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	accounts := account.NewService(e.store, auth.Pepper{1})
	id, err := accounts.Create(t.Context(), account.Draft{Name: "New"})
	if err != nil {
		t.Fatal(err)
	}
	if err := accounts.SetIssuer(t.Context(), id, auth.Issuer{URL: "https://issuer.example"}); err != nil {
		t.Fatal(err)
	}
	if err := accounts.SetIssuer(t.Context(), typeid.New(), auth.Issuer{URL: "https://other.example"}); err == nil {
		t.Error("an account that is not there got an issuer")
	}
	want := []string{"ACCOUNT_CREATED DONE Account []", `ACCOUNT_UPDATED DONE Account ["issuer"]`}
	if got := e.trail(auth.System(id)); !slices.Equal(got, want) {
		t.Errorf("the trail is %q, want %q", got, want)
	}
}

func TestSigningInIsOnRecordWhenItChangesSomething(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	ctx := auth.WithOrigin(t.Context(), auth.Origin{ClientAddress: "192.0.2.1"})
	claims := auth.StaffClaims{Subject: "new", Name: "New", Email: "new@example.com", EmailVerified: true, Role: auth.Viewer}
	sign := func() string {
		t.Helper()
		r, err := e.store.EnsureStaff(ctx, e.ada.AccountID, claims)
		if err != nil {
			t.Fatal(err)
		}
		return r.ID.String()
	}
	who := sign()
	sign()
	claims.Role, claims.Name = auth.Admin, "Newer"
	sign()
	if _, err := account.NewService(e.store, auth.Pepper{1}).StaffCreate(t.Context(), e.ada, account.StaffDraft{DisplayName: "Awaited", Email: "awaited@example.com"}, nil); err != nil {
		t.Fatal(err)
	}
	claims.Subject, claims.Name, claims.Email = "awaited", "Awaited", "awaited@example.com"
	claimed := sign()
	want := []string{
		"STAFF_USER_CREATED DONE STAFF " + who + " StaffUser [] 192.0.2.1",
		"STAFF_USER_UPDATED DONE STAFF " + who + ` StaffUser ["displayName", "role"] 192.0.2.1`,
		"STAFF_USER_CREATED DONE STAFF " + e.ada.ID.String() + " StaffUser []",
		"STAFF_USER_UPDATED DONE STAFF " + claimed + ` StaffUser ["signedInAt"] 192.0.2.1`,
		"STAFF_USER_UPDATED DONE STAFF " + claimed + ` StaffUser ["role"] 192.0.2.1`,
	}
	if got := e.trail(e.ada); !slices.Equal(got, want) {
		t.Errorf("the trail is\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestATransactionThatFailsLeavesNoRecord(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	id := e.person(e.ada, "Ada")
	before := len(e.trail(e.ada))
	err := e.store.inTx(t.Context(), "test", e.ada, func(_ context.Context, t *tx) error {
		t.emit(timeline.Event{Type: timeline.CustomerUpdated, CustomerID: &id, Subject: timeline.SubjectCustomer, SubjectID: id})
		t.record(record{action: "TEST", subject: timeline.SubjectAccount, subjectID: t.account})
		return fmt.Errorf("no")
	})
	if err == nil || len(e.trail(e.ada)) != before {
		t.Errorf("%v, %d records, want %d", err, len(e.trail(e.ada)), before)
	}
}

// TestNothingChangesARecord reads the program: the trail is only ever added to, so that the role it has in the database
// needs no right to more.
func TestNothingChangesARecord(t *testing.T) {
	t.Parallel()
	statement := regexp.MustCompile(`(?i)(UPDATE|DELETE\s+FROM|TRUNCATE)\s+(TABLE\s+)?(ONLY\s+)?"?audit_record|AuditRecord\.(Update|Delete)|` +
		`(?is)INSERT\s+INTO\s+audit_record[^;` + "`" + `]*DO\s+UPDATE`)
	files := 0
	for _, dir := range []string{"../../internal", "../../cmd", "../../graph"} {
		err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			files++
			source, err := os.ReadFile(path)
			if found := statement.Find(source); found != nil {
				t.Errorf("%s: %q", path, found)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if files < 100 {
		t.Errorf("only %d files were read", files)
	}
}
