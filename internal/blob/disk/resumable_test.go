package disk_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"dossier/internal/blob"
	"dossier/internal/blob/blobtest"
	"dossier/internal/blob/disk"
)

const unit = blob.Granularity

func start(t testing.TB, store *disk.Store, key string, size int) blob.Resumable {
	t.Helper()
	session, err := store.StartResumable(t.Context(), key, blob.ResumableOptions{Size: int64(size), Expires: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	return session
}

// sendPart sends content[first:last] and gives the status and the Range of the answer.
func sendPart(t testing.TB, session blob.Resumable, content []byte, first, last int) (int, string) {
	t.Helper()
	spec := fmt.Sprintf("bytes %d-%d/%d", first, last-1, len(content))
	if first == last {
		spec = fmt.Sprintf("bytes */%d", len(content))
	}
	status, header, _ := do(t, http.MethodPut, session.URL, bytes.NewReader(content[first:last]), "Content-Range", spec)
	return status, header.Get("Range")
}

func TestAResumableUploadSurvivesARestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	content, key := blobtest.Bytes(5*unit+3), blobtest.Key()
	first := open(t, dir, nil)
	session := start(t, first, key, len(content))
	if status, stored := sendPart(t, session, content, 0, 3*unit); status != 308 || stored != fmt.Sprintf("bytes=0-%d", 3*unit-1) {
		t.Fatalf("got %d, %q", status, stored)
	}
	// What a crash may leave: bytes behind those that were synced and counted.
	appendTo(t, find(t, dir, ".part-", ""), []byte("never synced"))
	second := open(t, dir, nil)
	session.URL = strings.Replace(session.URL, addressOf(t, first), addressOf(t, second), 1)
	if status, stored := sendPart(t, session, content, 0, 0); status != 308 || stored != fmt.Sprintf("bytes=0-%d", 3*unit-1) {
		t.Fatalf("after the restart asking gives %d, %q", status, stored)
	}
	if status, _ := sendPart(t, session, content, 3*unit, len(content)); status != http.StatusOK {
		t.Fatalf("the rest answers %d", status)
	}
	blobtest.WantObject(t, second, key, content)
	if got := files(t, dir); len(got) != 1 {
		t.Errorf("the directory has %v, want the object alone", got)
	}
}

// addressOf is the base URL of a store.
func addressOf(t testing.TB, store *disk.Store) string {
	t.Helper()
	req, err := store.SignGet(t.Context(), blobtest.Key(), blob.SignGetOptions{Expires: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	base, _, _ := strings.Cut(req.URL, "/objects/")
	return base
}

// find gives the one file whose name begins and ends so.
func find(t testing.TB, dir, prefix, suffix string) string {
	t.Helper()
	for _, path := range files(t, dir) {
		if name := filepath.Base(path); strings.HasPrefix(name, prefix) && strings.HasSuffix(name, suffix) && (suffix != "" || !strings.Contains(name, ".json")) {
			return path
		}
	}
	t.Fatalf("no file %s*%s in %v", prefix, suffix, files(t, dir))
	return ""
}

func appendTo(t testing.TB, path string, b []byte) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = f.Write(b)
	}
	if err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
}

func TestALongPartIsKeptAsItComes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	store := open(t, dir, nil)
	content, key := blobtest.Bytes(40<<20), blobtest.Key()
	session := start(t, store, key, len(content))
	gate := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	body := io.MultiReader(bytes.NewReader(content[:33<<20]), &waiting{gate})
	done := make(chan struct{})
	go func() {
		defer close(done)
		req, err := http.NewRequestWithContext(ctx, http.MethodPut, session.URL, body)
		if err != nil {
			t.Error(err)
			return
		}
		req.ContentLength = int64(len(content))
		client := &http.Client{}
		if resp, err := client.Do(req); err == nil {
			_ = resp.Body.Close()
		}
	}()
	// Before the request has ended: a crash now would leave this much.
	state := find(t, dir, ".part-", ".json")
	deadline := time.Now().Add(20 * time.Second)
	for {
		b, err := os.ReadFile(state)
		if err == nil && bytes.Contains(b, fmt.Appendf(nil, `"stored":%d,`, 32<<20)) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the state is %s, %v; want 32 MiB stored", b, err)
		}
		<-time.After(5 * time.Millisecond)
	}
	close(gate)
	<-done
}

// waiting is a body that gives nothing until the gate opens, and then fails.
type waiting struct{ gate chan struct{} }

func (w *waiting) Read([]byte) (int, error) {
	<-w.gate
	return 0, io.ErrUnexpectedEOF
}

func TestANewRequestTakesAResumableUploadFromADeadConnection(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	store := open(t, dir, nil)
	content, key := blobtest.Bytes(4*unit), blobtest.Key()
	session := start(t, store, key, len(content))
	gate := make(chan struct{})
	defer close(gate)
	// The client of this request is gone without a word: it sends nothing any more and hangs up never.
	body := io.MultiReader(bytes.NewReader(content[:2*unit]), &waiting{gate})
	go func() {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, session.URL, body)
		if err != nil {
			return
		}
		req.ContentLength = int64(len(content))
		client := &http.Client{}
		if resp, err := client.Do(req); err == nil {
			_ = resp.Body.Close()
		}
	}()
	// It has the upload when its bytes are there: before, it would be the newer one of two requests.
	part := find(t, dir, ".part-", "")
	for size := int64(0); size < unit; <-time.After(time.Millisecond) {
		info, err := os.Stat(part)
		if err != nil {
			t.Fatal(err)
		}
		size = info.Size()
	}
	began := time.Now()
	status, stored := sendPart(t, session, content, 0, 0)
	if took := time.Since(began); status != 308 || took > 8*time.Second {
		t.Fatalf("asking answers %d, %q after %v", status, stored, took)
	}
	if status, _ := sendPart(t, session, content, 0, len(content)); status != http.StatusOK {
		t.Fatalf("sending again answers %d", status)
	}
	blobtest.WantObject(t, store, key, content)
}

func TestTwoProcessesDoNotWriteToOneUpload(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	stores := []*disk.Store{open(t, dir, nil), open(t, dir, nil)}
	content, key := blobtest.Bytes(6*unit+1), blobtest.Key()
	sessions := []blob.Resumable{start(t, stores[0], key, len(content)), {}}
	sessions[1].URL = strings.Replace(sessions[0].URL, addressOf(t, stores[0]), addressOf(t, stores[1]), 1)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			status, _ := sendPart(t, sessions[i%2], content, 0, len(content))
			if status != http.StatusOK && status != http.StatusServiceUnavailable {
				t.Errorf("it answers %d, want 200 or 503", status)
			}
		})
	}
	wg.Wait()
	if status, _ := sendPart(t, sessions[0], content, 0, len(content)); status != http.StatusOK {
		t.Errorf("at the end it answers %d", status)
	}
	blobtest.WantObject(t, stores[1], key, content)
}

func TestAResumableUploadExpires(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	now := time.Now()
	var mu sync.Mutex
	store := open(t, dir, func() time.Time { mu.Lock(); defer mu.Unlock(); return now })
	content := blobtest.Bytes(2 * unit)
	session, kept := start(t, store, blobtest.Key(), len(content)), start(t, store, blobtest.Key(), len(content))
	sendPart(t, session, content, 0, unit)
	late := time.Now().Add(time.Minute)
	if n, err := store.CleanTemp(t.Context(), late); n != 0 || err != nil {
		t.Fatalf("CleanTemp removes %d, %v of uploads that have not expired", n, err)
	}
	mu.Lock()
	now = now.Add(2 * time.Hour)
	mu.Unlock()
	for _, s := range []blob.Resumable{session, kept} {
		if status, _ := sendPart(t, s, content, 0, unit); status != http.StatusForbidden {
			t.Errorf("after its time it answers %d, want 403", status)
		}
	}
	if n, err := store.CleanTemp(t.Context(), late); n != 4 || err != nil {
		t.Errorf("CleanTemp removes %d, %v; want two files of each", n, err)
	}
	if got := files(t, dir); len(got) != 0 {
		t.Errorf("%v is left", got)
	}
}

func TestTheURLOfAResumableUploadIsGoodForNothingElse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	store := open(t, dir, nil)
	content, key := blobtest.Bytes(unit), blobtest.Key()
	session := start(t, store, key, len(content))
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPatch} {
		if status, header, _ := do(t, method, session.URL, nil); status != http.StatusMethodNotAllowed || header.Get("Allow") != "PUT, DELETE" {
			t.Errorf("%s answers %d, allowing %q", method, status, header.Get("Allow"))
		}
	}
	put, err := store.SignPut(t.Context(), key, blob.SignPutOptions{MaxSize: unit, Expires: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	id := strings.TrimPrefix(filepath.Base(find(t, dir, ".part-", "")), ".part-")
	for what, url := range map[string]string{
		"another key":       strings.Replace(session.URL, key, blobtest.Key(), 1),
		"another upload":    strings.Replace(session.URL, id, strings.Repeat("0", 24), 1),
		"a way out":         strings.Replace(session.URL, id, "..%2f..%2f..%2f..%2fsecret0", 1),
		"a signed PUT's":    strings.Replace(put.URL, "m=PUT", "m=RESUMABLE&u="+id, 1),
		"a later expiry":    strings.Replace(session.URL, "e=1", "e=9", 1),
		"without signature": session.URL[:strings.Index(session.URL, "s=")],
	} {
		for _, method := range []string{http.MethodPut, http.MethodDelete} {
			if status, _, _ := do(t, method, url, bytes.NewReader(content)); status != http.StatusForbidden {
				t.Errorf("%s with %s answers %d, want 403", method, what, status)
			}
		}
	}
	if status, _ := sendPart(t, session, content, 0, unit); status != http.StatusOK {
		t.Errorf("the upload itself answers %d", status)
	}
}
