package system

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/fsouza/fake-gcs-server/fakestorage"

	"dossier/internal/apitest"
	"dossier/internal/auth"
	"dossier/internal/pgtest"
)

// core is what must work wherever Dossier runs: row 3 of hardening.md. one and two may be the same node.
func core(t *testing.T, a actor, one, two *apitest.Server) {
	t.Helper()
	a = a.on(one)
	customer := a.customer(t, "Core")
	live, err := dialWS(t.Context(), a.on(two), `subscription($customer: ID!) { documentEvents(customerId: $customer) {
		__typename cursor ... on EventDelivery { prevSeq event { id seq type customer { id } } } } }`, map[string]any{"customer": customer})
	if err != nil {
		t.Fatal(err)
	}
	defer live.cut()
	first, second, large := pdf("first.pdf", 30<<10), pdf("second.pdf", 300<<10), pdf("large.pdf", 4<<20)
	id := a.mustUpload(t, customer, first)
	// When the subscription was opened is not known, so the first event may have come before it.
	a.on(two).wantContent(t, id, first.sha256())

	data := a.on(two).must(t, readDocument, map[string]any{"id": id})
	r, err := a.on(two).sendMultipart(t.Context(), replaceDocument,
		map[string]any{"id": id, "version": number(data, "document.version"), "file": nil}, []string{"variables.file"}, []file{second})
	if err != nil {
		t.Fatal(err)
	}
	wantSuccess(t, "documentReplace", r)
	a.wantContent(t, id, second.sha256())
	wantEvent(t, live, "DOCUMENT_REPLACED")

	a.wantContent(t, a.mustUpload(t, customer, large), large.sha256())
	wantEvent(t, live, "DOCUMENT_CREATED")
	wantDirect(t, a, customer)
	wantEvent(t, live, "DOCUMENT_CREATED")

	several, err := a.upload(t.Context(), customer, "several "+customer, pdf("a.pdf", 1000), pdf("b.pdf", 2000), file{"c.exe", "application/pdf", []byte("MZ\x90\x00\x03\x00\x00\x00")})
	if err != nil {
		t.Fatal(err)
	}
	if got := len(list(several.Data, "documentUpload.results")); got != 3 || !slices.Equal(codes(several), []string{"UNSUPPORTED_MEDIA_TYPE"}) {
		t.Errorf("three files of which one is bad: %d results, %v", got, codes(several))
	}
	data = a.must(t, `query($id: ID!) { customer(id: $id) { documents { totalCount } timeline { nodes { kind } } } storage { usedBytes reservedBytes } }`,
		map[string]any{"id": customer})
	if got := number(data, "customer.documents.totalCount"); got != 5 {
		t.Errorf("%d documents, want 5", got)
	}
	if got := number(data, "storage.usedBytes"); got < int64(len(first.content)+len(second.content)+len(large.content)) {
		t.Errorf("%d bytes are used, which is less than what was uploaded", got)
	}
	r = a.do(t, `mutation($id: ID!) { documentArchive(id: $id, expectedVersion: 2) { document { status } userErrors { code message path } } }`, map[string]any{"id": id})
	wantSuccess(t, "documentArchive", r)
	wantPreview(t, a, a.on(two), customer)
}

// wantEvent waits for an event of this type; those of before are passed over.
func wantEvent(t *testing.T, s stream, kind string) {
	t.Helper()
	for {
		m, err := s.next()
		if err != nil {
			t.Fatalf("waiting for %s: %v", kind, err)
		}
		if m.Event != nil && m.Event.Type == kind {
			return
		}
	}
}

// wantDirect uploads straight to the object store.
func wantDirect(t *testing.T, a actor, customer string) {
	t.Helper()
	f := pdf("direct.pdf", 500<<10)
	data := a.must(t, `mutation($input: DocumentUploadBeginInput!) { documentUploadBegin(input: $input) {
		uploadSession { id uploadUrl uploadMethod uploadHeaders { name value } } userErrors { code message path } } }`,
		map[string]any{"input": map[string]any{"customerId": customer, "fileName": f.name, "sizeBytes": len(f.content)}})
	session := at(data, "documentUploadBegin.uploadSession")
	req, err := http.NewRequestWithContext(t.Context(), text(session, "uploadMethod"), text(session, "uploadUrl"), bytes.NewReader(f.content))
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range list(session, "uploadHeaders") {
		req.Header.Set(text(h, "name"), text(h, "value"))
	}
	resp, err := a.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, _ := io.ReadAll(resp.Body); resp.StatusCode/100 != 2 {
		t.Fatalf("%s to the store: status %d %.300s", text(session, "uploadMethod"), resp.StatusCode, b)
	}
	const complete = `mutation($id: ID!) { documentUploadComplete(uploadSessionId: $id) { document { id currentVersion { sha256 } } userErrors { code message path } } }`
	ids := make([]string, 2)
	for i := range ids { // asked again it gives the same document
		data = a.must(t, complete, map[string]any{"id": text(session, "id")})
		ids[i] = text(data, "documentUploadComplete.document.id")
	}
	if ids[0] == "" || ids[0] != ids[1] {
		t.Errorf("documentUploadComplete gave %v", ids)
	}
	a.wantContent(t, ids[0], f.sha256())
}

func TestTheCoreWorksOnTheEmbeddedDefault(t *testing.T) {
	t.Parallel()
	system(t)
	// The private PostgreSQL runs as another user when this is root, below a directory that it can enter.
	dir, err := os.MkdirTemp("", "dossier-system-") //nolint:usetesting // t.TempDir is below a directory that only this user enters
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s := apitest.StartOn(t, "", dir, "--customers=3")
	a := staff(t, s, auth.Editor)
	core(t, a, s, s)
	document := a.mustUpload(t, a.customer(t, "Restart"), pdf("restart.pdf", 5000))
	sha := text(a.must(t, readDocument, map[string]any{"id": document}), "document.currentVersion.sha256")
	s.Kill(t) // the cluster goes with it
	s.Restart(t)
	newActor(s, a.token).wantContent(t, document, sha)
}

func TestTheCoreWorksOnTwoNodes(t *testing.T) {
	t.Parallel()
	system(t)
	one := apitest.Start(t, 0)
	two := one.Peer(t)
	core(t, staff(t, one, auth.Editor), one, two)
	wantInvariants(t, database(t, one), one.DataDir)
}

// TestTheCoreWorksOnGoogleCloudStorage runs two nodes of `dossier serve` on PostgreSQL and an emulator of the bucket.
func TestTheCoreWorksOnGoogleCloudStorage(t *testing.T) {
	t.Parallel()
	system(t)
	bucket, keyFile := emulator(t)
	db := pgtest.New(t, apitest.Template())
	flags := []string{"--blob-store=gcs", "--gcs-bucket=dossier", "--gcs-endpoint=" + bucket.URL, "--gcs-key-file=" + keyFile, "--upload-lease=2s"}
	one := apitest.StartServe(t, db.DSN(), flags...)
	two := apitest.StartServe(t, db.DSN(), flags...)
	account := one.Account(t, "Business on GCS", 0)
	key := one.Key(t, account, "write")
	core(t, newActor(one, key), one, two)
	core(t, newActor(two, key), two, one)

	pool := database(t, one)
	wantInvariants(t, pool, "")
	eventually(t, 20*time.Second, func() error {
		stored, err := bucketObjects(bucket.URL)
		if want := scalar[int64](t, pool, `SELECT count(*) FROM (
			SELECT object_key FROM document_version UNION SELECT object_key FROM document_rendition) AS o`); err != nil || int64(stored) != want {
			return fmt.Errorf("the bucket has %d objects for %d contents and previews, %w", stored, want, err)
		}
		return nil
	})
	r, err := newActor(one, key).try(t.Context(), `mutation { apiKeyCreate(input: {name: "x", scopes: ["read"]}) { secret } }`, nil)
	if err != nil || !slices.Equal(codes(r), []string{"FORBIDDEN"}) {
		t.Errorf("a key with the scope write makes keys: %v %v", r, err)
	}
	one.Command(t, "keys", "revoke", "--account="+account, keyID(t, key))
	eventually(t, 5*time.Second, func() error {
		for _, node := range []*apitest.Server{one, two} {
			if r, err := newActor(node, key).try(t.Context(), `{ account { id } }`, nil); err != nil || r.Status != http.StatusUnauthorized {
				return fmt.Errorf("status %d for a key that was revoked by the command line, %w", r.Status, err)
			}
		}
		return nil
	})
}

// keyID is the id of a printed key: the part of it that is no secret.
func keyID(t *testing.T, key string) string {
	t.Helper()
	return "key_" + key[len("dsk_"):len("dsk_")+26]
}

// emulator starts a bucket that forgets everything, and a service account whose tokens it does not look at.
func emulator(t *testing.T) (bucket *httptest.Server, keyFile string) {
	t.Helper()
	var handler http.Handler
	bucket = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	t.Cleanup(bucket.Close)
	fake, err := fakestorage.NewServerWithOptions(fakestorage.Options{
		NoListener: true, PublicHost: bucket.Listener.Addr().String(), ExternalURL: bucket.URL,
	})
	if err != nil {
		t.Fatal(err)
	}
	fake.CreateBucketWithOpts(fakestorage.CreateBucketOpts{Name: "dossier"})
	handler = fake.HTTPHandler()
	tokens := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"access_token": "test", "token_type": "Bearer", "expires_in": 3600}`)
	}))
	t.Cleanup(tokens.Close)
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	key, err := json.Marshal(map[string]string{
		"type": "service_account", "project_id": "test", "private_key_id": "1", "client_email": "test@test.iam.gserviceaccount.com",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), "token_uri": tokens.URL,
	})
	if err != nil {
		t.Fatal(err)
	}
	keyFile = filepath.Join(t.TempDir(), "key.json")
	if err := os.WriteFile(keyFile, key, 0o600); err != nil {
		t.Fatal(err)
	}
	return bucket, keyFile
}

// bucketObjects counts what the emulator holds.
func bucketObjects(endpoint string) (int, error) {
	client := &http.Client{Timeout: 10 * time.Second}
	resp, err := client.Get(endpoint + "/storage/v1/b/dossier/o?maxResults=1000")
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	var page struct{ Items []any }
	err = json.NewDecoder(resp.Body).Decode(&page)
	return len(page.Items), err
}
