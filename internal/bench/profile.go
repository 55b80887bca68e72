package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// profileSeconds is how long Dossier is profiled with each query.
const profileSeconds = 6

// profileQuery keeps a processor profile of Dossier answering one query, for `go tool pprof`.
func (b *bench) profileQuery(ctx context.Context, q *query, t *target) error {
	for _, kind := range []string{"profile", "allocs"} {
		url := fmt.Sprintf("http://%s/debug/pprof/%s?seconds=%d", t.admin, kind, profileSeconds)
		path := filepath.Join(b.dir, fmt.Sprintf("%s-%s.pb.gz", q.name, kind))
		done := make(chan error, 1)
		go func() { done <- download(ctx, url, path) }()
		busy, stop := context.WithCancel(ctx)
		loaded := make(chan error, 1)
		go func() {
			for busy.Err() == nil {
				if _, err := burst(busy, t.addr, t.list[q.name], q.requests(b.size), 2); err != nil && busy.Err() == nil {
					loaded <- err
					return
				}
			}
			loaded <- nil
		}()
		err := <-done
		stop()
		if loadErr := <-loaded; err == nil {
			err = loadErr
		}
		if err != nil {
			return fmt.Errorf("profile %s: %w", q.name, err)
		}
	}
	return nil
}

func download(ctx context.Context, url, path string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	resp, err := (&http.Client{Timeout: 10*time.Second + profileSeconds*time.Second}).Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: status %d", url, resp.StatusCode)
	}
	return os.WriteFile(path, raw, 0o644) //nolint:gosec // not a secret
}
