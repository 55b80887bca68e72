package gcs_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"dossier/internal/blob"
	"dossier/internal/blob/blobtest"
	"dossier/internal/blob/blobtest/gcsfake"
	"dossier/internal/blob/gcs"
)

func resumable(size int) blob.ResumableOptions {
	return blob.ResumableOptions{ContentType: "image/png", Size: int64(size), Origin: "https://app.example.com", Expires: time.Hour}
}

func TestBeginningAResumableUploadSurvivesOrReportsFaults(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		fault    gcsfake.Fault
		want     error
		requests int
	}{
		{"503 once", gcsfake.Fault{At: gcsfake.Begin, Do: gcsfake.Refuse, Status: 503, Times: 1}, nil, 2},
		{"reset once", gcsfake.Fault{At: gcsfake.Begin, Do: gcsfake.ResetMidway, Times: 1}, nil, 2},
		{"503 always", gcsfake.Fault{At: gcsfake.Begin, Do: gcsfake.Refuse, Status: 503}, blob.ErrUnavailable, 3},
		{"403", gcsfake.Fault{At: gcsfake.Begin, Do: gcsfake.Refuse, Status: 403}, blob.ErrUnavailable, 1},
		{"412", gcsfake.Fault{At: gcsfake.Begin, Do: gcsfake.Refuse, Status: 412}, blob.ErrExists, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			fake := gcsfake.New(t)
			store := openAt(t, fake.URL, fake.SignerKey)
			fake.Inject(c.fault)
			_, err := store.StartResumable(t.Context(), blobtest.Key(), resumable(10))
			if !errors.Is(err, c.want) || (c.want == nil) != (err == nil) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if got := fake.Count(gcsfake.Begin); got != c.requests {
				t.Errorf("%d requests, want %d", got, c.requests)
			}
		})
	}
}

func TestAResumableUploadIsBoundToTheOriginOfThePage(t *testing.T) {
	t.Parallel()
	fake := gcsfake.New(t)
	store := openAt(t, fake.URL, fake.SignerKey)
	session, err := store.StartResumable(t.Context(), blobtest.Key(), resumable(10))
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodOptions, session.URL, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{}
	defer client.CloseIdleConnections()
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if got := resp.Header.Get("Access-Control-Allow-Origin"); got != "https://app.example.com" {
		t.Errorf("the bucket allows %q", got)
	}
}

// TestTheCredentialsGoToTheBucketAlone has sessions whose URI leads elsewhere, which only a damaged row could have.
func TestTheCredentialsGoToTheBucketAlone(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]error{
		499: nil, 204: nil, 404: blob.ErrNotFound, 410: blob.ErrNotFound, 200: blob.ErrNotFound, 429: blob.ErrUnavailable, 503: blob.ErrUnavailable,
	} {
		authorizations := make(chan string, 1)
		elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			authorizations <- r.Method + r.Header.Get("Authorization")
			w.WriteHeader(status)
		}))
		defer elsewhere.Close()
		fake := gcsfake.New(t)
		store := openAt(t, fake.URL, nil, func(cfg *gcs.Config) { cfg.CredentialsJSON, cfg.SignerEmail = fake.Credentials(t), "" })
		if _, err := store.StartResumable(t.Context(), blobtest.Key(), resumable(10)); err != nil {
			t.Fatal(err)
		}
		err := store.CancelResumable(t.Context(), blobtest.Key(), elsewhere.URL+"/session/1")
		if !errors.Is(err, want) || (want == nil) != (err == nil) {
			t.Errorf("status %d gives %v, want %v", status, err, want)
		}
		if got := <-authorizations; got != http.MethodDelete {
			t.Errorf("the request was %q, want a DELETE without credentials", got)
		}
	}
}
