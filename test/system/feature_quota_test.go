package system

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"dossier/internal/apitest"
	"dossier/internal/auth"
)

const (
	readStorage = `{ storage { usedBytes reservedBytes limitBytes availableBytes maxFileBytes warnedPercent } account { limits { maxFileBytes } } }`
	setStorage  = `mutation($input: StorageLimitSetInput!) { storageLimitSet(input: $input) {
		storage { usedBytes limitBytes availableBytes maxFileBytes warnedPercent }` + errorFields + ` } }`
	beginSized = `mutation($c: ID!, $size: BigInt!) { documentUploadBegin(input: {customerId: $c, fileName: "direct.pdf", sizeBytes: $size}) {
		uploadSession { id uploadUrl uploadMethod uploadHeaders { name value } } userErrors { __typename code message path
			... on FileTooLargeError { limitBytes } ... on QuotaExceededError { limitBytes usedBytes } } } }`
	uploadNumbers = `mutation($input: DocumentUploadInput!, $files: [Upload!]!) { documentUpload(input: $input, files: $files) {
		results { document { id } userErrors { __typename code path ... on FileTooLargeError { limitBytes } ... on QuotaExceededError { limitBytes usedBytes } } }
		userErrors { code } } }`
)

// operator is a server of who runs the service, with a key of the demo account that the command line made.
func operator(t testing.TB, s *apitest.Server, account string, scopes ...string) actor {
	t.Helper()
	return newActor(s, s.Key(t, account, append([]string{"account:operate"}, scopes...)...))
}

func accountOf(t testing.TB, a actor) string {
	t.Helper()
	return text(a.must(t, `{ account { id } }`, nil), "account.id")
}

// tooMuch uploads a file that must not be taken, in both ways, and gives what either is told.
func (a actor) tooMuch(t testing.TB, customer string, f file) (streamed, direct map[string]any) {
	t.Helper()
	r, err := a.sendMultipart(t.Context(), uploadNumbers, map[string]any{"input": map[string]any{"customerId": customer}, "files": []any{nil}},
		[]string{"variables.files.0"}, []file{f})
	if err != nil {
		t.Fatal(err)
	}
	b := a.do(t, beginSized, map[string]any{"c": customer, "size": len(f.content)})
	if len(userErrors(r)) != 1 || len(userErrors(b)) != 1 {
		t.Fatalf("streamed: %v %v, direct: %v %v, want one error of each", r.Errors, userErrors(r), b.Errors, userErrors(b))
	}
	return userErrors(r)[0], userErrors(b)[0]
}

// direct uploads a file straight to the object store and gives the id of the document.
func (a actor) direct(t testing.TB, customer string, f file) string {
	t.Helper()
	session := at(a.must(t, beginSized, map[string]any{"c": customer, "size": len(f.content)}), "documentUploadBegin.uploadSession")
	req, err := http.NewRequestWithContext(t.Context(), text(session, "uploadMethod"), text(session, "uploadUrl"), bytes.NewReader(f.content))
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range list(session, "uploadHeaders") {
		req.Header.Set(text(h, "name"), text(h, "value"))
	}
	resp, err := a.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	b, _ := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		t.Fatalf("status %d: %s", resp.StatusCode, b)
	}
	data := a.must(t, `mutation($id: ID!) { documentUploadComplete(uploadSessionId: $id) { document { id }`+errorFields+` } }`,
		map[string]any{"id": text(session, "id")})
	return text(data, "documentUploadComplete.document.id")
}

func TestRowE4AFileMayBeAsLargeAsTheAccountAllows(t *testing.T) {
	t.Parallel()
	system(t)
	s := apitest.Start(t, 0)
	a := staff(t, s, auth.Editor)
	customer := a.customer(t, "Large")
	limits := a.must(t, readStorage, nil)
	if number(limits, "storage.maxFileBytes") != 5_000_000 || number(limits, "account.limits.maxFileBytes") != 5_000_000 {
		t.Errorf("%v, want 5 MB at first", limits)
	}
	largest, larger := pdf("largest.pdf", 5_000_000), pdf("larger.pdf", 5_000_001)
	a.mustUpload(t, customer, largest)
	a.wantContent(t, a.direct(t, customer, largest), largest.sha256())
	streamed, direct := a.tooMuch(t, customer, larger)
	for way, e := range map[string]map[string]any{"streamed": streamed, "direct": direct} {
		if text(e, "__typename") != "FileTooLargeError" || text(e, "code") != "PAYLOAD_TOO_LARGE" || number(e, "limitBytes") != 5_000_000 {
			t.Errorf("%s: %v, want FileTooLargeError with 5,000,000", way, e)
		}
	}
	if got, want := fmt.Sprint(streamed["path"], direct["path"]), "[files 0] [input sizeBytes]"; got != want {
		t.Errorf("the errors are at %s, want %s", got, want)
	}
	s.Command(t, "limits", "set", "--account="+accountOf(t, a), "--file=5.1MB")
	if got := number(a.must(t, readStorage, nil), "storage.maxFileBytes"); got != 5_100_000 {
		t.Errorf("%d bytes are allowed, want 5,100,000", got)
	}
	a.wantContent(t, a.mustUpload(t, customer, larger), larger.sha256())
	wantInvariants(t, database(t, s), s.DataDir)
}

func TestRowE6TheStorageOfAnAccountIsLimited(t *testing.T) {
	t.Parallel()
	system(t)
	s := apitest.Start(t, 0)
	a := staff(t, s, auth.Editor)
	customer := a.customer(t, "Full")
	st := at(a.must(t, readStorage, nil), "storage")
	if number(st, "limitBytes") != 500_000_000 || number(st, "usedBytes") != 0 || number(st, "availableBytes") != 500_000_000 || number(st, "warnedPercent") != 0 {
		t.Errorf("%v, want 0 of 500 MB", st)
	}
	s.Command(t, "limits", "set", "--account="+accountOf(t, a), "--storage=1MB")
	a.mustUpload(t, customer, pdf("first.pdf", 700_000))
	// A session reserves its bytes before any of them is sent.
	session := at(a.must(t, beginSized, map[string]any{"c": customer, "size": 100_000}), "documentUploadBegin.uploadSession")
	st = at(a.must(t, readStorage, nil), "storage")
	if number(st, "usedBytes") != 700_000 || number(st, "reservedBytes") != 100_000 || number(st, "availableBytes") != 200_000 {
		t.Errorf("%v, want 700,000 used, 100,000 reserved, 200,000 left", st)
	}
	streamed, direct := a.tooMuch(t, customer, pdf("second.pdf", 300_000))
	for way, e := range map[string]map[string]any{"streamed": streamed, "direct": direct} {
		if text(e, "__typename") != "QuotaExceededError" || number(e, "limitBytes") != 1_000_000 || number(e, "usedBytes") != 800_000 {
			t.Errorf("%s: %v, want QuotaExceededError with 800,000 of 1,000,000", way, e)
		}
	}
	// What fits is taken to the last byte.
	a.mustUpload(t, customer, pdf("third.pdf", 200_000))
	if e, _ := a.tooMuch(t, customer, pdf("fourth.pdf", 1000)); number(e, "usedBytes") != 1_000_000 {
		t.Errorf("%v, want QuotaExceededError with nothing left", e)
	}
	if text(session, "id") == "" {
		t.Error("the session has no id")
	}
}

func TestRowE6OfFiftyUploadsTenWinThoughTheServerIsKilled(t *testing.T) {
	t.Parallel()
	system(t)
	const size, fit = 200_000, 10
	s := apitest.Start(t, 0, "--upload-lease=2s")
	a := staff(t, s, auth.Editor)
	customer := a.customer(t, "Racing")
	db := database(t, s)
	s.Command(t, "limits", "set", "--account="+accountOf(t, a), fmt.Sprintf("--storage=%d", fit*size))
	cursor := head(t, a)

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var mu sync.Mutex
	won := map[string]string{} // documents by key
	race := func(key string, f file) error {
		for {
			r, err := a.upload(context.WithoutCancel(ctx), customer, key, f)
			document := text(r.Data, "documentUpload.results.0.document.id")
			switch {
			case document != "":
				mu.Lock()
				won[key] = document
				mu.Unlock()
				return nil
			case err == nil && ctx.Err() != nil && slices.Equal(codes(r), []string{"QUOTA_EXCEEDED"}):
				return nil
			case err == nil && len(codes(r)) > 0 && !slices.Contains([]string{"QUOTA_EXCEEDED", "IDEMPOTENCY_KEY_REUSED", "UNAVAILABLE", "CONFLICT"}, codes(r)[0]):
				return fmt.Errorf("refused: %v %v", r.Errors, userErrors(r))
			}
			pause(context.WithoutCancel(ctx), 50*time.Millisecond)
		}
	}
	failures := make(chan error, 50)
	for i := range 50 {
		go func() { failures <- race(fmt.Sprintf("key-%d", i), pdf(fmt.Sprintf("%d.pdf", i), size)) }()
	}
	for range 3 {
		eventually(t, time.Minute, func() error { // in the middle: some hold a reservation
			if n := scalar[int64](t, db, `SELECT reserved_bytes + used_bytes FROM storage_usage ORDER BY limit_bytes LIMIT 1`); n == 0 {
				return errNotYet
			}
			return nil
		})
		s.Kill(t)
		if n := scalar[int64](t, db, `SELECT count(*) FROM storage_usage WHERE used_bytes + reserved_bytes > limit_bytes`); n != 0 {
			t.Error("more than the limit is used and reserved")
		}
		s.Restart(t)
	}
	eventually(t, 3*time.Minute, func() error {
		mu.Lock()
		defer mu.Unlock()
		if len(won) < fit {
			return fmt.Errorf("%d uploads have won: %w", len(won), errNotYet)
		}
		return nil
	})
	stop()
	for range 50 {
		if err := <-failures; err != nil {
			t.Error(err)
		}
	}
	if len(won) != fit {
		t.Errorf("%d uploads won, want %d", len(won), fit)
	}
	ageTemporary(t, s.DataDir)
	if err := s.Terminate(t); err != nil {
		t.Error(err)
	}
	s.Restart(t)
	wantInvariants(t, db, s.DataDir)
	st := at(a.must(t, readStorage, nil), "storage")
	if number(st, "usedBytes") != fit*size || number(st, "availableBytes") != 0 || number(st, "warnedPercent") != 100 {
		t.Errorf("%v, want all of it used", st)
	}
	if n := scalar[int64](t, db, `SELECT count(*) FROM document`); n != fit {
		t.Errorf("%d documents, want %d", n, fit)
	}
	if got := storageEvents(t, a, cursor); got != "STORAGE_NEARLY_FULL STORAGE_FULL" {
		t.Errorf("told %s, want each crossing once", got)
	}
}

// storageEvents are the types of the events about the storage since the cursor.
func storageEvents(t testing.TB, a actor, after string) string {
	t.Helper()
	data := a.must(t, `query($after: EventCursor) { events(after: $after, types: [STORAGE_LIMIT_CHANGED, STORAGE_NEARLY_FULL, STORAGE_FULL], first: 100) {
		nodes { type } } }`, map[string]any{"after": after})
	types := make([]string, 0, 4)
	for _, n := range list(data, "events.nodes") {
		types = append(types, text(n, "type"))
	}
	return strings.Join(types, " ")
}

func TestRowE7TheOperatorSetsWhatTheAccountHasBooked(t *testing.T) {
	t.Parallel()
	system(t)
	s := apitest.Start(t, 0)
	admin := staff(t, s, auth.Admin)
	account := accountOf(t, admin)
	customer := admin.customer(t, "Booked")
	op := operator(t, s, account, "account:read", "account:admin")
	set := func(a actor, input map[string]any) apitest.Result {
		t.Helper()
		return a.do(t, setStorage, map[string]any{"input": input})
	}

	// Neither the account's administrators nor keys that they make may.
	for name, a := range map[string]actor{"ADMIN": admin, "a key of an administrator": newActor(s, s.Key(t, account, "admin"))} {
		if r := set(a, map[string]any{"limitBytes": 1_000_000_000}); !slices.Equal(codes(r), []string{"FORBIDDEN"}) {
			t.Errorf("%s: %v %v, want FORBIDDEN", name, r.Data, r.Errors)
		}
	}
	for name, a := range map[string]actor{"ADMIN": admin, "the operator's key": op} {
		r := a.do(t, `mutation { apiKeyCreate(input: {name: "More", scopes: ["account:operate"]}) { secret`+errorFields+` } }`, nil)
		if !slices.Equal(codes(r), []string{"FORBIDDEN"}) || !strings.Contains(r.Errors[0].Message, "dossier keys create") {
			t.Errorf("%s makes an operator's key: %v %v, want FORBIDDEN and the way", name, r.Data, r.Errors)
		}
	}

	cursor := head(t, admin) // without it the stream begins when the server reads the message, which may be behind the first change
	live, err := dialWS(t.Context(), admin, followEvents, map[string]any{
		"after": cursor, "types": []string{"STORAGE_LIMIT_CHANGED", "STORAGE_NEARLY_FULL", "STORAGE_FULL"},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer live.cut()
	var told []string
	want := func(what string, types ...string) {
		t.Helper()
		for _, typ := range types {
			for {
				m, err := live.next()
				if err != nil {
					t.Fatalf("%s: %v, want %s", what, err, typ)
				}
				if m.Event == nil {
					continue // a heartbeat
				}
				told = append(told, m.Event.Type)
				if m.Event.Type != typ {
					t.Errorf("%s: told %s, want %s", what, m.Event.Type, typ)
				}
				break
			}
		}
	}
	r := set(op, map[string]any{"limitBytes": 100_000, "maxFileBytes": 90_000})
	wantSuccess(t, "storageLimitSet", r)
	st := at(r.Data, "storageLimitSet.storage")
	if number(st, "limitBytes") != 100_000 || number(st, "maxFileBytes") != 90_000 || number(st, "availableBytes") != 100_000 {
		t.Errorf("the answer is %v", st)
	}
	want("another limit", "STORAGE_LIMIT_CHANGED")
	admin.mustUpload(t, customer, pdf("a.pdf", 79_000))
	admin.direct(t, customer, pdf("b.pdf", 1000))
	want("80 %, on the direct way", "STORAGE_NEARLY_FULL")
	admin.mustUpload(t, customer, pdf("c.pdf", 10_000))
	document := admin.mustUpload(t, customer, pdf("d.pdf", 1000))
	if _, err := admin.sendMultipart(t.Context(), replaceDocument, map[string]any{"id": document, "version": 1, "file": nil},
		[]string{"variables.file"}, []file{pdf("e.pdf", 9000)}); err != nil {
		t.Fatal(err)
	}
	want("100 %, by a replaced content", "STORAGE_FULL")
	set(op, map[string]any{"limitBytes": 100_000}) // holds already
	set(op, map[string]any{"limitBytes": 50_000})
	want("a limit below what is used", "STORAGE_LIMIT_CHANGED")
	if e, _ := admin.tooMuch(t, customer, pdf("f.pdf", 10)); number(e, "limitBytes") != 50_000 || number(e, "usedBytes") != 100_000 {
		t.Errorf("over the limit: %v, want 100,000 of 50,000", e)
	}
	set(op, map[string]any{"limitBytes": 1_000_000})
	want("room again", "STORAGE_LIMIT_CHANGED")
	set(op, map[string]any{"limitBytes": 110_000})
	want("91 % of it", "STORAGE_LIMIT_CHANGED", "STORAGE_NEARLY_FULL")
	if got := storageEvents(t, admin, cursor); got != strings.Join(told, " ") {
		t.Errorf("the log has %s, the subscriber saw %v", got, told)
	}

	// A picture counts too, and gives its storage back when it is removed.
	set(op, map[string]any{"limitBytes": 1_000_000, "maxFileBytes": 5_000_000})
	cursor = head(t, admin)
	image := picture("full.png", 100, 100)
	used := number(at(admin.must(t, readStorage, nil), "storage"), "usedBytes")
	admin.mustSetImage(t, customer, 1, image)
	now := number(at(admin.must(t, readStorage, nil), "storage"), "usedBytes")
	if now <= used {
		t.Errorf("a picture leaves %d bytes used, before %d", now, used)
	}
	set(op, map[string]any{"limitBytes": now})
	admin.must(t, `mutation($id: ID!) { customerImageRemove(id: $id, expectedVersion: 2) {`+errorFields+` } }`, map[string]any{"id": customer})
	if got := number(at(admin.must(t, readStorage, nil), "storage"), "warnedPercent"); got != 80 {
		t.Errorf("the storage counts as %d %% full without the picture, want 80", got)
	}
	admin.mustSetImage(t, customer, 3, image)
	if got := storageEvents(t, admin, cursor); got != "STORAGE_LIMIT_CHANGED STORAGE_NEARLY_FULL STORAGE_FULL STORAGE_FULL" {
		t.Errorf("told %s, want that it was full twice", got)
	}

	for name, input := range map[string]map[string]any{
		"nothing": {}, "null": {"limitBytes": nil}, "less than nothing": {"limitBytes": -1}, "no file": {"maxFileBytes": 0}, "too much": {"limitBytes": 2_000_000_000_000_000},
	} {
		if r := set(op, input); len(userErrors(r)) != 1 || len(r.Errors) > 0 || at(r.Data, "storageLimitSet.storage") != nil {
			t.Errorf("%s: %v %v, want one userError", name, r.Data, r.Errors)
		}
	}
	if out := s.Command(t, "limits", "show", "--account="+account); !strings.Contains(out, fmt.Sprint(now)) || !strings.Contains(out, "5000000") {
		t.Errorf("dossier limits show prints\n%s", out)
	}
	wantInvariants(t, database(t, s), s.DataDir)
}
