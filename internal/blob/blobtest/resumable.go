package blobtest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"dossier/internal/blob"
)

// unit is the granularity.
const unit = blob.Granularity

// resumer is a client that sends a content to a resumable upload, as a browser would.
type resumer struct {
	client  *http.Client
	session blob.Resumable
	content []byte
}

func (s *suite) resumer(t testing.TB, store blob.Store, key string, content []byte, change func(*blob.ResumableOptions)) *resumer {
	t.Helper()
	opts := blob.ResumableOptions{ContentType: "application/pdf", Size: int64(len(content)), Expires: time.Minute}
	if change != nil {
		change(&opts)
	}
	session, err := store.StartResumable(t.Context(), key, opts)
	if err != nil {
		t.Fatalf("StartResumable: %v", err)
	}
	if left := time.Until(session.Expires); session.Granularity != unit || left <= 0 || left > time.Minute {
		t.Errorf("got parts of %d bytes, expiring in %v", session.Granularity, left)
	}
	return &resumer{client: s.client, session: session, content: content}
}

// errCut is why a client broke off.
var errCut = errors.New("the line was cut")

// put sends content[first:last], or the body alone when spec is "". After cut bytes (-1: never) the connection breaks. It
// gives the status (0: no answer) and how many bytes are stored.
func (r *resumer) put(t testing.TB, spec string, body []byte, cut int) (status, stored int) {
	t.Helper()
	var src io.Reader = bytes.NewReader(body)
	if cut >= 0 {
		src = &brokenReader{Reader: bytes.NewReader(body[:cut]), err: errCut}
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, r.session.URL, Plain(src))
	if err != nil {
		t.Fatal(err)
	}
	req.ContentLength = int64(len(body))
	if len(body) == 0 {
		req.Body = http.NoBody
	}
	if spec != "" {
		req.Header.Set("Content-Range", spec)
	}
	resp, err := r.client.Do(req)
	if err != nil {
		if cut < 0 {
			t.Fatalf("PUT %s: %v", spec, err)
		}
		return 0, 0
	}
	defer resp.Body.Close() //nolint:errcheck // reading only
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Fatal(err)
	}
	if h := resp.Header.Get("Range"); h != "" {
		last, err := strconv.Atoi(strings.TrimPrefix(h, "bytes=0-"))
		if err != nil {
			t.Fatalf("the Range is %q", h)
		}
		stored = last + 1
	}
	return resp.StatusCode, stored
}

// part sends content[first:last] as a part of a content whose size is known.
func (r *resumer) part(t testing.TB, first, last, cut int) (status, stored int) {
	t.Helper()
	return r.put(t, fmt.Sprintf("bytes %d-%d/%d", first, last-1, len(r.content)), r.content[first:last], cut)
}

// ask asks what is stored.
func (r *resumer) ask(t testing.TB) (status, stored int) {
	t.Helper()
	return r.put(t, fmt.Sprintf("bytes */%d", len(r.content)), nil, -1)
}

func (r *resumer) delete(t testing.TB) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, r.session.URL, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := r.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

func wantAnswer(t testing.TB, what string, status, stored, wantStatus, wantStored int) {
	t.Helper()
	if status != wantStatus || stored != wantStored {
		t.Fatalf("%s answers %d with %d bytes stored, want %d with %d", what, status, stored, wantStatus, wantStored)
	}
}

const incomplete = http.StatusPermanentRedirect

func (s *suite) resumableWhole(t *testing.T, store blob.Store) {
	for _, size := range []int{1, unit - 1, unit, unit + 1, 3*unit + 77} {
		content, key := Bytes(size), Key()
		sum := CRC(content)
		r := s.resumer(t, store, key, content, func(o *blob.ResumableOptions) { o.CRC32C = &sum })
		if status, _ := r.put(t, "", content, -1); status != http.StatusOK {
			t.Fatalf("all %d bytes at once answer %d", size, status)
		}
		WantObject(t, store, key, content)
		obj, err := store.Stat(t.Context(), key)
		if err != nil || obj.ContentType != "application/pdf" || obj.Generation == 0 {
			t.Errorf("stored as %+v, %v; want application/pdf", obj, err)
		}
	}
	key := Key()
	r := s.resumer(t, store, key, []byte("<html>"), func(o *blob.ResumableOptions) { o.ContentType = "text/html" })
	r.put(t, "", r.content, -1)
	if obj, err := store.Stat(t.Context(), key); err != nil || obj.ContentType != blob.OctetStream {
		t.Errorf("text/html is stored as %q, %v", obj.ContentType, err)
	}
}

func (s *suite) resumableParts(t *testing.T, store blob.Store) {
	s.needsResumption(t)
	content, key := Bytes(5*unit+1000), Key()
	r := s.resumer(t, store, key, content, nil)
	status, stored := r.ask(t)
	wantAnswer(t, "asking at the beginning", status, stored, incomplete, 0)
	status, stored = r.part(t, 0, unit, -1)
	wantAnswer(t, "the first part", status, stored, incomplete, unit)
	status, stored = r.put(t, fmt.Sprintf("bytes %d-%d/*", unit, 3*unit-1), content[unit:3*unit], -1)
	wantAnswer(t, "a part of an unknown whole", status, stored, incomplete, 3*unit)
	status, stored = r.part(t, unit, 4*unit, -1)
	wantAnswer(t, "a part of which most is stored", status, stored, incomplete, 4*unit)
	status, stored = r.part(t, 0, unit, -1)
	wantAnswer(t, "a part that is stored", status, stored, incomplete, 4*unit)
	status, stored = r.part(t, 4*unit, 5*unit-5, -1)
	wantAnswer(t, "a part that is no multiple", status, stored, incomplete, 4*unit)
	if status, _ = r.part(t, 5*unit, len(content), -1); status < 400 {
		t.Fatalf("a part behind a gap answers %d", status)
	}
	WantNothing(t, store, key)
	status, stored = r.ask(t)
	wantAnswer(t, "asking", status, stored, incomplete, 4*unit)
	if status, _ = r.part(t, 4*unit, len(content), -1); status != http.StatusOK {
		t.Fatalf("the last part answers %d", status)
	}
	WantObject(t, store, key, content)
}

func (s *suite) resumableCuts(t *testing.T, store blob.Store) {
	s.needsResumption(t)
	content, key := Bytes(12*unit+4711), Key()
	sum := CRC(content)
	r := s.resumer(t, store, key, content, func(o *blob.ResumableOptions) { o.CRC32C = &sum })
	random := rand.New(rand.NewPCG(1, 2))
	from, sent := 0, 0
	for range 10 {
		cut := random.IntN(min(len(content)-from, 3*unit))
		if from == 0 && cut%2 == 0 {
			r.put(t, "", content, cut)
		} else {
			r.part(t, from, len(content), cut)
		}
		WantNothing(t, store, key)
		// More than this request's may be stored: one whose line was cut before it can reach the store after it.
		sent = max(sent, from+cut)
		status, stored := r.ask(t)
		if status != incomplete || stored < from || stored > sent || stored%unit != 0 {
			t.Fatalf("after %d bytes and %d more, of all %d, the status is %d with %d stored", from, cut, sent, status, stored)
		}
		from = stored
	}
	if from == 0 {
		t.Fatal("nothing of all that was sent is stored")
	}
	// Such a late one takes the upload from the request after it: that one is answered 503, upon which a client asks and goes
	// on, as always.
	for range 3 {
		status, _ := r.part(t, from, len(content), -1)
		if status == http.StatusOK {
			break
		}
		if status != http.StatusServiceUnavailable {
			t.Fatalf("the rest answers %d", status)
		}
		_, from = r.ask(t)
	}
	WantObject(t, store, key, content)
}

func (s *suite) resumableAgain(t *testing.T, store blob.Store) {
	s.needsResumption(t)
	content, key := Bytes(2*unit+9), Key()
	r := s.resumer(t, store, key, content, nil)
	r.put(t, "", content, -1)
	before, err := store.Stat(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	// A client that did not hear the answer asks, or sends the end again.
	if status, _ := r.ask(t); status != http.StatusOK {
		t.Errorf("asking after the end answers %d, want 200", status)
	}
	if status, _ := r.part(t, 2*unit, len(content), -1); status != http.StatusOK {
		t.Errorf("the last part again answers %d, want 200", status)
	}
	after, err := store.Stat(t.Context(), key)
	if err != nil || after.Generation != before.Generation {
		t.Errorf("the generation was %d and is %d, %v", before.Generation, after.Generation, err)
	}
	if status := r.delete(t); status < 400 || status == 499 {
		t.Errorf("ending a complete upload answers %d", status)
	}
	if err := store.CancelResumable(t.Context(), key, r.session.URL); !isKind(err, blob.ErrNotFound) {
		t.Errorf("cancelling a complete upload gives %v, want ErrNotFound", err)
	}
	WantObject(t, store, key, content)
}

func (s *suite) resumableAnnounced(t *testing.T, store blob.Store) {
	s.needsResumption(t)
	content := Bytes(unit + 5)
	wrong := CRC(content) ^ 1
	for name, send := range map[string]func(r *resumer) (int, int){
		"one byte more": func(r *resumer) (int, int) { return r.put(t, "", append(bytes.Clone(content), 'x'), -1) },
		"another size": func(r *resumer) (int, int) {
			return r.put(t, fmt.Sprintf("bytes 0-%d/%d", unit-1, len(content)+1), content[:unit], -1)
		},
		"a part too long": func(r *resumer) (int, int) {
			return r.put(t, fmt.Sprintf("bytes 0-%d/*", len(content)), append(bytes.Clone(content), 'x'), -1)
		},
		"nonsense": func(r *resumer) (int, int) { return r.put(t, "bytes 1-/x", content, -1) },
	} {
		key := Key()
		r := s.resumer(t, store, key, content, nil)
		if status, _ := send(r); status < 400 || status > 499 {
			t.Errorf("%s answers %d, want 4xx", name, status)
		}
		WantNothing(t, store, key)
	}
	key := Key()
	r := s.resumer(t, store, key, content, func(o *blob.ResumableOptions) { o.CRC32C = &wrong })
	if status, _ := r.put(t, "", content, -1); status < 400 || status > 499 {
		t.Errorf("another checksum answers %d, want 4xx", status)
	}
	WantNothing(t, store, key)
}

func (s *suite) resumableExists(t *testing.T, store blob.Store) {
	content, key := Bytes(unit), Key()
	r := s.resumer(t, store, key, content, nil)
	mustPut(t, store, key, []byte("first"))
	if status, _ := r.put(t, "", content, -1); status != http.StatusPreconditionFailed {
		t.Errorf("it answers %d, want 412", status)
	}
	WantObject(t, store, key, []byte("first"))
}

func (s *suite) resumableEnds(t *testing.T, store blob.Store) {
	s.needsResumption(t)
	content := Bytes(2 * unit)
	for name, end := range map[string]func(r *resumer, key string){
		"by the client": func(r *resumer, _ string) {
			if status := r.delete(t); status != 499 {
				t.Errorf("DELETE answers %d, want 499", status)
			}
		},
		"by the server": func(r *resumer, key string) {
			if err := store.CancelResumable(t.Context(), key, r.session.URL); err != nil {
				t.Errorf("CancelResumable: %v", err)
			}
		},
	} {
		key := Key()
		r := s.resumer(t, store, key, content, nil)
		r.part(t, 0, unit, -1)
		end(r, key)
		if status, _ := r.part(t, unit, 2*unit, -1); status != http.StatusNotFound && status != http.StatusGone {
			t.Errorf("%s: the next part answers %d, want 404 or 410", name, status)
		}
		if status, _ := r.ask(t); status != http.StatusNotFound && status != http.StatusGone {
			t.Errorf("%s: asking answers %d, want 404 or 410", name, status)
		}
		if err := store.CancelResumable(t.Context(), key, r.session.URL); !isKind(err, blob.ErrNotFound) {
			t.Errorf("%s: cancelling again gives %v, want ErrNotFound", name, err)
		}
		WantNothing(t, store, key)
	}
}

func (s *suite) resumableOptions(t *testing.T, store blob.Store) {
	for _, opts := range []blob.ResumableOptions{
		{Size: 0, Expires: time.Minute},
		{Size: -1, Expires: time.Minute},
		{Size: 1},
		{Size: 1, Expires: blob.MaxSession + time.Second},
	} {
		if _, err := store.StartResumable(t.Context(), Key(), opts); !isKind(err, blob.ErrInvalid) {
			t.Errorf("StartResumable(%+v) gives %v, want ErrInvalid", opts, err)
		}
	}
	if _, err := store.StartResumable(t.Context(), "x", blob.ResumableOptions{Size: 1, Expires: time.Minute}); !isKind(err, blob.ErrInvalid) {
		t.Errorf("StartResumable of a bad key gives %v, want ErrInvalid", err)
	}
	if err := store.CancelResumable(t.Context(), "x", "http://127.0.0.1/"); !isKind(err, blob.ErrInvalid) {
		t.Errorf("CancelResumable of a bad key gives %v, want ErrInvalid", err)
	}
	if err := store.CancelResumable(t.Context(), Key(), "nonsense"); !isKind(err, blob.ErrInvalid) {
		t.Errorf("CancelResumable of no URL gives %v, want ErrInvalid", err)
	}
}

func (s *suite) needsResumption(t *testing.T) {
	t.Helper()
	if s.lacks[NoResumption] {
		t.Skip("the service of this test ends an upload when it is asked what is stored")
	}
}
