// Package gcsfake is a bucket of Google Cloud Storage that can be told to fail.
//
// It speaks what the Go client speaks over HTTP: multipart and resumable uploads, reads, deletes, lists, and V4 signed
// URLs whose signature and headers it checks. In what a fault does it is as strict as the protocol allows: it never
// takes a request whose body was broken off for a whole one. It is for tests and keeps everything in memory.
package gcsfake

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"encoding/pem"
	"hash/crc32"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Bucket is the one bucket that a Server has.
const Bucket = "dossier-test"

// SignerEmail is the account whose signatures a Server accepts.
const SignerEmail = "signer@dossier-test.iam.gserviceaccount.com"

// Object is what is stored under a key.
type Object struct {
	Name        string
	Content     []byte
	Generation  int64
	Created     time.Time
	ContentType string
	Disposition string
	Metadata    map[string]string
}

// Server is the fake.
type Server struct {
	// URL is the endpoint to configure.
	URL string
	// SignerKey is the PEM key that signs URLs for it.
	SignerKey []byte

	public  *rsa.PublicKey
	closing chan struct{}

	mu       sync.Mutex
	objects  map[string]*Object
	sessions map[string]*session
	faults   []*Fault
	counts   map[Point]int
	next     int64
}

// New starts a Server that stops with the test.
func New(t testing.TB) *Server {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 1024) //nolint:gosec // it guards nothing, and every test makes one
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{
		public:    &key.PublicKey,
		SignerKey: pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}),
		closing:   make(chan struct{}),
		objects:   map[string]*Object{}, sessions: map[string]*session{}, counts: map[Point]int{},
		next: time.Now().UnixMicro(),
	}
	server := httptest.NewServer(s.routes())
	s.URL = server.URL
	t.Cleanup(func() {
		close(s.closing)
		server.CloseClientConnections()
		server.Close()
	})
	return s
}

// Credentials is the key of a service account whose signatures the Server accepts, as Google gives it out.
func (s *Server) Credentials(t testing.TB) []byte {
	t.Helper()
	key, err := json.Marshal(map[string]string{
		"type": "service_account", "project_id": "dossier-test", "private_key_id": "1", "client_email": SignerEmail,
		"private_key": string(s.SignerKey), "token_uri": s.URL + "/token",
	})
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// KeyFile is a file with the Credentials.
func (s *Server) KeyFile(t testing.TB) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "key.json")
	if err := os.WriteFile(file, s.Credentials(t), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// Object gives what is stored under the key, or nil.
func (s *Server) Object(key string) *Object {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.objects[key]
}

// Count says how many requests reached the point.
func (s *Server) Count(at Point) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts[at]
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /upload/storage/v1/b/{bucket}/o", s.upload)
	mux.HandleFunc("POST /session/{id}", s.chunk)
	mux.HandleFunc("PUT /session/{id}", s.part)
	mux.HandleFunc("DELETE /session/{id}", s.endSession)
	mux.HandleFunc("OPTIONS /session/{id}", s.preflight)
	mux.HandleFunc("GET /storage/v1/b/{bucket}/o", s.list)
	mux.HandleFunc("GET /storage/v1/b/{bucket}/o/{key...}", s.get)
	mux.HandleFunc("DELETE /storage/v1/b/{bucket}/o/{key...}", s.delete)
	mux.HandleFunc("/"+Bucket+"/{key...}", s.signed)
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, map[string]any{"access_token": "test", "token_type": "Bearer", "expires_in": 3600})
	})
	return mux
}

// commit stores an object, if the condition allows it, and gives it or a status.
func (s *Server) commit(o *Object, ifGeneration string) (*Object, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old, ok := s.objects[o.Name]
	present := "0" // what GCS calls the generation of nothing
	if ok {
		present = strconv.FormatInt(old.Generation, 10)
	}
	if ifGeneration != "" && ifGeneration != present {
		return nil, http.StatusPreconditionFailed
	}
	s.next++
	o.Generation, o.Created = s.next, time.Now()
	s.objects[o.Name] = o
	return o, http.StatusOK
}

func (s *Server) list(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	s.mu.Lock()
	var names []string
	for name := range s.objects {
		if strings.HasPrefix(name, q.Get("prefix")) && name >= q.Get("startOffset") && name > q.Get("pageToken") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	page := map[string]any{"kind": "storage#objects"}
	const perPage = 5 // small, so that tests see several pages
	if len(names) > perPage {
		names = names[:perPage]
		page["nextPageToken"] = names[perPage-1]
	}
	var items []any
	for _, name := range names {
		items = append(items, s.resource(s.objects[name]))
	}
	page["items"] = items
	s.mu.Unlock()
	writeJSON(w, page)
}

func (s *Server) get(w http.ResponseWriter, r *http.Request) {
	point := Metadata
	if r.URL.Query().Get("alt") == "media" {
		point = Media
	}
	fault := s.take(point)
	if fault != nil && fault.Do == Refuse {
		writeError(w, fault.Status)
		return
	}
	o := s.Object(r.PathValue("key"))
	if o == nil {
		writeError(w, http.StatusNotFound)
		return
	}
	if point == Metadata {
		writeJSON(w, s.resource(o))
		return
	}
	if fault != nil && fault.Do == Rewrite {
		other := *o
		other.Content = bytes.Repeat([]byte{'x'}, len(o.Content))
		s.commit(&other, "")
	}
	s.serveContent(w, r, o, fault)
}

func (s *Server) serveContent(w http.ResponseWriter, r *http.Request, o *Object, fault *Fault) {
	h := w.Header()
	h.Set("Content-Type", o.ContentType)
	h.Set("Content-Disposition", o.Disposition)
	h.Set("X-Goog-Generation", strconv.FormatInt(o.Generation, 10))
	h.Set("X-Goog-Metageneration", "1")
	h.Set("X-Goog-Hash", "crc32c="+encodeCRC(crc(o.Content)))
	for k, v := range o.Metadata {
		h.Set("X-Goog-Meta-"+k, v)
	}
	q := r.URL.Query()
	if d := q.Get("response-content-disposition"); d != "" {
		h.Set("Content-Disposition", d)
	}
	if t := q.Get("response-content-type"); t != "" {
		h.Set("Content-Type", t)
	}
	content := slices.Clone(o.Content)
	if fault != nil && fault.Do == Corrupt && len(content) > 0 {
		content[len(content)/2] ^= 1
	}
	if fault != nil && (fault.Do == ResetMidway || fault.Do == Stall) {
		h.Set("Content-Length", strconv.Itoa(len(content)))
		_, _ = w.Write(content[:len(content)/2])
		_ = http.NewResponseController(w).Flush()
		s.breakOff(w, r, fault.Do == Stall)
		return
	}
	http.ServeContent(w, r, "", o.Created, strings.NewReader(string(content)))
}

func (s *Server) delete(w http.ResponseWriter, r *http.Request) {
	fault := s.take(Delete)
	if fault != nil && fault.Do == Refuse {
		writeError(w, fault.Status)
		return
	}
	key, want := r.PathValue("key"), r.URL.Query().Get("ifGenerationMatch")
	s.mu.Lock()
	o := s.objects[key]
	status := http.StatusNoContent
	switch {
	case o == nil:
		status = http.StatusNotFound
	case want != "" && want != strconv.FormatInt(o.Generation, 10):
		status = http.StatusPreconditionFailed
	default:
		delete(s.objects, key)
	}
	s.mu.Unlock()
	switch {
	case fault != nil && fault.Do == AfterCommit:
		writeError(w, fault.Status)
	case status == http.StatusNoContent:
		w.WriteHeader(status)
	default:
		writeError(w, status)
	}
}

// resource is the JSON of an object.
func (s *Server) resource(o *Object) map[string]any {
	return map[string]any{
		"kind": "storage#object", "bucket": Bucket, "name": o.Name, "size": strconv.Itoa(len(o.Content)),
		"generation": strconv.FormatInt(o.Generation, 10), "metageneration": "1", "contentType": o.ContentType,
		"contentDisposition": o.Disposition, "crc32c": encodeCRC(crc(o.Content)), "metadata": maps.Clone(o.Metadata),
		"timeCreated": o.Created.UTC().Format(time.RFC3339Nano), "updated": o.Created.UTC().Format(time.RFC3339Nano),
	}
}

func crc(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

func encodeCRC(sum uint32) string {
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, sum))
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

func writeError(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"error": map[string]any{"code": status, "message": http.StatusText(status)}})
}
