package disk

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"time"

	"dossier/internal/blob"
)

const (
	// methodResumable is what the URL of a resumable upload is signed for: PUT and DELETE.
	methodResumable = "RESUMABLE"
	paramUpload     = "u"
	// statusClosed is what Google Cloud Storage answers when a client has ended its upload.
	statusClosed = 499
	// takeover is how long a request waits for the one before it, whose connection it has cut.
	takeover = 10 * time.Second
)

// partialID is the id of the upload that the parameters of a URL name: what randomID gives, and nothing else.
func partialID(params url.Values) (string, bool) {
	id, err := hex.DecodeString(params.Get(paramUpload))
	return hex.EncodeToString(id), err == nil && len(id) == idLen
}

// StartResumable begins an upload that the holder of the answer sends in parts.
func (s *Store) StartResumable(_ context.Context, key string, opts blob.ResumableOptions) (blob.Resumable, error) {
	opts, err := opts.Normalize(key)
	if err != nil {
		return blob.Resumable{}, err
	}
	if isThere(s.path(key)) {
		return blob.Resumable{}, blob.Fail("disk.StartResumable", blob.ErrExists, nil)
	}
	expires := s.now().Add(opts.Expires)
	id, err := s.createPartial(partialState{Key: key, Type: opts.ContentType, Size: opts.Size, WantCRC: opts.CRC32C, Expires: expires})
	if err != nil {
		return blob.Resumable{}, blob.Fail("disk.StartResumable", blob.ErrUnavailable, err)
	}
	// Which page sends the bytes is not bound: the server's own rules about origins stand before the handler.
	req := s.signed(methodResumable, key, url.Values{paramUpload: {id}}, opts.Expires)
	return blob.Resumable{URL: req.URL, Granularity: blob.Granularity, Expires: req.Expires}, nil
}

// CancelResumable ends an upload and throws away what has arrived of it.
func (s *Store) CancelResumable(ctx context.Context, key, rawURL string) error {
	if _, err := blob.KeyAccount(key); err != nil {
		return err
	}
	u, err := url.Parse(rawURL)
	if err != nil {
		return blob.Fail("disk.CancelResumable", blob.ErrInvalid, err)
	}
	id, ok := partialID(u.Query())
	if !ok {
		return blob.Fail("disk.CancelResumable", blob.ErrInvalid, nil)
	}
	return s.cancelPartial(ctx, key, id)
}

func (s *Store) cancelPartial(ctx context.Context, key, id string) error {
	release, err := s.claim(ctx, id, func() {})
	if err == nil {
		defer release()
		var p *partial
		if p, err = s.openPartial(ctx, key, id); err == nil {
			s.removePartial(p.dir, id)
			p.close()
			if err := syncDir(p.dir); err != nil {
				return blob.Fail("disk.CancelResumable", blob.ErrOutcomeUnknown, err)
			}
			return nil
		}
	}
	if errors.Is(err, errNoPartial) {
		return blob.Fail("disk.CancelResumable", blob.ErrNotFound, nil)
	}
	return blob.Fail("disk.CancelResumable", blob.ErrUnavailable, err)
}

// claimed is a request that has a resumable upload to itself.
type claimed struct {
	cut  func()
	done chan struct{}
}

// claim gives the upload to the newest request. The one that has it loses its connection: it is a client that has lost its
// own side of it, or has given up waiting, else there would be no newer one.
func (s *Store) claim(ctx context.Context, id string, cut func()) (release func(), err error) {
	timer := time.NewTimer(takeover)
	defer timer.Stop()
	for {
		s.claimsMu.Lock()
		before := s.claims[id]
		if before == nil {
			mine := &claimed{cut: cut, done: make(chan struct{})}
			s.claims[id] = mine
			s.claimsMu.Unlock()
			return func() {
				s.claimsMu.Lock()
				delete(s.claims, id)
				s.claimsMu.Unlock()
				close(mine.done)
			}, nil
		}
		s.claimsMu.Unlock()
		before.cut()
		select {
		case <-before.done:
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-timer.C:
			return nil, errBusy
		}
	}
}

// serveResumable answers the requests of blob.Resumable.
func (s *Store) serveResumable(w http.ResponseWriter, r *http.Request, key string, params url.Values) {
	id, ok := partialID(params)
	if !ok {
		refuse(w, http.StatusForbidden, "The link is not valid or has expired. Ask for a new one.")
		return
	}
	if r.Method == http.MethodDelete {
		if err := s.cancelPartial(r.Context(), key, id); err != nil {
			s.answerResumable(w, r, err)
			return
		}
		refuse(w, statusClosed, "The upload has ended.")
		return
	}
	part, ok := parseContentRange(r.Header.Get("Content-Range"))
	if !ok {
		refuse(w, http.StatusBadRequest, `The Content-Range must be "bytes first-last/size" for a part, or "bytes */size" to ask what is stored.`)
		return
	}
	body := &pacedBody{body: r.Body, control: http.NewResponseController(w), now: time.Now}
	release, err := s.claim(r.Context(), id, body.cut)
	if err != nil {
		s.answerResumable(w, r, err)
		return
	}
	defer release()
	p, err := s.openPartial(r.Context(), key, id)
	if errors.Is(err, errNoPartial) && s.finishedBy(key, id) {
		w.WriteHeader(http.StatusOK)
		return
	}
	if err != nil {
		s.answerResumable(w, r, err)
		return
	}
	defer p.close()
	s.servePart(w, r, p, part, body)
}

// finishedBy says whether the object was made by this upload: then its client has only not heard of it.
func (s *Store) finishedBy(key, id string) bool {
	f, rec, err := s.open("disk.Handler", key)
	if err != nil {
		return false
	}
	_ = f.Close()
	return rec.Session == id
}

// servePart takes a part in, if the request has one, and says what is stored.
func (s *Store) servePart(w http.ResponseWriter, r *http.Request, p *partial, part contentRange, body io.Reader) {
	switch {
	case part.total >= 0 && part.total != p.Size, part.last >= p.Size, part.whole && r.ContentLength > p.Size:
		refuse(w, http.StatusBadRequest, fmt.Sprintf("The upload was begun for %d bytes. Begin a new one.", p.Size))
		return
	case part.first > p.Stored:
		// As if it had failed here, because a client that is told so asks where to go on.
		s.incomplete(w, p, http.StatusServiceUnavailable)
		return
	}
	var err error
	if part.whole || part.last >= 0 {
		if !part.whole {
			body = io.LimitReader(body, part.last-part.first+1)
		}
		err = p.receiveFrom(body, max(part.first, 0))
	}
	if err == nil && p.Stored == p.Size && (part.whole || part.total == p.Size) {
		if err = p.finish(); err == nil {
			w.WriteHeader(http.StatusOK)
			return
		}
	}
	if err != nil {
		s.answerResumable(w, r, err)
		return
	}
	s.incomplete(w, p, http.StatusPermanentRedirect)
}

// incomplete says what is stored.
func (s *Store) incomplete(w http.ResponseWriter, p *partial, status int) {
	if p.Stored > 0 {
		w.Header().Set("Range", "bytes=0-"+strconv.FormatInt(p.Stored-1, 10))
	}
	w.WriteHeader(status)
}

func (s *Store) answerResumable(w http.ResponseWriter, r *http.Request, err error) {
	switch {
	case errors.Is(err, errNoPartial), errors.Is(err, blob.ErrNotFound):
		refuse(w, http.StatusNotFound, "The upload has ended. Begin a new one.")
	case errors.Is(err, errBusy):
		w.Header().Set("Retry-After", "1")
		refuse(w, http.StatusServiceUnavailable, "Another request sends to this upload. Ask what is stored, and go on from there.")
	case errors.Is(err, errExcess):
		refuse(w, http.StatusBadRequest, "The file is larger than announced. Begin a new upload.")
	case errors.Is(err, blob.ErrSource), errors.Is(err, context.Canceled):
		// The client is hardly there to read it. It may come back.
		refuse(w, http.StatusServiceUnavailable, "Not everything arrived. Ask what is stored, and go on from there.")
	default:
		s.answer(w, r, err)
	}
}

// contentRange is a Content-Range header of a request. first and last are -1 for "*" and without a header, total for "*".
type contentRange struct {
	whole              bool
	first, last, total int64
}

var contentRangeText = regexp.MustCompile(`^bytes (?:(\d{1,18})-(\d{1,18})|\*)/(\d{1,18}|\*)$`)

func parseContentRange(header string) (c contentRange, ok bool) {
	c = contentRange{first: -1, last: -1, total: -1}
	if header == "" {
		c.whole = true
		return c, true
	}
	m := contentRangeText.FindStringSubmatch(header)
	if m == nil {
		return c, false
	}
	for i, n := range []*int64{&c.first, &c.last, &c.total} {
		if text := m[i+1]; text != "" && text != "*" {
			*n, _ = strconv.ParseInt(text, 10, 64) // 18 digits always fit
		}
	}
	return c, c.last >= c.first && (c.total < 0 || c.last < c.total)
}
