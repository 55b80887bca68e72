package document

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"math"
	"strconv"
	"time"

	"github.com/google/uuid"

	"dossier/internal/attribute"
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
	// Made is what is known of a document that this call has made; nil where an earlier use of the key did.
	Made *Made
	Errs fault.List
}

// Made is what is known of a document that an upload has just made, without reading it. It is in its general state: version 1,
// ACTIVE, with one content.
type Made struct {
	Title, FileName string
	Content         Content
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
	// src is the file when it was opened before.
	src *source
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
	u := &uploading{service: s, p: p, draft: draft, titles: titles, details: details, files: files, key: key}
	if err := u.prepare(ctx); err != nil {
		return nil, fault.Wrap("document.Upload", err)
	}
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
	// begun is the only file where it has begun already, opened where it was at least opened.
	begun  *arrival
	opened *source
}

// prepare asks where the files may go, or begins the only file without asking.
func (u *uploading) prepare(ctx context.Context) (err error) {
	if err := u.beginUnasked(ctx); err != nil || u.begun != nil || u.broken() {
		return err
	}
	u.target, err = u.service.target(ctx, u.p, u.draft.CustomerID, u.draft.AreaKey)
	u.details.AreaID = u.target.Area.ID
	return err
}

// broken says whether the body failed before the only file began. Nothing can be asked any more then: with its body net/http
// ends a request.
func (u *uploading) broken() bool { return u.opened != nil && u.opened.broken != nil }

// beginUnasked begins the usual upload, one file of known size for the general area, in one statement that holds all the
// conditions: whoever asks first what the account allows waits for the database once more. Where a condition does not hold
// nothing is begun, and asking finds out which.
func (u *uploading) beginUnasked(ctx context.Context) error {
	if len(u.files) != 1 || u.key != nil || u.draft.CustomerID == uuid.Nil || areaKey(u.draft.AreaKey) != attribute.GeneralKey {
		return nil
	}
	in, err := u.intake(0)
	if err != nil || in.file.SizeBound() < 0 {
		return nil //nolint:nilerr // whoever asks first comes to the same error
	}
	in.target = Target{CustomerID: u.draft.CustomerID, MaxFileBytes: math.MaxInt64, Area: GeneralArea(0), Quota: Quota{LimitBytes: math.MaxInt64}}
	u.opened = open(in.file)
	in.src = u.opened
	if in.src.broken != nil {
		return nil
	}
	ar := &arrival{intake: in}
	if ar.mediaType, err = checkHead(in.src, in); err != nil {
		return nil //nolint:nilerr // see above
	}
	if ar.reserve, err = u.service.reservation(in); err != nil {
		return nil //nolint:nilerr // see above
	}
	ar.attempt = u.service.attempt(u.p, in, ar.reserve)
	begun, most, ok, err := u.service.Store.BeginUnasked(ctx, u.p, ar.attempt)
	if err != nil || !ok {
		return withPath(err, in.path)
	}
	ar.begun, ar.target.MaxFileBytes, ar.reserve.most = begun, most, min(ar.reserve.most, most)
	u.begun = ar
	return nil
}

func (u *uploading) run(ctx context.Context) ([]UploadResult, error) {
	results := make([]UploadResult, len(u.files))
	for i, file := range u.files {
		// Only now: to ask a file of a request for its name means to want it, and those before it to be put aside.
		results[i].FileName, _ = cleanFileName(file.Name(), nil)
		made, err := u.one(ctx, i)
		results[i].Document, results[i].Made = made.id, made.made
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
func (u *uploading) one(ctx context.Context, i int) (received, error) {
	if u.begun != nil {
		return u.service.bring(ctx, u.p, u.begun)
	}
	in, err := u.intake(i)
	if err != nil {
		return received{}, err
	}
	if u.broken() {
		return received{}, brokenBody(ctx, u.opened, in.path)
	}
	in.target, in.src = u.target, u.opened
	return u.service.receive(ctx, u.p, in)
}

// intake is a file without its target.
func (u *uploading) intake(i int) (intake, error) {
	file, path := u.files[i], filePath(i)
	name, err := cleanFileName(file.Name(), path)
	if err != nil {
		return intake{}, err
	}
	// Each file has a use of the key of its own, so that a repeated request goes on where the first one broke.
	key, err := idempotency.New(uploadField+"["+strconv.Itoa(i)+"]", u.key, uploadInput{
		CustomerID: u.draft.CustomerID, Title: u.titles[i], ExpiresOn: u.draft.ExpiresOn, Files: len(u.files), FileName: name,
		DetailsDraft: u.draft.remembered(),
	})
	return intake{
		file: file, path: path, last: i == len(u.files)-1,
		fileName: name, title: titleOf(u.titles[i], name), expires: u.draft.ExpiresOn, details: u.details, key: key,
	}, err
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

// arrival is a file whose upload has begun.
type arrival struct {
	intake
	attempt   Attempt
	begun     Begun
	reserve   reservation
	mediaType string
}

// received is what became of a file.
type received struct {
	id   uuid.UUID
	made *Made
}

// receive takes one file in.
func (s *Service) receive(ctx context.Context, p auth.Principal, in intake) (received, error) {
	ar := &arrival{intake: in}
	var err error
	if ar.reserve, err = s.reservation(in); err != nil {
		return received{}, err
	}
	if ar.src == nil {
		ar.src = open(in.file)
	}
	if ar.src.broken != nil {
		return received{}, brokenBody(ctx, ar.src, in.path)
	}
	if ar.mediaType, err = checkHead(ar.src, in); err != nil {
		return received{}, err
	}
	ar.attempt = s.attempt(p, in, ar.reserve)
	if in.take != nil {
		ar.attempt.Mode = in.take.Mode
	}
	if ar.begun, err = s.Store.BeginUpload(ctx, p, ar.attempt); err != nil {
		return received{}, fault.Wrap("document.begin", withPath(err, in.path))
	}
	if ar.begun.Answer != nil {
		id, err := replay(ar.begun.Answer, ar.src)
		if ar.src.broken != nil {
			err = brokenBody(ctx, ar.src, in.path)
		}
		return received{id: id}, err
	}
	return s.bring(ctx, p, ar)
}

func (s *Service) attempt(p auth.Principal, in intake, reserve reservation) Attempt {
	return Attempt{
		ID: s.NewID(), Mode: ModeStream, CustomerID: in.target.CustomerID, DocumentID: in.of, ExpectedVersion: in.expected,
		ObjectKey: newKey(p), FileName: in.fileName, Title: in.title, ExpiresOn: in.expires, DeclaredBytes: -1,
		Details: in.details, MaxFiles: in.target.Area.MaxFiles, Patch: in.patch,
		WantBytes: reserve.want, NeedBytes: reserve.need, Lease: s.Limits.Lease, Key: in.key,
	}
}

// bring stores the bytes of an upload that has begun, and what is made of them.
func (s *Service) bring(ctx context.Context, p auth.Principal, ar *arrival) (received, error) {
	a, path := ar.attempt, ar.path
	finish := s.Store.CompleteUpload
	if ar.take != nil {
		finish = ar.take.Complete
	}
	s.at(pointBegun)
	ar.reserve.limit(ar.src, ar.begun, ar.intake)
	c, err := s.store(ctx, p, a, ar.src, ar.mediaType, path)
	if err == nil && ar.take != nil {
		err = s.scanTaken(ctx, p, a, c, path)
	}
	if err != nil {
		return received{}, err
	}
	id, err := s.complete(ctx, p, a, c, finish)
	r := received{id: id}
	if err == nil && id == c.DocumentID {
		r.made = &Made{Title: a.Title, FileName: a.FileName, Content: c}
	}
	return r, withPath(err, path)
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
