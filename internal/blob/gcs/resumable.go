package gcs

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"cloud.google.com/go/storage"
	"google.golang.org/api/googleapi"

	"dossier/internal/blob"
)

// publicEndpoint is where Google's own API is.
const publicEndpoint = "https://storage.googleapis.com"

// statusClosed is the answer to a client that ends its upload.
const statusClosed = 499

var errNoSession = errors.New("the bucket gave no absolute session URI")

// StartResumable begins an upload that the holder of the answer sends in parts. The server begins it itself, with its
// credentials, and gives away the session's URI alone: a signed request to begin one could begin many. The bucket holds
// the upload to the announced size and checksum and to a free key, and answers browsers of the origin that is given here.
func (s *Store) StartResumable(ctx context.Context, key string, opts blob.ResumableOptions) (blob.Resumable, error) {
	opts, err := opts.Normalize(key)
	if err != nil {
		return blob.Resumable{}, err
	}
	ctx, cancel := s.callContext(ctx)
	defer cancel()
	expires := s.cfg.Now().Add(opts.Expires).Truncate(time.Second)
	pause := s.backoff()
	for attempt := 1; ; attempt++ {
		session, err := s.begin(ctx, key, opts)
		if err == nil {
			return blob.Resumable{URL: session, Granularity: blob.Granularity, Expires: expires}, nil
		}
		// A session that nobody has heard of does no harm, so all may be repeated.
		if attempt == s.cfg.MaxAttempts || ctx.Err() != nil || !storage.ShouldRetry(err) {
			return blob.Resumable{}, startError(ctx, err)
		}
		timer := time.NewTimer(pause.Pause())
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
}

func startError(ctx context.Context, err error) error {
	kind := blob.ErrUnavailable
	switch {
	case statusOf(err) == http.StatusPreconditionFailed:
		kind = blob.ErrExists
	case errors.Is(context.Cause(ctx), context.Canceled):
		kind = blob.ErrCanceled
	}
	return blob.Fail("gcs.StartResumable", kind, err)
}

// begin sends the request that begins a session and gives its URI.
func (s *Store) begin(ctx context.Context, key string, opts blob.ResumableOptions) (string, error) {
	metadata := map[string]any{
		"name": key, "contentType": opts.ContentType, "contentDisposition": blob.Attachment, "cacheControl": "private, no-store",
	}
	if opts.CRC32C != nil {
		metadata["crc32c"] = base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, *opts.CRC32C))
	}
	body, err := json.Marshal(metadata)
	if err != nil {
		return "", err
	}
	target := publicEndpoint
	if s.host != nil {
		target = s.host.Scheme + "://" + s.host.Host
	}
	query := url.Values{"uploadType": {"resumable"}, "name": {key}, "ifGenerationMatch": {"0"}}
	target += "/upload/storage/v1/b/" + url.PathEscape(s.cfg.Bucket) + "/o?" + query.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	req.Header.Set("X-Upload-Content-Type", opts.ContentType)
	req.Header.Set("X-Upload-Content-Length", strconv.FormatInt(opts.Size, 10))
	if opts.Origin != "" {
		req.Header.Set("Origin", opts.Origin)
	}
	resp, err := s.http.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close() //nolint:errcheck // reading only
	if err := googleapi.CheckResponse(resp); err != nil {
		return "", err
	}
	session, err := url.Parse(resp.Header.Get("Location"))
	if err != nil || session.Host == "" {
		return "", errNoSession
	}
	return session.String(), nil
}

// CancelResumable ends an upload and throws away what has arrived of it.
func (s *Store) CancelResumable(ctx context.Context, key, session string) error {
	if _, err := blob.KeyAccount(key); err != nil {
		return err
	}
	ctx, cancel := s.callContext(ctx)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodDelete, session, http.NoBody)
	if err != nil || req.URL.Host == "" {
		return blob.Fail("gcs.CancelResumable", blob.ErrInvalid, err)
	}
	// SECURITY: without the server's credentials. The URI is the right to do this; whatever host it names learns nothing else.
	resp, err := s.plain.Do(req)
	if err != nil {
		return blob.Fail("gcs.CancelResumable", blob.ErrUnavailable, errors.Join(context.Cause(ctx), err))
	}
	defer resp.Body.Close() //nolint:errcheck // reading only
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10))
	switch {
	case resp.StatusCode == statusClosed, resp.StatusCode == http.StatusNoContent:
		return nil
	case resp.StatusCode == http.StatusTooManyRequests, resp.StatusCode == http.StatusRequestTimeout, resp.StatusCode >= http.StatusInternalServerError:
		return blob.Fail("gcs.CancelResumable", blob.ErrUnavailable, googleapi.CheckResponse(resp))
	default:
		return blob.Fail("gcs.CancelResumable", blob.ErrNotFound, nil)
	}
}
