package document_test

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"dossier/internal/auth"
	"dossier/internal/blob"
	"dossier/internal/document"
	"dossier/internal/fault"
	"dossier/internal/typeid"
)

// archive asks for the ZIP of Ada's customer.
func (e *env) archive() *document.Archive {
	e.t.Helper()
	links := files()
	a, err := e.service.ArchiveRequest(e.t.Context(), links, links.URLFor(e.ada.Holder(), e.ada.AccountID, e.adasCustomer), document.Visit{})
	if err != nil {
		e.t.Fatal(err)
	}
	return a
}

func unzip(t testing.TB, content []byte) map[string][]byte {
	t.Helper()
	r, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]byte{}
	for _, f := range r.File {
		rc, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(rc)
		if err != nil {
			t.Fatal(err)
		}
		if out[f.Name] != nil {
			t.Errorf("%s is in the ZIP twice", f.Name)
		}
		out[f.Name] = b
	}
	return out
}

func TestAZIPHasEveryDocumentOfTheCustomer(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	first, second, text := pdf(200_000, 1), pdf(3000, 2), []byte(strings.Repeat("much of the same\n", 20_000))
	e.stored("Übersicht.pdf", first)
	e.stored("übersicht.PDF", second)
	archived := e.stored("notes.txt", text)
	e.exec(`UPDATE document SET status = 'ARCHIVED', archived_at = now() WHERE id = $1`, archived)
	filed := e.stored("scan.pdf", pdf(1000, 3))
	area := typeid.New()
	e.exec(`INSERT INTO attribute_definition (id, account_id, created_at, updated_at, key, label, type, position, required, customer_visible, accept)
		VALUES ($1, $2, now(), now(), 'ids', 'ID / Passport', 'FILE', 1, false, false, '[]')`, area, e.ada.AccountID)
	e.exec(`UPDATE document SET area_id = $1, title = 'Passport' WHERE id = $2`, area, filed)
	held := e.stored("bad.pdf", pdf(1000, 4))
	e.exec(`UPDATE document_version SET state = 'QUARANTINED' WHERE id = $1`, e.version(held))
	e.exec(`UPDATE document_version SET state = 'DELETED' WHERE id = $1`, e.version(e.stored("gone.pdf", pdf(1000, 5))))

	a := e.archive()
	if a.FileName != "Ada documents.zip" {
		t.Errorf("the ZIP is called %q", a.FileName)
	}
	var out bytes.Buffer
	if err := a.Write(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	got := unzip(t, out.Bytes())
	for name, want := range map[string][]byte{
		"General/Übersicht.pdf": first, "General/übersicht (2).PDF": second, "General/notes.txt": text, "ID _ Passport/Passport.pdf": pdf(1000, 3),
	} {
		if !bytes.Equal(got[name], want) {
			t.Errorf("%s has %d bytes, want %d", name, len(got[name]), len(want))
		}
		delete(got, name)
	}
	contents := string(got["_contents.txt"])
	for _, say := range []string{"Documents in this ZIP: 4", "not in it: 1", "General/bad.pdf (" + typeid.Format(typeid.Document, held) + "): held back"} {
		if !strings.Contains(contents, say) {
			t.Errorf("the list of contents does not say %q:\n%s", say, contents)
		}
	}
	if len(got) != 1 {
		t.Errorf("there is more in the ZIP: %v", got)
	}
	if n := out.Len(); n > 215_000 {
		t.Errorf("the ZIP has %d bytes: text is to be compressed", n)
	}
	if n := e.records(document.ActionArchive, "DONE"); n != 1 {
		t.Errorf("there are %d records of the download, want 1", n)
	}
}

// hooked is an object store that tells of each Open.
type hooked struct {
	blob.Store
	open func(key string) error
}

func (h hooked) Open(ctx context.Context, key string, rng blob.Range) (*blob.Reader, error) {
	if err := h.open(key); err != nil {
		return nil, err
	}
	return h.Store.Open(ctx, key, rng)
}

func TestAZIPThatCannotBeFinishedIsNone(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	for i := range 3 {
		e.stored(names(i), pdf(50_000, byte(i)))
	}
	second := e.version(uuid.MustParse(e.text(`SELECT id::text FROM document ORDER BY created_at, id OFFSET 1 LIMIT 1`)))
	key := e.text(`SELECT object_key FROM document_version WHERE id = $1`, second)
	broken := errors.New("the store is down")
	for name, c := range map[string]struct {
		before string
		open   func(string) error
	}{
		"the object is lost": {open: func(k string) error {
			if k == key {
				return blob.Fail("test", blob.ErrNotFound, nil)
			}
			return nil
		}},
		"the store fails": {open: func(k string) error {
			if k == key {
				return broken
			}
			return nil
		}},
		"the bytes are others": {before: `UPDATE document_version SET crc32c = crc32c # 1 WHERE id = $1`, open: func(string) error { return nil }},
		"the size is another":  {before: `UPDATE document_version SET size_bytes = size_bytes + 1 WHERE id = $1`, open: func(string) error { return nil }},
	} {
		if c.before != "" {
			e.exec(c.before, second)
		}
		e.service.Blobs = hooked{e.blobs, c.open}
		var out bytes.Buffer
		if err := e.archive().Write(t.Context(), &out); err == nil {
			t.Errorf("%s: it went well", name)
		}
		if _, err := zip.NewReader(bytes.NewReader(out.Bytes()), int64(out.Len())); err == nil {
			t.Errorf("%s: what was written looks like a whole ZIP", name)
		}
	}
}

func TestAZIPLeavesOutWhatGoesWhileItIsMade(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	id := e.stored("a.pdf", pdf(1000, 1))
	e.stored("b.pdf", pdf(1000, 2))
	version := e.version(id)
	key := e.text(`SELECT object_key FROM document_version WHERE id = $1`, version)
	e.service.Blobs = hooked{e.blobs, func(k string) error {
		if k != key {
			return nil
		}
		e.exec(`UPDATE document_version SET state = 'DELETED' WHERE id = $1`, version)
		return blob.Fail("test", blob.ErrNotFound, nil)
	}}
	var out bytes.Buffer
	if err := e.archive().Write(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	got := unzip(t, out.Bytes())
	if len(got) != 2 || !strings.Contains(string(got["_contents.txt"]), "General/a.pdf ("+typeid.Format(typeid.Document, id)+"): changed or deleted") {
		t.Errorf("got %q", got)
	}
}

func TestAZIPHoldsNoConnectionAndStopsWithItsClient(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	for i := range 5 {
		e.stored(names(i), pdf(1000, byte(i)))
	}
	opened := 0
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	e.service.Blobs = hooked{e.blobs, func(string) error {
		if opened++; opened == 3 {
			cancel()
		}
		if _, inUse := e.store.Stats(); inUse != 0 {
			t.Errorf("%d connections are held while bytes pass", inUse)
		}
		return ctx.Err()
	}}
	if err := e.archive().Write(ctx, io.Discard); err == nil || opened != 3 {
		t.Errorf("got %v after %d objects, want an error after the third", err, opened)
	}
	e.service.Blobs = e.blobs
	gone := errors.New("the client is gone")
	if err := e.archive().Write(t.Context(), failingWriter{gone}); !errors.Is(err, gone) {
		t.Errorf("got %v, want the error of the writer", err)
	}
}

type failingWriter struct{ err error }

func (f failingWriter) Write([]byte) (int, error) { return 0, f.err }

// manyStore has many documents of 10 zeros, the first one with more.
type manyStore struct {
	document.Store
	documents, first int64
}

func (m manyStore) Archive(context.Context, auth.Principal, uuid.UUID, document.Reading) (document.Archived, error) {
	return document.Archived{CustomerName: "Many", Documents: m.documents}, nil
}

func (m manyStore) ArchivePage(
	_ context.Context, _ auth.Principal, _ uuid.UUID, after document.ArchivePlace, limit int,
) ([]document.ArchiveItem, error) {
	var page []document.ArchiveItem
	last := int64(0)
	if !after.CreatedAt.IsZero() {
		last = after.CreatedAt.Unix()
	}
	for at := last + 1; at <= m.documents && len(page) < limit; at++ {
		size := int64(10)
		if at == 1 {
			size += m.first
		}
		page = append(page, document.ArchiveItem{
			ArchivePlace: document.ArchivePlace{CreatedAt: time.Unix(at, 0)}, Title: "scan.pdf", FileName: "scan.pdf", ContentType: "application/pdf",
			SizeBytes: size, CRC32C: zerosCRC(size), ObjectKey: strconv.FormatInt(size, 10), Available: true,
		})
	}
	return page, nil
}

type rightsFor struct{ pages int }

func (r *rightsFor) PrincipalOf(_ context.Context, account uuid.UUID, h auth.Holder) (auth.Principal, error) {
	if r.pages--; r.pages < 0 {
		return auth.Principal{}, fault.New(fault.Unauthenticated, "revoked")
	}
	return auth.Principal{AccountID: account, Kind: h.Kind, ID: h.ID, Scopes: []string{"read"}}, nil
}

func TestAZIPEndsWithTheRightsOfItsHolder(t *testing.T) {
	t.Parallel()
	links := files()
	for pages, whole := range map[int]bool{1: false, 3: false, 4: true} {
		s := document.New(manyStore{documents: 350}, nil, zeros{})
		s.Rights = &rightsFor{pages}
		a, err := s.ArchiveRequest(t.Context(), links, links.URLFor(auth.Holder{Kind: auth.KindAPIKey, ID: uuid.New()}, uuid.New(), uuid.New()), document.Visit{})
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := a.Write(t.Context(), &out); (err == nil) != whole {
			t.Errorf("the right is withdrawn after %d questions: %v, want whole %v", pages, err, whole)
		}
		if whole && len(unzip(t, out.Bytes())) != 351 {
			t.Error("documents are missing")
		}
	}
}

// TestALargeZIPIsReadable writes a file of more than 4 GiB, which needs the fields of ZIP64.
func TestALargeZIPIsReadable(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("writes 4 GiB")
	}
	const large = 1<<32 + 4096
	s := document.New(manyStore{documents: 2, first: large}, nil, zeros{})
	s.Rights = &rightsFor{10}
	links := files()
	a, err := s.ArchiveRequest(t.Context(), links, links.URLFor(auth.Holder{Kind: auth.KindAPIKey, ID: uuid.New()}, uuid.New(), uuid.New()), document.Visit{})
	if err != nil {
		t.Fatal(err)
	}
	out := &holes{}
	if err := a.Write(t.Context(), out); err != nil {
		t.Fatal(err)
	}
	r, err := zip.NewReader(out, out.size)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []struct {
		name string
		size uint64
	}{{"General/scan.pdf", large + 10}, {"General/scan (2).pdf", 10}} {
		if f := r.File[i]; f.Name != want.name || f.UncompressedSize64 != want.size || f.CompressedSize64 != want.size {
			t.Errorf("entry %d is %s with %d bytes, want %s with %d", i, f.Name, f.UncompressedSize64, want.name, want.size)
		}
	}
	f, err := r.Open("_contents.txt")
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(f); err != nil || !strings.Contains(string(b), fmt.Sprint(int64(large+20), " bytes")) {
		t.Errorf("behind the large files: %q, %v", b, err)
	}
}

func TestNamesInAZIPAreSafeAndUnique(t *testing.T) {
	t.Parallel()
	item := func(area, title, file string) document.ArchiveItem {
		return document.ArchiveItem{Area: area, Title: title, FileName: file}
	}
	long := strings.Repeat("ä", 200)
	for _, c := range []struct {
		item document.ArchiveItem
		want string
	}{
		{item("", "Contract", "scan 01.PDF"), "General/Contract.PDF"},
		{item("", "Contract v1.2", "scan.pdf"), "General/Contract v1.2.pdf"},
		{item("", "photo.JPG", "photo.jpg"), "General/photo.JPG"},
		{item("", "../../etc/passwd", "x"), "General/.._.._etc_passwd"},
		{item("..", `..\..\a.exe`, "a.exe"), "unnamed/.._.._a.exe"},
		{item("/etc", "C:\\a", ""), "_etc/C__a"},
		{item("", "..", "..pdf"), "General/unnamed.pdf"},
		{item("", "", ""), "General/unnamed"},
		{item("", "a\x00b\r\nc\u202egpj.exe", "x.exe"), "General/a_b__c_gpj.exe"},
		{item("", "\xff\xfe", "x"), "General/_"},
		{item("", "CON", "a.txt"), "General/_CON.txt"},
		{item("", "nul.tar", "x.gz"), "General/_nul.tar.gz"},
		{item("lpt1", "com¹", ""), "_lpt1/_com¹"},
		{item("", "trailing. . ", ""), "General/trailing"},
		{item("", "name:stream", "x.txt"), "General/name_stream.txt"},
		{item("", `a*b?c"d<e>f|g`, "x.txt"), "General/a_b_c_d_e_f_g.txt"},
		{item("_contents.txt", "a", ""), "__contents.txt/a"},
		{item("", "😀 e\u0301", "x.\u202etxt"), "General/😀 é"},
		{item("", long, "x.pdf"), "General/" + strings.Repeat("ä", 100) + ".pdf"},
		{item("", "a", "x."+strings.Repeat("z", 30)), "General/a"},
	} {
		if got := document.ArchivePaths(c.item)[0]; got != c.want {
			t.Errorf("%q in %q with the file %q becomes %q, want %q", c.item.Title, c.item.Area, c.item.FileName, got, c.want)
		}
	}
	items := make([]document.ArchiveItem, 0, 20_000)
	for i := range 5000 {
		items = append(items, item("", "scan.pdf", "scan.pdf"), item("", "SCAN.pdf", "scan.pdf"), item("", fmt.Sprintf("scan (%d).pdf", i), "scan.pdf"),
			item("Archive", "scan.pdf", "a.pdf"))
	}
	seen := map[string]bool{}
	for _, p := range document.ArchivePaths(items...) {
		key := strings.ToLower(p)
		if seen[key] || !utf8.ValidString(p) || strings.Count(p, "/") != 1 {
			t.Fatalf("%q is there twice, or no path", p)
		}
		seen[key] = true
	}
}
