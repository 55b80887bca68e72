package system

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"dossier/internal/apitest"
	"dossier/internal/auth"
)

// refusedReads is the most that the server may read of an upload that it refuses.
const refusedReads = 256 << 10

// flood sends an upload as fast as the connection takes it, for as long as it is taken, and reads the answer meanwhile.
// It gives the answer and how many bytes the server's process has read from all its files and sockets since before: the
// kernel counts them in rchar, so what only lies in socket buffers is not in it.
func flood(t *testing.T, a actor, customer string, size int64, chunked bool) (r apitest.Result, read int64) {
	t.Helper()
	announced := size
	if chunked {
		announced = -1
	}
	head, preamble, _ := uploadHead(a, customer, "", announced)
	conn := dialRaw(t, a.node)
	before := procNumber(t, a.node, "io", "rchar")
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		w := io.Writer(conn)
		if _, err := io.WriteString(w, head); err != nil {
			return
		}
		piece := make([]byte, 64<<10)
		copy(piece, "%PDF-1.4\n")
		send := func(b []byte) error {
			if chunked {
				b = fmt.Appendf(nil, "%x\r\n%s\r\n", len(b), b)
			}
			_, err := w.Write(b)
			return err
		}
		err := send([]byte(preamble))
		for sent := int64(0); err == nil && sent < size; sent += int64(len(piece)) {
			err = send(piece)
		}
	}()
	r = readRaw(t, conn)
	// The server may read on after its answer, until it closes the connection or takes no more.
	select {
	case <-ended:
	case <-time.After(2 * time.Second):
	}
	read = procNumber(t, a.node, "io", "rchar") - before
	_ = conn.Close()
	<-ended
	return r, read
}

// TestARefusedUploadIsHardlyRead is row 6 of hardening.md: who may not upload costs 256 KiB at most, and gets an answer
// that can be read although it was still sending.
func TestARefusedUploadIsHardlyRead(t *testing.T) { //nolint:paralleltest // counts what the process reads
	system(t)
	s := apitest.Start(t, 0, "--sweep=1h") // the last --sweep counts: nothing else may be read meanwhile
	editor := staff(t, s, auth.Editor)
	customer := editor.customer(t, "Refused")
	db := database(t, s)
	if procNumber(t, s, "io", "rchar") < 0 {
		t.Skip("this system does not count what a process reads")
	}
	viewer := staff(t, s, auth.Viewer)
	viewer.must(t, `{ viewer { account { id } } }`, nil) // the first token makes the user
	garbage := newActor(s, "dsk_garbage")
	for _, c := range []struct {
		name    string
		prepare []string
		who     actor
		code    string
		chunked []bool
	}{
		{"anonymous", nil, newActor(s, ""), "UNAUTHENTICATED", []bool{false, true}},
		{"bad credential", nil, garbage, "UNAUTHENTICATED", []bool{false, true}},
		{"role VIEWER", nil, viewer, "FORBIDDEN", []bool{false, true}},
		{"over the size limit", []string{`UPDATE account SET max_file_bytes = 100000`}, editor, "PAYLOAD_TOO_LARGE", []bool{false, true}},
		{"over the quota", []string{`UPDATE account SET max_file_bytes = 100000000`, `UPDATE storage_usage SET limit_bytes = 50000`}, editor, "QUOTA_EXCEEDED", []bool{false, true}},
		{"nothing left", []string{`UPDATE storage_usage SET limit_bytes = 0`}, editor, "QUOTA_EXCEEDED", []bool{false, true}},
	} {
		for _, statement := range c.prepare {
			exec(t, db, statement)
		}
		for _, chunked := range c.chunked {
			r, read := flood(t, c.who, customer, 64<<20, chunked)
			if got := codes(r); !slices.Contains(got, c.code) {
				t.Errorf("%s (chunked %v): status %d, %v %v, want %s", c.name, chunked, r.Status, r.Errors, userErrors(r), c.code)
			}
			// What the process reads for itself meanwhile (its own files, the database) is some KiB.
			if read > refusedReads+16<<10 {
				t.Errorf("%s (chunked %v): the server read %d KiB, want at most %d", c.name, chunked, read>>10, refusedReads>>10)
			}
			t.Logf("%s (chunked %v): status %d after %d KiB", c.name, chunked, r.Status, read>>10)
		}
	}
	if keys, temporary := objects(t, s.DataDir); len(keys)+len(temporary) > 0 {
		t.Errorf("%d objects and %d temporary files are left of refused uploads", len(keys), len(temporary))
	}
	if n := scalar[int64](t, db, `SELECT count(*) FROM document`); n != 0 {
		t.Errorf("%d documents", n)
	}
}

// TestUploadsAreNotHeldInMemory is row 5 of hardening.md: 16 x 64 MiB at once, with and without Content-Length.
func TestUploadsAreNotHeldInMemory(t *testing.T) {
	t.Parallel()
	system(t)
	size := int64(full(64, 16)) << 20
	s := apitest.Start(t, 0)
	a := staff(t, s, auth.Editor)
	customer := a.customer(t, "Stream")
	db := database(t, s)
	exec(t, db, `UPDATE account SET max_file_bytes = 1000000000`)
	exec(t, db, `UPDATE storage_usage SET limit_bytes = 100000000000`)
	if apitest.Raced() {
		t.Skip("the race detector needs more memory than what is measured")
	}
	if procNumber(t, s, "status", "VmHWM") < 0 {
		t.Skip("this system does not tell what memory a process has")
	}
	warm := a.mustUpload(t, customer, pdf("warm.pdf", 1<<20))
	for _, chunked := range []bool{false, true} {
		before := procNumber(t, s, "status", "VmRSS")
		began := time.Now()
		var group sync.WaitGroup
		for range 16 {
			group.Go(func() {
				if r := pour(t, a, customer, size, chunked); text(r.Data, "documentUpload.results.0.document.currentVersion.id") == "" ||
					number(r.Data, "documentUpload.results.0.document.currentVersion.sizeBytes") != size {
					t.Errorf("status %d, %v %v", r.Status, r.Errors, userErrors(r))
				}
			})
		}
		group.Wait()
		grown := (procNumber(t, s, "status", "VmHWM") - before) >> 10
		if grown > 128 {
			t.Errorf("16 x %d MiB (chunked %v): the server grew by %d MiB, want at most 128", size>>20, chunked, grown)
		}
		t.Logf("16 x %d MiB (chunked %v): +%d MiB at most, in %s", size>>20, chunked, grown, time.Since(began).Round(time.Millisecond))
	}
	if got := len(a.download(t, warm)); got != 1<<20 {
		t.Errorf("downloaded %d bytes", got)
	}
	wantInvariants(t, db, s.DataDir)
}

// pour uploads a file of this size that is nowhere in memory.
func pour(t *testing.T, a actor, customer string, size int64, chunked bool) apitest.Result {
	t.Helper()
	announced := size
	if chunked {
		announced = -1
	}
	head, preamble, closing := uploadHead(a, customer, "", announced)
	conn := dialRaw(t, a.node)
	defer func() { _ = conn.Close() }()
	piece := make([]byte, 256<<10)
	copy(piece, "%PDF-1.4\n")
	send := func(b []byte) {
		if chunked {
			_, _ = fmt.Fprintf(conn, "%x\r\n", len(b))
			b = append(slices.Clip(b), "\r\n"...)
		}
		_, _ = conn.Write(b) // a failure shows in the answer
	}
	_, _ = io.WriteString(conn, head)
	send([]byte(preamble))
	for left := size; left > 0; left -= int64(len(piece)) {
		send(piece[:min(left, int64(len(piece)))])
	}
	send([]byte(closing))
	if chunked {
		_, _ = io.WriteString(conn, "0\r\n\r\n")
	}
	return readRaw(t, conn)
}

// TestAClientThatLeavesLeavesNothing is row 20 of hardening.md: a disconnect at 0, 1, 50, 99 and 100 % of a file, and before it.
func TestAClientThatLeavesLeavesNothing(t *testing.T) {
	t.Parallel()
	system(t)
	times := full(100, 6)
	s := apitest.Start(t, 0, "--upload-lease=2s")
	a := staff(t, s, auth.Editor)
	customer := a.customer(t, "Leaves")
	db := database(t, s)
	const size = 600 << 10
	content := pdf("leaves.pdf", size).content
	head, preamble, closing := uploadHead(a, customer, "", size)
	points := map[string]string{
		"after the headers":    head,
		"in the operations":    head + preamble[:200],
		"before the file":      head + preamble,
		"after 1 %":            head + preamble + string(content[:size/100]),
		"after 50 %":           head + preamble + string(content[:size/2]),
		"after 99 %":           head + preamble + string(content[:size*99/100]),
		"in the last boundary": head + preamble + string(content) + closing[:len(closing)-6],
	}
	for name, send := range points {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for i := range times {
				conn := dialRaw(t, s)
				if _, err := io.WriteString(conn, send); err != nil {
					t.Fatal(err)
				}
				if i%2 == 0 {
					_ = conn.SetLinger(0) // a reset instead of an orderly end
				}
				_ = conn.Close()
			}
		})
	}
	t.Cleanup(func() {
		wantInvariants(t, db, s.DataDir)
		if n := scalar[int64](t, db, `SELECT count(*) FROM document`); n != 0 {
			t.Errorf("%d documents are visible", n)
		}
		if keys, _ := objects(t, s.DataDir); len(keys) > 0 {
			t.Errorf("%d objects are left", len(keys))
		}
		r, err := a.upload(context.WithoutCancel(t.Context()), customer, "", pdf("after.pdf", 1000))
		if err != nil || len(codes(r)) > 0 {
			t.Errorf("an upload after that: %v %v %v", r.Errors, userErrors(r), err)
		}
	})
}

// TestASlowClientIsGivenUp: what arrives too slowly is refused, and one that is just slow is waited for.
func TestASlowClientIsGivenUp(t *testing.T) {
	t.Parallel()
	system(t)
	s := apitest.Start(t, 0, "--upload-lease=2s")
	a := staff(t, s, auth.Editor)
	customer := a.customer(t, "Slow")
	db := database(t, s)
	const size = 300 << 10
	head, preamble, closing := uploadHead(a, customer, "", size)
	content := pdf("slow.pdf", size).content

	var group sync.WaitGroup
	group.Go(func() { // one byte a second
		conn := dialRaw(t, s)
		_, _ = io.WriteString(conn, head+preamble+string(content[:10]))
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() {
			for i := 10; ctx.Err() == nil; i++ {
				pause(ctx, time.Second)
				_, _ = conn.Write(content[i : i+1])
			}
		}()
		began := time.Now()
		if r := readRaw(t, conn); !slices.Contains(codes(r), "BAD_USER_INPUT") {
			t.Errorf("status %d %v %v, want BAD_USER_INPUT", r.Status, r.Errors, userErrors(r))
		}
		if took := time.Since(began); took > 25*time.Second {
			t.Errorf("a client with one byte a second was waited for for %s", took)
		}
	})
	group.Go(func() { // 25 KiB a second, longer than the lease
		conn := dialRaw(t, s)
		_, _ = io.WriteString(conn, head+preamble)
		for at := 0; at < size; at += 25 << 10 {
			_, _ = conn.Write(content[at:min(size, at+25<<10)])
			pause(t.Context(), time.Second)
		}
		_, _ = io.WriteString(conn, closing)
		if r := readRaw(t, conn); text(r.Data, "documentUpload.results.0.document.id") == "" {
			t.Errorf("a slow but steady upload: status %d %v %v", r.Status, r.Errors, userErrors(r))
		}
	})
	group.Wait()
	wantInvariants(t, db, s.DataDir)
	if n := scalar[int64](t, db, `SELECT count(*) FROM document`); n != 1 {
		t.Errorf("%d documents, want that of the steady client", n)
	}
}

// TestExactlyAsManyUploadsWinAsFit is row 12 of hardening.md.
func TestExactlyAsManyUploadsWinAsFit(t *testing.T) {
	t.Parallel()
	system(t)
	const size, fit = 200 << 10, 10
	s := apitest.Start(t, 0, "--upload-lease=2s")
	two := s.Peer(t)
	a := staff(t, s, auth.Editor)
	customer := a.customer(t, "Quota")
	db := database(t, s)
	exec(t, db, `UPDATE storage_usage SET limit_bytes = $1`, fit*size+size/2)
	var mu sync.Mutex
	won, refused := 0, 0
	var group sync.WaitGroup
	for i := range 50 {
		group.Go(func() {
			r, err := a.on([]*apitest.Server{s, two}[i%2]).upload(t.Context(), customer, "", pdf(fmt.Sprintf("%d.pdf", i), size))
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err != nil:
				t.Error(err)
			case text(r.Data, "documentUpload.results.0.document.id") != "":
				won++
			case slices.Equal(codes(r), []string{"QUOTA_EXCEEDED"}):
				refused++
			default:
				t.Errorf("status %d %v %v", r.Status, r.Errors, userErrors(r))
			}
		})
	}
	group.Wait()
	if won != fit || refused != 50-fit {
		t.Errorf("%d uploads won and %d were refused, want %d and %d", won, refused, fit, 50-fit)
	}
	wantInvariants(t, db, s.DataDir)
	if used := number(a.must(t, `{ storage { usedBytes } }`, nil), "storage.usedBytes"); used != int64(won)*size {
		t.Errorf("%d bytes are used by %d documents of %d", used, won, size)
	}
}

// TestSlowUploadsHoldNoConnection is row 27 of hardening.md: 4 connections, and 20 uploads that hang. How fast reads are
// meanwhile is measured by the bench.
func TestSlowUploadsHoldNoConnection(t *testing.T) {
	t.Parallel()
	system(t)
	s := apitest.Start(t, 20, "--read-conns=4", "--write-conns=4")
	a := staff(t, s, auth.Editor)
	customer := a.customer(t, "Pool")
	db := database(t, s)
	const size = 1 << 20
	content := pdf("pool.pdf", size).content
	_, _, closing := uploadHead(a, customer, "", size)
	conns := make([]net.Conn, 20)
	for i := range conns {
		head, preamble, _ := uploadHead(a, customer, "", size)
		conns[i] = dialRaw(t, s)
		if _, err := io.WriteString(conns[i], head+preamble+string(content[:size/2])); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, 10*time.Second, func() error {
		if n := scalar[int64](t, db, `SELECT count(*) FROM upload WHERE state = 'PENDING'`); n != 20 {
			return fmt.Errorf("%d uploads are pending: %w", n, errNotYet)
		}
		return nil
	})
	// Asked again, because the server's own work has a connection now and then. One that an upload held would stay.
	eventually(t, 10*time.Second, func() error {
		if n := scalar[int64](t, db, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
			AND backend_type = 'client backend' AND state IN ('active', 'idle in transaction') AND query NOT LIKE 'LISTEN%'`); n != 0 {
			return fmt.Errorf("%d connections are in use while 20 uploads wait for their clients: %w", n, errNotYet)
		}
		return nil
	})
	for range 20 {
		a.must(t, `{ customers(first: 20) { nodes { id displayName contacts(first: 3) { nodes { id } } documents(first: 5) { nodes { id } } } } }`, nil)
	}
	for _, conn := range conns {
		if _, err := io.WriteString(conn, string(content[size/2:])+closing); err != nil {
			t.Fatal(err)
		}
	}
	for _, conn := range conns {
		if r := readRaw(t, conn); text(r.Data, "documentUpload.results.0.document.id") == "" {
			t.Errorf("status %d %v %v", r.Status, r.Errors, userErrors(r))
		}
	}
}

// TestExpectContinueIsAnsweredBeforeTheBody: a careful client sends nothing to a server that will refuse it.
func TestExpectContinueIsAnsweredBeforeTheBody(t *testing.T) {
	t.Parallel()
	system(t)
	s := apitest.Start(t, 0)
	req, err := newActor(s, "").post(t.Context(), "multipart/form-data; boundary=x", errReader{})
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Expect", "100-continue")
	client := &http.Client{Transport: &http.Transport{ExpectContinueTimeout: 20 * time.Second}}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatalf("the body was asked for: %v", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("status %d, want 401", resp.StatusCode)
	}
}

// errReader is a body that must not be read.
type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, errors.New("the body was read") }
