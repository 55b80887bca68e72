package gcs_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/fsouza/fake-gcs-server/fakestorage"
	"go.uber.org/goleak"

	"dossier/internal/blob"
	"dossier/internal/blob/blobtest"
	"dossier/internal/blob/blobtest/gcsfake"
	"dossier/internal/blob/gcs"
)

// Every upload, given up or not, and every fault must leave no goroutine behind.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("go.opencensus.io/stats/view.(*worker).start"))
}

// openAt gives a store on a fake at the endpoint, quick to give up.
func openAt(t testing.TB, endpoint string, signerKey []byte, change ...func(*gcs.Config)) *gcs.Store {
	t.Helper()
	cfg := gcs.Config{
		Bucket: gcsfake.Bucket, Endpoint: endpoint, SignerEmail: gcsfake.SignerEmail, SignerKey: signerKey,
		StallTimeout: 10 * time.Second, FirstPause: time.Millisecond, MaxAttempts: 3,
	}
	for _, c := range change {
		c(&cfg)
	}
	store, err := gcs.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return store
}

func TestConformance(t *testing.T) {
	t.Parallel()
	blobtest.Run(t, func(t testing.TB) blob.Store {
		fake := gcsfake.New(t)
		return openAt(t, fake.URL, fake.SignerKey)
	})
}

// fake-gcs-server is an implementation of the API that we did not write: what passes with both was not written to suit
// our own fake.
func TestConformanceWithFakeGCSServer(t *testing.T) {
	t.Parallel()
	key := gcsfake.New(t).SignerKey
	blobtest.Run(t, func(t testing.TB) blob.Store {
		var handler http.Handler
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
		t.Cleanup(server.Close)
		fake, err := fakestorage.NewServerWithOptions(fakestorage.Options{
			NoListener: true, PublicHost: server.Listener.Addr().String(), ExternalURL: server.URL,
		})
		if err != nil {
			t.Fatal(err)
		}
		fake.CreateBucketWithOpts(fakestorage.CreateBucketOpts{Name: gcsfake.Bucket})
		handler = fake.HTTPHandler()
		return openAt(t, server.URL, key)
	}, blobtest.NoGenerations, blobtest.NoSignatures, blobtest.NoSignedLimits, blobtest.NoResumption)
}

func TestTheServiceAccountKeySignsURLs(t *testing.T) {
	t.Parallel()
	fake := gcsfake.New(t)
	key := blobtest.Key()
	if _, err := openAt(t, fake.URL, fake.SignerKey).Put(t.Context(), key, strings.NewReader("content"), blobtest.Sized(7)); err != nil {
		t.Fatal(err)
	}
	store, err := gcs.Open(t.Context(), gcs.Config{Bucket: gcsfake.Bucket, Endpoint: fake.URL, CredentialsJSON: fake.Credentials(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close() //nolint:errcheck // nothing was written through it
	signed, err := store.SignGet(t.Context(), key, blob.SignGetOptions{Expires: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), signed.Method, signed.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // reading only
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK || string(body) != "content" {
		t.Errorf("got %d %q, %v; want the content", resp.StatusCode, body, err)
	}
	if disposition := resp.Header.Get("Content-Disposition"); disposition != blob.Attachment {
		t.Errorf("got disposition %q", disposition)
	}
}
