package gcsfake

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// signed serves a V4 signed URL: the XML API's PUT and GET.
func (s *Server) signed(w http.ResponseWriter, r *http.Request) {
	if err := s.checkSignature(r); err != nil {
		http.Error(w, err.Error(), http.StatusForbidden)
		return
	}
	key := r.PathValue("key")
	switch r.Method {
	case http.MethodPut:
		s.signedPut(w, r, key)
	case http.MethodGet, http.MethodHead:
		o := s.Object(key)
		if o == nil {
			http.Error(w, "NoSuchKey", http.StatusNotFound)
			return
		}
		s.serveContent(w, r, o, nil)
	default:
		http.Error(w, "MethodNotAllowed", http.StatusMethodNotAllowed)
	}
}

func (s *Server) signedPut(w http.ResponseWriter, r *http.Request, key string) {
	content, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, "IncompleteBody", http.StatusBadRequest)
		return
	}
	if lowest, highest, ok := strings.Cut(r.Header.Get("X-Goog-Content-Length-Range"), ","); ok {
		from, err1 := strconv.Atoi(lowest)
		to, err2 := strconv.Atoi(highest)
		if err1 != nil || err2 != nil || len(content) < from || len(content) > to {
			http.Error(w, "EntityTooLarge", http.StatusBadRequest)
			return
		}
	}
	if sum := r.Header.Get("X-Goog-Hash"); sum != "" && sum != "crc32c="+encodeCRC(crc(content)) {
		http.Error(w, "BadDigest", http.StatusBadRequest)
		return
	}
	metadata := map[string]string{}
	for name := range r.Header {
		if rest, ok := strings.CutPrefix(name, "X-Goog-Meta-"); ok {
			metadata[strings.ToLower(rest)] = r.Header.Get(name)
		}
	}
	o := &Object{
		Name: key, Content: content, ContentType: r.Header.Get("Content-Type"),
		Disposition: r.Header.Get("Content-Disposition"), Metadata: metadata,
	}
	if _, status := s.commit(o, r.Header.Get("X-Goog-If-Generation-Match")); status != http.StatusOK {
		http.Error(w, "PreconditionFailed", status)
	}
}

var errSignature = errors.New("SignatureDoesNotMatch")

// checkSignature checks what https://cloud.google.com/storage/docs/authentication/canonical-requests describes.
func (s *Server) checkSignature(r *http.Request) error {
	q := r.URL.Query()
	for _, values := range q {
		if len(values) != 1 {
			return errSignature
		}
	}
	signature, err := hex.DecodeString(q.Get("X-Goog-Signature"))
	if err != nil || q.Get("X-Goog-Algorithm") != "GOOG4-RSA-SHA256" {
		return errSignature
	}
	account, scope, _ := strings.Cut(q.Get("X-Goog-Credential"), "/")
	if account != SignerEmail {
		return errSignature
	}
	signed, err := time.Parse("20060102T150405Z", q.Get("X-Goog-Date"))
	if err != nil {
		return errSignature
	}
	life, err := strconv.Atoi(q.Get("X-Goog-Expires"))
	if err != nil || time.Now().After(signed.Add(time.Duration(life)*time.Second)) {
		return errors.New("ExpiredToken")
	}
	q.Del("X-Goog-Signature")
	names := strings.Split(q.Get("X-Goog-SignedHeaders"), ";")
	var headers strings.Builder
	for _, name := range names {
		value := r.Header.Get(name)
		if name == "host" {
			value, _, _ = strings.Cut(r.Host, ":")
		}
		fmt.Fprintf(&headers, "%s:%s\n", name, value)
	}
	// Every x-goog header that is sent must be signed.
	for name := range r.Header {
		if strings.HasPrefix(name, "X-Goog-") && !slices.Contains(names, strings.ToLower(name)) {
			return errSignature
		}
	}
	canonical := fmt.Sprintf("%s\n%s\n%s\n%s\n%s\nUNSIGNED-PAYLOAD", r.Method, r.URL.EscapedPath(),
		strings.ReplaceAll(q.Encode(), "+", "%20"), headers.String(), q.Get("X-Goog-SignedHeaders"))
	digest := sha256.Sum256([]byte(canonical))
	text := fmt.Sprintf("GOOG4-RSA-SHA256\n%s\n%s\n%s", q.Get("X-Goog-Date"), scope, hex.EncodeToString(digest[:]))
	sum := sha256.Sum256([]byte(text))
	if rsa.VerifyPKCS1v15(s.public, crypto.SHA256, sum[:], signature) != nil {
		return errSignature
	}
	return nil
}
