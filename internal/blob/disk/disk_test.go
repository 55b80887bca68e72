package disk_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"dossier/internal/blob"
	"dossier/internal/blob/blobtest"
	"dossier/internal/blob/disk"
)

func signingKey() []byte { return []byte("0123456789abcdef0123456789abcdef") }

// open gives a store in dir whose signed requests are served.
func open(t testing.TB, dir string, now func() time.Time) *disk.Store {
	t.Helper()
	var store *disk.Store
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { store.Handler().ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	store, err := disk.Open(disk.Config{Dir: dir, BaseURL: server.URL + "/objects/", SigningKey: signingKey(), Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func put(t testing.TB, store blob.Store, content []byte) blob.Object {
	t.Helper()
	obj, err := store.Put(t.Context(), blobtest.Key(), bytes.NewReader(content), blobtest.Sized(len(content)))
	if err != nil {
		t.Fatal(err)
	}
	return obj
}

// files gives the paths of all files below dir.
func files(t testing.TB, dir string) (paths []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

func TestConformance(t *testing.T) {
	t.Parallel()
	blobtest.Run(t, func(t testing.TB) blob.Store { return open(t, t.TempDir(), nil) })
}

func TestObjectsSurviveReopening(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	content := blobtest.Bytes(100 << 10)
	obj := put(t, open(t, dir, nil), content)
	again := open(t, dir, nil)
	blobtest.WantObject(t, again, obj.Key, content)
	if got, err := again.Stat(t.Context(), obj.Key); err != nil || got.Generation != obj.Generation || !got.CreatedAt.Equal(obj.CreatedAt) {
		t.Errorf("got %+v, %v; want %+v", got, err, obj)
	}
}

func TestNoPutLeavesATemporaryFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	store := open(t, dir, nil)
	obj := put(t, store, []byte("content"))
	broken := io.MultiReader(strings.NewReader("half"), &failing{})
	_, err := store.Put(t.Context(), blobtest.Key(), broken, blob.PutOptions{ExpectedSize: blob.UnknownSize})
	if !errors.Is(err, blob.ErrSource) {
		t.Fatalf("got %v, want ErrSource", err)
	}
	if got := files(t, dir); len(got) != 1 || filepath.Base(got[0]) != obj.Key[37:] {
		t.Errorf("the directory has %v, want only the object", got)
	}
}

type failing struct{}

func (*failing) Read([]byte) (int, error) { return 0, errors.New("gone") }

func TestOpenRemovesTemporaryFilesOlderThanAnHour(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	obj := put(t, open(t, dir, nil), []byte("content"))
	home := filepath.Dir(files(t, dir)[0])
	old, young := filepath.Join(home, ".tmp-old"), filepath.Join(home, ".tmp-young")
	for path, age := range map[string]time.Duration{old: 2 * time.Hour, young: time.Minute, files(t, dir)[0]: 5 * time.Hour} {
		if strings.Contains(path, ".tmp") {
			if err := os.WriteFile(path, []byte("half an upl"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Chtimes(path, time.Time{}, time.Now().Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	store := open(t, dir, nil)
	if _, err := os.Stat(old); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the old one is still there: %v", err)
	}
	if _, err := os.Stat(young); err != nil {
		t.Errorf("the young one: %v", err)
	}
	blobtest.WantObject(t, store, obj.Key, []byte("content"))
	for got, err := range store.List(t.Context(), blob.ListOptions{}) {
		if err != nil || got.Key != obj.Key {
			t.Errorf("List gives %+v, %v; want only the object", got, err)
		}
	}
	if n, err := store.CleanTemp(t.Context(), time.Now()); n != 1 || err != nil {
		t.Errorf("CleanTemp removes %d, %v; want the young one", n, err)
	}
}

func TestADamagedFileIsReportedAndNotServed(t *testing.T) {
	t.Parallel()
	content := blobtest.Bytes(5000)
	for name, damage := range map[string]func(b []byte) []byte{
		"empty":             func([]byte) []byte { return nil },
		"cut":               func(b []byte) []byte { return b[:len(b)-1] },
		"cut to the bytes":  func(b []byte) []byte { return b[:5000] },
		"lengthened":        func(b []byte) []byte { return append(b, 0) },
		"a byte missing":    func(b []byte) []byte { return b[1:] },
		"record changed":    func(b []byte) []byte { b[len(b)-30] ^= 1; return b },
		"length nonsense":   func(b []byte) []byte { b[len(b)-8] = 0xff; return b },
		"footer overwrites": func(b []byte) []byte { copy(b[len(b)-16:], "0123456789abcdef"); return b },
	} {
		dir := t.TempDir()
		store := open(t, dir, nil)
		bad, good := put(t, store, content), put(t, store, content)
		path := filepath.Join(dir, bad.Key[:36], bad.Key[37:39], bad.Key[37:])
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, damage(raw), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := store.Stat(t.Context(), bad.Key); !errors.Is(err, blob.ErrUnavailable) {
			t.Errorf("%s: Stat gives %v, want ErrUnavailable", name, err)
		}
		if _, err := store.Open(t.Context(), bad.Key, blob.Range{}); !errors.Is(err, blob.ErrUnavailable) {
			t.Errorf("%s: Open gives %v, want ErrUnavailable", name, err)
		}
		listed := map[string]int64{}
		for obj, err := range store.List(t.Context(), blob.ListOptions{}) {
			if err != nil {
				t.Fatalf("%s: List: %v", name, err)
			}
			listed[obj.Key] = obj.Generation
		}
		if len(listed) != 2 || listed[bad.Key] != 0 || listed[good.Key] != good.Generation {
			t.Errorf("%s: List gives %v, want both", name, listed)
		}
		if err := store.Delete(t.Context(), bad.Key, blob.AnyGeneration); err != nil {
			t.Errorf("%s: Delete: %v", name, err)
		}
	}
}

func TestAFileUnderAnotherNameIsNotServed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	store := open(t, dir, nil)
	obj := put(t, store, []byte("content"))
	other := obj.Key[:39] + "00000000000000000000000000000000"[2:]
	path := files(t, dir)[0]
	if err := os.Rename(path, filepath.Join(filepath.Dir(path), other[37:])); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Stat(t.Context(), other); !errors.Is(err, blob.ErrUnavailable) {
		t.Errorf("got %v, want ErrUnavailable", err)
	}
}

func TestFilesAreForTheServerOnly(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a", "b")
	put(t, open(t, dir, nil), []byte("content"))
	path := files(t, dir)[0]
	for p, want := range map[string]fs.FileMode{path: 0o600, filepath.Dir(path): 0o700, dir: 0o700} {
		if info, err := os.Stat(p); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s has mode %v, %v; want %v", p, info.Mode(), err, want)
		}
	}
}

func TestOfConcurrentDeletesOfAGenerationOneSucceeds(t *testing.T) {
	t.Parallel()
	store := open(t, t.TempDir(), nil)
	obj := put(t, store, []byte("content"))
	errs := make([]error, 8)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() { errs[i] = store.Delete(t.Context(), obj.Key, obj.Generation) })
	}
	wg.Wait()
	succeeded := 0
	for _, err := range errs {
		if err == nil {
			succeeded++
		} else if !errors.Is(err, blob.ErrNotFound) {
			t.Errorf("got %v, want ErrNotFound", err)
		}
	}
	if succeeded != 1 {
		t.Errorf("%d succeeded, want 1", succeeded)
	}
}

func TestOpenRefusesAWrongConfiguration(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, cfg := range map[string]disk.Config{
		"short key":    {Dir: t.TempDir(), BaseURL: "http://x/o", SigningKey: []byte("short")},
		"relative URL": {Dir: t.TempDir(), BaseURL: "/objects", SigningKey: signingKey()},
		"a file":       {Dir: file, BaseURL: "http://x/o", SigningKey: signingKey()},
	} {
		if _, err := disk.Open(cfg); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestTheSignedGetHasSafeHeaders(t *testing.T) {
	t.Parallel()
	store := open(t, t.TempDir(), nil)
	obj := put(t, store, []byte("<script>alert(1)</script>"))
	req, err := store.SignGet(t.Context(), obj.Key, blob.SignGetOptions{Filename: "Übersicht.html", Expires: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodDelete} {
		status, header, _ := do(t, method, req.URL, nil)
		if want := map[string]int{http.MethodDelete: 405}[method]; want == 0 && status != 200 || want != 0 && status != want {
			t.Errorf("%s answers %d", method, status)
		}
		for name, want := range map[string]string{
			"X-Content-Type-Options":       "nosniff",
			"Content-Security-Policy":      "sandbox; default-src 'none'",
			"Cross-Origin-Resource-Policy": "same-site",
			"Cache-Control":                "private, no-store",
			"Referrer-Policy":              "no-referrer",
		} {
			if got := header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", method, name, got, want)
			}
		}
		if kind, _, err := mime.ParseMediaType(header.Get("Content-Disposition")); err != nil || kind != "attachment" {
			t.Errorf("%s: Content-Disposition is %q", method, header.Get("Content-Disposition"))
		}
	}
	_, header, _ := do(t, http.MethodGet, req.URL, nil)
	if want := `attachment; filename="_bersicht.html"; filename*=UTF-8''%C3%9Cbersicht.html`; header.Get("Content-Disposition") != want {
		t.Errorf("got %q, want %q", header.Get("Content-Disposition"), want)
	}
	if header.Get("Content-Type") != blob.OctetStream {
		t.Errorf("got type %q", header.Get("Content-Type"))
	}
}

func TestSignaturesExpire(t *testing.T) {
	t.Parallel()
	now := time.Now()
	var mu sync.Mutex
	clock := func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	store := open(t, t.TempDir(), clock)
	obj := put(t, store, []byte("content"))
	get, err := store.SignGet(t.Context(), obj.Key, blob.SignGetOptions{Expires: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	key := blobtest.Key()
	putReq, err := store.SignPut(t.Context(), key, blob.SignPutOptions{MaxSize: 10, Expires: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	if status, _, _ := do(t, get.Method, get.URL, nil); status != http.StatusOK {
		t.Errorf("before its time it answers %d, want 200", status)
	}
	mu.Lock()
	now = now.Add(time.Minute)
	mu.Unlock()
	for _, req := range []blob.SignedRequest{get, putReq} {
		if status, _, _ := do(t, req.Method, req.URL, strings.NewReader("x"), "Content-Type", blob.OctetStream); status != http.StatusForbidden {
			t.Errorf("after its time %s answers %d, want 403", req.Method, status)
		}
	}
	blobtest.WantNothing(t, store, key)
}

func TestTheSignedPutStopsAtItsLimit(t *testing.T) {
	t.Parallel()
	store := open(t, t.TempDir(), nil)
	const limit = 100 << 10
	for name, c := range map[string]struct {
		body io.Reader
		want int
	}{
		"announced, one too many": {bytes.NewReader(blobtest.Bytes(limit + 1)), http.StatusRequestEntityTooLarge},
		"chunked, one too many":   {blobtest.Plain(bytes.NewReader(blobtest.Bytes(limit + 1))), http.StatusRequestEntityTooLarge},
		"chunked, exactly":        {blobtest.Plain(bytes.NewReader(blobtest.Bytes(limit))), http.StatusOK},
		"announced, exactly":      {bytes.NewReader(blobtest.Bytes(limit)), http.StatusOK},
		"empty":                   {http.NoBody, http.StatusOK},
	} {
		key := blobtest.Key()
		req, err := store.SignPut(t.Context(), key, blob.SignPutOptions{MaxSize: limit, Expires: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		if status, _, body := do(t, req.Method, req.URL, c.body, "Content-Type", blob.OctetStream); status != c.want {
			t.Errorf("%s answers %d %s, want %d", name, status, body, c.want)
		}
		if c.want != http.StatusOK {
			blobtest.WantNothing(t, store, key)
		}
	}
}

func TestASignedPutThatBreaksOffLeavesNothing(t *testing.T) {
	t.Parallel()
	store := open(t, t.TempDir(), nil)
	for _, announced := range []bool{true, false} {
		key := blobtest.Key()
		signed, err := store.SignPut(t.Context(), key, blob.SignPutOptions{MaxSize: 1 << 20, Expires: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		pr, pw := io.Pipe()
		req, err := http.NewRequestWithContext(ctx, signed.Method, signed.URL, pr)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", blob.OctetStream)
		if announced {
			req.ContentLength = 1 << 20
		}
		go func() {
			_, _ = pw.Write(blobtest.Bytes(512 << 10))
			cancel()
			_ = pw.CloseWithError(context.Canceled) // the client waits for the body that it gives up
		}()
		client := &http.Client{}
		if resp, err := client.Do(req); err == nil {
			_ = resp.Body.Close()
			t.Errorf("a broken request is answered %d", resp.StatusCode)
		}
		blobtest.WantNothing(t, store, key)
	}
}

func TestThePathOfAURLReachesNothingElse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "secret"), []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	store := open(t, filepath.Join(dir, "objects"), nil)
	obj := put(t, store, []byte("content"))
	req, err := store.SignGet(t.Context(), obj.Key, blob.SignGetOptions{Expires: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"../secret", "..%2fsecret", obj.Key + "/../../../../secret", "", "/", "%00", strings.ToUpper(obj.Key)} {
		status, _, body := do(t, http.MethodGet, strings.Replace(req.URL, obj.Key, path, 1), nil)
		if status != http.StatusForbidden {
			t.Errorf("%q answers %d %q, want 403", path, status, body)
		}
	}
}

func TestDownloadsGiveRangesAndRefuseBadOnes(t *testing.T) {
	t.Parallel()
	store := open(t, t.TempDir(), nil)
	content := blobtest.Bytes(1 << 20)
	obj := put(t, store, content)
	req, err := store.SignGet(t.Context(), obj.Key, blob.SignGetOptions{Expires: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	for spec, want := range map[string][]byte{
		"bytes=0-0": content[:1], "bytes=1000-": content[1000:], "bytes=-10": content[len(content)-10:],
	} {
		status, header, body := do(t, http.MethodGet, req.URL, nil, "Range", spec)
		if status != http.StatusPartialContent || !bytes.Equal(body, want) || header.Get("Content-Length") != strconv.Itoa(len(want)) {
			t.Errorf("%s answers %d with %d bytes, want 206 with %d", spec, status, len(body), len(want))
		}
	}
	// The record behind the content must not be reachable.
	past := "bytes=" + strconv.Itoa(len(content)) + "-"
	if status, _, _ := do(t, http.MethodGet, req.URL, nil, "Range", past); status != http.StatusRequestedRangeNotSatisfiable {
		t.Errorf("behind the end it answers %d, want 416", status)
	}
}

// do sends a request and gives status, header and body.
func do(t testing.TB, method, target string, body io.Reader, headers ...string) (int, http.Header, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, target, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	client := &http.Client{Timeout: 30 * time.Second}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // reading only
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, got
}
