package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"dossier/internal/devdb"
)

// bench is one run.
type bench struct {
	out io.Writer
	log *slog.Logger
	dir string
	// stores is where this run's contestants store files.
	stores string
	source string
	pgBin  string
	// dossier is the program to measure; empty: the others only.
	dossier string
	// before is another build of it, to be measured beside it; empty: none.
	before  string
	skip    []string
	profile bool
	// files picks the sets of files to upload, by a part of their names.
	files string
	// query picks the queries of the reads likewise, by a part of their name and number of connections.
	query string
	size  size

	cluster *devdb.Cluster
	// dsn gives the connection string of a database.
	dsn    func(database string) string
	report report
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		slog.New(slog.NewTextHandler(os.Stderr, nil)).Error("bench failed", "error", err)
		os.Exit(1)
	}
}

// suites in the order in which they run.
var suites = []string{"reads", "uploads", "live", "directory"}

func run(ctx context.Context, args []string, out, logs io.Writer) error {
	b := &bench{out: out, log: slog.New(slog.NewTextHandler(logs, &slog.HandlerOptions{Level: slog.LevelWarn}))}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(logs)
	only := flags.String("only", strings.Join(suites, ","), "which benches to run")
	skip := flags.String("skip", "", "contestants to leave out: dossier, unwalled, limit, postgraphile, graphile-rls, put")
	sizeName := flags.String("size", "full", "full, or small to see that the bench works")
	rounds := flags.Int("rounds", 0, "rounds of the reads; 0: as the size says")
	flags.BoolVar(&b.profile, "profile", false, "also keep processor and allocation profiles of Dossier for each query and each set of files")
	flags.StringVar(&b.files, "files", "", "of the uploads only the sets of files whose name has this in it, such as \"200 x\"")
	flags.StringVar(&b.query, "query", "", "of the reads only those whose name and connections have this in them, such as \"list\" or \"profile 1\"")
	flags.StringVar(&b.dir, "dir", "data/bench", "where the database, the files and the results are")
	flags.StringVar(&b.source, "source", "internal/bench", "where the bench's source is")
	flags.StringVar(&b.dossier, "dossier", "bin/dossier", "the program to measure")
	flags.StringVar(&b.before, "before", "", "another build of the program, measured beside it: what a change does, from one run")
	flags.StringVar(&b.pgBin, "pg-bin", "", "where initdb and postgres are; empty: searched for")
	if err := flags.Parse(args); err != nil {
		return err
	}
	var ok bool
	if b.size, ok = sizes[*sizeName]; !ok {
		return fmt.Errorf("-size is full or small, not %q", *sizeName)
	}
	if *rounds > 0 {
		b.size.rounds = *rounds
	}
	b.skip = strings.Split(*skip, ",")
	chosen := strings.Split(*only, ",")
	for _, c := range chosen {
		if !slices.Contains(suites, c) {
			return fmt.Errorf("-only is a list of %s, not %q", strings.Join(suites, ", "), c)
		}
	}
	var err error
	if b.dir, err = filepath.Abs(b.dir); err != nil {
		return err
	}
	return b.run(ctx, chosen)
}

func (b *bench) run(ctx context.Context, chosen []string) (err error) {
	if err := os.MkdirAll(b.dir, 0o755); err != nil { //nolint:gosec // the user PostgreSQL runs as must pass when we are root
		return err
	}
	if err := b.raiseFileLimit(); err != nil {
		return err
	}
	stores := filepath.Join(b.dir, "stores")
	b.stores = filepath.Join(stores, strconv.FormatInt(time.Now().Unix(), 10))
	defer func() { err = errors.Join(err, removeOld(stores)) }()
	if err := b.startCluster(ctx); err != nil {
		return err
	}
	defer func() {
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		err = errors.Join(err, b.cluster.Stop(stop))
	}()
	if err := b.buildServers(ctx); err != nil {
		return err
	}
	b.report.began(b.size.name)
	for _, name := range chosen {
		suite := map[string]func(context.Context) error{"reads": b.reads, "uploads": b.uploads, "live": b.live, "directory": b.directory}[name]
		// What was measured is kept, also when the rest fails.
		if err := errors.Join(suite(ctx), b.report.write(b.dir)); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// removeOld removes the stores of runs that began over an hour ago. Later ones stay, empty as emptyFiles leaves them: ext4
// without a journal gives the inode of a file to no other one for up to five minutes after it was deleted, and looks at each such
// inode before it makes a new file. After a run of this bench that took longer than all else that a server does for a file.
func removeOld(stores string) error {
	runs, err := os.ReadDir(stores)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, run := range runs {
		info, infoErr := run.Info()
		err = errors.Join(err, infoErr)
		if infoErr == nil && time.Since(info.ModTime()) > time.Hour {
			err = errors.Join(err, os.RemoveAll(filepath.Join(stores, run.Name())))
		}
	}
	return err
}

func (b *bench) printf(format string, args ...any) { _, _ = fmt.Fprintf(b.out, format, args...) }

func (b *bench) skips(contestant string) bool {
	return slices.Contains(b.skip, contestant) || contestant == before && b.before == ""
}
