package blobtest

import (
	"bytes"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"dossier/internal/blob"
)

// Do sends a signed request and gives status, header and body.
func (s *suite) do(t testing.TB, req blob.SignedRequest, body []byte, extra ...string) (int, http.Header, []byte) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), req.Method, req.URL, bytes.NewReader(body))
	if err != nil {
		t.Fatalf("the signed URL: %v", err)
	}
	for name, value := range req.Header {
		r.Header.Set(name, value)
	}
	for i := 0; i < len(extra); i += 2 {
		r.Header.Set(extra[i], extra[i+1])
	}
	resp, err := s.client.Do(r)
	if err != nil {
		t.Fatalf("%s: %v", req.Method, err)
	}
	defer resp.Body.Close() //nolint:errcheck // reading only
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("reading the answer: %v", err)
	}
	return resp.StatusCode, resp.Header, got
}

func (s *suite) signedPut(t *testing.T, store blob.Store) {
	for _, size := range []int{1, 300 << 10} {
		content := Bytes(size)
		key := Key()
		sum := CRC(content)
		opts := blob.SignPutOptions{ContentType: "application/pdf", MaxSize: int64(size), CRC32C: &sum, Expires: time.Minute}
		req, err := store.SignPut(t.Context(), key, opts)
		if err != nil {
			t.Fatalf("SignPut: %v", err)
		}
		if left := time.Until(req.Expires); req.Method != http.MethodPut || left <= 0 || left > time.Minute {
			t.Errorf("got %s, expiring in %v", req.Method, left)
		}
		if status, _, body := s.do(t, req, content); status != http.StatusOK {
			t.Fatalf("the signed PUT answers %d %s", status, body)
		}
		WantObject(t, store, key, content)
		obj, err := store.Stat(t.Context(), key)
		if err != nil || obj.ContentType != "application/pdf" {
			t.Errorf("stored as %q, %v; want application/pdf", obj.ContentType, err)
		}
		if s.lacks[NoSignedLimits] {
			continue
		}
		if status, _, _ := s.do(t, req, content); status != http.StatusPreconditionFailed {
			t.Errorf("the same PUT again answers %d, want 412", status)
		}
	}
}

func (s *suite) signedPutLimits(t *testing.T, store blob.Store) {
	if s.lacks[NoSignedLimits] {
		t.Skip("the service of this test does not check them")
	}
	sum := CRC([]byte("right"))
	for name, c := range map[string]struct {
		change func(*blob.SignedRequest)
		body   string
	}{
		"one byte too many": {func(*blob.SignedRequest) {}, "right!"},
		"other bytes":       {func(*blob.SignedRequest) {}, "wrong"},
		"other type":        {func(r *blob.SignedRequest) { r.Header["Content-Type"] = "text/html" }, "right"},
		"other method":      {func(r *blob.SignedRequest) { r.Method = http.MethodGet }, ""},
	} {
		key := Key()
		opts := blob.SignPutOptions{ContentType: "image/png", MaxSize: 5, CRC32C: &sum, Expires: time.Minute}
		req, err := store.SignPut(t.Context(), key, opts)
		if err != nil {
			t.Fatalf("SignPut: %v", err)
		}
		c.change(&req)
		if status, _, body := s.do(t, req, []byte(c.body)); status < 400 || status >= 500 {
			t.Errorf("%s answers %d %s, want 4xx", name, status, body)
		}
		WantNothing(t, store, key)
	}
}

func (s *suite) signedGet(t *testing.T, store blob.Store) {
	key := Key()
	content := Bytes(100 << 10)
	mustPut(t, store, key, content)
	names := []string{
		"", "plain.pdf", "Größe „ä“ 100%.pdf", "報告書.pdf", `a"b\c.pdf`, "x\r\ny: z", "../../etc/passwd", "emoji 🎉.png",
	}
	for _, name := range names {
		req, err := store.SignGet(t.Context(), key, blob.SignGetOptions{Filename: name, ContentType: "text/html", Expires: time.Minute})
		if err != nil {
			t.Fatalf("SignGet: %v", err)
		}
		status, header, body := s.do(t, req, nil)
		if status != http.StatusOK || !bytes.Equal(body, content) {
			t.Fatalf("the signed GET answers %d with %d bytes", status, len(body))
		}
		if s.lacks[NoSignatures] {
			continue
		}
		kind, params, err := mime.ParseMediaType(header.Get("Content-Disposition"))
		if err != nil || kind != "attachment" || strings.ContainsAny(params["filename"], "/\\\r\n") {
			t.Errorf("%q gives the disposition %q, %v", name, header.Get("Content-Disposition"), err)
		}
		if got := header.Get("Content-Type"); got != blob.OctetStream {
			t.Errorf("text/html is served as %q, want %s", got, blob.OctetStream)
		}
	}
	req, err := store.SignGet(t.Context(), key, blob.SignGetOptions{Expires: time.Minute})
	if err != nil {
		t.Fatalf("SignGet: %v", err)
	}
	status, _, body := s.do(t, req, nil, "Range", "bytes=100-199")
	if status != http.StatusPartialContent || !bytes.Equal(body, content[100:200]) {
		t.Errorf("a range answers %d with %d bytes, want 206 with 100", status, len(body))
	}
	missing, err := store.SignGet(t.Context(), Key(), blob.SignGetOptions{Expires: time.Minute})
	if err != nil {
		t.Fatalf("SignGet: %v", err)
	}
	if status, _, _ := s.do(t, missing, nil); status != http.StatusNotFound {
		t.Errorf("the signed GET of nothing answers %d, want 404", status)
	}
}

func (s *suite) tampered(t *testing.T, store blob.Store) {
	if s.lacks[NoSignatures] {
		t.Skip("the service of this test checks no signature")
	}
	key, other := Key(), Key()
	mustPut(t, store, key, []byte("content"))
	mustPut(t, store, other, []byte("other"))
	req, err := store.SignGet(t.Context(), key, blob.SignGetOptions{Filename: "a.pdf", Expires: time.Minute})
	if err != nil {
		t.Fatalf("SignGet: %v", err)
	}
	u, err := url.Parse(req.URL)
	if err != nil {
		t.Fatal(err)
	}
	try := func(what string, u url.URL, method string) {
		t.Helper()
		if status, _, _ := s.do(t, blob.SignedRequest{Method: method, URL: u.String()}, nil); status < 400 || status >= 500 {
			t.Errorf("%s answers %d, want 4xx", what, status)
		}
	}
	moved := *u
	moved.Path = strings.Replace(u.Path, key, other, 1)
	try("another key", moved, http.MethodGet)
	bare := *u
	bare.RawQuery = ""
	try("no signature", bare, http.MethodGet)
	try("another method", *u, http.MethodPut)
	for name, values := range u.Query() {
		for what, change := range map[string]func(url.Values){
			"changed":  func(q url.Values) { q.Set(name, flip(values[0])) },
			"removed":  func(q url.Values) { q.Del(name) },
			"repeated": func(q url.Values) { q.Add(name, values[0]) },
		} {
			q := u.Query()
			change(q)
			v := *u
			v.RawQuery = q.Encode()
			try(name+" "+what, v, http.MethodGet)
		}
	}
	added := *u
	added.RawQuery += "&response-content-type=text%2Fhtml&t=text%2Fhtml"
	try("an added parameter", added, http.MethodGet)
}

// flip changes the last character, staying within digits and letters.
func flip(s string) string {
	if s == "" {
		return "x"
	}
	last := s[len(s)-1]
	if last == '1' {
		return s[:len(s)-1] + "2"
	}
	return s[:len(s)-1] + "1"
}

func (s *suite) signOptions(t *testing.T, store blob.Store) {
	for _, opts := range []blob.SignPutOptions{
		{MaxSize: 0, Expires: time.Minute},
		{MaxSize: -1, Expires: time.Minute},
		{MaxSize: 1},
		{MaxSize: 1, Expires: blob.MaxExpiry + time.Second},
	} {
		if _, err := store.SignPut(t.Context(), Key(), opts); !isKind(err, blob.ErrInvalid) {
			t.Errorf("SignPut(%+v) gives %v, want ErrInvalid", opts, err)
		}
	}
	if _, err := store.SignGet(t.Context(), Key(), blob.SignGetOptions{}); !isKind(err, blob.ErrInvalid) {
		t.Errorf("SignGet without expiry gives %v, want ErrInvalid", err)
	}
}
