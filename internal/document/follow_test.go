package document_test

import (
	"bytes"
	"context"
	"testing"

	"github.com/google/uuid"

	"dossier/internal/auth"
	"dossier/internal/document"
	"dossier/internal/fault"
)

// records gives how many records of an action and outcome Ada's account has.
func (e *env) records(action, outcome string) int64 {
	e.t.Helper()
	return e.number(`SELECT count(*) FROM audit_record WHERE account_id = $1 AND action = $2 AND outcome = $3`, e.ada.AccountID, action, outcome)
}

func files() *document.Links {
	return &document.Links{Secret: bytes.Repeat([]byte("s"), 32), BaseURL: "https://api.example.com/files/"}
}

func TestADownloadIsOnRecordBeforeItBegins(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	id := e.stored("a.pdf", pdf(3000, 1))
	links, version := files(), e.version(id)
	link := links.URLFor(e.ada.Holder(), e.ada.AccountID, version)
	ctx := auth.WithOrigin(t.Context(), auth.Origin{RequestID: "r-1", ClientAddress: "192.0.2.1"})
	follow := func(ctx context.Context, v document.Visit) document.Offer {
		t.Helper()
		o, err := e.service.DownloadRequest(ctx, links, link, v)
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	want := func(n int64, when string) {
		t.Helper()
		if got := e.records(document.ActionDocument, "DONE"); got != n {
			t.Errorf("after %s there are %d records of downloads, want %d", when, got, n)
		}
	}
	if o := follow(ctx, document.Visit{Peek: true}); o.URL != "" || o.SizeBytes != 3000 || o.FileName != "a.pdf" {
		t.Errorf("a peek is offered %+v", o)
	}
	want(0, "a peek")
	follow(ctx, document.Visit{Continues: true})
	want(1, "a part, which may not be had without a record either")
	follow(ctx, document.Visit{Continues: true})
	want(1, "the next part")
	follow(ctx, document.Visit{})
	want(2, "a whole download")
	follow(ctx, document.Visit{})
	follow(ctx, document.Visit{Continues: true})
	want(3, "another one, and its continuation")
	follow(auth.WithOrigin(ctx, auth.Origin{ClientAddress: "192.0.2.2"}), document.Visit{Continues: true})
	want(4, "a part for another client")
	if n := e.number(`SELECT count(*) FROM audit_record WHERE action = 'DOCUMENT_DOWNLOADED' AND created_by_kind = 'STAFF' AND created_by_id = $1
		AND customer_id = $2 AND subject_type = 'DocumentVersion' AND subject_id = $3 AND client_address LIKE '192.0.2._'`,
		e.ada.ID, e.adasCustomer, version); n != 4 {
		t.Errorf("%d of the records name Ada, the customer, the version and the address, want all 4", n)
	}
}

func TestALinkIsWorthWhatItsHolderMayDoNow(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	version := e.version(e.stored("a.pdf", pdf(3000, 1)))
	links := files()
	key := auth.Principal{AccountID: e.ada.AccountID, Kind: auth.KindAPIKey, ID: uuid.New(), Scopes: []string{"documents:read"}}
	insert := `INSERT INTO api_key (id, account_id, created_at, name, hint, hash, scopes) VALUES ($1, $2, now(), 'K', 'hint', '\x00', '["documents:read"]')`
	e.exec(insert, key.ID, key.AccountID)
	var denied []string
	e.service.Denied = func(_ context.Context, p auth.Principal, action string) {
		denied = append(denied, string(p.Kind)+" "+action)
	}
	try := func(p auth.Principal, account uuid.UUID) error {
		e.service.Rights = e.authenticator() // which has not seen anything yet
		_, err := e.service.DownloadRequest(t.Context(), links, links.URLFor(p.Holder(), account, version), document.Visit{})
		return err
	}
	good := func(what string, p auth.Principal) {
		t.Helper()
		if err := try(p, p.AccountID); err != nil {
			t.Errorf("%s: %v, want the content", what, err)
		}
	}
	bad := func(what string, p auth.Principal, account uuid.UUID) {
		t.Helper()
		wantCode(t, try(p, account), fault.NotFound)
		if len(denied) == 0 {
			t.Errorf("%s: there is no denial", what)
		}
		denied = nil
	}
	good("a person", e.ada)
	good("a key", key)
	bad("a key on another account", key, e.bob.AccountID)
	bad("a person of another account", e.bob, e.ada.AccountID)
	e.exec(`UPDATE api_key SET scopes = '["customers:read"]'`)
	bad("a key that lost the scope", key, key.AccountID)
	e.exec(`UPDATE api_key SET scopes = '["read"]', expires_at = now() - interval '1 second'`)
	bad("a key that has expired", key, key.AccountID)
	e.exec(`UPDATE api_key SET expires_at = NULL, revoked_at = now()`)
	bad("a key that was revoked", key, key.AccountID)
	e.exec(`UPDATE staff_user SET disabled_at = now() WHERE id = $1`, e.ada.ID)
	bad("a person who is locked out", e.ada, e.ada.AccountID)
	e.exec(`UPDATE staff_user SET disabled_at = NULL`)
	e.exec(`UPDATE account SET oidc_issuer = 'https://new.example' WHERE id = $1`, e.ada.AccountID)
	bad("a person of an issuer that the account has left", e.ada, e.ada.AccountID)
	e.exec(`UPDATE account SET oidc_issuer = NULL`)
	good("a person again", e.ada)
	gone := e.ada
	gone.ID = uuid.New()
	bad("a person who is not there", gone, gone.AccountID)
	wantCode(t, try(auth.System(e.ada.AccountID), e.ada.AccountID), fault.NotFound)
}
