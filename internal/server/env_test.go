package server

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"dossier/graph"
	"dossier/internal/auth"
	"dossier/internal/blob/disk"
	"dossier/internal/customer"
	"dossier/internal/document"
	"dossier/internal/fault"
	"dossier/internal/feed"
	"dossier/internal/read"
	"dossier/internal/timeline"
)

// logs keeps what was logged.
type logs struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// versions is a document.Store that knows the content of one version, while it is not withdrawn.
type versions struct {
	document.Store
	account, version uuid.UUID
	key              string
	withdrawn, down  atomic.Bool

	mu       sync.Mutex
	readings []document.Reading
}

func (v *versions) Download(_ context.Context, p auth.Principal, version uuid.UUID, r document.Reading) (document.Download, error) {
	if v.down.Load() {
		return document.Download{}, fault.New(fault.Unavailable, "The database is gone.")
	}
	if p.AccountID != v.account || version != v.version || v.withdrawn.Load() {
		return document.Download{}, fault.New(fault.NotFound, "It does not exist.")
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.readings = append(v.readings, r)
	return document.Download{ObjectKey: v.key, FileName: "Vertrag.pdf", ContentType: "application/pdf", SizeBytes: 1234}, nil
}

func (v *versions) last() document.Reading {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.readings[len(v.readings)-1]
}

// holder holds every link that is made here. It may read documents until it is locked out.
type holder struct {
	auth.Principal
	locked atomic.Bool
}

func (h *holder) PrincipalOf(_ context.Context, account uuid.UUID, who auth.Holder) (auth.Principal, error) {
	if h.locked.Load() || who != h.Holder() {
		return auth.Principal{}, fault.New(fault.Unauthenticated, "Nobody.")
	}
	p := h.Principal
	p.AccountID = account
	return p, nil
}

type env struct {
	server   *Server
	log      *logs
	versions *versions
	holder   *holder
	blobs    *disk.Store
	ready    atomic.Bool
	now      atomic.Int64 // seconds that the clock of the links is ahead
	stop     context.CancelFunc
	done     chan error
}

// start runs a server whose database is not there: what it answers by itself is what is tested here.
func start(t *testing.T, change ...func(*Config, *Deps)) *env {
	t.Helper()
	e := &env{log: &logs{}, done: make(chan error, 1)}
	log := slog.New(slog.NewJSONHandler(e.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	e.ready.Store(true)
	var err error
	e.blobs, err = disk.Open(disk.Config{
		Dir: filepath.Join(t.TempDir(), "blobs"), BaseURL: "http://api.example/blobs", SigningKey: bytes.Repeat([]byte{1}, 32), Log: log,
	})
	if err != nil {
		t.Fatal(err)
	}
	e.versions = &versions{account: uuid.New(), version: uuid.New()}
	e.holder = &holder{Principal: auth.Principal{AccountID: e.versions.account, Kind: auth.KindStaff, ID: uuid.New(), Role: auth.Viewer}}
	engine, err := read.New(read.Config{Schema: graph.Schema()})
	if err != nil {
		t.Fatal(err)
	}
	authenticator, err := auth.New(auth.Config{Directory: nobody{}, Pepper: auth.Pepper{1}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(authenticator.Close)
	cfg := Config{
		Addr: "127.0.0.1:0", AdminAddr: "127.0.0.1:0", PublicURL: "https://api.example", Origins: []string{"https://app.example", "https://other.example:8443"},
		SDL: graph.SDL(), SampleQuery: "{ viewer { permissions } } # </script>", MaxFiles: 5, MaxSockets: 10, ShutdownTimeout: 5 * time.Second,
	}
	deps := Deps{
		Resolver: &graph.Resolver{
			Engine: engine, Customers: customer.NewService(nil), Timeline: timeline.NewService(nil), Documents: document.New(e.versions, nil, e.blobs),
		},
		Limits: graph.DefaultLimits, Auth: authenticator, Log: log, BlobRoutes: e.blobs.Handler(),
		Hub: feed.NewHub(feed.Config{Heads: func(context.Context, []uuid.UUID) (map[uuid.UUID]int64, error) { return nil, nil }, Logger: log}),
		Links: &document.Links{Secret: bytes.Repeat([]byte{2}, 32), BaseURL: "/files/", Now: func() time.Time {
			return time.Now().Add(time.Duration(e.now.Load()) * time.Second)
		}},
		Ready: func(context.Context) error {
			if !e.ready.Load() {
				return fault.New(fault.Unavailable, "no")
			}
			return nil
		},
	}
	deps.Resolver.Documents.Rights = e.holder
	for _, f := range change {
		f(&cfg, &deps)
	}
	if e.server, err = Open(cfg, deps); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	e.stop = stop
	go func() { e.done <- e.server.Serve(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-e.done; err != nil {
			t.Errorf("Serve() = %v, want nil", err)
		}
	})
	return e
}

// nobody is a directory in which there is nobody.
type nobody struct{ auth.Directory }

func (nobody) IssuerByURL(context.Context, string) (auth.Issuer, error) {
	return auth.Issuer{}, fault.New(fault.NotFound, "no such issuer")
}

func (nobody) KeyByID(context.Context, uuid.UUID) (auth.KeyRecord, error) {
	return auth.KeyRecord{}, fault.New(fault.NotFound, "no such key")
}

// reply is an answer, read to its end.
type reply struct {
	status int
	header http.Header
	body   string
}

// client follows no redirect and keeps no connection.
func client() *http.Client {
	return &http.Client{
		Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func ask(t *testing.T, method, url string, header map[string]string, body string) reply {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range header {
		req.Header.Set(k, v)
	}
	resp, err := client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{resp.StatusCode, resp.Header, string(b)}
}

func get(t *testing.T, url string) reply {
	t.Helper()
	return ask(t, http.MethodGet, url, nil, "")
}
