package main_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"dossier/internal/apitest"
)

// upload sends one file and gives the answer.
func upload(t *testing.T, s *apitest.Server, token, customer string, content []byte) string {
	t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	operations := fmt.Sprintf(`{"query":"mutation($i: DocumentUploadInput!, $f: [Upload!]!) { documentUpload(input: $i, files: $f) `+
		`{ results { document { id } userErrors { code message } } userErrors { code message } } }",`+
		`"variables":{"i":{"customerId":%q},"f":[null]}}`, customer)
	for name, value := range map[string]string{"operations": operations} {
		if err := form.WriteField(name, value); err != nil {
			t.Fatal(err)
		}
	}
	if err := form.WriteField("map", `{"0":["variables.f.0"]}`); err != nil {
		t.Fatal(err)
	}
	w, err := form.CreateFormFile("0", "notes.txt")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := form.Close(); err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/graphql", &body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", form.FormDataContentType())
	req.Header.Set("GraphQL-Require-Preflight", "1")
	resp, err := (&http.Client{Timeout: time.Minute}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// openEvents subscribes by SSE and gives what has arrived until now.
func openEvents(t *testing.T, s *apitest.Server, token string) func() string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL+"/graphql",
		strings.NewReader(`{"query":"subscription { events { cursor ... on EventDelivery { event { type } } } }"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "text/event-stream")
	resp, err := (&http.Client{}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var got bytes.Buffer
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 4096)
		for {
			n, err := resp.Body.Read(buf)
			mu.Lock()
			got.Write(buf[:n])
			mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		cancel()
		_ = resp.Body.Close()
		<-done
	})
	return func() string {
		mu.Lock()
		defer mu.Unlock()
		return got.String()
	}
}
