package blob

import (
	"context"
	"io"
	"iter"
	"time"
)

// UnknownSize is the ExpectedSize of a body whose length is not known before its end.
const UnknownSize int64 = -1

// AnyGeneration as the generation of a Delete means whatever is stored under the key.
const AnyGeneration int64 = 0

// MaxExpiry is the longest life of a signed request; it is the limit of V4 signatures.
const MaxExpiry = 7 * 24 * time.Hour

// Store is an object store. Its methods are safe for concurrent use.
type Store interface {
	// Put streams src into a new object. It never overwrites: a key in use gives ErrExists. When src fails with anything
	// but io.EOF, or ends before or after opts.ExpectedSize, or its CRC32C is not opts.CRC32C, nothing becomes visible.
	// Put does not close src and may return before src is read to its end. A src.Read that blocks must end by itself
	// when ctx ends: Put looks at ctx between reads. A src that is an io.WriterTo is asked to write itself where that
	// saves a copy.
	Put(ctx context.Context, key string, src io.Reader, opts PutOptions) (Object, error)
	// Open reads an object, or the part of it that rng names. The caller closes the Reader.
	Open(ctx context.Context, key string, rng Range) (*Reader, error)
	// Stat describes an object.
	Stat(ctx context.Context, key string) (Object, error)
	// Delete removes the object if its generation is the given one (ErrGeneration otherwise); AnyGeneration skips the
	// check. A key without object gives ErrNotFound.
	Delete(ctx context.Context, key string, generation int64) error
	// List walks the objects in the order of their keys. After an error it stops; resume with ListOptions.After.
	List(ctx context.Context, opts ListOptions) iter.Seq2[Object, error]
	// SignPut lets the holder of the answer store one object under the key, without further rights, until it expires.
	SignPut(ctx context.Context, key string, opts SignPutOptions) (SignedRequest, error)
	// SignGet lets the holder of the answer read the object until it expires. It does not look whether the object exists.
	SignGet(ctx context.Context, key string, opts SignGetOptions) (SignedRequest, error)
	// StartResumable begins an upload that the holder of the answer sends in parts, without further rights, and resumes
	// when a connection breaks. Nothing is visible under the key before all bytes are there.
	StartResumable(ctx context.Context, key string, opts ResumableOptions) (Resumable, error)
	// CancelResumable ends an upload that StartResumable began with this URL and throws away what has arrived of it. One
	// that is complete, or has ended already, gives ErrNotFound.
	CancelResumable(ctx context.Context, key, url string) error
}

// Object describes a stored object.
type Object struct {
	Key string
	// Size is in bytes.
	Size int64
	// CRC32C is the checksum of the whole content (Castagnoli).
	CRC32C uint32
	// Generation is of this content: the same key deleted and written again has another one.
	Generation int64
	CreatedAt  time.Time
	// ContentType is what the store would serve it as: always a SafeContentType. List may leave it empty.
	ContentType string
	// Metadata is PutOptions.Metadata. List may leave it nil.
	Metadata map[string]string
}

// PutOptions say what is known about an object before its bytes are.
type PutOptions struct {
	// ContentType is stored as SafeContentType makes it.
	ContentType string
	// ContentDisposition is stored with the object; empty means "attachment". It must be of type attachment.
	ContentDisposition string
	// ExpectedSize is the exact number of bytes, or UnknownSize. The zero value announces an empty object.
	ExpectedSize int64
	// CRC32C, when it is known beforehand, must be that of the bytes.
	CRC32C *uint32
	// Metadata has lower-case keys of letters, digits and hyphens. It must hold nothing that a customer wrote.
	Metadata map[string]string
}

// Range is a part of an object. The zero Range is the whole object.
type Range struct {
	Offset int64
	// Length is the greatest number of bytes; 0 means up to the end.
	Length int64
}

// ListOptions restrict List.
type ListOptions struct {
	// Prefix of the keys; AccountPrefix gives an account's.
	Prefix string
	// After is a key: only greater keys are listed.
	After string
	// OlderThan leaves out what was created at or after it. Zero means no limit.
	OlderThan time.Time
}

// SignPutOptions are bound into a signed PUT: a request that differs in one of them is refused by the store.
type SignPutOptions struct {
	ContentType string
	// MaxSize is the greatest number of bytes that the store accepts. It must be positive.
	MaxSize int64
	// CRC32C, when it is known beforehand, must be that of the bytes.
	CRC32C *uint32
	// Expires is counted from now, at most MaxExpiry.
	Expires time.Duration
}

// SignGetOptions are bound into a signed GET.
type SignGetOptions struct {
	// Filename is offered to the user who saves the object. It may be anything; AttachmentDisposition makes it safe.
	Filename string
	// ContentType of the answer, as SafeContentType makes it; empty means the stored one.
	ContentType string
	// Expires is counted from now, at most MaxExpiry.
	Expires time.Duration
}

// SignedRequest is a request that anybody may send until Expires.
type SignedRequest struct {
	Method string
	URL    string
	// Header must be sent exactly so.
	Header  map[string]string
	Expires time.Time
}
