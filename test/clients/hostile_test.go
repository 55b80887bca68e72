package clients

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime/multipart"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"dossier/internal/apitest"
	"dossier/internal/auth"
	"dossier/internal/typeid"
	"dossier/test/hostile"
)

// TestHostileFilesRunNothingInABrowser opens the hostile files in Chromium. They are put into the store past the checks of
// their types, most of which would refuse them: what is shown here is that nothing runs even if a check fails.
func TestHostileFilesRunNothingInABrowser(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("needs PostgreSQL, Node and Chromium")
	}
	if _, err := os.Stat("/usr/bin/chromium"); err != nil && os.Getenv("CI") == "" {
		t.Skip("no Chromium on this machine")
	}
	server := apitest.Start(t, 1)
	db, err := pgxpool.New(t.Context(), server.DSN)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	token := server.Token(t, auth.Admin)
	r := server.Do(t, token, `{ customers(first: 1) { nodes { id } } account { id } }`, nil)
	customers, _ := r.Data["customers"].(map[string]any)["nodes"].([]any)
	customer, _ := customers[0].(map[string]any)["id"].(string)
	account, _ := r.Data["account"].(map[string]any)["id"].(string)

	type planted struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	}
	files := hostile.Files()
	list := make([]planted, len(files))
	for i, id := range placeholders(t, server, token, customer, len(files)) {
		list[i] = planted{id, strings.ToValidUTF8(files[i].Name, "?")}
		mediaType := []string{"text/html", "image/svg+xml", "application/javascript"}[i%3]
		err := hostile.Plant(t.Context(), db, filepath.Join(server.DataDir, "blobs"), uuidOf(t, account), uuidOf(t, id), files[i], mediaType)
		if err != nil {
			t.Fatal(err)
		}
	}
	documents, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "node", "hostile.mjs")
	cmd.Env = append(os.Environ(), "DOSSIER_URL="+server.URL, "DOSSIER_TOKEN="+token, "DOSSIER_VIEWER_TOKEN="+token, "DOSSIER_HOSTILE="+string(documents))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", bytes.TrimSpace(out))
}

func uuidOf(t *testing.T, id string) uuid.UUID {
	t.Helper()
	u, err := typeid.ParseAs(id[:3], id)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// placeholders uploads so many harmless files, each as a document, and gives their ids.
func placeholders(t *testing.T, server *apitest.Server, token, customer string, n int) []string {
	t.Helper()
	var ids []string
	const most = 50 // of one request
	for len(ids) < n {
		count := min(most, n-len(ids))
		places := make(map[string][]string, count)
		for i := range count {
			places[fmt.Sprint(i)] = []string{fmt.Sprintf("variables.f.%d", i)}
		}
		operations, err := json.Marshal(map[string]any{
			"query":     `mutation($c: ID!, $f: [Upload!]!) { documentUpload(input: {customerId: $c}, files: $f) { results { document { id } } userErrors { message } } }`,
			"variables": map[string]any{"c": customer, "f": make([]any, count)},
		})
		if err != nil {
			t.Fatal(err)
		}
		paths, err := json.Marshal(places)
		if err != nil {
			t.Fatal(err)
		}
		var body bytes.Buffer
		form := multipart.NewWriter(&body)
		_ = form.WriteField("operations", string(operations)) // never fails in memory
		_ = form.WriteField("map", string(paths))
		for i := range count {
			w, _ := form.CreateFormFile(fmt.Sprint(i), fmt.Sprintf("%d.pdf", len(ids)+i))
			_, _ = fmt.Fprintf(w, "%%PDF-1.4\nplaceholder %d", len(ids)+i)
		}
		_ = form.Close()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/graphql", &body)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		req.Header.Set("Content-Type", form.FormDataContentType())
		req.Header.Set("GraphQL-Require-Preflight", "1")
		r := apitest.Decode(t, req)
		payload, _ := r.Data["documentUpload"].(map[string]any)
		results, _ := payload["results"].([]any)
		if len(results) != count {
			t.Fatalf("the placeholders gave %v %v", r.Data, r.Errors)
		}
		for _, result := range results {
			document, _ := result.(map[string]any)["document"].(map[string]any)
			id, _ := document["id"].(string)
			ids = append(ids, id)
		}
	}
	return ids
}
