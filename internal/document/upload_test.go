package document_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"dossier/internal/auth"
	"dossier/internal/document"
	"dossier/internal/fault"
)

func TestUploadStoresWhatWasSent(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	content := pdf(300_000, 1)
	expires := time.Date(2030, 6, 30, 0, 0, 0, 0, time.UTC)
	results, err := e.service.Upload(t.Context(), e.ada, document.UploadDraft{
		CustomerID: e.adasCustomer, Titles: []*string{ptr("Insurance")}, ExpiresOn: &expires,
	}, []document.Incoming{incoming("C:\\fakepath\\Versicherung für Élodie.docx", content)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	wantResult(t, results[0], "")
	e.acknowledge(results[0].Document, content)

	sum := sha256.Sum256(content)
	got := e.text(`SELECT concat_ws('|', d.title, d.expires_on, d.source, d.status, d.version, d.created_by_kind, v.number, v.file_name,
		v.content_type, v.size_bytes, encode(v.sha256, 'hex'), v.state)
		FROM document d JOIN document_version v ON v.id = d.current_version_id WHERE d.id = $1`, results[0].Document)
	want := "Insurance|2030-06-30|STAFF|ACTIVE|1|STAFF|1|Versicherung für Élodie.docx|application/pdf|300000|" + hexOf(sum[:]) + "|AVAILABLE"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	got = e.text(`SELECT string_agg(concat_ws('|', kind, title, at::date), ', ' ORDER BY kind DESC) FROM timeline_entry
		WHERE customer_id = $1 AND kind = 'DOCUMENT_EXPIRES'`, e.adasCustomer)
	if want := "DOCUMENT_EXPIRES|Document expires: Insurance|2030-06-30"; got != want {
		t.Errorf("coming timeline: got %s, want %s", got, want)
	}
	CheckInvariants(t, e)
}

func TestEachFileSucceedsOrFailsByItself(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	e.exec(`UPDATE account SET max_file_bytes = 100000`)
	good, better := pdf(5000, 1), pdf(100_000, 2)
	results := e.upload(
		incoming("good.pdf", good),
		incoming("page.pdf", []byte("<!DOCTYPE html><script>alert(1)</script>")),
		incoming("picture.png", []byte(`<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>`)),
		incoming("letter.docx", append([]byte("MZ\x90\x00"), make([]byte, 5000)...)),
		incoming("empty.pdf", nil),
		incoming("large.pdf", pdf(100_001, 3)),
		incoming(strings.Repeat("n", 300)+".pdf", good),
		&file{name: "cut.pdf", bound: -1, r: failing(pdf(50_000, 4))},
		incoming("better.pdf", better),
	)
	for i, want := range []fault.Code{
		"", fault.UnsupportedMediaType, fault.UnsupportedMediaType, fault.UnsupportedMediaType, fault.BadUserInput, fault.TooLarge,
		fault.BadUserInput, fault.BadUserInput, "",
	} {
		wantResult(t, results[i], want)
		for _, f := range results[i].Errs {
			if strings.Join(f.Path, ".") != "files."+string(rune('0'+i)) {
				t.Errorf("file %d: path %v", i, f.Path)
			}
		}
	}
	if d, ok := results[1].Errs[0].Detail.(fault.MediaTypeDetail); !ok || d.ContentType != "text/html" {
		t.Errorf("detail %#v, want text/html", results[1].Errs[0].Detail)
	}
	if d, ok := results[5].Errs[0].Detail.(fault.LimitDetail); !ok || d.LimitBytes != 100_000 {
		t.Errorf("detail %#v, want the limit", results[5].Errs[0].Detail)
	}
	e.acknowledge(results[0].Document, good)
	e.acknowledge(results[8].Document, better)
	if got := e.documents(); got != 2 {
		t.Errorf("got %d documents, want 2", got)
	}
	CheckInvariants(t, e)
}

func TestASourceThatFailsLeavesNothing(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	whole := pdf(600_000, 1)
	for _, at := range []int{0, 100, 4096, 300_000, len(whole)} {
		r := e.upload(&file{name: "cut.pdf", bound: -1, r: failing(whole[:at])})[0]
		wantResult(t, r, fault.BadUserInput)
		if got := e.documents(); got != 0 {
			t.Errorf("failed after %d bytes: got %d documents, want 0", at, got)
		}
		if got := e.number(`SELECT reserved_bytes FROM storage_usage WHERE account_id = $1`, e.ada.AccountID); got != 0 {
			t.Errorf("failed after %d bytes: %d bytes stay reserved", at, got)
		}
		if got := e.number(`SELECT count(*) FROM upload WHERE state = 'PENDING'`); got != 0 {
			t.Errorf("failed after %d bytes: %d uploads stay pending", at, got)
		}
		CheckInvariants(t, e)
	}
}

func TestAClientThatGoesAwayLeavesNothing(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	content := pdf(600_000, 1)
	gate := newGate(content, 300_000)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-gate.reached
		cancel()
		close(gate.open)
	}()
	results, err := e.service.Upload(ctx, e.ada, document.UploadDraft{CustomerID: e.adasCustomer},
		[]document.Incoming{&file{name: "a.pdf", bound: -1, r: gate}, incoming("b.pdf", content)}, nil)
	wantCode(t, err, fault.Unavailable)
	if len(results) != 2 || results[0].Errs == nil || results[1].Errs == nil {
		t.Errorf("got results %v, want an error for each file", results)
	}
	if got := e.number(`SELECT count(*) FROM upload WHERE state = 'PENDING'`); got != 0 {
		t.Errorf("%d uploads stay pending", got)
	}
	if got := e.documents(); got != 0 {
		t.Errorf("got %d documents, want 0", got)
	}
	CheckInvariants(t, e)
}

func TestWhatCannotFitIsRefusedBeforeItIsRead(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	const most = 256 << 10
	large := bounded("large.pdf", pdf(6_000_000, 1), 150)
	wantResult(t, e.upload(large)[0], fault.TooLarge)
	if large.read > most {
		t.Errorf("read %d bytes of a file over the limit, want at most %d", large.read, most)
	}
	e.exec(`UPDATE storage_usage SET limit_bytes = 1000000`)
	e.stored("first.pdf", pdf(500_000, 2))
	second := bounded("second.pdf", pdf(600_000, 3), 150)
	r := e.upload(second)[0]
	wantResult(t, r, fault.QuotaExceeded)
	if second.read > most {
		t.Errorf("read %d bytes of a file over the quota, want at most %d", second.read, most)
	}
	if d, ok := r.Errs[0].Detail.(fault.QuotaDetail); !ok || d.LimitBytes != 1_000_000 || d.UsedBytes != 500_000 {
		t.Errorf("detail %#v, want 500,000 of 1,000,000", r.Errs[0].Detail)
	}
	if got := e.number(`SELECT count(*) FROM upload`); got != 1 {
		t.Errorf("got %d upload rows, want 1: a refused file needs none", got)
	}
	CheckInvariants(t, e)
}

func TestAFileOfUnknownSizeIsCutOffAtTheLimit(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	large := incoming("large.pdf", pdf(9_000_000, 1))
	wantResult(t, e.upload(large)[0], fault.TooLarge)
	if most := int64(5_000_000 + 512<<10); large.read > most {
		t.Errorf("read %d bytes, want at most %d", large.read, most)
	}
	e.exec(`UPDATE storage_usage SET limit_bytes = 1000000`)
	wantResult(t, e.upload(incoming("over.pdf", pdf(1_000_001, 2)))[0], fault.QuotaExceeded)
	fits := pdf(1_000_000, 3)
	e.stored("fits.pdf", fits)
	wantResult(t, e.upload(incoming("none left.pdf", pdf(10, 4)))[0], fault.QuotaExceeded)
	CheckInvariants(t, e)
}

func TestOfRacingUploadsExactlyThoseWinThatFit(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		size int
		more int64
	}{
		"exact":                           {60_000, 0},
		"bounded by the request":          {60_000, 260},
		"too small to reserve beforehand": {1000, 260},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEnv(t)
			const room, racers = 10, 50
			e.exec(`UPDATE storage_usage SET limit_bytes = $1`, c.size*room)
			var wg sync.WaitGroup
			won := make(chan struct{}, racers)
			for i := range racers {
				content := pdf(c.size, byte(i))
				wg.Go(func() {
					r := e.upload(bounded(names(i), content, c.more))[0]
					if r.Errs == nil {
						e.acknowledge(r.Document, content)
						won <- struct{}{}
						return
					}
					if got := fault.CodeOf(r.Errs); got != fault.QuotaExceeded {
						t.Errorf("got %v, want %s", r.Errs, fault.QuotaExceeded)
					}
				})
			}
			wg.Wait()
			if len(won) != room {
				t.Errorf("%d uploads won, want %d", len(won), room)
			}
			CheckInvariants(t, e)
		})
	}
}

func TestUploadChecksItsInput(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	one := []document.Incoming{incoming("a.pdf", pdf(100, 1))}
	long := strings.Repeat("ü", 201)
	for name, c := range map[string]struct {
		draft document.UploadDraft
		files []document.Incoming
		key   *string
		p     auth.Principal
		want  fault.Code
	}{
		"no file":           {document.UploadDraft{CustomerID: e.adasCustomer}, nil, nil, e.ada, fault.Required},
		"too many titles":   {document.UploadDraft{CustomerID: e.adasCustomer, Titles: []*string{nil, nil}}, one, nil, e.ada, fault.BadUserInput},
		"long title":        {document.UploadDraft{CustomerID: e.adasCustomer, Titles: []*string{&long}}, one, nil, e.ada, fault.BadUserInput},
		"absurd date":       {document.UploadDraft{CustomerID: e.adasCustomer, ExpiresOn: ptr(time.Unix(-1e11, 0))}, one, nil, e.ada, fault.BadUserInput},
		"empty key":         {document.UploadDraft{CustomerID: e.adasCustomer}, one, ptr(""), e.ada, fault.BadUserInput},
		"foreign customer":  {document.UploadDraft{CustomerID: e.bobsCustomer}, one, nil, e.ada, fault.NotFound},
		"missing customer":  {document.UploadDraft{CustomerID: uuid.New()}, one, nil, e.ada, fault.NotFound},
		"a viewer":          {document.UploadDraft{CustomerID: e.adasCustomer}, one, nil, viewer(e.ada), fault.Forbidden},
		"nobody":            {document.UploadDraft{CustomerID: e.adasCustomer}, one, nil, auth.Principal{}, fault.Unauthenticated},
		"a key with breaks": {document.UploadDraft{CustomerID: e.adasCustomer}, one, ptr("a\nb"), e.ada, fault.BadUserInput},
	} {
		_, err := e.service.Upload(t.Context(), c.p, c.draft, c.files, c.key)
		if got := fault.CodeOf(err); got != c.want {
			t.Errorf("%s: got %v, want %s", name, err, c.want)
		}
	}
	if f, ok := one[0].(*file); ok && f.read != 0 {
		t.Errorf("%d bytes were read for requests that are refused", f.read)
	}
	CheckInvariants(t, e)
}

func viewer(p auth.Principal) auth.Principal {
	p.Role = auth.Viewer
	return p
}

func TestALeaseIsExtendedWhileBytesPass(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	e.service.Limits.Lease = 600 * time.Millisecond
	content := pdf(200_000, 1)
	gate := newGate(content, 100_000)
	done := make(chan document.UploadResult, 1)
	go func() { done <- e.upload(&file{name: "slow.pdf", bound: -1, r: gate})[0] }()
	<-gate.reached
	// More than three times as long as the first lease.
	e.eventually(`SELECT coalesce(max(lease_until) > max(created_at) + interval '2 seconds', false) FROM upload`)
	close(gate.open)
	r := <-done
	wantResult(t, r, "")
	e.acknowledge(r.Document, content)
	CheckInvariants(t, e)
}

func TestAnUploadThatLosesItsLeaseStopsAtOnce(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	e.service.Limits.Lease = 600 * time.Millisecond
	// The client sends for ever: only the lost lease ends it.
	endless := &file{name: "endless.pdf", bound: -1, r: io.MultiReader(strings.NewReader("%PDF-1.7\n"+strings.Repeat(" ", 8000)), trickle{})}
	e.exec(`UPDATE account SET max_file_bytes = 1000000000000`)
	e.exec(`UPDATE storage_usage SET limit_bytes = 1000000000000`)
	done := make(chan document.UploadResult, 1)
	go func() { done <- e.upload(endless)[0] }()
	e.eventually(`SELECT count(*) = 1 FROM upload WHERE state = 'PENDING'`)
	e.expireLeases()
	e.sweep()
	r := <-done
	wantResult(t, r, fault.Conflict)
	CheckInvariants(t, e)
}

// trickle gives a byte now and then.
type trickle struct{}

func (trickle) Read(p []byte) (int, error) {
	timer := time.NewTimer(2 * time.Millisecond)
	defer timer.Stop()
	<-timer.C
	p[0] = ' '
	return 1, nil
}

func TestALateFinisherLoses(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	for _, swept := range []bool{true, false} {
		content := pdf(200_000, 1)
		gate := newGate(content, 100_000)
		done := make(chan document.UploadResult, 1)
		go func() { done <- e.upload(&file{name: "late.pdf", bound: -1, r: gate})[0] }()
		<-gate.reached
		e.expireLeases()
		if swept {
			if r := e.sweep(); r.Expired != 1 {
				t.Errorf("the sweep ended %d leases, want 1", r.Expired)
			}
		}
		close(gate.open)
		wantResult(t, <-done, fault.Conflict)
		if got := e.documents(); got != 0 {
			t.Errorf("swept %t: got %d documents, want 0", swept, got)
		}
		CheckInvariants(t, e)
	}
}

var errUnknown = &fault.Error{Code: fault.Unavailable, Message: "unknown", Err: errors.Join(document.ErrOutcomeUnknown)}

// uncertain answers some calls of CompleteUpload with an unknown outcome, before or after they were carried out.
type uncertain struct {
	document.Store
	mu            sync.Mutex
	before, after int
}

func (u *uncertain) CompleteUpload(ctx context.Context, p auth.Principal, a document.Attempt, c document.Content) (uuid.UUID, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.before > 0 {
		u.before--
		return uuid.Nil, errUnknown
	}
	id, err := u.Store.CompleteUpload(ctx, p, a, c)
	if err == nil && u.after > 0 {
		u.after--
		return uuid.Nil, errUnknown
	}
	return id, err
}

func TestAnUnknownCommitIsLookedUpAndNeverUndone(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		before, after int
		stored        int64
		want          fault.Code
	}{
		"it was committed":                         {0, 1, 1, ""},
		"it was not committed":                     {1, 0, 1, ""},
		"it was committed and cannot be looked up": {0, 9, 1, fault.Unavailable},
		"nothing is known and nothing was done":    {9, 0, 0, fault.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEnv(t)
			content := pdf(50_000, 1)
			e.service.Store = &uncertain{Store: e.store.Documents(), before: c.before, after: c.after}
			results, err := e.service.Upload(t.Context(), e.ada, document.UploadDraft{CustomerID: e.adasCustomer},
				[]document.Incoming{incoming("a.pdf", content)}, ptr("key"))
			wantCode(t, err, c.want)
			if c.want == "" {
				e.acknowledge(results[0].Document, content)
			}
			if got := e.number(`SELECT count(*) FROM garbage`); got != 0 {
				t.Errorf("%d objects were thrown away while the outcome was unknown", got)
			}
			if got := e.documents(); got != c.stored {
				t.Errorf("got %d documents, want %d", got, c.stored)
			}
			CheckInvariants(t, e)
			// A retry with the same key, when the database can be asked again, comes to one document.
			e.service.Store = e.store.Documents()
			results, err = e.service.Upload(t.Context(), e.ada, document.UploadDraft{CustomerID: e.adasCustomer},
				[]document.Incoming{incoming("a.pdf", content)}, ptr("key"))
			if err != nil {
				t.Fatal(err)
			}
			wantResult(t, results[0], "")
			e.acknowledge(results[0].Document, content)
			if got := e.documents(); got != 1 {
				t.Errorf("got %d documents after the retry, want 1", got)
			}
			CheckInvariants(t, e)
		})
	}
}

// ordered is a file of a request: asking it for anything while an earlier one is open would put that one aside.
type ordered struct {
	*file
	t      *testing.T
	before *ordered
	closed bool
}

func (o *ordered) use() {
	if o.closed {
		o.t.Errorf("%s was asked for something after it was closed", o.file.name)
	}
	if o.before != nil && !o.before.closed {
		o.t.Errorf("%s was asked for something before %s was closed", o.file.name, o.before.file.name)
	}
}

func (o *ordered) Name() string               { o.use(); return o.file.Name() }
func (o *ordered) SizeBound() int64           { o.use(); return o.file.SizeBound() }
func (o *ordered) Read(p []byte) (int, error) { o.use(); return o.file.Read(p) }
func (o *ordered) Close() error               { o.closed = true; return nil }

func TestFilesAreAskedForInTheirOrder(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	var files []document.Incoming
	var last *ordered
	for i, content := range [][]byte{pdf(5000, 1), []byte("<html>"), nil, pdf(6_000_000, 2), pdf(5000, 3)} {
		last = &ordered{file: incoming(names(i), content), t: t, before: last}
		files = append(files, last)
	}
	results := e.upload(files...)
	for i, want := range []fault.Code{"", fault.UnsupportedMediaType, fault.BadUserInput, fault.TooLarge, ""} {
		wantResult(t, results[i], want)
	}
	if !last.closed {
		t.Error("the last file was not closed")
	}
	CheckInvariants(t, e)
}
