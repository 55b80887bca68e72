package gcs

import (
	"context"
	"io"
	"net/http"
	"time"

	"cloud.google.com/go/storage"
	"google.golang.org/api/option"
	htransport "google.golang.org/api/transport/http"
)

// newHTTPClient is what Google's client uses below its own, with the credentials of opts.
func newHTTPClient(ctx context.Context, authenticated bool, opts ...option.ClientOption) (*http.Client, error) {
	base := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		ForceAttemptHTTP2:     true,
		HTTP2:                 &http.HTTP2Config{SendPingTimeout: 31 * time.Second}, // notices connections that died silently
		MaxIdleConns:          100,
		MaxIdleConnsPerHost:   100,
		IdleConnTimeout:       90 * time.Second,
		TLSHandshakeTimeout:   10 * time.Second,
		ExpectContinueTimeout: time.Second,
		WriteBufferSize:       64 << 10, // the default of 4 KiB costs a system call for every 4 KiB of an upload
	}
	if !authenticated {
		return &http.Client{Transport: cutOff{base}}, nil
	}
	opts = append(opts, option.WithScopes(storage.ScopeReadWrite, "https://www.googleapis.com/auth/cloud-platform"))
	transport, err := htransport.NewTransport(ctx, cutOff{base}, opts...)
	if err != nil {
		return nil, err
	}
	return &http.Client{Transport: transport}, nil
}

// cutOff stops a request body at once when its context ends.
//
// SECURITY: an upload is given up by cancelling its context. Google's client then writes the closing boundary of its
// multipart body before it reports the failure, and whether that boundary still reaches the wire is a race. A server
// that takes it for the end has a truncated object. Behind this, nothing is sent after the cancellation.
type cutOff struct{ base http.RoundTripper }

// RoundTrip sends the request.
func (c cutOff) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil && r.Body != http.NoBody {
		guarded := r.WithContext(r.Context()) // a shallow copy: a RoundTripper must not change its argument
		guarded.Body = &cutBody{ReadCloser: r.Body, done: r.Context()}
		r = guarded
	}
	return c.base.RoundTrip(r)
}

// CloseIdleConnections passes on what http.Client.CloseIdleConnections asks for.
func (c cutOff) CloseIdleConnections() {
	if t, ok := c.base.(*http.Transport); ok {
		t.CloseIdleConnections()
	}
}

type cutBody struct {
	io.ReadCloser
	done context.Context //nolint:containedctx // the request's own, for the life of its body
}

// Read reads on, unless the request was given up meanwhile.
func (b *cutBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if ctxErr := b.done.Err(); ctxErr != nil {
		return 0, ctxErr
	}
	return n, err
}
