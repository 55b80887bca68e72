package document

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strings"
	"time"

	"github.com/google/uuid"

	"dossier/internal/auth"
	"dossier/internal/blob"
	"dossier/internal/fault"
	"dossier/internal/typeid"
)

// MaxArchived is how many documents a ZIP may have. The writer of a ZIP remembers each name until the end, some 300 bytes,
// so this is what bounds its memory.
const MaxArchived = 20_000

// archivePage is how many documents are read from the database at a time. No connection is held while their bytes pass.
const archivePage = 100

// maxHeldBack bounds the text about what is not in a ZIP.
const maxHeldBack = 1 << 20

// contentsName is the last file of every ZIP: who finds it knows that nothing is missing.
const contentsName = "_contents.txt"

// Archived is what is known of a ZIP before it begins.
type Archived struct {
	CustomerName string
	Documents    int64
}

// ArchivePlace is a place in the documents of a customer.
type ArchivePlace struct {
	CreatedAt  time.Time
	DocumentID uuid.UUID
}

// ArchiveItem is a document with its current version, as it goes into a ZIP.
type ArchiveItem struct {
	ArchivePlace
	// Area is the label of the document's area, "" for the general one.
	Area, Title           string
	VersionID             uuid.UUID
	FileName, ContentType string
	SizeBytes             int64
	CRC32C                uint32
	ObjectKey             string
	ChangedAt             time.Time
	// Available is false for what is held back.
	Available bool
}

// Archive is the ZIP of a customer's documents, before its first byte.
type Archive struct {
	// FileName is what the ZIP is offered as.
	FileName string

	service  *Service
	p        auth.Principal
	customer uuid.UUID
}

// ArchiveRequest gives the ZIP that a link leads to now, under the rules of DownloadRequest.
func (s *Service) ArchiveRequest(ctx context.Context, links *Links, path string, v Visit) (*Archive, error) {
	// A ZIP has no parts that could be asked for: each request is a download of all of it.
	p, customer, reading, err := s.Follow(ctx, links, path, Visit{Peek: v.Peek}, auth.DocumentsRead, ActionArchive)
	if err != nil {
		return nil, err
	}
	a, err := s.Store.Archive(ctx, p, customer, reading)
	if err != nil {
		return nil, fault.Wrap("document.ArchiveRequest", err)
	}
	name, _ := archiveName(strings.TrimSpace(a.CustomerName+" documents"), "x.zip")
	return &Archive{FileName: name, service: s, p: p, customer: customer}, nil
}

// Write writes the ZIP. It reads the documents page by page and streams each, so it needs the same memory for any number of
// bytes. An error means that what was written is no whole ZIP and must not be taken for one: whoever sends it has to break
// the connection off.
func (a *Archive) Write(ctx context.Context, w io.Writer) error {
	z := &archiving{Archive: a, zip: zip.NewWriter(w), names: newArchiveNames(), buffer: make([]byte, 64<<10)}
	z.zip.RegisterCompressor(zip.Deflate, z.deflate)
	err := z.documents(ctx)
	if err == nil {
		err = z.contents()
	}
	if err == nil {
		err = z.zip.Close()
	}
	return fault.Wrap("document.Archive", err)
}

// archiving is a ZIP that is being written.
type archiving struct {
	*Archive
	zip    *zip.Writer
	names  *archiveNames
	buffer []byte
	// deflater is one for all entries: it is more than a megabyte.
	deflater *flate.Writer

	written int
	bytes   int64
	// heldBack says what is not in the ZIP, more how many it does not name.
	heldBack bytes.Buffer
	missing  int
	unnamed  int
}

// deflate is the compressor of the entries, which come one after the other.
func (z *archiving) deflate(w io.Writer) (io.WriteCloser, error) {
	if z.deflater == nil {
		var err error
		z.deflater, err = flate.NewWriter(w, flate.BestSpeed)
		return z.deflater, err
	}
	z.deflater.Reset(w)
	return z.deflater, nil
}

func (z *archiving) documents(ctx context.Context) error {
	var after ArchivePlace
	for {
		page, err := z.service.Store.ArchivePage(ctx, z.p, z.customer, after, archivePage)
		if err != nil {
			return err
		}
		for _, item := range page {
			if err := z.document(ctx, item); err != nil {
				return err
			}
			after = item.ArchivePlace
		}
		if len(page) < archivePage {
			return nil
		}
		// A ZIP can take hours. Whose key was revoked meanwhile gets no further documents.
		p, err := z.service.Rights.PrincipalOf(ctx, z.p.AccountID, z.p.Holder())
		if err == nil {
			err = p.Require(auth.DocumentsRead)
		}
		if err != nil {
			return err
		}
	}
}

func (z *archiving) document(ctx context.Context, item ArchiveItem) error {
	path := z.names.path(item)
	if !item.Available {
		z.holdBack(path, item, "held back until its content is checked, or because of what the check found")
		return nil
	}
	r, err := z.service.Blobs.Open(ctx, item.ObjectKey, blob.Range{})
	if errors.Is(err, blob.ErrNotFound) && z.gone(ctx, item) {
		z.holdBack(path, item, "changed or deleted while this ZIP was made")
		return nil
	}
	if err != nil {
		return err
	}
	defer r.Close() //nolint:errcheck // it was only read
	entry, err := z.zip.CreateHeader(&zip.FileHeader{Name: path, Method: archiveMethod(item.ContentType), Modified: item.ChangedAt.UTC()})
	if err != nil {
		return err
	}
	sum := crc32.New(castagnoli)
	n, err := io.CopyBuffer(struct{ io.Writer }{io.MultiWriter(entry, sum)}, struct{ io.Reader }{r}, z.buffer)
	if err != nil {
		return err
	}
	// SECURITY: other bytes than were checked when they came in must not be handed out under their name.
	if n != item.SizeBytes || sum.Sum32() != item.CRC32C {
		return errors.New("document: the bytes in the object store are not those that were uploaded")
	}
	z.written++
	z.bytes += n
	return nil
}

// gone says whether a document whose object is not there was changed or deleted since its page was read. Else its bytes are
// lost, and the ZIP must not look whole.
func (z *archiving) gone(ctx context.Context, item ArchiveItem) bool {
	now, err := z.service.Store.ArchiveItem(ctx, z.p, item.DocumentID)
	return fault.CodeOf(err) == fault.NotFound || err == nil && (now.VersionID != item.VersionID || now.ObjectKey != item.ObjectKey || !now.Available)
}

func (z *archiving) holdBack(path string, item ArchiveItem, why string) {
	z.missing++
	if z.heldBack.Len() > maxHeldBack {
		z.unnamed++
		return
	}
	fmt.Fprintf(&z.heldBack, "%s (%s): %s\r\n", path, typeid.Format(typeid.Document, item.DocumentID), why)
}

// contents writes the file that says what is in the ZIP and what is not.
func (z *archiving) contents() error {
	w, err := z.zip.CreateHeader(&zip.FileHeader{Name: contentsName, Method: zip.Deflate, Modified: z.service.Now().UTC()})
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "Documents in this ZIP: %d, with %d bytes.\r\nDocuments that are not in it: %d.\r\n", z.written, z.bytes, z.missing)
	if z.missing > 0 {
		fmt.Fprint(w, "\r\nNot in this ZIP:\r\n")
	}
	_, err = z.heldBack.WriteTo(w)
	if err == nil && z.unnamed > 0 {
		_, err = fmt.Fprintf(w, "... and %d more\r\n", z.unnamed)
	}
	return err
}

// squeezable are the types whose content is not compressed already.
var squeezable = set(
	"application/json", "application/x-ndjson", "application/geo+json", "application/gpx+xml", "application/vnd.google-earth.kml+xml",
	"application/x-subrip", "message/rfc822", "application/postscript", "application/msword", "application/vnd.ms-excel",
	"application/vnd.ms-powerpoint", "application/vnd.ms-publisher", "application/x-ole-storage", "application/x-tar", "image/bmp", "image/tiff",
)

// archiveMethod says how a content is put into a ZIP: what is compressed already is stored as it is.
func archiveMethod(contentType string) uint16 {
	if strings.HasPrefix(contentType, "text/") || squeezable[contentType] {
		return zip.Deflate
	}
	return zip.Store
}
