package document

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"dossier/internal/auth"
	"dossier/internal/blob"
	"dossier/internal/fault"
	"dossier/internal/idempotency"
)

// BeginDraft is a file that will be sent straight to the object store.
type BeginDraft struct {
	CustomerID uuid.UUID
	FileName   string
	SizeBytes  int64
	Title      *string
	ExpiresOn  *time.Time
	// Method is MethodPut, MethodResumable or "", which is MethodPut.
	Method string `json:",omitempty"`
	// ContentType is what the client takes the file for; it counts as Incoming.DeclaredType does.
	ContentType *string `json:",omitempty"`
	// CRC32C and SHA256 are of the bytes, in hexadecimal, where the client knows them.
	CRC32C *string `json:",omitempty"`
	SHA256 *string `json:",omitempty"`
	// Origin is that of the page whose browser will send the bytes, nil for programs. It is no part of the input.
	Origin *string `json:"-"`
	DetailsDraft
}

// Session is an upload that has begun: send the bytes to URL, then call UploadComplete.
type Session struct {
	ID uuid.UUID
	// Method is the HTTP method.
	Method  string
	URL     string
	Headers map[string]string
	// Resumable says that the bytes are sent with the protocol of blob.Resumable, in parts of a multiple of PartBytes.
	Resumable bool
	PartBytes int64
	// ExpiresAt is until when it can be completed.
	ExpiresAt time.Time
}

const beginField = "documentUploadBegin"

// UploadBegin reserves the space for a file and gives a signed request to send it with. Who may: DocumentsWrite.
func (s *Service) UploadBegin(ctx context.Context, p auth.Principal, draft BeginDraft, key *string) (Session, error) {
	if err := p.Require(auth.DocumentsWrite); err != nil {
		return Session{}, err
	}
	input := draft
	input.DetailsDraft = draft.remembered()
	if input.Method == MethodPut {
		input.Method = "" // so that it is the same input as when nothing is said
	}
	k, err := idempotency.New(beginField, key, input)
	if err != nil {
		return Session{}, err
	}
	title, details, sending, err := draft.check()
	if err != nil {
		return Session{}, err
	}
	target, err := s.target(ctx, p, draft.CustomerID, draft.AreaKey)
	if err != nil {
		return Session{}, fault.Wrap("document.UploadBegin", err)
	}
	details.AreaID = target.Area.ID
	sizePath := []string{"input", "sizeBytes"}
	if draft.SizeBytes > target.MaxFileBytes {
		return Session{}, errTooLarge(target.MaxFileBytes, sizePath)
	}
	if err := checkName(draft.FileName, textOf(draft.ContentType), octetStream, target.Area.Accept, []string{"input", "fileName"}); err != nil {
		return Session{}, err
	}
	a := Attempt{
		ID: s.NewID(), Mode: ModeDirect, CustomerID: draft.CustomerID, ObjectKey: newKey(p), FileName: draft.FileName,
		Title: titleOf(title, draft.FileName), ExpiresOn: draft.ExpiresOn, DeclaredBytes: draft.SizeBytes,
		Details: details, MaxFiles: target.Area.MaxFiles, Sending: sending,
		WantBytes: draft.SizeBytes, NeedBytes: draft.SizeBytes, Lease: s.Limits.SessionTime(draft.SizeBytes), Key: k,
	}
	begun, err := s.Store.BeginUpload(ctx, p, a)
	if errors.Is(err, errFull) {
		err = withPath(err, areaPath())
	}
	if err != nil {
		return Session{}, fault.Wrap("document.UploadBegin", withPath(err, sizePath))
	}
	if begun.Answer != nil {
		return s.resume(ctx, p, begun.Answer, draft.Origin)
	}
	session, err := s.session(ctx, p, a, begun.LeaseUntil, draft.Origin)
	if err != nil && k == nil {
		// With a key the client may ask again for this session; without one nobody ever does.
		s.giveUp(ctx, a, func(ctx context.Context) error { return s.Store.FailUpload(ctx, p, a, false) })
	}
	return session, err
}

// textOf is the text, "" for none.
func textOf(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func (d *BeginDraft) check() (title string, details Details, sending Sending, err error) {
	var list fault.List
	name, err := cleanFileName(d.FileName, []string{"input", "fileName"})
	list = append(list, fault.AsList(err)...)
	d.FileName = name
	if d.SizeBytes <= 0 {
		list = append(list, fault.At(fault.BadUserInput, []string{"input", "sizeBytes"}, "The size must be the exact number of bytes, at least 1."))
	}
	if d.Title != nil {
		title, err = cleanTitle(*d.Title, []string{"input", "title"})
		list = append(list, fault.AsList(err)...)
	}
	list = append(list, fault.AsList(checkDate(d.ExpiresOn, []string{"input", "expiresOn"}))...)
	details, err = d.clean()
	list = append(list, fault.AsList(err)...)
	sending, wrong := d.sending()
	return title, details, sending, append(list, wrong...).Err()
}

// resume gives the session that an earlier use of the key began.
func (s *Service) resume(ctx context.Context, p auth.Principal, answer []byte, origin *string) (Session, error) {
	id, err := uuid.FromBytes(answer)
	if err != nil {
		return Session{}, fault.Wrap("document.UploadBegin", err)
	}
	d, err := s.Store.DirectUpload(ctx, p, id)
	if err != nil {
		return Session{}, fault.Wrap("document.UploadBegin", err)
	}
	if d.State == UploadFailed || d.State == UploadPending && d.Expired {
		return Session{}, fault.At(fault.Conflict, []string{idempotency.Argument},
			"The upload that was begun with this key has ended. Begin a new one with a new key.")
	}
	return s.session(ctx, p, d.Attempt, d.LeaseUntil, origin)
}

// session gives what to send the bytes with. It can be used until the session ends, and the store takes one object and no
// more.
func (s *Service) session(ctx context.Context, p auth.Principal, a Attempt, until time.Time, origin *string) (Session, error) {
	if a.Sending.Resumable() {
		return s.resumable(ctx, p, a, until, origin)
	}
	req, err := s.Blobs.SignPut(ctx, a.ObjectKey, blob.SignPutOptions{
		ContentType: blob.OctetStream, MaxSize: a.DeclaredBytes, CRC32C: a.Sending.CRC32C, Expires: max(until.Sub(s.Now()), time.Second),
	})
	if err != nil {
		return Session{}, fault.Wrap("document.session", err)
	}
	return Session{ID: a.ID, Method: req.Method, URL: req.URL, Headers: req.Header, ExpiresAt: until}, nil
}

// UploadComplete checks what was sent and makes the document. Called again it gives the same document. Who may:
// DocumentsWrite.
func (s *Service) UploadComplete(ctx context.Context, p auth.Principal, sessionID uuid.UUID) (uuid.UUID, error) {
	if err := p.Require(auth.DocumentsWrite); err != nil {
		return uuid.Nil, err
	}
	id, err := s.completing.do(flightKey{p.AccountID, sessionID}, func() (uuid.UUID, error) {
		// To read a large object can take longer than a client, or a proxy before it, waits. The work goes on without them,
		// and who asks again joins it or finds it done. What hangs ends by the lease or the store's own limits.
		return s.uploadComplete(context.WithoutCancel(ctx), p, sessionID)
	})
	return id, fault.Wrap("document.UploadComplete", withPath(err, sessionPath()))
}

func sessionPath() []string { return []string{"uploadSessionId"} }

func (s *Service) uploadComplete(ctx context.Context, p auth.Principal, sessionID uuid.UUID) (uuid.UUID, error) {
	d, err := s.Store.DirectUpload(ctx, p, sessionID)
	switch {
	case err != nil:
		return uuid.Nil, err
	case d.State == UploadDone:
		return d.DocumentID, nil
	case d.State != UploadPending || d.Expired:
		return uuid.Nil, errSessionEnded()
	}
	d.Lease = s.Limits.Lease
	a := d.Attempt
	// Reading a large object can take longer than what is left of the session.
	if err := s.Store.ExtendUpload(ctx, p, a, a.Lease); err != nil {
		return s.settled(ctx, p, a, err)
	}
	obj, err := s.Blobs.Stat(ctx, a.ObjectKey)
	if errors.Is(err, blob.ErrNotFound) {
		return uuid.Nil, errNotArrived(d)
	}
	if err != nil {
		return uuid.Nil, err
	}
	if err := a.wantObject(obj); err != nil {
		return s.refuse(ctx, p, a, err)
	}
	c, err := s.inspect(ctx, p, d, obj)
	if err == nil {
		err = s.unchanged(ctx, a, c)
	}
	if fault.CodeOf(err).Expected() && !errors.Is(err, ErrLeaseLost) {
		return s.refuse(ctx, p, a, err)
	}
	if err != nil {
		return s.settled(ctx, p, a, err)
	}
	s.at(pointStored)
	id, err := s.complete(ctx, p, a, c, s.Store.CompleteUpload)
	if errors.Is(err, ErrLeaseLost) {
		return s.settled(ctx, p, a, err)
	}
	return id, err
}

func errSessionEnded() error {
	return fault.New(fault.Conflict, "The upload session has ended. Begin a new upload.")
}

// settled is for a session that was lost meanwhile: perhaps to another call of UploadComplete, which made the document.
func (s *Service) settled(ctx context.Context, p auth.Principal, a Attempt, err error) (uuid.UUID, error) {
	if !errors.Is(err, ErrLeaseLost) {
		return uuid.Nil, err
	}
	d, lookErr := s.Store.DirectUpload(ctx, p, a.ID)
	if lookErr == nil && d.State == UploadDone {
		return d.DocumentID, nil
	}
	return uuid.Nil, errSessionEnded()
}

// refuse ends a session whose object can never become a document: it cannot be written again.
func (s *Service) refuse(ctx context.Context, p auth.Principal, a Attempt, err error) (uuid.UUID, error) {
	s.giveUp(ctx, a, func(ctx context.Context) error { return s.Store.FailUpload(ctx, p, a, true) })
	return uuid.Nil, err
}

// inspectBuffer is what an object is read with.
const inspectBuffer = 256 << 10

// inspect reads the object once, from the store, and gives what it is.
func (s *Service) inspect(ctx context.Context, p auth.Principal, d Direct, obj blob.Object) (Content, error) {
	a := d.Attempt
	kept, stop := s.keepAlive(ctx, p, a)
	defer stop()
	r, err := s.Blobs.Open(kept, a.ObjectKey, blob.Range{})
	if err != nil {
		return Content{}, hideNotFound(err)
	}
	defer func() { _ = r.Close() }() // reading only: nothing can be lost
	if r.Object.Generation != obj.Generation {
		return Content{}, errChanged()
	}
	src := open(r)
	src.checked = true
	var mediaType string
	if src.broken == nil {
		in := intake{path: sessionPath(), fileName: d.FileName, target: Target{Area: Area{Accept: d.Accept, Key: d.AreaKey}}}
		if mediaType, err = checkHead(src, in); err != nil {
			return Content{}, err
		}
	}
	for buf := make([]byte, inspectBuffer); src.broken == nil; {
		if _, err := src.Read(buf); err != nil {
			break
		}
		if errors.Is(context.Cause(kept), ErrLeaseLost) {
			return Content{}, ErrLease()
		}
		if err := ctx.Err(); err != nil {
			return Content{}, err
		}
	}
	switch {
	case src.broken != nil:
		return Content{}, hideNotFound(src.broken)
	case src.size != obj.Size || src.crc != obj.CRC32C:
		return Content{}, errDamaged()
	}
	if err := a.wantContent(src.sum()); err != nil {
		return Content{}, err
	}
	return s.checks(src, Content{
		DocumentID: s.NewID(), VersionID: s.NewID(), ContentType: mediaType, SizeBytes: src.size,
		SHA256: src.sum(), CRC32C: src.crc, Generation: obj.Generation,
	}), nil
}

// hideNotFound: an object that was there a moment ago and is not now is a failure of the store, not of the client.
func hideNotFound(err error) error {
	if !fault.CodeOf(err).Expected() {
		return err
	}
	return &fault.Error{Code: fault.Unavailable, Message: "The file storage did not answer as expected. Try again.", Err: err}
}
