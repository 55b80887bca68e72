// Command gendiff makes the next migration: what ent/schema has and the migrations do not make yet. It replays the
// migrations on an empty scratch database and compares, so it needs no database of anybody.
//
//	go run ./internal/store/gendiff add_notes   writes internal/store/migrations/<time>_add_notes.sql
//	go run ./internal/store/gendiff -check      fails when there is something to write
//
// Foreign keys are left alone: ent knows none of ours, they are composite and written by hand.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"dossier/internal/devdb"
)

func main() {
	check := flag.Bool("check", false, "write nothing; fail when ent/schema and the migrations differ")
	dir := flag.String("dir", filepath.Join("internal", "store", "migrations"), "directory of the migrations")
	dsn := flag.String("dsn", "", "an empty scratch database; without it a private one is started")
	bin := flag.String("pg-bin", "", "directory of the PostgreSQL binaries; they are searched for without it")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, *dsn, *bin, *dir, flag.Arg(0), *check)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "gendiff:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, dsn, bin, dir, name string, check bool) error {
	if check == (name != "") {
		return fmt.Errorf("give the name of the migration, such as add_notes, or -check")
	}
	if check {
		name = "drift"
	}
	if dsn == "" {
		started, stop, err := scratch(ctx, bin)
		if err != nil {
			return err
		}
		defer stop()
		dsn = started
	}
	m, err := diff(ctx, dsn, dir, name)
	switch {
	case err != nil:
		return err
	case m == nil:
		fmt.Println("The migrations make what ent/schema says.")
		return nil
	case check:
		return fmt.Errorf("ent/schema and the migrations differ; run make migrate name=... Missing:\n%s", m.content)
	}
	path := filepath.Join(dir, m.file)
	fmt.Println(path)
	return os.WriteFile(path, m.content, 0o600)
}

// scratch starts a PostgreSQL cluster that is gone after stop.
func scratch(ctx context.Context, bin string) (dsn string, stop func(), err error) {
	dir, err := os.MkdirTemp("", "gendiff")
	if err != nil {
		return "", nil, err
	}
	if os.Geteuid() == 0 {
		err = os.Chmod(dir, 0o711) //nolint:gosec // PostgreSQL refuses root and runs as another user, who must pass
	}
	remove := func() { _ = os.RemoveAll(dir) }
	if err != nil {
		remove()
		return "", nil, err
	}
	cluster, err := devdb.Start(ctx, devdb.Config{Dir: filepath.Join(dir, "pg"), BinDir: bin})
	if err != nil {
		remove()
		return "", nil, err
	}
	stop = func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
		defer cancel()
		_ = cluster.Stop(ctx)
		remove()
	}
	if err := cluster.CreateDatabase(ctx, "gendiff", ""); err != nil {
		stop()
		return "", nil, err
	}
	return cluster.DSN("gendiff"), stop, nil
}
