package clamdtest

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// Fault is how a Double fails.
type Fault int

// The faults.
const (
	// None: it answers as the real one does.
	None Fault = iota
	// Silent: it takes everything and never answers.
	Silent
	// Deaf: it accepts and reads nothing.
	Deaf
	// HangUp: it closes in the middle of the content, without an answer.
	HangUp
	// CutOff: it closes in the middle of the answer, just before its end.
	CutOff
	// Garbage: its answer is no answer.
	Garbage
	// Endless: its answer has no end.
	Endless
	// Eager: it answers that the content is clean before it has read it, and closes.
	Eager
	// Failing: it answers that it failed.
	Failing
)

// Double speaks clamd's protocol on a Unix socket. It finds EICAR only where it stands as it is: it opens no archives.
type Double struct {
	// Address is what --clamd is told.
	Address string
	// MaxBytes is StreamMaxLength.
	MaxBytes int

	listener net.Listener
	mu       sync.Mutex
	fault    Fault
	scans    int
	conns    sync.WaitGroup
	done     chan struct{}
}

// StartDouble runs a Double. It ends with the test.
func StartDouble(t testing.TB) *Double {
	t.Helper()
	dir, err := os.MkdirTemp("", "clamd-") //nolint:usetesting // the path of a socket must be short
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	d := &Double{Address: "unix:" + path, MaxBytes: 100 << 20, listener: l, done: make(chan struct{})}
	d.conns.Go(d.accept)
	t.Cleanup(func() {
		close(d.done)
		_ = l.Close()
		d.conns.Wait()
		_ = os.RemoveAll(dir)
	})
	return d
}

// Fail has it fail from now on.
func (d *Double) Fail(f Fault) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fault = f
}

// Scans is how many contents it was asked about.
func (d *Double) Scans() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.scans
}

func (d *Double) accept() {
	for {
		conn, err := d.listener.Accept()
		if err != nil {
			return
		}
		d.conns.Go(func() {
			defer conn.Close()                                //nolint:errcheck // the other side sees it
			_ = conn.SetDeadline(time.Now().Add(time.Minute)) // whatever the test does, it ends
			_, _ = io.WriteString(conn, d.answer(conn))
		})
	}
}

// answer gives what it answers before it closes.
func (d *Double) answer(conn net.Conn) string {
	d.mu.Lock()
	fault := d.fault
	d.mu.Unlock()
	if fault == Deaf {
		<-d.done
		return ""
	}
	r := bufio.NewReader(conn)
	command, err := r.ReadString(0)
	switch {
	case err != nil:
		return ""
	case command == "zPING\x00":
		return "PONG\x00"
	case command != "zINSTREAM\x00":
		return "UNKNOWN COMMAND\x00"
	}
	d.mu.Lock()
	d.scans++
	d.mu.Unlock()
	if fault == Eager {
		return "stream: OK\x00"
	}
	content, err := d.content(r, fault == HangUp)
	switch {
	case errors.Is(err, errLimit):
		return "INSTREAM size limit exceeded. ERROR\x00"
	case err != nil:
		return ""
	}
	return d.fail(fault, content)
}

func (d *Double) fail(fault Fault, content []byte) string {
	switch fault {
	case Silent:
		<-d.done
		return ""
	case CutOff:
		return "stream: OK"
	case Garbage:
		return "220 mail.example.com ESMTP\x00"
	case Endless:
		return string(bytes.Repeat([]byte("stream: OK "), 10_000))
	case Failing:
		return "stream: Can't allocate memory ERROR\x00"
	}
	if bytes.Contains(content, EICAR()) {
		return "stream: " + Signature + " FOUND\x00"
	}
	return "stream: OK\x00"
}

var (
	errLimit  = errors.New("over the limit")
	errHangUp = errors.New("hung up")
)

func (d *Double) content(r io.Reader, hangUp bool) ([]byte, error) {
	var content []byte
	for {
		var header [4]byte
		if _, err := io.ReadFull(r, header[:]); err != nil {
			return nil, err
		}
		n := int(binary.BigEndian.Uint32(header[:]))
		if n == 0 {
			return content, nil
		}
		if hangUp {
			return nil, errHangUp
		}
		if len(content)+n > d.MaxBytes {
			return nil, errLimit
		}
		chunk := make([]byte, n)
		if _, err := io.ReadFull(r, chunk); err != nil {
			return nil, err
		}
		content = append(content, chunk...)
	}
}
