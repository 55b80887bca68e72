package system

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"dossier/internal/apitest"
	"dossier/internal/auth"
	"dossier/internal/blob/blobtest/gcsfake"
	"dossier/internal/pgtest"
)

const (
	beginUpload = `mutation($input: DocumentUploadBeginInput!, $key: String) { documentUploadBegin(input: $input, idempotencyKey: $key) {
		uploadSession { id method resumable chunkGranularityBytes uploadUrl uploadMethod uploadHeaders { name value } expiresAt }
		userErrors { __typename code message path ... on FileTooLargeError { limitBytes } ... on UnsupportedMediaTypeError { contentType accepted } } } }`
	completeUpload = `mutation($id: ID!) { documentUploadComplete(uploadSessionId: $id) {
		document { id version title kind currentVersion { number sha256 sizeBytes contentType fileName } }
		userErrors { __typename code message path ... on UnsupportedMediaTypeError { contentType accepted } } } }`
	cancelUpload = `mutation($id: ID!) { documentUploadCancel(uploadSessionId: $id) { uploadSessionId` + errorFields + ` } }`

	partUnit = 256 << 10
)

// made is a content of any size that is nowhere in memory, other for each seed. It begins as a PDF does.
type made struct{ size, seed int64 }

// ReadAt gives the bytes at an offset.
func (m made) ReadAt(p []byte, offset int64) (int, error) {
	n := int(min(int64(len(p)), m.size-offset))
	for i := range n {
		at := offset + int64(i)
		if at%8 != 0 && i > 0 {
			continue
		}
		var word [8]byte
		binary.LittleEndian.PutUint64(word[:], uint64(at/8*2654435761+m.seed))
		if at < 8 {
			copy(word[:], "%PDF-1.4")
		}
		copy(p[i:n], word[at%8:])
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (m made) reader(from int64) io.Reader { return io.NewSectionReader(m, from, m.size-from) }

// sums are the SHA-256 and the CRC32C, in hexadecimal.
func (m made) sums() (sha, crc string) {
	h, c := sha256.New(), crc32.New(crc32.MakeTable(crc32.Castagnoli))
	_, _ = io.CopyBuffer(io.MultiWriter(h, c), struct{ io.Reader }{m.reader(0)}, make([]byte, 1<<20)) // never fails
	return hex.EncodeToString(h.Sum(nil)), fmt.Sprintf("%08x", c.Sum32())
}

// resumer sends a content to a resumable session as a program or page does that was written from the documentation of the
// protocol.
type resumer struct {
	url     string
	content made
	http    *http.Client
}

func (a actor) resumer(t testing.TB, input map[string]any, content made) (session string, r *resumer) {
	t.Helper()
	input["sizeBytes"], input["method"] = content.size, "RESUMABLE"
	s := at(a.must(t, beginUpload, map[string]any{"input": input}), "documentUploadBegin.uploadSession")
	if text(s, "method") != "RESUMABLE" || at(s, "resumable") != true || number(s, "chunkGranularityBytes") != partUnit || text(s, "uploadMethod") != http.MethodPut {
		t.Errorf("got the session %v", s)
	}
	return text(s, "id"), &resumer{url: text(s, "uploadUrl"), content: content, http: a.http}
}

var errLine = errors.New("the line was cut")

// send sends the content from an offset on, the connection breaking after so many bytes (-1: never), and gives the status,
// 0 for none.
func (r *resumer) send(ctx context.Context, from, cut int64) (int, error) {
	body := r.content.reader(from)
	if cut >= 0 {
		body = io.MultiReader(io.LimitReader(body, cut), failingReader{})
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, r.url, struct{ io.Reader }{body})
	if err != nil {
		return 0, err
	}
	req.ContentLength = r.content.size - from
	req.Header.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, r.content.size-1, r.content.size))
	resp, err := r.http.Do(req)
	if err != nil {
		if cut >= 0 {
			return 0, nil //nolint:nilerr // it was meant to break
		}
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}

type failingReader struct{}

func (failingReader) Read([]byte) (int, error) { return 0, errLine }

// ask gives how much is stored, and whether it is everything.
func (r *resumer) ask(ctx context.Context) (stored int64, complete bool, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, r.url, http.NoBody)
	if err != nil {
		return 0, false, err
	}
	req.Header.Set("Content-Range", fmt.Sprintf("bytes */%d", r.content.size))
	resp, err := r.http.Do(req)
	if err != nil {
		return 0, false, err
	}
	if err := resp.Body.Close(); err != nil {
		return 0, false, err
	}
	switch {
	case resp.StatusCode == http.StatusOK:
		return r.content.size, true, nil
	case resp.StatusCode != http.StatusPermanentRedirect:
		return 0, false, fmt.Errorf("asking what is stored gives %d", resp.StatusCode)
	}
	if h := resp.Header.Get("Range"); h != "" {
		last, err := strconv.ParseInt(strings.TrimPrefix(h, "bytes=0-"), 10, 64)
		return last + 1, false, err
	}
	return 0, false, nil
}

// finish sends what is left, with so many cuts at random places before.
func (r *resumer) finish(t testing.TB, cuts int) {
	t.Helper()
	random := rand.New(rand.NewPCG(uint64(r.content.size), 7))
	progress := make([]int64, 0, cuts)
	for range cuts {
		stored, _, err := r.ask(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		// The last cut still leaves something to send.
		left := max(1, (r.content.size-stored)/int64(cuts-len(progress)))
		if _, err := r.send(t.Context(), stored, random.Int64N(left)); err != nil {
			t.Fatal(err)
		}
		progress = append(progress, stored)
	}
	for range 5 {
		stored, complete, err := r.ask(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if !complete {
			var status int
			status, err = r.send(t.Context(), stored, -1)
			complete = err == nil && status == http.StatusOK
			t.Logf("sending from %d on gives %d, %v", stored, status, err)
		}
		if complete {
			t.Logf("%d bytes with %d cuts: stored before each %v", r.content.size, cuts, progress)
			return
		}
	}
	t.Fatal("the upload was never complete")
}

// wantMade completes an upload and holds the document against the content.
func (a actor) wantMade(t testing.TB, session string, content made, sha string) string {
	t.Helper()
	document := at(a.must(t, completeUpload, map[string]any{"id": session}), "documentUploadComplete.document")
	v := at(document, "currentVersion")
	if text(v, "sha256") != sha || number(v, "sizeBytes") != content.size || text(v, "contentType") != "application/pdf" {
		t.Errorf("the document has the content %v, want SHA-256 %s of %d bytes", v, sha, content.size)
	}
	return text(document, "id")
}

// TestADirectUploadGoesOnAfterTenCuts is a line of issue 4: on the disk store, with the server killed in the middle too.
func TestADirectUploadGoesOnAfterTenCuts(t *testing.T) {
	t.Parallel()
	system(t)
	s := apitest.Start(t, 0)
	a := staff(t, s, auth.Editor)
	db := database(t, s)
	exec(t, db, `UPDATE account SET max_file_bytes = 1000000000`)
	content := made{size: 40_000_123, seed: 1}
	sha, crc := content.sums()
	input := map[string]any{"customerId": a.customer(t, "Cuts"), "fileName": "cut.pdf", "crc32c": crc, "sha256": sha}
	session, r := a.resumer(t, input, content)
	r.finish(t, 10)
	a.wantContent(t, a.wantMade(t, session, content, sha), sha)

	// A killed server takes back no more than what it had not counted as stored yet.
	content.seed = 2
	sha, crc = content.sums()
	input["crc32c"], input["sha256"] = crc, sha
	session, r = a.resumer(t, input, content)
	if _, err := r.send(t.Context(), 0, 20_000_000); err != nil {
		t.Fatal(err)
	}
	before, _, err := r.ask(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s.Kill(t)
	s.Restart(t)
	after, _, err := r.ask(t.Context())
	if err != nil || before == 0 || after != before {
		t.Errorf("%d bytes were stored and are %d after the kill, %v", before, after, err)
	}
	r.finish(t, 3)
	a.wantContent(t, a.wantMade(t, session, content, sha), sha)
	wantInvariants(t, db, s.DataDir)
}

// bucket runs `dossier serve` on a bucket that can be told to fail.
func bucket(t *testing.T) (*gcsfake.Server, actor) {
	t.Helper()
	fake := gcsfake.New(t)
	db := pgtest.New(t, apitest.Template())
	s := apitest.StartServe(t, db.DSN(), "--blob-store=gcs", "--gcs-bucket="+gcsfake.Bucket, "--gcs-endpoint="+fake.URL, "--gcs-key-file="+fake.KeyFile(t))
	return fake, newActor(s, s.Key(t, s.Account(t, "Business in a bucket", 0), "write"))
}

// TestADirectUploadToABucketGoesOnAfterTenCuts is the same line on Google Cloud Storage, and that an object which is changed
// while it is checked is refused.
func TestADirectUploadToABucketGoesOnAfterTenCuts(t *testing.T) {
	t.Parallel()
	system(t)
	fake, a := bucket(t)
	db := database(t, a.node)
	exec(t, db, `UPDATE account SET max_file_bytes = 1000000000`)
	content := made{size: 20_000_077, seed: 3}
	sha, crc := content.sums()
	input := map[string]any{"customerId": a.customer(t, "Bucket"), "fileName": "cut.pdf", "crc32c": crc, "sha256": sha}
	session, r := a.resumer(t, input, content)
	r.finish(t, 10)
	a.wantContent(t, a.wantMade(t, session, content, sha), sha)

	session, r = a.resumer(t, input, content)
	r.finish(t, 0)
	fake.Inject(gcsfake.Fault{At: gcsfake.Media, Do: gcsfake.Rewrite, Times: 1})
	for range 2 { // and it stays refused
		if got := codes(a.do(t, completeUpload, map[string]any{"id": session})); !slices.Equal(got, []string{"CONFLICT"}) {
			t.Errorf("an object that was changed meanwhile gives %v, want CONFLICT", got)
		}
	}
	// One that is cancelled or expires is ended in the bucket as well, where it would live for a week.
	session, _ = a.resumer(t, input, content)
	a.must(t, cancelUpload, map[string]any{"id": session})
	if n := fake.Sessions(); n != 0 {
		t.Errorf("%d sessions are open in the bucket after the only one was cancelled", n)
	}
	a.resumer(t, input, content)
	exec(t, db, `UPDATE upload SET lease_until = now() - interval '1 second' WHERE state = 'PENDING'`)
	eventually(t, 20*time.Second, func() error {
		if n := fake.Sessions(); n != 0 {
			return fmt.Errorf("%d sessions are open in the bucket", n)
		}
		return nil
	})
	wantInvariants(t, db, "")
	if n := scalar[int64](t, db, `SELECT count(*) FROM document`); n != 1 {
		t.Errorf("%d documents, want 1", n)
	}
}

// TestALargeFileTakesTheDirectWay sends 5 GB in the long form, with the memory of the server staying flat.
func TestALargeFileTakesTheDirectWay(t *testing.T) {
	t.Parallel()
	system(t)
	size := int64(full(5_000, 150)) * 1_000_000
	s := apitest.Start(t, 0)
	a := staff(t, s, auth.Editor)
	a.http.Timeout = 10 * time.Minute
	db := database(t, s)
	exec(t, db, `UPDATE account SET max_file_bytes = 6000000000`)
	exec(t, db, `UPDATE storage_usage SET limit_bytes = 6000000000`)
	a.mustUpload(t, a.customer(t, "Warm"), pdf("warm.pdf", 1<<20))
	before := procNumber(t, s, "status", "VmRSS")
	content := made{size: size, seed: 5}
	sha, crc := content.sums()
	session, r := a.resumer(t, map[string]any{"customerId": a.customer(t, "Large"), "fileName": "large.pdf", "crc32c": crc, "sha256": sha}, content)
	began := time.Now()
	r.finish(t, 4)
	sent := time.Since(began)
	document := a.wantMade(t, session, content, sha)
	checked := time.Since(began) - sent
	grown := (procNumber(t, s, "status", "VmHWM") - before) >> 10
	t.Logf("%d bytes: sent in %s, checked in %s, the server grew by %d MiB", size, sent.Round(time.Millisecond), checked.Round(time.Millisecond), grown)
	if grown > 64 && !apitest.Raced() && before > 0 {
		t.Errorf("the server grew by %d MiB, want at most 64", grown)
	}
	if got := a.downloadSum(t, document); got != sha {
		t.Errorf("what can be downloaded has SHA-256 %s, want %s", got, sha)
	}
	wantInvariants(t, db, s.DataDir)
}

// downloadSum reads a document's content without keeping it.
func (a actor) downloadSum(t testing.TB, document string) string {
	t.Helper()
	url := text(a.must(t, readDocument, map[string]any{"id": document}), "document.currentVersion.downloadUrl")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := a.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	h := sha256.New()
	if _, err := io.Copy(h, resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("status %d, %v", resp.StatusCode, err)
	}
	return hex.EncodeToString(h.Sum(nil))
}
