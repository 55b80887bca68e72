package gcs_test

import (
	"net/http"
	"net/http/httptest"
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
	}, blobtest.NoGenerations, blobtest.NoSignatures, blobtest.NoSignedLimits)
}
