package gcsfake

import (
	"io"
	"net"
	"net/http"
)

// Point is where in the protocol a fault happens.
type Point int

// The points. Chunk is a chunk that is not the last, Final the one that commits.
const (
	Multipart Point = iota
	Begin
	Chunk
	Final
	Metadata
	Media
	Delete
)

// Action is what a fault does.
type Action int

// The actions. Those of the first group leave nothing behind, those of the second come after the object was stored,
// those of the third store or report something wrong.
const (
	// Refuse reads the request and answers Status.
	Refuse Action = iota
	// RefuseMidway answers Status after half of the body and hangs up.
	RefuseMidway
	// ResetMidway resets the connection after half of the body.
	ResetMidway
	// Stall stops reading after half of the body and never answers.
	Stall

	// AfterCommit answers Status.
	AfterCommit
	// ResetAfterCommit resets the connection.
	ResetAfterCommit
	// StallAfterCommit never answers.
	StallAfterCommit
	// ForgetAfterCommit resets the connection, and the session answers Status from then on.
	ForgetAfterCommit

	// Shorten stores all but the last byte and says so.
	Shorten
	// Corrupt changes a byte; the checksum in the answer is that of the changed content.
	Corrupt
	// LieAboutSize stores everything and reports one byte less.
	LieAboutSize
	// LieAboutCRC stores everything and reports another checksum.
	LieAboutCRC
	// Rewrite gives what is stored, and stores something of the same length in its place.
	Rewrite
	// Incomplete answers "308" and stores nothing: of a chunk half is kept, of the last none.
	Incomplete
)

// Fault is one thing that goes wrong.
type Fault struct {
	At     Point
	Do     Action
	Status int
	// Skip lets that many requests pass first; Times is how many then fail, 0 meaning all.
	Skip, Times int
}

// Inject adds a fault.
func (s *Server) Inject(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.Times == 0 {
		f.Times = 1 << 30
	}
	s.faults = append(s.faults, &f)
}

// Heal removes all faults.
func (s *Server) Heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// take counts a request and gives the fault that it meets, if any.
func (s *Server) take(at Point) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts[at]++
	for _, f := range s.faults {
		if f.At != at || f.Times == 0 {
			continue
		}
		if f.Skip > 0 {
			f.Skip--
			continue
		}
		f.Times--
		return f
	}
	return nil
}

// beforeCommit carries out a fault of the first group and says whether it did.
func (s *Server) beforeCommit(w http.ResponseWriter, r *http.Request, f *Fault) bool {
	if f == nil {
		return false
	}
	switch f.Do {
	case Refuse:
		_, _ = io.Copy(io.Discard, r.Body)
		writeError(w, f.Status)
	case RefuseMidway:
		s.readHalf(r)
		w.Header().Set("Connection", "close")
		writeError(w, f.Status)
	case ResetMidway:
		s.readHalf(r)
		s.breakOff(w, r, false)
	case Stall:
		s.readHalf(r)
		s.breakOff(w, r, true)
	default:
		return false
	}
	return true
}

// afterCommit carries out a fault of the second group and says whether it did.
func (s *Server) afterCommit(w http.ResponseWriter, r *http.Request, f *Fault) bool {
	if f == nil {
		return false
	}
	switch f.Do {
	case AfterCommit:
		writeError(w, f.Status)
	case ResetAfterCommit, ForgetAfterCommit:
		s.breakOff(w, r, false)
	case StallAfterCommit:
		s.breakOff(w, r, true)
	default:
		return false
	}
	return true
}

// distort makes the stored content and the answer wrong, for a fault of the third group.
func distort(f *Fault, content []byte) []byte {
	if f == nil || len(content) == 0 {
		return content
	}
	switch f.Do {
	case Shorten:
		return content[:len(content)-1]
	case Corrupt:
		content[len(content)/2] ^= 1
	}
	return content
}

func lie(f *Fault, resource map[string]any) map[string]any {
	if f == nil {
		return resource
	}
	switch f.Do {
	case LieAboutSize:
		resource["size"] = "1"
	case LieAboutCRC:
		resource["crc32c"] = encodeCRC(0xdeadbeef)
	}
	return resource
}

// readHalf reads a part of the body that is not its end.
func (s *Server) readHalf(r *http.Request) {
	n := r.ContentLength / 2
	if n < 0 {
		n = 1 << 10
	}
	_, _ = io.CopyN(io.Discard, r.Body, n)
}

// breakOff ends a request without an answer: at once, by a reset, or only when the client gives up.
func (s *Server) breakOff(w http.ResponseWriter, r *http.Request, hang bool) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer conn.Close() //nolint:errcheck // it is being broken off
	if hang {
		// The connection is ours now: nobody else sees that the client hung up.
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			// Not reading is what stalls; only the end of the connection is waited for.
			<-s.closing
		}()
		select {
		case <-gone:
		case <-r.Context().Done():
		}
		return
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
}
