package gcs_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"dossier/internal/blob"
	"dossier/internal/blob/blobtest"
	"dossier/internal/blob/blobtest/gcsfake"
	"dossier/internal/blob/gcs"
	"dossier/internal/fault"
)

const (
	smallSize   = 10 << 10
	oneShotSize = 1 << 20
	chunkedSize = 9 << 20
)

// impatient gives up fast enough for a test. It is still long for a loaded machine to move one chunk.
func impatient(cfg *gcs.Config) { cfg.StallTimeout = slowness * 500 * time.Millisecond }

// faultCase is a set of faults and what a Put must come to under them.
type faultCase struct {
	name   string
	size   int
	faults []gcsfake.Fault
	want   blob.Outcome
	kind   error
	// orUnknown: it may also be Unknown, when the sockets' buffers took the whole body before the connection broke.
	orUnknown bool
	// requests, when not 0, is how many reached the first fault's point.
	requests int
}

func once(at gcsfake.Point, do gcsfake.Action, status int) []gcsfake.Fault {
	return []gcsfake.Fault{{At: at, Do: do, Status: status, Times: 1}}
}

func always(at gcsfake.Point, do gcsfake.Action, status int) []gcsfake.Fault {
	return []gcsfake.Fault{{At: at, Do: do, Status: status}}
}

func smallCases() []faultCase {
	const p = gcsfake.Multipart
	lost := append(once(p, gcsfake.ResetAfterCommit, 0), always(gcsfake.Metadata, gcsfake.Refuse, 503)...)
	undeletable := append(once(p, gcsfake.Corrupt, 0), always(gcsfake.Delete, gcsfake.Refuse, 503)...)
	n := smallSize
	return []faultCase{
		{"429 once", n, once(p, gcsfake.Refuse, 429), blob.Stored, nil, false, 2},
		{"503 once", n, once(p, gcsfake.Refuse, 503), blob.Stored, nil, false, 2},
		{"503 always", n, always(p, gcsfake.Refuse, 503), blob.Failed, blob.ErrUnavailable, false, 3},
		{"429 always", n, always(p, gcsfake.Refuse, 429), blob.Failed, blob.ErrUnavailable, false, 3},
		{"403", n, always(p, gcsfake.Refuse, 403), blob.Failed, blob.ErrUnavailable, false, 1},
		{"500 always", n, always(p, gcsfake.Refuse, 500), blob.Unknown, blob.ErrOutcomeUnknown, false, 3},
		{"503 midway once", n, once(p, gcsfake.RefuseMidway, 503), blob.Stored, nil, false, 2},
		{"reset midway once", n, once(p, gcsfake.ResetMidway, 0), blob.Stored, nil, false, 2},
		{"stall", n, always(p, gcsfake.Stall, 0), blob.Unknown, blob.ErrOutcomeUnknown, false, 1},
		{"503 after commit, then 412", n, once(p, gcsfake.AfterCommit, 503), blob.Stored, nil, false, 2},
		{"503 after commit always", n, always(p, gcsfake.AfterCommit, 503), blob.Stored, nil, false, 3},
		{"reset after commit, then 412", n, once(p, gcsfake.ResetAfterCommit, 0), blob.Stored, nil, false, 2},
		{"stall after commit", n, once(p, gcsfake.StallAfterCommit, 0), blob.Stored, nil, false, 1},
		{"reset after commit, lookup fails", n, lost, blob.Unknown, blob.ErrOutcomeUnknown, false, 0},
		{"short write", n, once(p, gcsfake.Shorten, 0), blob.Failed, blob.ErrUnavailable, false, 1},
		{"corrupted", n, once(p, gcsfake.Corrupt, 0), blob.Failed, blob.ErrUnavailable, false, 1},
		{"wrong size reported", n, once(p, gcsfake.LieAboutSize, 0), blob.Failed, blob.ErrUnavailable, false, 1},
		{"wrong CRC reported", n, once(p, gcsfake.LieAboutCRC, 0), blob.Failed, blob.ErrUnavailable, false, 1},
		{"corrupted and not deletable", n, undeletable, blob.Unknown, blob.ErrOutcomeUnknown, false, 0},
	}
}

func oneShotCases() []faultCase {
	const p = gcsfake.Multipart
	n := oneShotSize
	return []faultCase{
		{"503", n, once(p, gcsfake.Refuse, 503), blob.Failed, blob.ErrUnavailable, false, 1},
		{"429", n, once(p, gcsfake.Refuse, 429), blob.Failed, blob.ErrUnavailable, false, 1},
		{"503 midway", n, once(p, gcsfake.RefuseMidway, 503), blob.Failed, blob.ErrUnavailable, true, 1},
		{"reset midway", n, once(p, gcsfake.ResetMidway, 0), blob.Failed, blob.ErrUnavailable, true, 1},
		{"503 after commit", n, once(p, gcsfake.AfterCommit, 503), blob.Stored, nil, false, 1},
		{"reset after commit", n, once(p, gcsfake.ResetAfterCommit, 0), blob.Stored, nil, false, 1},
		{"stall after commit", n, once(p, gcsfake.StallAfterCommit, 0), blob.Stored, nil, false, 1},
		{"short write", n, once(p, gcsfake.Shorten, 0), blob.Failed, blob.ErrUnavailable, false, 1},
		{"corrupted", n, once(p, gcsfake.Corrupt, 0), blob.Failed, blob.ErrUnavailable, false, 1},
		{"wrong size reported", n, once(p, gcsfake.LieAboutSize, 0), blob.Failed, blob.ErrUnavailable, false, 1},
		{"wrong CRC reported", n, once(p, gcsfake.LieAboutCRC, 0), blob.Failed, blob.ErrUnavailable, false, 1},
	}
}

func chunkedCases() []faultCase {
	const begin, chunk, final = gcsfake.Begin, gcsfake.Chunk, gcsfake.Final
	gap := []gcsfake.Fault{{At: chunk, Do: gcsfake.Incomplete, Skip: 1, Times: 1}}
	lost := append(once(final, gcsfake.ForgetAfterCommit, 404), always(gcsfake.Metadata, gcsfake.Refuse, 503)...)
	n := chunkedSize
	return []faultCase{
		{"503 at the beginning once", n, once(begin, gcsfake.Refuse, 503), blob.Stored, nil, false, 2},
		{"503 at the beginning always", n, always(begin, gcsfake.Refuse, 503), blob.Failed, blob.ErrUnavailable, false, 3},
		{"429 for a chunk once", n, once(chunk, gcsfake.Refuse, 429), blob.Stored, nil, false, 3},
		{"503 for a chunk always", n, always(chunk, gcsfake.Refuse, 503), blob.Failed, blob.ErrUnavailable, false, 3},
		{"503 midway in a chunk", n, once(chunk, gcsfake.RefuseMidway, 503), blob.Stored, nil, false, 3},
		{"reset in a chunk", n, once(chunk, gcsfake.ResetMidway, 0), blob.Stored, nil, false, 3},
		{"reset after a chunk", n, once(chunk, gcsfake.ResetAfterCommit, 0), blob.Stored, nil, false, 3},
		{"stall in a chunk once", n, once(chunk, gcsfake.Stall, 0), blob.Stored, nil, false, 3},
		{"stall in every chunk", n, always(chunk, gcsfake.Stall, 0), blob.Failed, blob.ErrUnavailable, false, 0},
		{"308 for half of the first chunk", n, once(chunk, gcsfake.Incomplete, 0), blob.Failed, blob.ErrUnavailable, false, 0},
		{"308 for half of the last but one", n, gap, blob.Failed, blob.ErrUnavailable, false, 0},
		{"503 for the last chunk once", n, once(final, gcsfake.Refuse, 503), blob.Stored, nil, false, 2},
		{"503 for the last chunk always", n, always(final, gcsfake.Refuse, 503), blob.Failed, blob.ErrUnavailable, false, 3},
		{"403 for the last chunk", n, always(final, gcsfake.Refuse, 403), blob.Failed, blob.ErrUnavailable, false, 1},
		{"500 for the last chunk always", n, always(final, gcsfake.Refuse, 500), blob.Unknown, blob.ErrOutcomeUnknown, false, 3},
		{"stall in the last chunk once", n, once(final, gcsfake.Stall, 0), blob.Stored, nil, false, 2},
		{"stall in the last chunk always", n, always(final, gcsfake.Stall, 0), blob.Unknown, blob.ErrOutcomeUnknown, false, 0},
		{"308 for the last chunk for ever", n, always(final, gcsfake.Incomplete, 0), blob.Unknown, blob.ErrOutcomeUnknown, false, 0},
		{"503 after commit", n, once(final, gcsfake.AfterCommit, 503), blob.Stored, nil, false, 2},
		{"reset after commit", n, once(final, gcsfake.ResetAfterCommit, 0), blob.Stored, nil, false, 2},
		{"stall after commit", n, once(final, gcsfake.StallAfterCommit, 0), blob.Stored, nil, false, 2},
		{"reset after commit, then 412", n, once(final, gcsfake.ForgetAfterCommit, 412), blob.Stored, nil, false, 2},
		{"reset after commit, then 404", n, once(final, gcsfake.ForgetAfterCommit, 404), blob.Stored, nil, false, 2},
		{"reset after commit, lookup fails", n, lost, blob.Unknown, blob.ErrOutcomeUnknown, false, 0},
		{"short write", n, once(final, gcsfake.Shorten, 0), blob.Failed, blob.ErrUnavailable, false, 1},
		{"corrupted", n, once(final, gcsfake.Corrupt, 0), blob.Failed, blob.ErrUnavailable, false, 1},
		{"wrong CRC reported", n, once(final, gcsfake.LieAboutCRC, 0), blob.Failed, blob.ErrUnavailable, false, 1},
	}
}

func TestNoFaultLosesOrCorruptsAnObject(t *testing.T) {
	t.Parallel()
	for group, cases := range map[string][]faultCase{"small": smallCases(), "one shot": oneShotCases(), "chunked": chunkedCases()} {
		for _, c := range cases {
			t.Run(group+"/"+c.name, func(t *testing.T) {
				t.Parallel()
				checkFault(t, c)
			})
		}
	}
}

func checkFault(t *testing.T, c faultCase) {
	t.Helper()
	fake := gcsfake.New(t)
	patience := func(*gcs.Config) {}
	for _, f := range c.faults {
		fake.Inject(f)
		if f.Do == gcsfake.Stall || f.Do == gcsfake.StallAfterCommit || f.Do == gcsfake.Incomplete {
			patience = impatient
		}
	}
	store := openAt(t, fake.URL, fake.SignerKey, patience)
	content := blobtest.Bytes(c.size)
	opts := blob.PutOptions{ExpectedSize: int64(c.size), ContentType: "application/pdf"}
	if c.size == chunkedSize {
		opts.ExpectedSize = blob.UnknownSize // chunks of 4 MiB: two, and a last one
	}
	key := blobtest.Key()
	began := time.Now()
	obj, err := store.Put(t.Context(), key, blobtest.Plain(bytes.NewReader(content)), opts)
	if took := time.Since(began); took > slowness*20*time.Second {
		t.Errorf("it took %v", took)
	}
	if got := blob.OutcomeOf(err); c.orUnknown && got == blob.Unknown {
		t.Logf("unknown: %v", err)
	} else if got != c.want || c.kind != nil && !errors.Is(err, c.kind) {
		t.Errorf("outcome is %d (%v), want %d (%v)", got, err, c.want, c.kind)
	}
	if err != nil && fault.CodeOf(err) != fault.Unavailable {
		t.Errorf("code is %s, want UNAVAILABLE", fault.CodeOf(err))
	}
	if got := fake.Count(c.faults[0].At); c.requests != 0 && got != c.requests {
		t.Errorf("%d requests, want %d", got, c.requests)
	}
	stored := fake.Object(key)
	switch blob.OutcomeOf(err) {
	case blob.Stored:
		if stored == nil || !bytes.Equal(stored.Content, content) || stored.Generation != obj.Generation {
			t.Fatalf("acknowledged %+v, but it is not in the bucket as it was sent", obj)
		}
		fake.Heal()
		blobtest.WantObject(t, store, key, content)
	case blob.Failed, blob.SourceFailed:
		if stored != nil {
			t.Errorf("failed, but %d bytes are in the bucket", len(stored.Content))
		}
	case blob.Unknown: // either is right: the sweeper decides
	}
}

func TestAnotherObjectUnderTheKeyIsNeverTakenForOurs(t *testing.T) {
	t.Parallel()
	fake := gcsfake.New(t)
	store := openAt(t, fake.URL, fake.SignerKey)
	for _, size := range []int{smallSize, oneShotSize, chunkedSize} {
		key, content := blobtest.Key(), blobtest.Bytes(size)
		for attempt := range 2 {
			_, err := store.Put(t.Context(), key, bytes.NewReader(content), blobtest.Sized(size))
			if attempt == 1 && (!errors.Is(err, blob.ErrExists) || blob.OutcomeOf(err) != blob.Failed) {
				t.Errorf("the same %d bytes again give %v, want ErrExists", size, err)
			}
		}
	}
}

func TestTheSourceMayBeSlowerThanTheBucketMay(t *testing.T) {
	t.Parallel()
	fake := gcsfake.New(t)
	store := openAt(t, fake.URL, fake.SignerKey, impatient)
	for _, size := range []int64{oneShotSize, blob.UnknownSize} {
		content := blobtest.Bytes(oneShotSize)
		key := blobtest.Key()
		pause := &pausingReader{Reader: bytes.NewReader(content), at: 600 << 10, pause: slowness * 1500 * time.Millisecond}
		if _, err := store.Put(t.Context(), key, pause, blob.PutOptions{ExpectedSize: size}); err != nil {
			t.Fatalf("Put: %v", err)
		}
		blobtest.WantObject(t, store, key, content)
	}
}

// pausingReader waits once, after it gave so many bytes.
type pausingReader struct {
	io.Reader
	at    int
	pause time.Duration
}

func (p *pausingReader) Read(b []byte) (int, error) {
	if p.at <= 0 && p.pause > 0 {
		<-time.After(p.pause)
		p.pause = 0
	}
	n, err := p.Reader.Read(b[:min(len(b), 64<<10)])
	p.at -= n
	return n, err
}

func TestChunksShareTheMemoryBudget(t *testing.T) {
	t.Parallel()
	fake := gcsfake.New(t)
	store := openAt(t, fake.URL, fake.SignerKey, func(cfg *gcs.Config) { cfg.MemoryBytes = 1 }) // the least: one chunk
	content := blobtest.Bytes(5 << 20)
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() {
			key := blobtest.Key()
			if _, err := store.Put(t.Context(), key, bytes.NewReader(content), blob.PutOptions{ExpectedSize: blob.UnknownSize}); err != nil {
				t.Errorf("Put: %v", err)
			}
		})
	}
	wg.Wait()
}

func TestAnUploadThatGetsNoMemoryIsRefused(t *testing.T) {
	t.Parallel()
	fake := gcsfake.New(t)
	store := openAt(t, fake.URL, fake.SignerKey, impatient, func(cfg *gcs.Config) { cfg.MemoryBytes = 1 })
	pr, pw := io.Pipe()
	done := make(chan error, 1)
	go func() {
		_, err := store.Put(t.Context(), blobtest.Key(), pr, blob.PutOptions{ExpectedSize: blob.UnknownSize})
		done <- err
	}()
	// Once more than the first buffer has been taken, the upload holds the only chunk.
	if _, err := pw.Write(blobtest.Bytes(blob.BufferSize + 100<<10)); err != nil {
		t.Fatal(err)
	}
	second := bytes.NewReader(blobtest.Bytes(oneShotSize))
	_, err := store.Put(t.Context(), blobtest.Key(), second, blob.PutOptions{ExpectedSize: blob.UnknownSize})
	if !errors.Is(err, blob.ErrUnavailable) || blob.OutcomeOf(err) != blob.Failed {
		t.Errorf("got %v, want ErrUnavailable", err)
	}
	if err := pw.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Errorf("the upload that had the memory got %v", err)
	}
}

func TestReadsSurviveOrReportFaults(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		fault gcsfake.Fault
		ok    bool
	}{
		{"503 once", gcsfake.Fault{At: gcsfake.Media, Do: gcsfake.Refuse, Status: 503, Times: 1}, true},
		{"503 always", gcsfake.Fault{At: gcsfake.Media, Do: gcsfake.Refuse, Status: 503}, false},
		{"reset midway once", gcsfake.Fault{At: gcsfake.Media, Do: gcsfake.ResetMidway, Times: 1}, true},
		{"stall", gcsfake.Fault{At: gcsfake.Media, Do: gcsfake.Stall}, false},
		{"corrupted", gcsfake.Fault{At: gcsfake.Media, Do: gcsfake.Corrupt}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			fake := gcsfake.New(t)
			store := openAt(t, fake.URL, fake.SignerKey, impatient)
			key, content := blobtest.Key(), blobtest.Bytes(oneShotSize)
			if _, err := store.Put(t.Context(), key, bytes.NewReader(content), blobtest.Sized(oneShotSize)); err != nil {
				t.Fatal(err)
			}
			fake.Inject(c.fault)
			r, err := store.Open(t.Context(), key, blob.Range{})
			var got []byte
			if err == nil {
				got, err = io.ReadAll(r)
				_ = r.Close()
			}
			if c.ok && (err != nil || !bytes.Equal(got, content)) {
				t.Errorf("got %d bytes, %v; want all", len(got), err)
			}
			if !c.ok && !errors.Is(err, blob.ErrUnavailable) {
				t.Errorf("got %d bytes, %v; want ErrUnavailable", len(got), err)
			}
		})
	}
}

func TestADeleteWhoseAnswerWasLostHappened(t *testing.T) {
	t.Parallel()
	fake := gcsfake.New(t)
	store := openAt(t, fake.URL, fake.SignerKey)
	key := blobtest.Key()
	obj, err := store.Put(t.Context(), key, bytes.NewReader([]byte("x")), blobtest.Sized(1))
	if err != nil {
		t.Fatal(err)
	}
	fake.Inject(gcsfake.Fault{At: gcsfake.Delete, Do: gcsfake.AfterCommit, Status: 503, Times: 1})
	if err := store.Delete(t.Context(), key, obj.Generation); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("got %v, want ErrNotFound from the second try", err)
	}
	blobtest.WantNothing(t, store, key)
}

func TestOpenRefusesAWrongConfiguration(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]gcs.Config{
		"no bucket":         {},
		"relative endpoint": {Bucket: "b", Endpoint: "localhost"},
		"no JSON":           {Bucket: "b", CredentialsJSON: []byte("-----BEGIN")},
		"other type":        {Bucket: "b", CredentialsJSON: fmt.Appendf(nil, `{"type":%q}`, "external_account")},
	} {
		if store, err := gcs.Open(t.Context(), cfg); err == nil {
			_ = store.Close()
			t.Errorf("%s: no error", name)
		}
	}
}
