package gcs

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"cloud.google.com/go/storage"

	"dossier/internal/blob"
)

// slack makes up for the time between our clock's reading and the client's, so that whole seconds are not lost.
const slack = 900 * time.Millisecond

// SignPut lets the holder of the answer store one object under the key. The bucket checks the size range, that the key
// is free, the type and the checksum, because all of them are signed headers.
func (s *Store) SignPut(_ context.Context, key string, opts blob.SignPutOptions) (blob.SignedRequest, error) {
	opts, err := opts.Normalize(key)
	if err != nil {
		return blob.SignedRequest{}, err
	}
	header := map[string]string{
		"Content-Type":                opts.ContentType,
		"Content-Disposition":         blob.Attachment,
		"Cache-Control":               "private, no-store",
		"X-Goog-Content-Length-Range": "0," + strconv.FormatInt(opts.MaxSize, 10),
		"X-Goog-If-Generation-Match":  "0",
	}
	if opts.CRC32C != nil {
		sum := binary.BigEndian.AppendUint32(nil, *opts.CRC32C)
		header["X-Goog-Hash"] = "crc32c=" + base64.StdEncoding.EncodeToString(sum)
	}
	return s.signed(http.MethodPut, key, header, nil, opts.Expires)
}

// SignGet lets the holder of the answer read the object.
func (s *Store) SignGet(_ context.Context, key string, opts blob.SignGetOptions) (blob.SignedRequest, error) {
	opts, err := opts.Normalize(key)
	if err != nil {
		return blob.SignedRequest{}, err
	}
	query := url.Values{
		"response-content-disposition": {blob.AttachmentDisposition(opts.Filename)},
		"response-cache-control":       {"private, no-store"},
	}
	if opts.ContentType != "" {
		query.Set("response-content-type", opts.ContentType)
	}
	return s.signed(http.MethodGet, key, nil, query, opts.Expires)
}

func (s *Store) signed(method, key string, header map[string]string, query url.Values, life time.Duration) (blob.SignedRequest, error) {
	now := s.cfg.Now()
	opts := &storage.SignedURLOptions{
		Scheme: storage.SigningSchemeV4, Method: method, Expires: now.Add(life + slack), QueryParameters: query,
		GoogleAccessID: s.cfg.SignerEmail, PrivateKey: s.cfg.SignerKey,
	}
	for name, value := range header {
		opts.Headers = append(opts.Headers, strings.ToLower(name)+":"+value)
	}
	if s.host != nil {
		opts.Hostname, opts.Insecure = s.host.Host, s.host.Scheme == "http"
	}
	signed, err := s.bucket.SignedURL(key, opts)
	if err != nil {
		return blob.SignedRequest{}, blob.Fail("gcs.Sign", blob.ErrUnavailable, err)
	}
	return blob.SignedRequest{Method: method, URL: signed, Header: header, Expires: now.Add(life).Truncate(time.Second)}, nil
}
