package document

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strconv"
	"time"

	"github.com/google/uuid"

	"dossier/internal/auth"
	"dossier/internal/fault"
	"dossier/internal/idempotency"
	"dossier/internal/typeid"
)

// UploadDraft is where uploaded files go.
type UploadDraft struct {
	CustomerID uuid.UUID
	// Titles in the order of the files; a nil or empty one, or one that is missing, is the file's name.
	Titles    []*string
	ExpiresOn *time.Time
	DetailsDraft
}

// UploadResult is what became of one file: a document, or errors.
type UploadResult struct {
	FileName string
	Document uuid.UUID
	Errs     fault.List
}

// intake is one file on its way in.
type intake struct {
	file   Incoming
	path   []string
	target Target
	// last says that nothing follows the file in the request, so that its bound is nearly its size.
	last     bool
	fileName string
	title    string
	expires  *time.Time
	details  Details
	key      *idempotency.Key
	// of is the document that gets a new content, of this version; patch is what else changes of it.
	of       uuid.UUID
	expected int
	patch    Patch
	// take says what becomes of a file that becomes no document; nil for one that does.
	take *Taking
}

// Upload stores files as new documents of a customer, one after the other, each by itself. Who may: DocumentsWrite.
//
// An error about one file is in its result and the next file is tried; when the request's body broke, that one fails for
// the same reason. An expected error of Upload itself (see fault.AsList) is about all files and nothing was tried. With
// any other error the results, when there are any, have one entry for each file and still tell which files were stored
// before it happened.
//
// A file that is an io.Closer is closed when nothing more is wanted of it, before the next one is asked for anything.
//
// With a key each file is stored once however often the request is repeated: files that were stored before are compared
// and give the same document, files that failed are tried again.
func (s *Service) Upload(ctx context.Context, p auth.Principal, draft UploadDraft, files []Incoming, key *string) ([]UploadResult, error) {
	if err := p.Require(auth.DocumentsWrite); err != nil {
		return nil, err
	}
	titles, details, err := draft.check(len(files))
	if err != nil {
		return nil, err
	}
	if _, err := idempotency.New(uploadField, key, nil); err != nil {
		return nil, err
	}
	target, err := s.target(ctx, p, draft.CustomerID, draft.AreaKey)
	if err != nil {
		return nil, fault.Wrap("document.Upload", err)
	}
	details.AreaID = target.Area.ID
	u := &uploading{service: s, p: p, draft: draft, titles: titles, details: details, files: files, key: key, target: target}
	return u.run(ctx)
}

// uploadField is the mutation, as keys are scoped to it.
const uploadField = "documentUpload"

// target says what may be uploaded to an area of a customer that takes new documents.
func (s *Service) target(ctx context.Context, p auth.Principal, customerID uuid.UUID, key *string) (Target, error) {
	target, err := s.Store.UploadTarget(ctx, p, customerID, areaKey(key))
	if err != nil {
		return target, withPath(err, []string{"input", "customerId"})
	}
	if target.Area.Key == "" {
		return target, errAreaUnknown(areaPath())
	}
	return target, target.Area.takesNew(areaPath())
}

func (d UploadDraft) check(files int) ([]string, Details, error) {
	var list fault.List
	add := func(err error) { list = append(list, fault.AsList(err)...) }
	if files == 0 {
		add(fault.At(fault.Required, []string{"files"}, "There is no file. Send at least one."))
	}
	if len(d.Titles) > files {
		add(fault.At(fault.BadUserInput, []string{"input", "titles"},
			"There are %d titles for %d files. Give at most one title per file.", len(d.Titles), files))
	}
	titles := make([]string, files)
	for i, title := range d.Titles {
		if title == nil || i >= files {
			continue
		}
		var err error
		titles[i], err = cleanTitle(*title, []string{"input", "titles", strconv.Itoa(i)})
		add(err)
	}
	add(checkDate(d.ExpiresOn, []string{"input", "expiresOn"}))
	details, err := d.clean()
	add(err)
	return titles, details, list.Err()
}

// uploading is one call of Upload.
type uploading struct {
	service *Service
	p       auth.Principal
	draft   UploadDraft
	titles  []string
	details Details
	files   []Incoming
	key     *string
	target  Target
}

func (u *uploading) run(ctx context.Context) ([]UploadResult, error) {
	results := make([]UploadResult, len(u.files))
	for i, file := range u.files {
		// Only now: to ask a file of a request for its name means to want it, and those before it to be put aside.
		results[i].FileName, _ = cleanFileName(file.Name(), nil)
		var err error
		results[i].Document, err = u.one(ctx, i)
		if c, ok := file.(io.Closer); ok {
			_ = c.Close() // nothing can be lost: what was wanted of it was read
		}
		switch list := fault.AsList(err); {
		case err == nil:
		case i == 0 && fault.CodeOf(err) == fault.IdempotencyKeyReused:
			// The key belongs to the request, so the request is refused, not its first file.
			return nil, err
		case list == nil:
			abandon(results, i)
			return results, err
		default:
			results[i].Errs = list
		}
	}
	return results, nil
}

// abandon gives the files from the first on an error that will not be tried any more.
func abandon(results []UploadResult, first int) {
	for i := first; i < len(results); i++ {
		if results[i].FileName == "" {
			results[i].FileName = noName
		}
		results[i].Errs = fault.List{fault.At(fault.Unavailable, filePath(i),
			"The file was not stored, because the request failed or was cancelled. Upload it again.")}
	}
}

// one stores one file.
func (u *uploading) one(ctx context.Context, i int) (uuid.UUID, error) {
	file, path := u.files[i], filePath(i)
	name, err := cleanFileName(file.Name(), path)
	if err != nil {
		return uuid.Nil, err
	}
	// Each file has a use of the key of its own, so that a repeated request goes on where the first one broke.
	key, err := idempotency.New(uploadField+"["+strconv.Itoa(i)+"]", u.key, uploadInput{
		CustomerID: u.draft.CustomerID, Title: u.titles[i], ExpiresOn: u.draft.ExpiresOn, Files: len(u.files), FileName: name,
		DetailsDraft: u.draft.remembered(),
	})
	if err != nil {
		return uuid.Nil, err
	}
	return u.service.receive(ctx, u.p, intake{
		file: file, path: path, target: u.target, last: i == len(u.files)-1,
		fileName: name, title: titleOf(u.titles[i], name), expires: u.draft.ExpiresOn, details: u.details, key: key,
	})
}

// uploadInput is what a key of Upload remembers; the content is compared by its hash.
type uploadInput struct {
	CustomerID uuid.UUID
	Title      string
	ExpiresOn  *time.Time
	Files      int
	FileName   string
	DetailsDraft
}

// receive takes one file in.
func (s *Service) receive(ctx context.Context, p auth.Principal, in intake) (uuid.UUID, error) {
	reserve, err := s.reservation(in)
	if err != nil {
		return uuid.Nil, err
	}
	src := open(in.file)
	if src.broken != nil {
		return uuid.Nil, brokenBody(ctx, src, in.path)
	}
	mediaType, err := checkHead(src, in)
	if err != nil {
		return uuid.Nil, err
	}
	a := Attempt{
		ID: s.NewID(), Mode: ModeStream, CustomerID: in.target.CustomerID, DocumentID: in.of, ExpectedVersion: in.expected,
		ObjectKey: newKey(p), FileName: in.fileName, Title: in.title, ExpiresOn: in.expires, DeclaredBytes: -1,
		Details: in.details, MaxFiles: in.target.Area.MaxFiles, Patch: in.patch,
		WantBytes: reserve.want, NeedBytes: reserve.need, Lease: s.Limits.Lease, Key: in.key,
	}
	finish := s.Store.CompleteUpload
	if in.take != nil {
		a.Mode, finish = in.take.Mode, in.take.Complete
	}
	begun, err := s.Store.BeginUpload(ctx, p, a)
	if err != nil {
		return uuid.Nil, fault.Wrap("document.begin", withPath(err, in.path))
	}
	if begun.Answer != nil {
		id, err := replay(begun.Answer, src)
		if src.broken != nil {
			err = brokenBody(ctx, src, in.path)
		}
		return id, err
	}
	s.at(pointBegun)
	reserve.limit(src, begun, in)
	c, err := s.store(ctx, p, a, src, mediaType, in.path)
	if err == nil && in.take != nil {
		err = s.scanTaken(ctx, p, a, c, in.path)
	}
	if err != nil {
		return uuid.Nil, err
	}
	id, err := s.complete(ctx, p, a, c, finish)
	return id, withPath(err, in.path)
}

// checkHead looks at the first bytes of a file: it must not be empty and be of a type that is accepted where it goes.
//
// An empty file is refused: what arrives with 0 bytes in a customer's file is a failed scan or export, and it should be
// found out by the person who uploads it, not by the one who needs it later.
func checkHead(src *source, in intake) (mediaType string, err error) {
	if len(src.head) == 0 && src.ended() {
		return "", fault.At(fault.BadUserInput, in.path, "The file is empty. Choose a file with content.")
	}
	if in.take != nil {
		return in.take.ContentType, nil
	}
	claim := ""
	if in.file != nil {
		claim = in.file.DeclaredType()
	}
	return checkFile(src.head, in.fileName, claim, in.target.Area.Accept, in.path)
}

// brokenBody is the error for a file that ended in a failure: of the client, or of the request as a whole.
//
// What the reader says comes first: net/http cancels the request whenever its body cannot be read, also when the client
// was only too slow and waits for the answer.
func brokenBody(ctx context.Context, src *source, path []string) error {
	var told *fault.Error
	if ctx.Err() != nil && !errors.As(src.broken, &told) {
		return fault.Wrap("document.receive", context.Cause(ctx))
	}
	return errBroken(src.broken, path)
}

// Answers under the key of a streamed upload hold the document and the content, so that a repeated upload can be
// compared with the first.
func answerOf(c Content) []byte {
	b := make([]byte, 0, 16+8+32)
	b = append(b, c.DocumentID[:]...)
	for shift := 56; shift >= 0; shift -= 8 {
		b = append(b, byte(c.SizeBytes>>shift))
	}
	return append(b, c.SHA256[:]...)
}

// replay gives the document that an earlier use of the key made, if the file is the same.
func replay(answer []byte, src *source) (uuid.UUID, error) {
	if len(answer) != 16+8+32 {
		return uuid.Nil, fault.Wrap("document.replay", errors.New("the stored answer is of another kind"))
	}
	var size int64
	for _, b := range answer[16:24] {
		size = size<<8 | int64(b)
	}
	src.stopAt(size, idempotency.Reused())
	buf := make([]byte, 64<<10)
	for {
		_, err := src.Read(buf)
		if err != nil && src.broken == nil && src.size <= size {
			break
		}
		if err != nil {
			return uuid.Nil, err
		}
	}
	if sum := src.sum(); src.size != size || string(sum[:]) != string(answer[24:]) {
		return uuid.Nil, idempotency.Reused()
	}
	return uuid.UUID(answer[:16]), nil
}

// finisher is the second transaction of an upload: CompleteUpload of the Store, or one that behaves like it.
type finisher = func(ctx context.Context, p auth.Principal, a Attempt, c Content) (uuid.UUID, error)

// complete runs the second transaction and makes sure of its outcome.
func (s *Service) complete(ctx context.Context, p auth.Principal, a Attempt, c Content, finish finisher) (uuid.UUID, error) {
	// From here on the upload is worth keeping even if the client is gone: it may ask again with its key.
	outer := ctx
	ctx, cancel := detached(ctx)
	defer cancel()
	var id uuid.UUID
	var err error
	for range 3 {
		id, err = finish(ctx, p, a, c)
		if !errors.Is(err, ErrOutcomeUnknown) {
			break
		}
	}
	switch {
	case err == nil:
		s.at(pointComplete)
		if c.Hold || c.Preview {
			s.Wake()
		}
		return id, nil
	case errors.Is(err, ErrOutcomeUnknown):
		// Nothing may be undone: the document may be there. The sweeper decides after the lease.
		s.Log.WarnContext(ctx, "the outcome of an upload is not known",
			slog.String("upload", typeid.Format(typeid.UploadSession, a.ID)), slog.Any("cause", err))
	default:
		s.giveUp(outer, a, func(ctx context.Context) error { return s.Store.FailUpload(ctx, p, a, true) })
	}
	return uuid.Nil, fault.Wrap("document.complete", err)
}
