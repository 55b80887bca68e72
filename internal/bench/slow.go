package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"
)

// slowName is what -files picks this measurement by.
const slowName = "reads beside 20 slow uploads"

// What row 27 of hardening.md asks for.
const (
	slowUploads = 20
	slowConns   = 4
	slowReads   = 1000
	slowTarget  = 200 * time.Millisecond
)

// slowCell is reads with few connections to the database, alone and beside uploads that take as long as the reads do.
type slowCell struct {
	AloneP50MS  float64 `json:"aloneP50Ms"`
	AloneP95MS  float64 `json:"aloneP95Ms"`
	BesideP50MS float64 `json:"besideP50Ms"`
	BesideP95MS float64 `json:"besideP95Ms"`
}

// slow measures how fast reads are while uploads are slow: an upload must hold no connection while its bytes come.
func (b *bench) slow(ctx context.Context) error {
	if b.skips("dossier") {
		return nil
	}
	database, err := b.scratch(ctx, "dossier")
	if err != nil {
		return err
	}
	n := fmt.Sprint(slowConns)
	u, err := b.startDossierUploader(ctx, "dossier", database, "--read-conns", n, "--write-conns", n)
	if err != nil {
		return err
	}
	defer func() {
		u.stop()
		_ = emptyFiles(u.files)
	}()
	read := []request{post(u.addr, "/graphql", u.key, body(map[string]any{"query": `{ customers(first: 20) { nodes { id displayName
		contacts(first: 3) { nodes { id displayName } } documents(first: 5) { nodes { id title } } timeline(first: 10) { nodes { id title } } } } }`}))}
	alone, err := burst(ctx, u.addr, read, slowReads, slowConns)
	if err != nil {
		return err
	}
	stop, err := u.trickle(ctx)
	if err != nil {
		return err
	}
	beside, err := burst(ctx, u.addr, read, slowReads, slowConns)
	if err := errors.Join(err, stop()); err != nil {
		return err
	}
	b.report.Slow = &slowCell{
		ms(percentile(alone.times, 50)), ms(percentile(alone.times, 95)), ms(percentile(beside.times, 50)), ms(percentile(beside.times, 95)),
	}
	b.printf("%s", b.report.slowLine())
	return nil
}

// trickle begins uploads that come in small pieces, and gives what lets them end and waits for their answers.
func (u *uploader) trickle(ctx context.Context) (stop func() error, err error) {
	const (
		size  = 4 << 20
		piece = 16 << 10
		every = 100 * time.Millisecond
	)
	c, err := newContent(size, noise())
	if err != nil {
		return nil, err
	}
	hurry := make(chan struct{})
	errs := make([]error, slowUploads)
	var begun, done sync.WaitGroup
	begun.Add(slowUploads)
	for i := range slowUploads {
		done.Go(func() {
			once := sync.OnceFunc(begun.Done)
			defer once()
			errs[i] = u.sendTo(ctx, workload{}, c, func(conn net.Conn) writer {
				return &slowly{conn: conn, piece: piece, every: every, hurry: hurry, begun: once}
			})
		})
	}
	begun.Wait()
	return func() error {
		close(hurry)
		done.Wait()
		return firstOf(errs)
	}, nil
}

// slowly writes in pieces, with a pause before each, until hurry is closed.
type slowly struct {
	conn  net.Conn
	piece int
	every time.Duration
	hurry chan struct{}
	sent  int
	begun func()
}

// Write writes p.
func (s *slowly) Write(p []byte) (int, error) {
	written := 0
	for chunk := range slices.Chunk(p, s.piece) {
		n, err := s.conn.Write(chunk)
		written += n
		if err != nil {
			return written, err
		}
		if s.sent += n; s.sent > 4*s.piece {
			s.begun() // by now the server has the head of the file, and with it an upload in progress
		}
		timer := time.NewTimer(s.every)
		select {
		case <-s.hurry:
		case <-timer.C:
		}
		timer.Stop()
	}
	return written, nil
}

func (r *report) slowLine() string {
	return fmt.Sprintf("\n%s, %d connections: p50 %.1f ms, p95 %.1f ms; without the uploads %.1f and %.1f ms  (target %.0f ms: %s)\n",
		slowName, slowConns, r.Slow.BesideP50MS, r.Slow.BesideP95MS, r.Slow.AloneP50MS, r.Slow.AloneP95MS, ms(slowTarget), verdict(r.Slow.BesideP95MS, ms(slowTarget)))
}
