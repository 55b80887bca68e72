package document

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"

	"github.com/google/uuid"

	"dossier/internal/auth"
	"dossier/internal/blob"
	"dossier/internal/fault"
	"dossier/internal/thumbnail"
)

// ImageStore keeps the pictures of customers. Each method is one short transaction of p's account.
type ImageStore interface {
	// ImageTarget says what picture a customer may get, or VERSION_CONFLICT. A customer of another account is NOT_FOUND
	// at ["id"].
	ImageTarget(ctx context.Context, p auth.Principal, customerID uuid.UUID, expectedVersion int) (Target, error)
	// CompleteImage makes the uploads of the picture DONE and everything that follows from it, or nothing: the picture
	// that was there is deleted, its objects are garbage and its storage is given back. Calling it again after it was
	// committed does nothing. ErrLeaseLost and ErrOutcomeUnknown as in Store.CompleteUpload.
	CompleteImage(ctx context.Context, p auth.Principal, image Image) error
	// RemoveImage deletes the picture of a customer, if there is one.
	RemoveImage(ctx context.Context, p auth.Principal, customerID uuid.UUID, expectedVersion int) error
	// ImageFile gives one object of a picture. It asks for no principal: the link is the credential.
	ImageFile(ctx context.Context, accountID, imageID uuid.UUID, variant string) (Download, error)
}

// MaxImageBytes is the most bytes of a picture, whatever the account allows for files: it is decoded in memory.
const MaxImageBytes = 20_000_000

// The variants of a picture, as they are stored.
const (
	ImageOriginal  = "ORIGINAL"
	ImagePreview   = "PREVIEW"
	ImageThumbnail = "THUMBNAIL"
)

// The sides of the squares that the small pictures fit into.
const (
	previewSide   = 256
	thumbnailSide = 64
)

// imageTypes is the media types that a picture may have; an animated PNG is one, too.
var imageTypes = []string{"image/png", "image/apng", "image/jpeg", "image/gif", "image/webp"}

// Image is a picture whose objects are in the object store.
type Image struct {
	ID              uuid.UUID
	CustomerID      uuid.UUID
	ExpectedVersion int
	FileName        string
	// Width and Height are as it is shown.
	Width, Height int
	// Files are its objects, the original first.
	Files []ImageFile
}

// ImageFile is one object of a picture, and the upload that brought it in.
type ImageFile struct {
	Variant string
	Attempt Attempt
	Content Content
}

// picturing is one call of ImageSet: what has begun and must be given up when it comes to nothing.
type picturing struct {
	service *Service
	p       auth.Principal
	image   Image
	path    []string
}

// ImageSet gives a customer a picture. The original is streamed into the object store like a document's content. Then it
// is scanned where there is a scanner, read from there and made small, with no connection held and few pictures at a time; one that cannot be made small is
// refused, so that a picture that is there can always be shown. Who may: CustomersWrite.
func (s *Service) ImageSet(ctx context.Context, p auth.Principal, customerID uuid.UUID, expectedVersion int, file Incoming) error {
	if err := p.Require(auth.CustomersWrite); err != nil {
		return err
	}
	path := []string{"file"}
	name, err := cleanFileName(file.Name(), path)
	if err != nil {
		return err
	}
	target, err := s.Images.ImageTarget(ctx, p, customerID, expectedVersion)
	if err != nil {
		return fault.Wrap("document.ImageSet", err)
	}
	target.MaxFileBytes = min(target.MaxFileBytes, MaxImageBytes)
	c := &picturing{service: s, p: p, path: path, image: Image{
		ID: s.NewID(), CustomerID: customerID, ExpectedVersion: expectedVersion, FileName: name,
	}}
	err = c.receive(ctx, intake{file: file, path: path, target: target, last: true, fileName: name})
	return fault.Wrap("document.ImageSet", err)
}

// ImageRemove deletes the picture of a customer. A customer without one stays as it is, whatever version is expected, so
// that a retry succeeds. Who may: CustomersWrite.
func (s *Service) ImageRemove(ctx context.Context, p auth.Principal, customerID uuid.UUID, expectedVersion int) error {
	if err := p.Require(auth.CustomersWrite); err != nil {
		return err
	}
	return fault.Wrap("document.ImageRemove", s.Images.RemoveImage(ctx, p, customerID, expectedVersion))
}

func (c *picturing) receive(ctx context.Context, in intake) error {
	s := c.service
	reserve, err := s.reservation(in)
	if err != nil {
		return err
	}
	src := open(in.file)
	if src.broken != nil {
		return brokenBody(ctx, src, in.path)
	}
	mediaType, err := checkImageHead(src, in.path)
	if err != nil {
		return err
	}
	a := c.attempt()
	a.WantBytes, a.NeedBytes = reserve.want, reserve.need
	begun, err := s.Store.BeginUpload(ctx, c.p, a)
	if err != nil {
		return fault.Wrap("document.begin", withPath(err, in.path))
	}
	s.at(pointBegun)
	reserve.limit(src, begun, in)
	content, err := s.store(ctx, c.p, a, src, mediaType, in.path)
	if err != nil {
		return err
	}
	c.image.Files = []ImageFile{{ImageOriginal, a, content}}
	err = s.scanNow(ctx, c.p, a, content, in.path)
	if err == nil {
		err = c.shrink(ctx)
	}
	if err != nil {
		c.giveUp(ctx)
		return withPath(err, in.path)
	}
	s.at(pointShrunk)
	return withPath(c.complete(ctx), in.path)
}

// attempt is the upload of one of the picture's objects.
func (c *picturing) attempt() Attempt {
	return Attempt{
		ID: c.service.NewID(), Mode: ModeStream, CustomerID: c.image.CustomerID, ObjectKey: newKey(c.p), FileName: c.image.FileName,
		DeclaredBytes: -1, Lease: c.service.Limits.Lease,
	}
}

// checkImageHead refuses what is no picture by its first bytes, and one that is too large already there if they tell.
func checkImageHead(src *source, path []string) (mediaType string, err error) {
	if len(src.head) == 0 && src.ended() {
		return "", fault.At(fault.BadUserInput, path, "The file is empty. Choose a file with content.")
	}
	mediaType = detect(src.head)
	if !Accepts(imageTypes, mediaType) {
		return "", errUnsupported(mediaType, imageTypes, path, "The content of the file is %s, which is not accepted as a picture, "+
			"whatever its name says. Accepted are PNG, JPEG, GIF and WebP.", describe(mediaType))
	}
	var large *thumbnail.TooLargeError
	if _, err := thumbnail.Inspect(src.head); errors.As(err, &large) {
		return "", imageError(err, path)
	}
	return strings.Replace(mediaType, "image/apng", "image/png", 1), nil
}

// shrink makes the small pictures of the original and stores them. The lease of the original is kept meanwhile.
func (c *picturing) shrink(ctx context.Context) error {
	s, original := c.service, c.image.Files[0]
	kept, stop := s.keepAlive(ctx, c.p, original.Attempt)
	info, small, err := s.Thumbnails.Make(kept, func(ctx context.Context) ([]byte, error) { return s.read(ctx, original) }, previewSide, thumbnailSide)
	for i, variant := range []string{ImagePreview, ImageThumbnail} {
		if err == nil {
			err = c.keep(kept, variant, small[i])
		}
	}
	c.image.Width, c.image.Height = info.Width, info.Height
	if lost := stop(); lost {
		return ErrLease()
	}
	return imageError(err, c.path)
}

// read reads an object as it was written, which is bounded by MaxImageBytes.
func (s *Service) read(ctx context.Context, f ImageFile) ([]byte, error) {
	r, err := s.Blobs.Open(ctx, f.Attempt.ObjectKey, blob.Range{})
	if err != nil {
		return nil, err
	}
	defer r.Close() //nolint:errcheck // it was only read
	content := make([]byte, f.Content.SizeBytes)
	if _, err := io.ReadFull(r, content); err != nil {
		return nil, err
	}
	return content, nil
}

// keep stores a small picture, as an upload of its own: its bytes are reserved before it is written, and the sweeper knows
// the object whatever happens.
func (c *picturing) keep(ctx context.Context, variant string, t thumbnail.Thumbnail) error {
	s, a, size := c.service, c.attempt(), int64(len(t.Bytes))
	a.WantBytes, a.NeedBytes = size, size
	if _, err := s.Store.BeginUpload(ctx, c.p, a); err != nil {
		return err
	}
	c.image.Files = append(c.image.Files, ImageFile{Variant: variant, Attempt: a})
	obj, err := s.Blobs.Put(ctx, a.ObjectKey, bytes.NewReader(t.Bytes), blob.PutOptions{
		ContentType: t.ContentType, ExpectedSize: size, Metadata: map[string]string{"upload": a.ID.String()},
	})
	if err != nil {
		return err
	}
	c.image.Files[len(c.image.Files)-1].Content = Content{
		ContentType: t.ContentType, SizeBytes: size, CRC32C: obj.CRC32C, Generation: obj.Generation,
	}
	return nil
}

func (c *picturing) giveUp(ctx context.Context) {
	for _, f := range c.image.Files {
		c.service.giveUp(ctx, f.Attempt, func(ctx context.Context) error {
			return c.service.Store.FailUpload(ctx, c.p, f.Attempt, true)
		})
	}
}

// complete is Service.complete for all objects of the picture.
func (c *picturing) complete(ctx context.Context) error {
	s, outer := c.service, ctx
	ctx, cancel := detached(ctx)
	defer cancel()
	var err error
	for range 3 {
		if err = s.Images.CompleteImage(ctx, c.p, c.image); !errors.Is(err, ErrOutcomeUnknown) {
			break
		}
	}
	switch {
	case err == nil:
		s.at(pointComplete)
		return nil
	case errors.Is(err, ErrOutcomeUnknown):
		// Nothing may be undone: the picture may be there. The sweeper decides after the lease.
		s.Log.WarnContext(ctx, "the outcome of the upload of a picture is not known", slog.Any("cause", err))
	default:
		c.giveUp(outer)
	}
	return fault.Wrap("document.completeImage", err)
}

// imageError says in the client's words why a picture was not made small.
func imageError(err error, path []string) error {
	var large *thumbnail.TooLargeError
	switch {
	case errors.As(err, &large):
		return fault.At(fault.BadUserInput, path, "The picture has %d x %d pixels, which is too much: at most %d megapixels, and %d pixels in "+
			"width and height, are accepted. Make it smaller.", large.Width, large.Height, thumbnail.MaxPixels/1_000_000, thumbnail.MaxSide)
	case errors.Is(err, thumbnail.ErrUnreadable):
		e := fault.At(fault.BadUserInput, path, "The picture cannot be read: it is damaged, or of a kind that is not supported, such as an "+
			"animated WebP. Save it as PNG or JPEG and upload it again.")
		e.Err = err
		return e
	case errors.Is(err, thumbnail.ErrBusy):
		e := fault.At(fault.Unavailable, path, "Too many pictures are being uploaded at the moment, so nothing of this one was kept. Upload it again later.")
		e.Err = err
		return e
	}
	return err
}
