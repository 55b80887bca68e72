package gcsfake

import (
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// session is a resumable upload.
type session struct {
	object       *Object
	crc32c       string
	ifGeneration string
	content      []byte
	done         *Object
	forgotten    int
	// size is the announced one, -1 when there is none; origin is that of the page that may send the content.
	size   int
	origin string
	// mu is held while a part arrives.
	mu sync.Mutex
}

type uploadMetadata struct {
	Name               string            `json:"name"`
	ContentType        string            `json:"contentType"`
	ContentDisposition string            `json:"contentDisposition"`
	Crc32c             string            `json:"crc32c"`
	Metadata           map[string]string `json:"metadata"`
}

func (m uploadMetadata) object(contentType string) *Object {
	if m.ContentType != "" {
		contentType = m.ContentType
	}
	return &Object{Name: m.Name, ContentType: contentType, Disposition: m.ContentDisposition, Metadata: m.Metadata}
}

func (s *Server) upload(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Query().Get("uploadType") {
	case "multipart":
		s.multipart(w, r)
	case "resumable":
		s.begin(w, r)
	default:
		writeError(w, http.StatusBadRequest)
	}
}

func (s *Server) multipart(w http.ResponseWriter, r *http.Request) {
	fault := s.take(Multipart)
	if s.beforeCommit(w, r, fault) {
		return
	}
	_, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		writeError(w, http.StatusBadRequest)
		return
	}
	var meta uploadMetadata
	parts := multipart.NewReader(r.Body, params["boundary"])
	head, err := parts.NextPart()
	if err == nil {
		err = json.NewDecoder(head).Decode(&meta)
	}
	var content []byte
	contentType := ""
	if err == nil {
		var media *multipart.Part
		if media, err = parts.NextPart(); err == nil {
			contentType = media.Header.Get("Content-Type")
			content, err = io.ReadAll(media)
		}
	}
	if err == nil {
		// The closing boundary alone is no end: the client writes it even when it gives up. The body must end as well.
		_, err = parts.NextPart()
		if err == io.EOF { //nolint:errorlint // given bare
			_, err = io.Copy(io.Discard, r.Body)
		}
	}
	if err != nil || meta.Crc32c != "" && meta.Crc32c != encodeCRC(crc(content)) {
		writeError(w, http.StatusBadRequest)
		return
	}
	o := meta.object(contentType)
	o.Content = distort(fault, content)
	o, status := s.commit(o, r.URL.Query().Get("ifGenerationMatch"))
	if s.afterCommit(w, r, fault) {
		return
	}
	if status != http.StatusOK {
		writeError(w, status)
		return
	}
	writeJSON(w, lie(fault, s.resource(o)))
}

func (s *Server) begin(w http.ResponseWriter, r *http.Request) {
	if s.beforeCommit(w, r, s.take(Begin)) {
		return
	}
	var meta uploadMetadata
	if err := json.NewDecoder(r.Body).Decode(&meta); err != nil {
		writeError(w, http.StatusBadRequest)
		return
	}
	size := -1
	if announced := r.Header.Get("X-Upload-Content-Length"); announced != "" {
		var err error
		if size, err = strconv.Atoi(announced); err != nil {
			writeError(w, http.StatusBadRequest)
			return
		}
	}
	s.mu.Lock()
	s.next++
	id := strconv.FormatInt(s.next, 10)
	s.sessions[id] = &session{
		object: meta.object(r.Header.Get("X-Upload-Content-Type")), crc32c: meta.Crc32c,
		ifGeneration: r.URL.Query().Get("ifGenerationMatch"), size: size, origin: r.Header.Get("Origin"),
	}
	s.mu.Unlock()
	w.Header().Set("Location", s.URL+"/session/"+id)
}

func (s *Server) chunk(w http.ResponseWriter, r *http.Request) {
	first, total, ok := contentRange(r.Header.Get("Content-Range"))
	point := Chunk
	if total >= 0 {
		point = Final
	}
	fault := s.take(point)
	if s.beforeCommit(w, r, fault) {
		return
	}
	body, err := io.ReadAll(r.Body)
	s.mu.Lock()
	up := s.sessions[r.PathValue("id")]
	s.mu.Unlock()
	if err != nil || !ok || up == nil {
		writeError(w, http.StatusBadRequest)
		return
	}
	// A session belongs to one client that sends one chunk at a time.
	switch {
	case up.forgotten != 0:
		writeError(w, up.forgotten)
		return
	case up.done != nil:
		writeJSON(w, s.resource(up.done))
		return
	}
	if first >= 0 {
		if first > len(up.content) {
			writeError(w, http.StatusServiceUnavailable) // a gap: what is before must be sent again
			return
		}
		up.content = append(up.content[:first], body...)
	}
	if fault != nil && fault.Do == Incomplete {
		if point == Chunk {
			up.content = up.content[:len(up.content)-len(body)/2]
		}
		resumeIncomplete(w, up)
		return
	}
	if total < 0 {
		if !s.afterCommit(w, r, fault) {
			resumeIncomplete(w, up)
		}
		return
	}
	s.finish(w, r, up, total, fault)
}

func (s *Server) finish(w http.ResponseWriter, r *http.Request, up *session, total int, fault *Fault) {
	if len(up.content) != total {
		resumeIncomplete(w, up)
		return
	}
	sum := "crc32c=" + encodeCRC(crc(up.content))
	if h := r.Header.Get("X-Goog-Hash"); h != "" && h != sum || up.crc32c != "" && "crc32c="+up.crc32c != sum {
		writeError(w, http.StatusBadRequest)
		return
	}
	up.object.Content = distort(fault, up.content)
	o, status := s.commit(up.object, up.ifGeneration)
	if status != http.StatusOK {
		writeError(w, status)
		return
	}
	up.done = o
	if fault != nil && fault.Do == ForgetAfterCommit {
		up.forgotten = fault.Status
	}
	if s.afterCommit(w, r, fault) {
		return
	}
	writeJSON(w, lie(fault, s.resource(o)))
}

func resumeIncomplete(w http.ResponseWriter, up *session) {
	if len(up.content) > 0 {
		w.Header().Set("Range", fmt.Sprintf("bytes=0-%d", len(up.content)-1))
	}
	w.Header().Set("X-Http-Status-Code-Override", "308")
}

// contentRange parses "bytes a-b/total", with * for an unknown total (-1) and for no bytes at all (first -1).
func contentRange(h string) (first, total int, ok bool) {
	spec, size, ok := strings.Cut(strings.TrimPrefix(h, "bytes "), "/")
	if !ok {
		return 0, 0, false
	}
	first, total = -1, -1
	var err error
	if size != "*" {
		if total, err = strconv.Atoi(size); err != nil {
			return 0, 0, false
		}
	}
	if spec != "*" {
		from, _, _ := strings.Cut(spec, "-")
		if first, err = strconv.Atoi(from); err != nil {
			return 0, 0, false
		}
	}
	return first, total, true
}
