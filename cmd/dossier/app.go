package main

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/exaring/otelpgx"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"dossier/graph"
	"dossier/internal/account"
	"dossier/internal/attribute"
	"dossier/internal/audit"
	"dossier/internal/auth"
	"dossier/internal/blob"
	"dossier/internal/blob/disk"
	"dossier/internal/blob/gcs"
	"dossier/internal/catalog"
	"dossier/internal/clamd"
	"dossier/internal/customer"
	"dossier/internal/document"
	"dossier/internal/feed"
	"dossier/internal/job"
	"dossier/internal/note"
	"dossier/internal/pdfpage"
	"dossier/internal/read"
	"dossier/internal/server"
	"dossier/internal/store"
	"dossier/internal/timeline"
	"dossier/internal/wall"
)

// sampleQuery stands in the query page when it is opened.
const sampleQuery = `# The first customers with what is theirs: one request, one batch of SQL.
query Directory {
  customers(first: 5) {
    nodes {
      id displayName kind
      emails { address }
      contacts(first: 3) { nodes { displayName role phones { e164 } } }
      documents(first: 3) { nodes { title currentVersion { fileName sizeBytes downloadUrl } } }
      upcoming: timeline(direction: UPCOMING, first: 3) { nodes { at kind title } }
    }
    pageInfo { hasNextPage endCursor }
  }
}

subscription Live {
  events { cursor ... on EventDelivery { event { type at customer { displayName } } } }
}
`

// app is the running program: every part, put together once.
type app struct {
	cfg      *config
	log      *slog.Logger
	store    *store.Store
	readPool *pgxpool.Pool
	blobs    *blob.Counted
	routes   http.Handler // of the disk store; nil for gcs
	auth     *auth.Authenticator
	notifier *feed.Notifier
	tailer   *feed.Tailer
	hub      *feed.Hub
	links    *document.Links
	// exports makes the links to the files of exports, runner works at jobs.
	exports  *document.Links
	runner   *job.Runner
	archives *document.Links
	// denials writes what was refused into the audit trail.
	denials  *audit.Denials
	images   *document.ImageLinks
	previews *document.PreviewLinks
	checker  *document.Checker
	resolver *graph.Resolver
	sweeper  *document.Sweeper
	// cleanTemp removes what a crash left of uploads to the disk store; nil for gcs.
	cleanTemp func(context.Context) error
	// devIssuer is the issuer of the demo account, in dev only.
	devIssuer http.Handler
	traces    func(context.Context) error
	traced    bool
}

// subkey derives the key for one purpose from the secret, so that no two uses share one (RFC 5869).
func subkey(secret []byte, purpose string) []byte {
	key, err := hkdf.Key(sha256.New, secret, nil, "dossier "+purpose, 32)
	if err != nil {
		panic(err) // the length is fixed and allowed
	}
	return key
}

// openApp connects everything. network says which issuers may be asked; ids and clocks are the real ones.
func openApp(ctx context.Context, cfg *config, log *slog.Logger, secret []byte, network auth.Network) (_ *app, err error) {
	a := &app{cfg: cfg, log: log}
	defer func() {
		if err != nil {
			a.close()
		}
	}()
	a.traced = os.Getenv("OTEL_TRACES_EXPORTER") != "" || os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != "" ||
		os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") != ""
	var tracer pgx.QueryTracer
	if a.traced {
		if a.traces, err = startTraces(ctx); err != nil {
			return nil, err
		}
		tracer = otelpgx.NewTracer() // without the values of parameters, which is its default
	}
	if err := a.openStore(ctx, tracer); err != nil {
		return nil, err
	}
	if err := a.openBlobs(ctx, subkey(secret, "disk store")); err != nil {
		return nil, err
	}
	pepper, err := auth.DerivePepper(secret)
	if err != nil {
		return nil, err
	}
	if a.auth, err = auth.New(auth.Config{Directory: a.store, Pepper: pepper, Network: network}); err != nil {
		return nil, err
	}
	a.links = &document.Links{Secret: subkey(secret, "downloads"), BaseURL: cfg.publicURL() + "/files/", TTL: cfg.DownloadTTL.d, Now: time.Now}
	a.exports = &document.Links{Secret: subkey(secret, "exports"), BaseURL: cfg.publicURL() + "/exports/", TTL: cfg.DownloadTTL.d, Now: time.Now}
	a.archives = &document.Links{Secret: subkey(secret, "archives"), BaseURL: cfg.publicURL() + "/archives/", TTL: cfg.DownloadTTL.d, Now: time.Now}
	a.images = document.NewImageLinks(cfg.publicURL()+"/images", func(purpose string) []byte { return subkey(secret, purpose) })
	a.previews = document.NewPreviewLinks(cfg.publicURL()+"/previews", func(purpose string) []byte { return subkey(secret, purpose) })
	return a, a.openGraph(pepper)
}

func (a *app) openStore(ctx context.Context, tracer pgx.QueryTracer) error {
	dsn, err := behindWall(ctx, a.cfg.appURL(), a.log)
	if err != nil {
		return err
	}
	a.store, err = store.Open(ctx, store.Config{
		DSN: dsn, MaxConns: a.cfg.WriteConns.n, Log: a.log, Tracer: tracer,
		// The notifier is made after the store, whose pool it uses; nothing is committed before.
		Dirty: func(account uuid.UUID) { a.notifier.Dirty(account) },
	})
	if err != nil {
		return err
	}
	if err := a.store.CheckSchema(ctx); err != nil {
		return err
	}
	a.readPool, err = read.OpenPool(ctx, dsn, a.cfg.ReadConns.n, func(c *pgxpool.Config) { c.ConnConfig.Tracer = tracer })
	if err != nil {
		return err
	}
	a.hub = feed.NewHub(feed.Config{Heads: feed.Heads(a.readPool), Logger: a.log})
	a.tailer = feed.NewTailer(feed.TailerConfig{Hub: a.hub, Pool: a.readPool, Logger: a.log})
	a.notifier = feed.NewNotifier(feed.NotifierConfig{Hub: a.hub, Tailer: a.tailer, Pool: a.readPool, Logger: a.log})
	return nil
}

// behindWall gives the connection string with which the program goes behind row-level security; the log says where it cannot.
func behindWall(ctx context.Context, database secret, log *slog.Logger) (string, error) {
	cfg, err := pgx.ParseConfig(string(database))
	if err != nil {
		return "", store.ErrBadDSN
	}
	return wall.Enter(ctx, cfg, log)
}

func (a *app) openBlobs(ctx context.Context, key []byte) error {
	if a.cfg.BlobStore == "gcs" {
		cfg := gcs.Config{Bucket: a.cfg.GCSBucket, Endpoint: a.cfg.GCSEndpoint, MemoryBytes: int64(a.cfg.UploadMemory.n) << 20}
		if a.cfg.GCSKeyFile != "" {
			var err error
			if cfg.CredentialsJSON, err = os.ReadFile(a.cfg.GCSKeyFile); err != nil {
				return fmt.Errorf("--gcs-key-file: %w", err)
			}
		}
		s, err := gcs.Open(ctx, cfg)
		if err != nil {
			return err
		}
		a.blobs = blob.NewCounted(s)
		return nil
	}
	s, err := disk.Open(disk.Config{
		Dir: filepath.Join(a.cfg.DataDir, "blobs"), BaseURL: a.cfg.publicURL() + "/blobs", SigningKey: key, Log: a.log,
	})
	if err != nil {
		return err
	}
	a.blobs, a.routes = blob.NewCounted(s), s.Handler()
	a.cleanTemp = func(ctx context.Context) error {
		_, err := s.CleanTemp(ctx, time.Now().Add(-time.Hour))
		return err
	}
	return nil
}

func (a *app) openGraph(pepper auth.Pepper) error {
	engine, err := read.New(read.Config{
		Pool: a.readPool, Schema: graph.Schema(), DownloadURL: a.links.URLFor, DocumentsZipURL: a.archives.URLFor, JobURL: a.exports.URLFor,
		ImageURL: a.images.URL, PreviewURL: a.previews.URLFor,
		MaxDepth:           graph.DefaultLimits.Depth,
		MaxFilesPerRequest: a.cfg.MaxFiles.n, EventRetentionDays: int(a.cfg.EventRetention.d / (24 * time.Hour)),
	})
	if err != nil {
		return err
	}
	a.resolver = &graph.Resolver{
		Engine: engine, Customers: customer.NewService(a.store), Accounts: account.NewService(a.store, pepper),
		Attributes: attribute.NewService(a.store),
		Timeline:   timeline.NewService(a.store), Documents: document.New(a.store.Documents(), a.store.Images(), a.blobs),
		Lists: catalog.NewService(a.store), Policies: customer.NewPolicies(a.store),
	}
	a.resolver.Notes = note.NewService(a.store)
	a.openJobs()
	a.openChecks()
	a.resolver.Accounts.Revoked = a.auth.ForgetKey
	a.denials = audit.NewDenials(a.store, a.log)
	a.resolver.Denied = a.denials.Denied
	a.resolver.Documents.Denied, a.resolver.Documents.Rights = a.denials.Denied, a.auth
	a.resolver.Documents.Log = a.log
	a.resolver.Documents.Limits.Lease = a.cfg.UploadLease.d
	a.sweeper = document.NewSweeper(a.store.Sweep(), a.blobs)
	a.sweeper.Log, a.sweeper.Every = a.log, a.cfg.Sweep.d
	if a.cleanTemp != nil {
		a.sweeper.Also = append(a.sweeper.Also, a.cleanTemp)
	}
	a.sweeper.Also = append(a.sweeper.Also, func(ctx context.Context) error {
		_, err := a.store.PruneEvents(ctx, a.cfg.EventRetention.d)
		return err
	}, func(ctx context.Context) error {
		_, err := a.store.PruneJobs(ctx, keepJobs)
		return err
	}, func(ctx context.Context) error {
		return document.TellOfDates(ctx, a.store, time.Now())
	})
	return nil
}

// keepJobs is how long a job is kept after its end, as the schema says.
const keepJobs = 7 * 24 * time.Hour

func (a *app) openJobs() {
	a.runner = job.NewRunner(a.store.Jobs(), a.blobs)
	a.runner.Log, a.runner.Workers, a.runner.Lease = a.log, a.cfg.JobWorkers.n, a.cfg.JobLease.d
	a.resolver.Jobs = job.NewService(a.store.Jobs(), a.resolver.Documents, a.blobs)
	a.resolver.Jobs.Wake = a.runner.Wake
}

// openChecks makes what scans contents and makes their previews.
func (a *app) openChecks() {
	docs := a.resolver.Documents
	a.checker = document.NewChecker(a.store.Checks(), a.blobs, docs.Thumbnails)
	a.checker.Log, a.checker.Workers, a.checker.Lease = a.log, a.cfg.CheckWorkers.n, a.cfg.JobLease.d
	docs.Wake = a.checker.Wake
	if a.cfg.PDFPreviews {
		docs.Pages, a.checker.Pages = true, pdfpage.New(filepath.Join(a.cfg.DataDir, "renderer"))
	}
	if network, address, err := clamd.ParseAddress(a.cfg.Clamd); err == nil {
		docs.Scanner = clamd.New(clamd.Config{
			Network: network, Address: address, MaxBytes: int64(a.cfg.ScanMax.n) * 1_000_000, Timeout: a.cfg.ScanTimeout.d,
		})
		a.checker.Scanner = docs.Scanner
	}
}

// run serves until ctx ends. opened is told once the addresses are taken.
func (a *app) run(ctx context.Context, opened func(*server.Server)) error {
	s, err := server.Open(server.Config{
		Addr: a.cfg.Listen, AdminAddr: a.cfg.AdminListen, PublicURL: a.cfg.publicURL(), Origins: a.cfg.Origins, Proxies: a.cfg.proxies(), SDL: graph.SDL(),
		SampleQuery: sampleQuery, MaxFiles: a.cfg.MaxFiles.n, MaxSockets: a.cfg.MaxSockets.n,
		DrainDelay: a.cfg.DrainDelay.d, ShutdownTimeout: a.cfg.ShutdownTimeout.d, Traces: a.traced,
	}, server.Deps{
		Resolver: a.resolver, Limits: graph.DefaultLimits, Auth: a.auth, Hub: a.hub, Links: a.links, ExportLinks: a.exports, ArchiveLinks: a.archives,
		Images: a.images, Previews: a.previews, Log: a.log,
		BlobRoutes: a.routes, DevIssuer: a.devIssuer, Ready: a.store.Ping, Pools: a.pools(), BlobFailures: a.blobs.Failures,
	})
	if err != nil {
		return err
	}
	a.sweeper.Observe, a.checker.Observe = s.Swept, s.Checked
	// The background work outlives the server: uploads that finish during the shutdown still notify other nodes.
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var work errgroup.Group
	for _, run := range []func(context.Context) error{a.notifier.Run, a.tailer.Run, a.sweeper.Run, a.denials.Run} {
		work.Go(func() error {
			if err := run(background); err != nil && background.Err() == nil {
				a.log.Error("background work ended", "cause", err)
			}
			return nil
		})
	}
	// Jobs and checks stop with the first sign of the shutdown, so that another node goes on with them at once.
	var jobs errgroup.Group
	working, stopJobs := context.WithCancel(ctx)
	defer stopJobs()
	jobs.Go(func() error { return a.runner.Run(working) })
	trim(a.log)
	jobs.Go(func() error { return a.checker.Run(working) })
	opened(s)
	err = s.Serve(ctx)
	stopJobs()
	err = errors.Join(err, jobs.Wait())
	stop()
	return errors.Join(err, work.Wait())
}

func (a *app) pools() []server.Pool {
	return []server.Pool{
		{Name: "read", Max: a.cfg.ReadConns.n, Stats: func() (total, inUse int) {
			st := a.readPool.Stat()
			return int(st.TotalConns()), int(st.AcquiredConns())
		}},
		{Name: "write", Max: a.cfg.WriteConns.n, Stats: a.store.Stats},
	}
}

// close ends what openApp began, the pools last.
func (a *app) close() {
	if a.auth != nil {
		a.auth.Close()
	}
	if a.checker != nil && a.checker.Pages != nil {
		if err := a.checker.Pages.Close(); err != nil {
			a.log.Warn("the renderer of pages did not end", "cause", err)
		}
	}
	if a.readPool != nil {
		a.readPool.Close()
	}
	if a.store != nil {
		a.store.Close()
	}
	if a.traces != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := a.traces(ctx); err != nil {
			a.log.Warn("the last traces were not sent", "cause", err)
		}
	}
}

func newLogger(cfg *config) *slog.Logger {
	level, err := cfg.level()
	if err != nil {
		level = slog.LevelInfo
	}
	return slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
}
