package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"dossier/internal/pgtest"
	"dossier/internal/store"
)

// The ratios of `make bench` are worth nothing when the contestants do not give the same answers.
func TestDossierAndLimitGiveTheSameAnswers(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("needs PostgreSQL and builds two programs")
	}
	ctx := t.Context()
	sz := size{name: "test", customers: 1000, contacts: 2000, documents: 3000, rows: 8000, variables: 20}
	sum := sha256.Sum256([]byte(store.MigrationsHash() + seedSQL))
	db := pgtest.New(t, pgtest.Template{Name: "bench_" + hex.EncodeToString(sum[:8]), Prepare: func(ctx context.Context, dsn string) error {
		if _, err := store.Migrate(ctx, dsn, slog.New(slog.DiscardHandler)); err != nil {
			return err
		}
		return load(ctx, dsn, sz.dataset())
	}})
	dir := t.TempDir()
	b := &bench{
		out: io.Discard, log: slog.New(slog.DiscardHandler), dir: dir, stores: filepath.Join(dir, "stores"), source: ".", size: sz, skip: []string{postGraphile, walledPostGraphile, unwalled}, // which would leave a login behind on the server of the tests
		dossier: filepath.Join(dir, "bin", "dossier"), dsn: func(string) string { return db.DSN() },
	}
	if err := b.buildServers(ctx); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", b.dossier, "dossier/cmd/dossier").CombinedOutput(); err != nil {
		t.Fatalf("build dossier: %v\n%s", err, out)
	}
	ids, choices, err := b.choose(ctx, "")
	if err != nil {
		t.Fatal(err)
	}
	targets, err := b.startTargets(ctx, "", ids)
	t.Cleanup(func() {
		for _, s := range targets {
			s.stop()
		}
	})
	if err != nil {
		t.Fatal(logged(b, err))
	}
	if err := compare(ctx, targets, choices); err != nil {
		t.Error(logged(b, err))
	}
}

// logged adds what the servers wrote, which is gone with the test's directory.
func logged(b *bench, err error) string {
	s := err.Error()
	for _, name := range []string{"dossier", "limit"} {
		if log, err := os.ReadFile(filepath.Join(b.dir, name+".log")); err == nil && len(log) > 0 {
			s += "\n" + name + " wrote:\n" + string(log)
		}
	}
	return s
}
