package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// profileSeconds is how long Dossier is profiled with each query and each set of files.
const profileSeconds = 6

// profileQuery keeps profiles of Dossier answering one query, for `go tool pprof`.
func (b *bench) profileQuery(ctx context.Context, q *query, t *target) error {
	return b.keepProfiles(ctx, q.name, t.admin, func(ctx context.Context) error {
		_, err := burst(ctx, t.addr, t.list[q.name], q.requests(b.size), 2)
		return err
	})
}

// profileUpload keeps profiles of Dossier taking one workload in.
func (b *bench) profileUpload(ctx context.Context, u *uploader, w workload, c content) error {
	name := "upload-" + strings.ReplaceAll(w.name, " ", "")
	return b.keepProfiles(ctx, name, u.admin, func(ctx context.Context) error {
		return errors.Join(u.sendAll(ctx, w, c), emptyFiles(u.files))
	})
}

// keepProfiles keeps a processor and an allocation profile of the server behind admin while load is run again and again.
func (b *bench) keepProfiles(ctx context.Context, name, admin string, load func(context.Context) error) error {
	for _, kind := range []string{"profile", "allocs"} {
		url := fmt.Sprintf("http://%s/debug/pprof/%s?seconds=%d", admin, kind, profileSeconds)
		path := filepath.Join(b.dir, fmt.Sprintf("%s-%s.pb.gz", name, kind))
		done := make(chan error, 1)
		go func() { done <- download(ctx, url, path) }()
		busy, stop := context.WithCancel(ctx)
		loaded := make(chan error, 1)
		go func() {
			for busy.Err() == nil {
				if err := load(busy); err != nil && busy.Err() == nil {
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
			return fmt.Errorf("profile %s: %w", name, err)
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
