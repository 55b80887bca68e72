package disk_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"dossier/internal/blob"
	"dossier/internal/blob/blobtest"
	"dossier/internal/blob/disk"
)

func signingKey() []byte { return []byte("0123456789abcdef0123456789abcdef") }

// open gives a store in dir whose signed requests are served.
func open(t testing.TB, dir string, now func() time.Time) (*disk.Store, *httptest.Server) {
	t.Helper()
	var store *disk.Store
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { store.Handler().ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	store, err := disk.Open(disk.Config{Dir: dir, BaseURL: server.URL + "/objects/", SigningKey: signingKey(), Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return store, server
}

func TestConformance(t *testing.T) {
	t.Parallel()
	blobtest.Run(t, func(t testing.TB) blob.Store {
		store, _ := open(t, t.TempDir(), nil)
		return store
	})
}
