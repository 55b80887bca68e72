// Package blobtest is the conformance suite of blob.Store: what every driver must do, in the words of a test.
//
// It knows no driver. A driver's test calls Run with a function that opens an empty store whose signed URLs are served.
package blobtest

import (
	"bytes"
	"context"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"dossier/internal/blob"
)

// Lack is something that the service behind a driver cannot do in a test, though the real one can.
type Lack int

// What a fake service may lack.
const (
	// NoGenerations: Delete ignores the generation.
	NoGenerations Lack = iota
	// NoSignatures: signed URLs work, and so does every other URL.
	NoSignatures
	// NoSignedLimits: a signed PUT accepts any size, and overwrites.
	NoSignedLimits
	// NoResumption: a resumable upload begins, but asking what is stored ends it with what there is.
	NoResumption
)

type suite struct {
	open   func(t testing.TB) blob.Store
	lacks  map[Lack]bool
	client *http.Client
}

// Run runs the suite. open is called once per test.
func Run(t *testing.T, open func(t testing.TB) blob.Store, lacks ...Lack) {
	t.Helper()
	s := &suite{open: open, lacks: map[Lack]bool{}, client: &http.Client{Timeout: 30 * time.Second}}
	for _, l := range lacks {
		s.lacks[l] = true
	}
	for name, test := range map[string]func(*testing.T, blob.Store){
		"PutThenOpenGivesTheSameBytes":             s.putOpen,
		"StatTellsWhatPutTold":                     s.stat,
		"OpenReadsRanges":                          s.ranges,
		"PutRefusesKeysNotMadeByNewKey":            s.badKeys,
		"PutNeverOverwrites":                       s.exists,
		"OfConcurrentPutsOfAKeyOneWins":            s.race,
		"AFailedSourceLeavesNothing":               s.sourceFails,
		"ACanceledPutLeavesNothing":                s.canceled,
		"AnUploadInProgressIsInvisible":            s.invisible,
		"ASourceOfAnotherSizeLeavesNothing":        s.wrongSize,
		"AnotherChecksumLeavesNothing":             s.wrongChecksum,
		"ManyPutsAtOnceAllArrive":                  s.concurrent,
		"DeleteRemovesOnlyTheGenerationItWasGiven": s.deletes,
		"ListWalksInOrder":                         s.list,
		"SignedPutStoresTheBody":                   s.signedPut,
		"SignedPutRefusesWhatWasNotSigned":         s.signedPutLimits,
		"SignedGetOffersTheNameSafely":             s.signedGet,
		"TamperedSignaturesAreRefused":             s.tampered,
		"SigningChecksItsOptions":                  s.signOptions,
		"AResumableUploadTakesAllAtOnce":           s.resumableWhole,
		"AResumableUploadTakesParts":               s.resumableParts,
		"AResumableUploadGoesOnAfterCuts":          s.resumableCuts,
		"AResumableUploadIsNotTakenTwice":          s.resumableAgain,
		"AResumableUploadIsWhatWasAnnounced":       s.resumableAnnounced,
		"AResumableUploadNeverOverwrites":          s.resumableExists,
		"AResumableUploadEnds":                     s.resumableEnds,
		"AResumableUploadChecksItsOptions":         s.resumableOptions,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}

// Bytes gives n reproducible bytes.
func Bytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{byte(n)}).Read(b)
	return b
}

// CRC is the CRC32C of b.
func CRC(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

// Key gives a key of a new account.
func Key() string { return blob.NewKey(uuid.New()) }

// Sized are the options of a Put of n bytes.
func Sized(n int) blob.PutOptions { return blob.PutOptions{ExpectedSize: int64(n)} }

// Plain hides everything of a reader but Read, as a request body does.
func Plain(r io.Reader) io.Reader { return struct{ io.Reader }{r} }

// WantObject checks that the object is exactly content.
func WantObject(t testing.TB, s blob.Store, key string, content []byte) {
	t.Helper()
	r, err := s.Open(t.Context(), key, blob.Range{})
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	defer r.Close() //nolint:errcheck // reading only
	got, err := io.ReadAll(Plain(r))
	if err != nil {
		t.Fatalf("reading: %v", err)
	}
	if !bytes.Equal(got, content) {
		t.Fatalf("got %d bytes with CRC %x, want %d with %x", len(got), CRC(got), len(content), CRC(content))
	}
	if r.Object.Size != int64(len(content)) || r.Object.CRC32C != CRC(content) {
		t.Fatalf("the Reader says size %d, CRC %x; want %d, %x", r.Object.Size, r.Object.CRC32C, len(content), CRC(content))
	}
}

// WantNothing checks that nothing is visible under the key, neither by name nor in the list.
func WantNothing(t testing.TB, s blob.Store, key string) {
	t.Helper()
	if obj, err := s.Stat(t.Context(), key); !isKind(err, blob.ErrNotFound) {
		t.Fatalf("Stat gives %+v, %v; want ErrNotFound", obj, err)
	}
	for obj, err := range s.List(t.Context(), blob.ListOptions{Prefix: key}) {
		t.Fatalf("List gives %+v, %v; want nothing", obj, err)
	}
}

func mustPut(t testing.TB, s blob.Store, key string, content []byte) blob.Object {
	t.Helper()
	obj, err := s.Put(t.Context(), key, bytes.NewReader(content), Sized(len(content)))
	if err != nil {
		t.Fatalf("Put: %v", err)
	}
	return obj
}

func (s *suite) putOpen(t *testing.T, store blob.Store) {
	for _, size := range []int{0, 1, blob.BufferSize - 1, blob.BufferSize, blob.BufferSize + 1, 3 << 20, 9<<20 + 17} {
		content := Bytes(size)
		for _, announced := range []int64{int64(size), blob.UnknownSize} {
			for _, src := range []io.Reader{bytes.NewReader(content), Plain(bytes.NewReader(content))} {
				if _, plain := src.(io.WriterTo); !plain && size > 3<<20 && announced >= 0 {
					continue // once of each kind is enough for the long one
				}
				key := Key()
				sum := CRC(content)
				opts := blob.PutOptions{ExpectedSize: announced, ContentType: "image/png", Metadata: map[string]string{"attempt": "a1"}}
				if announced >= 0 {
					opts.CRC32C = &sum
				}
				obj, err := store.Put(t.Context(), key, src, opts)
				if err != nil {
					t.Fatalf("Put of %d bytes: %v", size, err)
				}
				if obj.Key != key || obj.Size != int64(size) || obj.CRC32C != sum || obj.Generation == 0 || obj.CreatedAt.IsZero() {
					t.Fatalf("Put of %d bytes gives %+v, want key %s, CRC %x, a generation and a time", size, obj, key, sum)
				}
				WantObject(t, store, key, content)
			}
		}
	}
}

func (s *suite) stat(t *testing.T, store blob.Store) {
	for _, c := range []struct{ given, want string }{
		{"application/pdf", "application/pdf"},
		{"text/html; charset=utf-8", blob.OctetStream},
		{"image/svg+xml", blob.OctetStream},
		{"", blob.OctetStream},
	} {
		key := Key()
		opts := blob.PutOptions{ExpectedSize: 3, ContentType: c.given, Metadata: map[string]string{"version": "v7", "kind": "x"}}
		put, err := store.Put(t.Context(), key, strings.NewReader("abc"), opts)
		if err != nil {
			t.Fatalf("Put: %v", err)
		}
		got, err := store.Stat(t.Context(), key)
		if err != nil {
			t.Fatalf("Stat: %v", err)
		}
		if got.Key != key || got.Size != 3 || got.CRC32C != put.CRC32C || got.Generation != put.Generation ||
			!got.CreatedAt.Equal(put.CreatedAt) {
			t.Errorf("Stat gives %+v, Put gave %+v", got, put)
		}
		if got.ContentType != c.want || got.Metadata["version"] != "v7" || len(got.Metadata) != 2 {
			t.Errorf("got type %q and metadata %v, want %q and what was put", got.ContentType, got.Metadata, c.want)
		}
		if age := time.Since(got.CreatedAt); age < -time.Minute || age > time.Minute {
			t.Errorf("created %v ago", age)
		}
	}
	if _, err := store.Stat(t.Context(), Key()); !isKind(err, blob.ErrNotFound) {
		t.Errorf("Stat of nothing gives %v, want ErrNotFound", err)
	}
}

func (s *suite) ranges(t *testing.T, store blob.Store) {
	content := Bytes(1000)
	key, empty := Key(), Key()
	mustPut(t, store, key, content)
	mustPut(t, store, empty, nil)
	for _, c := range []struct {
		rng  blob.Range
		want []byte
	}{
		{blob.Range{}, content},
		{blob.Range{Offset: 1}, content[1:]},
		{blob.Range{Length: 1}, content[:1]},
		{blob.Range{Offset: 500, Length: 100}, content[500:600]},
		{blob.Range{Offset: 999, Length: 1}, content[999:]},
		{blob.Range{Offset: 990, Length: 5000}, content[990:]},
	} {
		for _, whole := range []bool{true, false} {
			r, err := store.Open(t.Context(), key, c.rng)
			if err != nil {
				t.Fatalf("Open(%+v): %v", c.rng, err)
			}
			var got bytes.Buffer
			if whole {
				_, err = r.WriteTo(&got)
			} else {
				_, err = got.ReadFrom(Plain(r))
			}
			if err != nil || !bytes.Equal(got.Bytes(), c.want) || r.Length != int64(len(c.want)) || r.Object.Size != 1000 {
				t.Errorf("range %+v gives %d bytes (Length %d of %d), %v; want %d", c.rng, got.Len(), r.Length, r.Object.Size, err, len(c.want))
			}
			if err := r.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		}
	}
	for _, rng := range []blob.Range{{Offset: 1000}, {Offset: 5000, Length: 1}, {Offset: -1}, {Length: -1}} {
		if _, err := store.Open(t.Context(), key, rng); !isKind(err, blob.ErrRange) {
			t.Errorf("Open(%+v) gives %v, want ErrRange", rng, err)
		}
	}
	WantObject(t, store, empty, nil)
	if _, err := store.Open(t.Context(), Key(), blob.Range{}); !isKind(err, blob.ErrNotFound) {
		t.Errorf("Open of nothing gives %v, want ErrNotFound", err)
	}
}

func (s *suite) badKeys(t *testing.T, store blob.Store) {
	good := Key()
	for _, key := range []string{
		"", "x", "../" + good[3:], good + "x", good[:len(good)-1], strings.ToUpper(good), strings.Replace(good, "/", "\\", 1),
		good[:37] + "../../../../../../../../../../etc", good[:36] + "//" + good[38:], good[:40] + "\x00" + good[41:], "/" + good[1:],
	} {
		if _, err := store.Put(t.Context(), key, strings.NewReader("x"), Sized(1)); !isKind(err, blob.ErrInvalid) {
			t.Errorf("Put(%q) gives %v, want ErrInvalid", key, err)
		}
		if _, err := store.Open(t.Context(), key, blob.Range{}); !isKind(err, blob.ErrInvalid) {
			t.Errorf("Open(%q) gives %v, want ErrInvalid", key, err)
		}
		if _, err := store.Stat(t.Context(), key); !isKind(err, blob.ErrInvalid) {
			t.Errorf("Stat(%q) gives %v, want ErrInvalid", key, err)
		}
		if err := store.Delete(t.Context(), key, blob.AnyGeneration); !isKind(err, blob.ErrInvalid) {
			t.Errorf("Delete(%q) gives %v, want ErrInvalid", key, err)
		}
		if _, err := store.SignGet(t.Context(), key, blob.SignGetOptions{Expires: time.Minute}); !isKind(err, blob.ErrInvalid) {
			t.Errorf("SignGet(%q) gives %v, want ErrInvalid", key, err)
		}
	}
	bad := []blob.PutOptions{
		{ExpectedSize: -2},
		{ExpectedSize: 1, ContentDisposition: "inline"},
		{ExpectedSize: 1, ContentDisposition: "attachment\r\nX: y"},
		{ExpectedSize: 1, Metadata: map[string]string{"Upper": "x"}},
		{ExpectedSize: 1, Metadata: map[string]string{"k": "é"}},
	}
	for _, opts := range bad {
		if _, err := store.Put(t.Context(), good, strings.NewReader("x"), opts); !isKind(err, blob.ErrInvalid) {
			t.Errorf("Put with %+v gives %v, want ErrInvalid", opts, err)
		}
	}
	WantNothing(t, store, good)
}

func canceledContext(t testing.TB) (context.Context, context.CancelFunc) {
	return context.WithCancel(t.Context())
}
