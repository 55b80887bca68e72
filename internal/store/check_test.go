package store

import (
	"context"
	"errors"
	"testing"
	"time"

	"dossier/internal/auth"
	"dossier/internal/blob"
	"dossier/internal/document"
)

// waiting completes an upload whose content waits for a scan or a preview, and gives it claimed.
func (e *env) waiting(c document.Content) document.Check {
	e.t.Helper()
	a, made := e.begun(e.ada, e.person(e.ada, "Ada"))
	made.Hold, made.Preview = c.Hold, c.Preview
	if _, err := e.store.Documents().CompleteUpload(e.t.Context(), e.ada, a, made); err != nil {
		e.t.Fatal(err)
	}
	k, ok, err := e.store.Checks().ClaimCheck(e.t.Context(), true, time.Minute)
	if err != nil || !ok || k.VersionID != made.VersionID || k.DocumentID != made.DocumentID || k.AccountID != e.ada.AccountID ||
		k.Attempt != 1 || k.Scan != c.Hold || k.ObjectKey != a.ObjectKey || k.SizeBytes != made.SizeBytes || k.CRC32C != made.CRC32C {
		e.t.Fatalf("claimed %+v, %v, %v", k, ok, err)
	}
	return k
}

func TestAClaimIsOneNodesUntilItsLeaseEnds(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	checks, ctx := e.store.Checks(), t.Context()
	k := e.waiting(document.Content{Hold: true})
	if _, ok, err := checks.ClaimCheck(ctx, true, time.Minute); ok || err != nil {
		t.Errorf("claimed twice: %v, %v", ok, err)
	}
	if err := checks.ExtendCheck(ctx, k, 0); err != nil { // the lease has ended
		t.Fatal(err)
	}
	if _, ok, err := checks.ClaimCheck(ctx, false, time.Minute); ok || err != nil {
		t.Errorf("claimed by a node that does not scan: %v, %v", ok, err)
	}
	next, ok, err := checks.ClaimCheck(ctx, true, time.Minute)
	if err != nil || !ok || next.Attempt != 2 || next.VersionID != k.VersionID {
		t.Fatalf("claimed again: %+v, %v, %v", next, ok, err)
	}
	for what, err := range map[string]error{
		"extended": checks.ExtendCheck(ctx, k, time.Hour), "given back": checks.PostponeCheck(ctx, k, 0, document.ScanScannerFailed),
	} {
		if !errors.Is(err, document.ErrCheckLost) {
			t.Errorf("%s by who has lost it: %v", what, err)
		}
	}
	// A verdict is one whoever gives it, and the first one counts.
	if err := checks.FinishScan(ctx, k, document.Verdict{Clean: true}); err != nil {
		t.Error(err)
	}
	if err := checks.FinishScan(ctx, next, document.Verdict{Signature: "late"}); err != nil {
		t.Error(err)
	}
	if n := e.count(`SELECT count(*) FROM document_version v JOIN document d ON d.id = v.document_id
		WHERE v.id = $1 AND v.state = 'AVAILABLE' AND scan_signature IS NULL AND check_at IS NULL AND d.status = 'ACTIVE'`, k.VersionID); n != 1 {
		t.Error("the content is not available")
	}
	if err := checks.PostponeCheck(ctx, next, 0, ""); !errors.Is(err, document.ErrCheckLost) {
		t.Errorf("given back when it is done: %v", err)
	}
}

// TestACheckIsOfItsAccount: the ids of another account's content reach nothing.
func TestACheckIsOfItsAccount(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	checks, ctx := e.store.Checks(), t.Context()
	k := e.waiting(document.Content{Hold: true})
	k.AccountID = e.bob.AccountID
	for what, err := range map[string]error{
		"extended": checks.ExtendCheck(ctx, k, time.Hour), "passed": checks.FinishScan(ctx, k, document.Verdict{Clean: true}),
		"given back": checks.PostponeCheck(ctx, k, 0, ""), "previewed": checks.FinishPreview(ctx, k, document.Preview{}),
	} {
		if !errors.Is(err, document.ErrCheckLost) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if n := e.count(`SELECT count(*) FROM document_version WHERE id = $1 AND state = 'STORED' AND check_at > now()`, k.VersionID); n != 1 {
		t.Error("another account's content was changed")
	}
}

func TestRenditionsGoWithTheirVersion(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	checks, ctx := e.store.Checks(), t.Context()
	k := e.waiting(document.Content{Preview: true})
	p := document.Preview{Width: 4, Height: 3}
	var keys []string
	for _, variant := range []string{document.ImagePreview, document.ImageThumbnail} {
		key := blob.NewKey(k.AccountID)
		keys = append(keys, key)
		p.Renditions = append(p.Renditions, document.Rendition{Variant: variant, ContentType: "image/png", SizeBytes: 7, Width: 4, Height: 3, ObjectKey: key})
	}
	if err := checks.FinishPreview(ctx, k, p); !errors.Is(err, document.ErrCheckLost) {
		t.Errorf("objects that nobody knew of were taken: %v", err)
	}
	if err := checks.BeginRenditions(ctx, k, keys, time.Hour); err != nil {
		t.Fatal(err)
	}
	if n := e.count(`SELECT count(*) FROM garbage WHERE object_key = ANY ($1) AND next_at > now()`, keys); n != 2 {
		t.Errorf("%d objects are garbage before they are written, want 2", n)
	}
	for range 2 { // again is nothing
		if err := checks.FinishPreview(ctx, k, p); err != nil {
			t.Fatal(err)
		}
	}
	d, err := e.store.Documents().Rendition(ctx, k.AccountID, k.VersionID, document.ImageThumbnail)
	if err != nil || d.ObjectKey != keys[1] || e.count(`SELECT count(*) FROM garbage`) != 0 {
		t.Errorf("got %+v, %v, want the thumbnail", d, err)
	}
	if _, err := e.store.Documents().Rendition(ctx, e.bob.AccountID, k.VersionID, document.ImageThumbnail); err == nil {
		t.Error("another account has it")
	}
	drop := func(p auth.Principal) {
		err := e.store.inTx(ctx, "test", p, func(ctx context.Context, t *tx) error {
			_, err := t.releaseVersions(ctx, k.VersionID)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	drop(e.bob)
	if n := e.count(`SELECT count(*) FROM document_rendition`); n != 2 {
		t.Errorf("another account has dropped them: %d are left", n)
	}
	drop(e.ada)
	if n, g := e.count(`SELECT count(*) FROM document_rendition`), e.count(`SELECT count(*) FROM garbage WHERE object_key = ANY ($1) AND next_at <= now()`, keys); n != 0 || g != 2 {
		t.Errorf("%d renditions are left and %d objects garbage, want 0 and 2", n, g)
	}
}
