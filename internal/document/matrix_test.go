package document_test

import (
	"errors"
	"flag"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"dossier/internal/document"
	"dossier/internal/fault"
)

var long = flag.Bool("document.long", false, "run the fault matrix for each way of uploading, which takes some minutes")

const (
	matrixBytes = 200_000
	// matrixLease is short, so that a lease is extended soon.
	matrixLease = 300 * time.Millisecond
)

// way is one of the ways in which a content is uploaded.
type way struct {
	name   string
	points []string
	// try is one attempt of a client, with what the server's process does to it. It may be made again until it succeeds.
	try func(m *matrix, s *document.Service, p *plan) (uuid.UUID, error)
}

// matrix is one cell of the fault matrix: one content that a client wants stored.
type matrix struct {
	*env
	name    string
	content []byte
	// key is the client's; it takes another one when it is told that the first one's upload has ended.
	key string
	// document is the one that is there already, for the way that replaces its content.
	document uuid.UUID
}

var ways = []way{
	{"streamed", []string{
		pointTarget, pointBegin, pointBegun, pointBody, pointPut, pointPutting, pointPlaced, pointExtend, pointComplete, pointCompleted, pointFail, pointFailed,
	}, (*matrix).stream},
	{"begun unasked", []string{
		pointTarget, pointBegin, pointBegun, pointBody, pointPut, pointPutting, pointPlaced, pointExtend, pointComplete, pointCompleted, pointFail, pointFailed,
	}, (*matrix).unasked},
	{"replaced", []string{
		pointTarget, pointBegin, pointBegun, pointBody, pointPut, pointPutting, pointPlaced, pointExtend, pointComplete, pointCompleted, pointFail, pointFailed,
	}, (*matrix).replace},
	{"direct", []string{
		pointTarget, pointBegin, pointBegun, pointExtend, pointStat, pointOpen, pointReading, pointComplete, pointCompleted, pointFail, pointFailed,
	}, (*matrix).direct},
}

func (m *matrix) stream(s *document.Service, p *plan) (uuid.UUID, error) {
	results, err := s.Upload(m.t.Context(), m.ada, document.UploadDraft{CustomerID: m.adasCustomer, Titles: []*string{&m.name}},
		[]document.Incoming{newClientFile("a.pdf", m.content, p)}, &m.key)
	if err != nil {
		return uuid.Nil, err
	}
	return results[0].Document, results[0].Errs.Err()
}

// unasked is an upload as most are: of a known size, and without a key, so that a client that was told nothing looks for the
// document before it tries again.
func (m *matrix) unasked(s *document.Service, p *plan) (uuid.UUID, error) {
	if m.stored() > 0 {
		var id uuid.UUID
		err := m.pool.QueryRow(m.t.Context(), `SELECT document_id FROM document_version WHERE account_id = $1 AND sha256 = sha256($2)`,
			m.ada.AccountID, m.content).Scan(&id)
		return id, err
	}
	file := newClientFile("a.pdf", m.content, p)
	file.bound = matrixBytes + 100
	results, err := s.Upload(m.t.Context(), m.ada, document.UploadDraft{CustomerID: m.adasCustomer, Titles: []*string{&m.name}},
		[]document.Incoming{file}, nil)
	if err != nil {
		return uuid.Nil, err
	}
	return results[0].Document, results[0].Errs.Err()
}

// replace has no key: the version is what keeps a repetition from doing it twice.
func (m *matrix) replace(s *document.Service, p *plan) (uuid.UUID, error) {
	err := s.Replace(m.t.Context(), m.ada, m.document, 1, newClientFile("a.pdf", m.content, p), document.Patch{})
	if fault.CodeOf(err) == fault.VersionConflict && m.has(m.document) {
		err = nil // an attempt that was told nothing, or something else, had done it
	}
	return m.document, err
}

func (m *matrix) direct(s *document.Service, p *plan) (uuid.UUID, error) {
	session, err := s.UploadBegin(m.t.Context(), m.ada, document.BeginDraft{
		CustomerID: m.adasCustomer, FileName: "a.pdf", SizeBytes: matrixBytes, Title: &m.name,
	}, &m.key)
	if fault.CodeOf(err) == fault.Conflict {
		m.key += "'"
		return uuid.Nil, err
	}
	if err != nil {
		return uuid.Nil, err
	}
	content := m.content
	if p != nil && (p.point == pointFail || p.point == pointFailed) {
		content = append([]byte("<!DOCTYPE html>"), make([]byte, matrixBytes-15)...) // refused when it is looked at
	}
	m.send(session, content) // refused where it is there already
	id, err := s.UploadComplete(m.t.Context(), m.ada, session.ID)
	if fault.CodeOf(err) == fault.Conflict || fault.CodeOf(err) == fault.UnsupportedMediaType {
		m.key += "'"
	}
	return id, err
}

// has says whether the document's content is the one that is to be stored.
func (m *matrix) has(id uuid.UUID) bool {
	return m.number(`SELECT count(*) FROM document d JOIN document_version v ON v.id = d.current_version_id AND v.state = 'AVAILABLE'
		WHERE d.id = $1 AND v.sha256 = sha256($2)`, id, m.content) == 1
}

// stored says in how many versions the content is.
func (m *matrix) stored() int64 {
	return m.number(`SELECT count(*) FROM document_version WHERE account_id = $1 AND sha256 = sha256($2)`, m.ada.AccountID, m.content)
}

// TestTheFaultMatrixKeepsEveryInvariant is row 4 of hardening.md: a fault at each point of an upload, of each kind, after
// which the client tries again or does not.
func TestTheFaultMatrixKeepsEveryInvariant(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	cells := map[string]int{}
	t.Cleanup(func() { t.Logf("cells: %v", cells) })
	for _, w := range ways {
		if w.name != "streamed" && w.name != "begun unasked" && !*long {
			continue
		}
		for _, kind := range []string{faultError, faultHang, faultKill, faultUnknown} {
			t.Run(w.name+", "+kind, func(t *testing.T) {
				t.Parallel()
				e := newEnv(t)
				for i, point := range w.points {
					for _, retry := range []bool{true, false} {
						m := &matrix{env: e, name: fmt.Sprintf("%s: %s, retry %v", point, kind, retry), content: pdf(matrixBytes, byte(2*i+1))}
						if retry {
							m.content = pdf(matrixBytes, byte(2*i+2))
						}
						m.key = m.name
						m.cell(t, w, newPlan(point, kind), retry)
						mu.Lock()
						cells[w.name]++
						mu.Unlock()
					}
				}
			})
		}
	}
}

// ended is how an attempt ended.
type ended struct {
	id      uuid.UUID
	err     error
	crashed bool
}

func (m *matrix) cell(t *testing.T, w way, p *plan, retry bool) {
	t.Helper()
	if w.name == "replaced" {
		m.document = m.env.stored("before.pdf", append([]byte("%PDF-1.7\n"), m.name...))
	}
	p.behind = w.name != "direct"
	s := document.New(faultyStore{m.store.Documents(), p}, m.store.Images(), faultyBlobs{m.blobs, p})
	s.Limits.Lease = matrixLease
	done := make(chan ended, 1)
	go func() {
		var end ended
		end.crashed = crashing(func() { end.id, end.err = w.try(m, s, p) })
		done <- end
	}()
	var first ended
	if p.kind == faultHang {
		<-p.reached
		m.expireLeases()
		if _, err := m.sweeper().RunOnce(t.Context()); err != nil {
			t.Fatal(err)
		}
		// Without a key only a client that waits for the first answer may try again.
		if retry && w.name != "begun unasked" {
			m.persist(t, w)
		}
		close(p.open)
		first = <-done
		if retry && w.name == "begun unasked" {
			m.persist(t, w)
		}
	} else {
		first = <-done
		if retry {
			m.persist(t, w)
		}
	}
	select {
	case <-p.reached:
	default:
		t.Errorf("%s: it never came to the point", m.name)
	}
	if first.crashed != (p.kind == faultKill) {
		t.Errorf("%s: crashed %v, %v", m.name, first.crashed, first.err)
	}
	m.judge(t, w, p, first, retry)
	// What a client sent after its session had ended is taken by a later sweep.
	m.exec(`UPDATE garbage SET next_at = now()`)
	CheckInvariants(t, m.env)
	if t.Failed() {
		t.FailNow() // what follows would only repeat it
	}
}

// persist tries again until it is told that the content is stored, as a client does.
func (m *matrix) persist(t *testing.T, w way) {
	t.Helper()
	s := document.New(m.store.Documents(), m.store.Images(), m.blobs)
	for try := range 5 {
		id, err := w.try(m, s, nil)
		switch code := fault.CodeOf(err); {
		case err == nil:
			m.acknowledge(id, m.content)
			return
		case code == fault.IdempotencyKeyReused || code == fault.Conflict || code == fault.Unavailable:
			m.expireLeases() // a client would wait so long
		case code == fault.UnsupportedMediaType && w.name == "direct": // of what the first attempt sent; the next one has a session of its own
		default:
			t.Fatalf("%s: try %d: %v", m.name, try, err)
		}
	}
	t.Fatalf("%s: it never succeeded", m.name)
}

// judge compares what is stored with what the client was told.
func (m *matrix) judge(t *testing.T, w way, p *plan, first ended, retry bool) {
	t.Helper()
	told := !first.crashed && first.err == nil
	stored := m.stored()
	switch {
	case told:
		m.acknowledge(first.id, m.content)
	case w.name == "replaced" && stored == 1 && p.maybeStored():
		m.acknowledge(m.document, m.content)
	}
	switch {
	case stored > 1:
		t.Errorf("%s: the content is stored %d times", m.name, stored)
	case stored == 0 && (told || retry):
		t.Errorf("%s: the content is not stored, and the client was told that it is", m.name)
	case stored == 1 && !told && !retry && !p.maybeStored():
		t.Errorf("%s: the content is stored, and the client was told %v", m.name, first.err)
	}
	if told && p.kind == faultError && p.point != pointExtend {
		t.Errorf("%s: it succeeded in spite of the fault", m.name)
	}
	if !told && !first.crashed && errors.Is(first.err, document.ErrOutcomeUnknown) && fault.CodeOf(first.err) != fault.Unavailable {
		t.Errorf("%s: an unknown outcome is told as %v", m.name, first.err)
	}
	if w.name == "replaced" && m.has(m.document) != (stored == 1) {
		t.Errorf("%s: the content is stored and the document does not have it", m.name)
	}
}

// maybeStored says whether the content can be stored though the client was not told so: the answer of the last transaction
// was lost.
func (p *plan) maybeStored() bool { return p.point == pointCompleted }
