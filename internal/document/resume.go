package document

import (
	"context"
	"encoding/hex"
	"errors"
	"log/slog"
	"strconv"
	"time"

	"github.com/google/uuid"

	"dossier/internal/auth"
	"dossier/internal/blob"
	"dossier/internal/fault"
	"dossier/internal/typeid"
)

// The ways in which the bytes of an upload come straight to the object store, as they are stored.
const (
	// MethodPut is one signed PUT.
	MethodPut = "PUT"
	// MethodResumable is in parts, resumed when a connection breaks, with the protocol of blob.Resumable.
	MethodResumable = "RESUMABLE"
)

// Sending is how the bytes of an upload straight to the object store come, and what the client said of them beforehand.
type Sending struct {
	Method string
	// SessionURL is where a resumable upload is, once it has begun there.
	SessionURL string
	// CRC32C and SHA256 must be those of the bytes, where they are known.
	CRC32C *uint32
	SHA256 []byte
}

// Resumable says whether the bytes come in parts.
func (s Sending) Resumable() bool { return s.Method == MethodResumable }

// sending reads what the draft says about the bytes.
func (d *BeginDraft) sending() (Sending, fault.List) {
	var list fault.List
	bad := func(field, format string, args ...any) {
		list = append(list, fault.At(fault.BadUserInput, []string{"input", field}, format, args...))
	}
	s := Sending{Method: d.Method}
	switch s.Method {
	case "":
		s.Method = MethodPut
	case MethodPut, MethodResumable:
	default:
		bad("method", "The method is PUT or RESUMABLE.")
	}
	if d.CRC32C != nil {
		sum, err := strconv.ParseUint(*d.CRC32C, 16, 32)
		if err != nil || len(*d.CRC32C) != 8 {
			bad("crc32c", "The CRC32C (Castagnoli) is 8 hexadecimal digits, for example e3069283.")
		}
		crc := uint32(sum)
		s.CRC32C = &crc
	}
	if d.SHA256 != nil {
		sum, err := hex.DecodeString(*d.SHA256)
		if err != nil || len(sum) != 32 {
			bad("sha256", "The SHA-256 is 64 hexadecimal digits.")
		}
		s.SHA256 = sum
	}
	return s, list
}

// SessionTime is how long an upload straight to the object store of so many bytes may take, from begin to complete: longer
// for a large file, so that a slow line is no reason to lose it.
func (l Limits) SessionTime(size int64) time.Duration {
	seconds := min(size/max(l.SessionRate, 1), int64(maxSession/time.Second))
	return min(l.Session+time.Duration(seconds)*time.Second, maxSession)
}

// maxSession is what every object store allows, less the time that an answer takes.
const maxSession = 6 * 24 * time.Hour

// resumable gives the session of a resumable upload, and begins it where that has not happened yet.
func (s *Service) resumable(ctx context.Context, p auth.Principal, a Attempt, until time.Time, origin *string) (Session, error) {
	session := Session{ID: a.ID, Method: "PUT", URL: a.Sending.SessionURL, Resumable: true, PartBytes: blob.Granularity, ExpiresAt: until}
	if session.URL != "" {
		return session, nil
	}
	begun, err := s.Blobs.StartResumable(ctx, a.ObjectKey, blob.ResumableOptions{
		ContentType: blob.OctetStream, Size: a.DeclaredBytes, CRC32C: a.Sending.CRC32C, Origin: textOf(origin), Expires: max(until.Sub(s.Now()), time.Second),
	})
	if err != nil {
		return Session{}, fault.Wrap("document.resumable", err)
	}
	session.URL, err = s.Store.KeepSession(ctx, p, a, begun.URL)
	if err != nil || session.URL != begun.URL {
		// Nobody is told of ours: the upload has ended meanwhile, or an equal request was faster.
		s.cancelResumable(ctx, a, begun.URL)
	}
	return session, fault.Wrap("document.resumable", err)
}

// cancelResumable throws a resumable upload away. The sweeper does it when this fails.
func (s *Service) cancelResumable(ctx context.Context, a Attempt, url string) {
	ctx, cancel := detached(ctx)
	defer cancel()
	if err := s.Blobs.CancelResumable(ctx, a.ObjectKey, url); err != nil && !errors.Is(err, blob.ErrNotFound) {
		s.Log.WarnContext(ctx, "a resumable upload could not be ended",
			slog.String("upload", typeid.Format(typeid.UploadSession, a.ID)), slog.Any("cause", err))
	}
}

// UploadCancel ends an upload straight to the object store, gives its reservation back at once and throws away what has
// arrived. One that has ended without a document stays so. Who may: DocumentsWrite.
func (s *Service) UploadCancel(ctx context.Context, p auth.Principal, sessionID uuid.UUID) error {
	if err := p.Require(auth.DocumentsWrite); err != nil {
		return err
	}
	err := s.uploadCancel(ctx, p, sessionID)
	return fault.Wrap("document.UploadCancel", withPath(err, sessionPath()))
}

func (s *Service) uploadCancel(ctx context.Context, p auth.Principal, sessionID uuid.UUID) error {
	d, err := s.Store.DirectUpload(ctx, p, sessionID)
	if err != nil {
		return err
	}
	if d.State == UploadPending {
		if err := s.Store.FailUpload(ctx, p, d.Attempt, true); err != nil {
			return err
		}
		// It may have been completed meanwhile, and then it stays.
		if d, err = s.Store.DirectUpload(ctx, p, sessionID); err != nil {
			return err
		}
	}
	if d.State == UploadDone {
		return fault.New(fault.Conflict, "The upload is complete and has become a document. Archive the document instead.")
	}
	if d.Sending.SessionURL != "" {
		s.cancelResumable(ctx, d.Attempt, d.Sending.SessionURL)
	}
	return nil
}

// errNotArrived is for a session without an object.
func errNotArrived(d Direct) error {
	if d.Sending.Resumable() {
		return fault.New(fault.Conflict, "Not everything has arrived yet. Send the rest to uploadUrl first, then complete the upload.")
	}
	return fault.New(fault.Conflict, "Nothing has arrived yet. Send the file to uploadUrl first, then complete the upload.")
}

// errChanged is for an object that is not the one that was checked.
func errChanged() error {
	return fault.New(fault.Conflict, "The file was changed in the store while it was checked, so it was refused. Begin a new upload.")
}

// wantObject compares what the store says of an object with what was announced.
func (a Attempt) wantObject(obj blob.Object) error {
	switch want := a.Sending.CRC32C; {
	case obj.Size != a.DeclaredBytes:
		return fault.New(fault.BadUserInput, "The file has %d bytes, but %d were announced. Begin a new upload.", obj.Size, a.DeclaredBytes)
	case want != nil && *want != obj.CRC32C:
		return fault.New(fault.BadUserInput, "The file has the CRC32C %08x, but %08x was announced. Begin a new upload.", obj.CRC32C, *want)
	}
	return nil
}

// wantContent compares the bytes with what was announced.
func (a Attempt) wantContent(sum [32]byte) error {
	if want := a.Sending.SHA256; len(want) > 0 && [32]byte(want) != sum {
		return fault.New(fault.BadUserInput, "The file has the SHA-256 %x, but %x was announced. Begin a new upload.", sum, want)
	}
	return nil
}

// unchanged makes sure, as the last thing before the commit, that the object is still the one that was checked.
func (s *Service) unchanged(ctx context.Context, a Attempt, c Content) error {
	obj, err := s.Blobs.Stat(ctx, a.ObjectKey)
	switch {
	case errors.Is(err, blob.ErrNotFound):
		return errChanged()
	case err != nil:
		return err
	case obj.Generation != c.Generation || obj.Size != c.SizeBytes || obj.CRC32C != c.CRC32C:
		return errChanged()
	}
	return nil
}
