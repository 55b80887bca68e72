package system

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"slices"
	"strconv"
	"testing"
	"time"

	"dossier/internal/apitest"
	"dossier/internal/auth"
)

// actor is a credential at a node.
type actor struct {
	node  *apitest.Server
	token string
	http  *http.Client
}

func newActor(node *apitest.Server, token string) actor {
	transport := &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}
	return actor{node: node, token: token, http: &http.Client{Transport: transport, Timeout: 2 * time.Minute}}
}

// staff is an actor with a staff token of the demo account.
func staff(t testing.TB, node *apitest.Server, role auth.Role) actor {
	t.Helper()
	return newActor(node, node.Token(t, role))
}

func (a actor) on(node *apitest.Server) actor {
	a.node = node
	return a
}

// request is a POST of an operation.
func (a actor) request(ctx context.Context, query string, variables map[string]any) (*http.Request, error) {
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	if err != nil {
		return nil, err
	}
	return a.post(ctx, "application/json", bytes.NewReader(body))
}

func (a actor) post(ctx context.Context, contentType string, body io.Reader) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.node.URL+"/graphql", body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", contentType)
	if a.token != "" {
		req.Header.Set("Authorization", "Bearer "+a.token)
	}
	return req, nil
}

// send sends a request and reads a GraphQL answer.
func (a actor) send(req *http.Request) (apitest.Result, error) {
	resp, err := a.http.Do(req)
	if err != nil {
		return apitest.Result{}, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return apitest.Result{}, err
	}
	r := apitest.Result{Status: resp.StatusCode}
	if err := json.Unmarshal(b, &r); err != nil {
		return r, fmt.Errorf("status %d, not JSON: %w: %.200q", resp.StatusCode, err, b)
	}
	return r, nil
}

// try runs an operation whose failure is an answer.
func (a actor) try(ctx context.Context, query string, variables map[string]any) (apitest.Result, error) {
	req, err := a.request(ctx, query, variables)
	if err != nil {
		return apitest.Result{}, err
	}
	return a.send(req)
}

// do runs an operation that must be answered.
func (a actor) do(t testing.TB, query string, variables map[string]any) apitest.Result {
	t.Helper()
	r, err := a.try(t.Context(), query, variables)
	if err != nil {
		t.Fatalf("%.80s: %v", query, err)
	}
	return r
}

// patiently is do for an operation that may be repeated: while the service says that it is busy, as on a slow machine, it is
// asked again, as its message says.
func (a actor) patiently(t testing.TB, query string, variables map[string]any) apitest.Result {
	t.Helper()
	r := a.do(t, query, variables)
	for range 50 {
		if !slices.Equal(codes(r), []string{"UNAVAILABLE"}) {
			break
		}
		pause(t.Context(), 200*time.Millisecond)
		r = a.do(t, query, variables)
	}
	return r
}

// must runs an operation that must succeed, userErrors included.
func (a actor) must(t testing.TB, query string, variables map[string]any) map[string]any {
	t.Helper()
	r := a.do(t, query, variables)
	wantSuccess(t, query, r)
	return r.Data
}

func wantSuccess(t testing.TB, query string, r apitest.Result) {
	t.Helper()
	if len(r.Errors) > 0 {
		t.Fatalf("%.80s: status %d, errors %+v", query, r.Status, r.Errors)
	}
	if errs := userErrors(r); len(errs) > 0 {
		t.Fatalf("%.80s: userErrors %v", query, errs)
	}
}

// userErrors collects the userErrors of all root fields and of the files of an upload.
func userErrors(r apitest.Result) []map[string]any {
	var out []map[string]any
	collect := func(v any) {
		for _, e := range list(v, "userErrors") {
			if m, ok := e.(map[string]any); ok {
				out = append(out, m)
			}
		}
	}
	for _, payload := range r.Data {
		collect(payload)
		for _, result := range list(payload, "results") {
			collect(result)
		}
	}
	return out
}

// codes are all error codes of an answer, top-level ones first.
func codes(r apitest.Result) []string {
	var out []string
	for _, e := range r.Errors {
		code, _ := e.Extensions["code"].(string)
		out = append(out, code)
	}
	for _, e := range userErrors(r) {
		out = append(out, text(e, "code"))
	}
	return out
}

const (
	errorFields    = ` userErrors { __typename code message path }`
	createCustomer = `mutation($input: CustomerCreateInput!, $key: String) {
		customerCreate(input: $input, idempotencyKey: $key) { customer { id version }` + errorFields + ` } }`
	updateCustomer = `mutation($id: ID!, $version: Int!, $input: CustomerUpdateInput!) {
		customerUpdate(id: $id, expectedVersion: $version, input: $input) { customer { id version }
			userErrors { __typename code message path
				... on VersionConflictError { currentVersion conflictingFields current { id ... on Customer { version givenName familyName } } } } } }`
	uploadDocument = `mutation($input: DocumentUploadInput!, $files: [Upload!]!, $key: String) {
		documentUpload(input: $input, files: $files, idempotencyKey: $key) {
			results { fileName document { id version title currentVersion { id number sha256 sizeBytes contentType } }` + errorFields + ` }` + errorFields + ` } }`
	replaceDocument = `mutation($id: ID!, $version: Int!, $file: Upload!) {
		documentReplace(id: $id, expectedVersion: $version, file: $file) {
			document { id version currentVersion { id number sha256 sizeBytes } }` + errorFields + ` } }`
	readDocument = `query($id: ID!) { document(id: $id) { id version status currentVersion { sha256 sizeBytes downloadUrl } } }`
	createEntry  = `mutation($customer: ID!, $input: TimelineEntryInput!, $key: String) {
		timelineEntryCreate(customerId: $customer, input: $input, idempotencyKey: $key) { timelineEntry { id version }` + errorFields + ` } }`
)

// customer makes a person and gives the id.
func (a actor) customer(t testing.TB, name string) string {
	t.Helper()
	data := a.must(t, createCustomer, map[string]any{"input": map[string]any{"givenName": name}})
	return text(data, "customerCreate.customer.id")
}

// file is what a client uploads.
type file struct {
	name, contentType string
	content           []byte
}

func (f file) sha256() string {
	sum := sha256.Sum256(f.content)
	return hex.EncodeToString(sum[:])
}

// pdf is random bytes that begin as a PDF does, which is as far as type detection looks.
func pdf(name string, size int) file {
	content := make([]byte, size)
	_, _ = rand.Read(content) // never fails
	copy(content, "%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
	return file{name: name, contentType: "application/pdf", content: content}
}

// multipartBody is a request of the multipart specification: operations, map, files; paths say where each file goes.
func multipartBody(query string, variables map[string]any, paths []string, files []file) (body []byte, contentType string, err error) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	places := make(map[string][]string, len(files))
	for i := range files {
		places[strconv.Itoa(i)] = []string{paths[i]}
	}
	for _, field := range []struct {
		name  string
		value any
	}{{"operations", map[string]any{"query": query, "variables": variables}}, {"map", places}} {
		v, err := json.Marshal(field.value)
		if err != nil {
			return nil, "", err
		}
		if err := w.WriteField(field.name, string(v)); err != nil {
			return nil, "", err
		}
	}
	for i, f := range files {
		h := textproto.MIMEHeader{
			"Content-Disposition": {fmt.Sprintf(`form-data; name="%d"; filename="%s"`, i, f.name)}, "Content-Type": {f.contentType},
		}
		part, err := w.CreatePart(h)
		if err != nil {
			return nil, "", err
		}
		if _, err := part.Write(f.content); err != nil {
			return nil, "", err
		}
	}
	err = w.Close()
	return b.Bytes(), w.FormDataContentType(), err
}

// sendMultipart sends an operation with files.
func (a actor) sendMultipart(ctx context.Context, query string, variables map[string]any, paths []string, files []file) (apitest.Result, error) {
	body, contentType, err := multipartBody(query, variables, paths, files)
	if err != nil {
		return apitest.Result{}, err
	}
	req, err := a.post(ctx, contentType, bytes.NewReader(body))
	if err != nil {
		return apitest.Result{}, err
	}
	req.Header.Set("GraphQL-Require-Preflight", "1")
	return a.send(req)
}

// upload uploads files as documents of a customer, key "" meaning none.
func (a actor) upload(ctx context.Context, customer, key string, files ...file) (apitest.Result, error) {
	paths, empty := make([]string, len(files)), make([]any, len(files))
	for i := range files {
		paths[i] = "variables.files." + strconv.Itoa(i)
	}
	variables := map[string]any{"input": map[string]any{"customerId": customer}, "files": empty}
	if key != "" {
		variables["key"] = key
	}
	return a.sendMultipart(ctx, uploadDocument, variables, paths, files)
}

// mustUpload uploads one file and gives the document's id.
func (a actor) mustUpload(t testing.TB, customer string, f file) string {
	t.Helper()
	r, err := a.upload(t.Context(), customer, "", f)
	if err != nil {
		t.Fatal(err)
	}
	wantSuccess(t, "documentUpload", r)
	if got := text(r.Data, "documentUpload.results.0.document.currentVersion.sha256"); got != f.sha256() {
		t.Fatalf("acknowledged with SHA-256 %s, want %s", got, f.sha256())
	}
	return text(r.Data, "documentUpload.results.0.document.id")
}

// download reads a document's content by its downloadUrl.
func (a actor) download(t testing.TB, document string) []byte {
	t.Helper()
	data := a.must(t, readDocument, map[string]any{"id": document})
	url := text(data, "document.currentVersion.downloadUrl")
	if url == "" {
		t.Fatalf("document %s has no downloadUrl: %v", document, data)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := a.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("download of %s: status %d, %v", document, resp.StatusCode, err)
	}
	return b
}

// wantContent compares what can be downloaded with what was uploaded.
func (a actor) wantContent(t testing.TB, document, sha string) {
	t.Helper()
	sum := sha256.Sum256(a.download(t, document))
	if got := hex.EncodeToString(sum[:]); got != sha {
		t.Errorf("document %s: downloaded SHA-256 %s, want %s", document, got, sha)
	}
}
