package disk

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"dossier/internal/blob"
)

// The parameters of a signed URL. Everything that the request may do is in them, and all of them are signed.
const (
	paramMethod      = "m"
	paramExpires     = "e"
	paramType        = "t"
	paramDisposition = "d"
	paramMaxSize     = "n"
	paramCRC         = "c"
	paramSignature   = "s"
)

// deriveKey makes the key of this use from the configured one, so that a signature made elsewhere with the same
// secret never passes here.
func deriveKey(secret []byte) []byte {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte("dossier/internal/blob/disk signed URL 1"))
	return mac.Sum(nil)
}

// SignPut lets the holder of the answer store one object under the key.
func (s *Store) SignPut(_ context.Context, key string, opts blob.SignPutOptions) (blob.SignedRequest, error) {
	opts, err := opts.Normalize(key)
	if err != nil {
		return blob.SignedRequest{}, err
	}
	params := url.Values{
		paramType:    {opts.ContentType},
		paramMaxSize: {strconv.FormatInt(opts.MaxSize, 10)},
	}
	if opts.CRC32C != nil {
		params.Set(paramCRC, strconv.FormatUint(uint64(*opts.CRC32C), 16))
	}
	req := s.signed(http.MethodPut, key, params, opts.Expires)
	req.Header = map[string]string{"Content-Type": opts.ContentType}
	return req, nil
}

// SignGet lets the holder of the answer read the object.
func (s *Store) SignGet(_ context.Context, key string, opts blob.SignGetOptions) (blob.SignedRequest, error) {
	opts, err := opts.Normalize(key)
	if err != nil {
		return blob.SignedRequest{}, err
	}
	params := url.Values{paramDisposition: {blob.AttachmentDisposition(opts.Filename)}}
	if opts.ContentType != "" {
		params.Set(paramType, opts.ContentType)
	}
	return s.signed(http.MethodGet, key, params, opts.Expires), nil
}

func (s *Store) signed(method, key string, params url.Values, life time.Duration) blob.SignedRequest {
	expires := s.now().Add(life).Truncate(time.Second)
	params.Set(paramMethod, method)
	params.Set(paramExpires, strconv.FormatInt(expires.Unix(), 10))
	params.Set(paramSignature, s.signature(key, params))
	return blob.SignedRequest{
		Method: method, URL: s.base.String() + "/" + key + "?" + params.Encode(), Expires: expires,
	}
}

// signature is over the key and all other parameters. Encode sorts and escapes, so two different requests never have
// the same text, and a parameter that is added or repeated changes it.
func (s *Store) signature(key string, params url.Values) string {
	mac := hmac.New(sha256.New, s.key)
	rest := make(url.Values, len(params))
	for name, values := range params {
		if name != paramSignature {
			rest[name] = values
		}
	}
	fmt.Fprintf(mac, "%s?%s", key, rest.Encode())
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// verify says whether the parameters are ones that signed gave out for the key and method and that have not expired.
func (s *Store) verify(method, key string, params url.Values) bool {
	given := params[paramSignature]
	if len(given) != 1 {
		return false
	}
	// SECURITY: constant time, and before any other parameter is looked at.
	if !hmac.Equal([]byte(given[0]), []byte(s.signature(key, params))) {
		return false
	}
	expires, err := strconv.ParseInt(params.Get(paramExpires), 10, 64)
	return err == nil && s.now().Unix() < expires && params.Get(paramMethod) == method
}
