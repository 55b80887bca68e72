package blob

import "time"

// Granularity is what the length of every part of a resumable upload but the last is a multiple of. It is Google Cloud
// Storage's; the disk store keeps to it so that a client does not see which of the two it talks to.
const Granularity = 256 << 10

// MaxSession is the longest life of a resumable upload; it is the limit of Google Cloud Storage.
const MaxSession = 7 * 24 * time.Hour

// ResumableOptions are bound into a resumable upload when it begins.
type ResumableOptions struct {
	// ContentType is stored as SafeContentType makes it.
	ContentType string
	// Size is the exact number of bytes. It must be positive.
	Size int64
	// CRC32C, when it is known beforehand, must be that of the bytes.
	CRC32C *uint32
	// Origin is that of the page whose browser will send the bytes, "" for programs. A store with a server of its own
	// answers pages of no other origin.
	Origin string
	// Expires is counted from now, at most MaxSession.
	Expires time.Duration
}

// Resumable is an upload in parts that has begun. Whoever has the URL may send its bytes, ask how many have arrived, go on
// from there, and end it.
//
// The protocol is that of the resumable uploads of Google Cloud Storage:
//
//   - PUT with "Content-Range: bytes first-last/size" sends a part, the length of which is a multiple of Granularity unless it
//     is the last. 308 says in "Range: bytes=0-last" what is stored so far (no header: nothing), which can be less than
//     was sent; 200 or 201 that the object is complete. Bytes that are stored already may be sent again and are passed over.
//   - PUT without Content-Range sends everything at once, and can be resumed all the same.
//   - PUT with "Content-Range: bytes */size" and no body asks what is stored. After a connection that broke, and after an
//     answer with a status of 500 or more, a client asks this and goes on from there.
//   - DELETE ends the upload and throws away what has arrived; the answer is 499.
//   - 404 and 410 mean that the upload has ended or expired, every other 4xx that it cannot succeed: begin a new one.
type Resumable struct {
	URL string
	// Granularity is blob.Granularity.
	Granularity int64
	Expires     time.Time
}

// Normalize checks key and options and gives them as they are to be stored. Drivers call it first.
func (o ResumableOptions) Normalize(key string) (ResumableOptions, error) {
	if _, err := KeyAccount(key); err != nil {
		return o, err
	}
	if o.Size <= 0 {
		return o, Fail("blob.ResumableOptions", ErrInvalid, errSize)
	}
	if o.Expires < time.Second || o.Expires > MaxSession {
		return o, Fail("blob.ResumableOptions", ErrInvalid, errExpiry)
	}
	o.ContentType = SafeContentType(o.ContentType)
	return o, nil
}
