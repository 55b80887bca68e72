package blob

import (
	"errors"
	"time"
)

var (
	errDisposition = errors.New("content disposition is not an attachment")
	errMetadata    = errors.New("metadata key or value out of its alphabet")
	errSize        = errors.New("size is negative or missing")
	errExpiry      = errors.New("expiry is not positive or over the limit")
)

// Normalize checks key and options and gives them as they are to be stored. Drivers call it first.
func (o PutOptions) Normalize(key string) (PutOptions, error) {
	if _, err := KeyAccount(key); err != nil {
		return o, err
	}
	d, ok := disposition(o.ContentDisposition)
	if !ok {
		return o, Fail("blob.PutOptions", ErrInvalid, errDisposition)
	}
	if o.ExpectedSize < UnknownSize {
		return o, Fail("blob.PutOptions", ErrInvalid, errSize)
	}
	for k, v := range o.Metadata {
		if !metadataText(k, true) || !metadataText(v, false) {
			return o, Fail("blob.PutOptions", ErrInvalid, errMetadata)
		}
	}
	o.ContentDisposition = d
	o.ContentType = SafeContentType(o.ContentType)
	return o, nil
}

// Normalize checks key and options and gives them as they are to be signed. Drivers call it first.
func (o SignPutOptions) Normalize(key string) (SignPutOptions, error) {
	if _, err := KeyAccount(key); err != nil {
		return o, err
	}
	if o.MaxSize <= 0 {
		return o, Fail("blob.SignPutOptions", ErrInvalid, errSize)
	}
	if err := checkExpiry(o.Expires); err != nil {
		return o, err
	}
	o.ContentType = SafeContentType(o.ContentType)
	return o, nil
}

// Normalize checks key and options and gives them as they are to be signed. Drivers call it first.
func (o SignGetOptions) Normalize(key string) (SignGetOptions, error) {
	if _, err := KeyAccount(key); err != nil {
		return o, err
	}
	if err := checkExpiry(o.Expires); err != nil {
		return o, err
	}
	if o.ContentType != "" {
		o.ContentType = SafeContentType(o.ContentType)
	}
	return o, nil
}

// Resolve gives offset and length of the range in an object of the given size.
func (r Range) Resolve(size int64) (offset, length int64, err error) {
	if r.Offset < 0 || r.Length < 0 || r.Offset > 0 && r.Offset >= size {
		return 0, 0, Fail("blob.Range", ErrRange, nil)
	}
	rest := size - r.Offset
	if r.Length > 0 && r.Length < rest {
		rest = r.Length
	}
	return r.Offset, rest, nil
}

func checkExpiry(d time.Duration) error {
	// A second is the unit of both kinds of signature.
	if d < time.Second || d > MaxExpiry {
		return Fail("blob.Sign", ErrInvalid, errExpiry)
	}
	return nil
}

// metadataText keeps metadata to what survives as an HTTP header in every store.
func metadataText(s string, key bool) bool {
	if s == "" || len(s) > 256 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		ok := c > ' ' && c <= '~'
		if key {
			ok = 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-'
		}
		if !ok {
			return false
		}
	}
	return true
}
