package gcs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"cloud.google.com/go/storage"
	"github.com/googleapis/gax-go/v2"
	"golang.org/x/sync/semaphore"
	"google.golang.org/api/option"

	"dossier/internal/blob"
)

const (
	// oneShotMax is the greatest announced size that is sent in a single request without a buffer.
	oneShotMax = 8 << 20
	// smallChunk is always granted in the end; largeChunk only when memory is free and the body is known to be long.
	smallChunk = 4 << 20
	largeChunk = 8 << 20

	defaultMemory      = 64 << 20
	defaultStall       = 30 * time.Second
	defaultMaxAttempts = 5
	firstPause         = 200 * time.Millisecond
	longestPause       = 5 * time.Second
)

// Config says where the bucket is and how patient to be with it.
type Config struct {
	// Bucket is its name.
	Bucket string
	// CredentialsJSON is a service account key. Empty means the environment's own credentials, with which URLs are
	// signed through IAM (signBlob).
	CredentialsJSON []byte
	// Endpoint is the root URL of an emulator, "http://localhost:4443". Empty means Google's.
	Endpoint string
	// SignerEmail and SignerKey (PEM) sign URLs in place of the credentials'. An emulator needs some.
	SignerEmail string
	SignerKey   []byte
	// MemoryBytes is what all uploads in chunks may buffer together; 0 means 64 MiB, the least is 4 MiB.
	MemoryBytes int64
	// StallTimeout ends a transfer on which nothing moved for so long; 0 means 30 s. It does not count the time in which
	// an upload's source gives nothing: how slow a client may be is decided where the client is.
	StallTimeout time.Duration
	// MaxAttempts is how often one request is sent at most; 0 means 5.
	MaxAttempts int
	// FirstPause is the pause before the second attempt, doubled for each further one; 0 means 200 ms.
	FirstPause time.Duration
	// Now is the clock of signed URLs; nil means time.Now.
	Now func() time.Time
}

// Store is a blob.Store in a bucket.
type Store struct {
	cfg     Config
	client  *storage.Client
	bucket  *storage.BucketHandle
	host    *url.URL
	memory  *semaphore.Weighted
	buffers blob.Buffers
	// http is what client uses, with the credentials; plain has none.
	http, plain *http.Client
}

var _ blob.Store = (*Store)(nil)

// Open prepares a client. It does not talk to the bucket yet; close the Store when it is no longer used.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	if cfg.Bucket == "" {
		return nil, errors.New("gcs store: the bucket has no name")
	}
	cfg = cfg.withDefaults()
	s := &Store{cfg: cfg, memory: semaphore.NewWeighted(cfg.MemoryBytes)}
	opts := []option.ClientOption{storage.WithJSONReads()}
	if cfg.Endpoint != "" {
		host, err := url.Parse(cfg.Endpoint)
		if err != nil || host.Host == "" {
			return nil, fmt.Errorf("gcs store: the endpoint %q is not an absolute URL", cfg.Endpoint)
		}
		s.host = host
		opts = append(opts, option.WithEndpoint(host.Scheme+"://"+host.Host+"/storage/v1/"))
	}
	var auth []option.ClientOption
	if len(cfg.CredentialsJSON) > 0 {
		key, err := s.useCredentials(cfg.CredentialsJSON)
		if err != nil {
			return nil, err
		}
		auth = append(auth, key)
	}
	authenticated := cfg.Endpoint == "" || len(auth) > 0
	if !authenticated { // else Google's client looks for credentials, and for a metadata server to ask for some
		opts = append(opts, option.WithoutAuthentication())
	}
	var err error
	if s.http, err = newHTTPClient(ctx, authenticated, auth...); err != nil {
		return nil, fmt.Errorf("gcs store: %w", err)
	}
	if s.plain, err = newHTTPClient(ctx, false); err != nil {
		return nil, fmt.Errorf("gcs store: %w", err)
	}
	opts = append(append(opts, auth...), option.WithHTTPClient(s.http))
	if s.client, err = storage.NewClient(ctx, opts...); err != nil {
		return nil, fmt.Errorf("gcs store: %w", err)
	}
	s.bucket = s.client.Bucket(cfg.Bucket).Retryer(
		// All calls may be repeated: uploads are conditional on a free key, deletes on a generation or on nothing.
		storage.WithPolicy(storage.RetryAlways),
		storage.WithMaxAttempts(cfg.MaxAttempts),
		storage.WithBackoff(s.backoff()),
	)
	return s, nil
}

// Close lets go of the connections.
func (s *Store) Close() error {
	s.plain.CloseIdleConnections()
	return s.client.Close()
}

func (c Config) withDefaults() Config {
	if c.MemoryBytes == 0 {
		c.MemoryBytes = defaultMemory
	}
	c.MemoryBytes = max(c.MemoryBytes, smallChunk)
	if c.StallTimeout == 0 {
		c.StallTimeout = defaultStall
	}
	if c.MaxAttempts == 0 {
		c.MaxAttempts = defaultMaxAttempts
	}
	if c.FirstPause == 0 {
		c.FirstPause = firstPause
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// useCredentials reads the key file. Its private key signs URLs without a call to Google.
func (s *Store) useCredentials(key []byte) (option.ClientOption, error) {
	var parsed struct {
		Type  string `json:"type"`
		Email string `json:"client_email"`
		Key   string `json:"private_key"`
	}
	if err := json.Unmarshal(key, &parsed); err != nil {
		return nil, errors.New("gcs store: the credentials are not JSON") // the error would quote the key
	}
	if parsed.Type != string(option.ServiceAccount) {
		return nil, fmt.Errorf("gcs store: the credentials are of type %q, they must be of type %q", parsed.Type, option.ServiceAccount)
	}
	if s.cfg.SignerEmail == "" {
		s.cfg.SignerEmail, s.cfg.SignerKey = parsed.Email, []byte(parsed.Key)
	}
	return option.WithAuthCredentialsJSON(option.ServiceAccount, key), nil
}

func (s *Store) backoff() gax.Backoff {
	return gax.Backoff{Initial: s.cfg.FirstPause, Max: longestPause, Multiplier: 2}
}

// callContext bounds a call that moves no content: all its attempts together.
func (s *Store) callContext(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, s.cfg.StallTimeout)
}
