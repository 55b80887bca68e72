package disk

import (
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"dossier/internal/blob"
)

// The slowest signed upload that is waited for: progressBytes within progressTime, 8 KiB/s.
const (
	progressBytes = 256 << 10
	progressTime  = 32 * time.Second
)

// Handler serves the signed requests. The server mounts it at the path of Config.BaseURL, unstripped, and puts its CORS
// rules before it.
func (s *Store) Handler() http.Handler { return http.HandlerFunc(s.serve) }

func (s *Store) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "private, no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	h.Set("Cross-Origin-Resource-Policy", "same-site")

	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	params, err := url.ParseQuery(r.URL.RawQuery)
	allow := "GET, HEAD, PUT"
	switch {
	case params.Get(paramMethod) == methodResumable && (method == http.MethodPut || method == http.MethodDelete):
		method = methodResumable
	case params.Get(paramMethod) == methodResumable:
		allow, method = "PUT, DELETE", ""
	case method != http.MethodGet && method != http.MethodPut:
		method = ""
	}
	if method == "" {
		h.Set("Allow", allow)
		refuse(w, http.StatusMethodNotAllowed, "Use the method that the URL was signed for.")
		return
	}
	key := strings.TrimPrefix(r.URL.Path, s.base.Path+"/")
	// One answer for a wrong key, signature, method and time: nothing can be probed.
	if _, keyErr := blob.KeyAccount(key); err != nil || keyErr != nil || !s.verify(method, key, params) {
		refuse(w, http.StatusForbidden, "The link is not valid or has expired. Ask for a new one.")
		return
	}
	switch method {
	case methodResumable:
		s.serveResumable(w, r, key, params)
	case http.MethodPut:
		s.servePut(w, r, key, params)
	default:
		s.serveGet(w, r, key, params)
	}
}

func (s *Store) serveGet(w http.ResponseWriter, r *http.Request, key string, params url.Values) {
	p, rec, err := s.open("disk.Handler", key)
	if err != nil {
		s.answer(w, r, err)
		return
	}
	defer p.Close() //nolint:errcheck // reading only: nothing can be lost
	contentType := params.Get(paramType)
	if contentType == "" {
		contentType = rec.Type
	}
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Content-Disposition", params.Get(paramDisposition))
	h.Set("ETag", `"`+strconv.FormatInt(rec.Generation, 36)+`"`)
	http.ServeContent(w, r, "", rec.Created, p)
}

func (s *Store) servePut(w http.ResponseWriter, r *http.Request, key string, params url.Values) {
	maxSize, err := strconv.ParseInt(params.Get(paramMaxSize), 10, 64)
	if err != nil || maxSize <= 0 {
		refuse(w, http.StatusForbidden, "The link is not valid or has expired. Ask for a new one.")
		return
	}
	contentType := params.Get(paramType)
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != contentType {
		refuse(w, http.StatusUnsupportedMediaType, "Send the Content-Type that the upload was begun with: "+contentType+".")
		return
	}
	if r.ContentLength > maxSize {
		refuse(w, http.StatusRequestEntityTooLarge, tooLarge(maxSize))
		return
	}
	opts := blob.PutOptions{ContentType: contentType, ExpectedSize: r.ContentLength}
	if params.Has(paramCRC) {
		sum, err := strconv.ParseUint(params.Get(paramCRC), 16, 32)
		if err != nil {
			refuse(w, http.StatusForbidden, "The link is not valid or has expired. Ask for a new one.")
			return
		}
		crc := uint32(sum)
		opts.CRC32C = &crc
	}
	body := &pacedBody{body: http.MaxBytesReader(w, r.Body, maxSize), control: http.NewResponseController(w), now: time.Now}
	if _, err := s.Put(r.Context(), key, body, opts); err != nil {
		s.answer(w, r, err)
		return
	}
	w.WriteHeader(http.StatusOK)
}

// answer turns an error of the store into a status.
func (s *Store) answer(w http.ResponseWriter, r *http.Request, err error) {
	var tooBig *http.MaxBytesError
	switch {
	case errors.As(err, &tooBig):
		refuse(w, http.StatusRequestEntityTooLarge, tooLarge(tooBig.Limit))
	case errors.Is(err, blob.ErrNotFound):
		refuse(w, http.StatusNotFound, "The file does not exist.")
	case errors.Is(err, blob.ErrExists):
		refuse(w, http.StatusPreconditionFailed, "A file was already uploaded here. Begin a new upload.")
	case errors.Is(err, blob.ErrChecksum):
		refuse(w, http.StatusBadRequest, "The file does not have the announced checksum. Upload it again.")
	case errors.Is(err, blob.ErrSource), errors.Is(err, blob.ErrCanceled):
		refuse(w, http.StatusBadRequest, "The file did not arrive completely. Upload it again.")
	default:
		s.log.ErrorContext(r.Context(), "object store failed", slog.String("method", r.Method), slog.Any("error", err))
		refuse(w, http.StatusServiceUnavailable, "The file storage did not answer as expected. Try again.")
	}
}

func refuse(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Content-Disposition", blob.Attachment)
	w.WriteHeader(status)
	_, _ = io.WriteString(w, message+"\n")
}

func tooLarge(limit int64) string {
	return "The file is larger than the " + strconv.FormatInt(limit, 10) + " bytes that the upload was begun for."
}

// pacedBody is a request body that must keep coming: it moves the connection's read deadline on as bytes arrive.
type pacedBody struct {
	body    io.Reader
	control *http.ResponseController
	now     func() time.Time
	left    int

	mu   sync.Mutex
	gone bool
}

// Read reads on, for as long as the pace allows.
func (b *pacedBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		b.extend()
		b.left = progressBytes
	}
	n, err := b.body.Read(p)
	b.left -= n
	return n, err
}

func (b *pacedBody) extend() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.gone {
		// A server that cannot set deadlines (a test recorder) has none to extend.
		_ = b.control.SetReadDeadline(b.now().Add(progressTime))
	}
}

// cut makes a Read that waits, and all further ones, fail.
func (b *pacedBody) cut() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.gone = true
	_ = b.control.SetReadDeadline(time.Unix(1, 0))
}
