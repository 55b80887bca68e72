package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"dossier/graph"
	"dossier/internal/auth"
	"dossier/internal/document"
	"dossier/internal/feed"
	"dossier/internal/transport"
)

// Config is what the server can be told. All fields but Origins, Proxies, Traces and DrainDelay are required.
type Config struct {
	// Addr and AdminAddr are host:port. Port 0 chooses a free one, see Server.URL.
	Addr, AdminAddr string
	// PublicURL is where clients reach the server, without a slash at its end.
	PublicURL string
	// Origins may use the API from a browser, besides PublicURL's own.
	Origins []string
	// Proxies are the addresses of the load balancers in front, whose X-Forwarded-For is believed.
	Proxies []netip.Prefix
	// SDL is the text of the schema.
	SDL string
	// SampleQuery stands in the query page when it is opened.
	SampleQuery string
	// MaxFiles is the most files of one upload request.
	MaxFiles int
	// MaxSockets is how many live connections one API key may have on this node; a staff user may have two fifths of it.
	MaxSockets int
	// DrainDelay is how long a stopping server is not ready but accepts; ShutdownTimeout how long it waits for requests.
	DrainDelay, ShutdownTimeout time.Duration
	// Traces says whether requests are traced.
	Traces bool
}

// Deps are the parts that the server puts together.
type Deps struct {
	Resolver *graph.Resolver
	Limits   graph.Limits
	Auth     *auth.Authenticator
	Hub      *feed.Hub
	Links    *document.Links
	// ExportLinks are those to the files of exports. Their key is another one, so that no link is good for both.
	ExportLinks *document.Links
	// ArchiveLinks are those to the ZIPs of all documents of a customer.
	ArchiveLinks *document.Links
	Log          *slog.Logger
	Images       *document.ImageLinks
	// Previews are the links to the pictures of documents.
	Previews *document.PreviewLinks
	// BlobRoutes serves the signed requests of the disk store below /blobs/; nil for a store with URLs of its own.
	BlobRoutes http.Handler
	// DevIssuer is served below /dev/issuer/; nil but for `dossier dev`.
	DevIssuer http.Handler
	// Ready says whether the database answers.
	Ready func(ctx context.Context) error
	// Pools are the connections to the database, for the metrics.
	Pools []Pool
	// BlobFailures is how many calls the object store failed, for the metrics; nil when nobody counts.
	BlobFailures func() int64
}

// Pool is a pool of connections to the database.
type Pool struct {
	Name string
	// Max is how many connections it may have; Stats how many it has, and how many of them are in use.
	Max   int
	Stats func() (total, inUse int)
}

// Server is the program's HTTP side.
type Server struct {
	cfg     Config
	deps    Deps
	log     *slog.Logger
	metrics *metrics
	origins origins
	proxies proxies

	public, admin         *http.Server
	publicAddr, adminAddr net.Listener
	ws                    *transport.WS
	sse                   *transport.SSE
	stopping              atomic.Bool
}

// Open puts the server together and takes its addresses; Serve begins to answer.
func Open(cfg Config, deps Deps) (*Server, error) {
	s := &Server{cfg: cfg, deps: deps, log: deps.Log, metrics: newMetrics(), origins: newOrigins(cfg.PublicURL, cfg.Origins), proxies: cfg.Proxies}
	s.openLive()
	s.metrics.publish(deps)
	handler, err := s.routes()
	if err != nil {
		return nil, err
	}
	s.public = newHTTPServer(handler, deps.Log)
	s.admin = newHTTPServer(s.adminRoutes(), deps.Log)
	if s.publicAddr, err = net.Listen("tcp", cfg.Addr); err != nil {
		return nil, fmt.Errorf("server: listen on %s: %w", cfg.Addr, err)
	}
	if s.adminAddr, err = net.Listen("tcp", cfg.AdminAddr); err != nil {
		return nil, errors.Join(fmt.Errorf("server: listen on %s: %w", cfg.AdminAddr, err), s.publicAddr.Close())
	}
	return s, nil
}

// newHTTPServer has no limit on reading or writing a whole body: uploads and live streams last. The transports have
// limits of their own for every read and write.
func newHTTPServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// URL is where the API answers, with the port that was chosen.
func (s *Server) URL() string { return "http://" + s.publicAddr.Addr().String() }

// AdminURL is where the admin routes answer.
func (s *Server) AdminURL() string { return "http://" + s.adminAddr.Addr().String() }

// Serve answers until ctx ends, then shuts down in order: not ready, sockets told to come back, uploads finished up to
// the deadline. It returns nil after a clean shutdown.
func (s *Server) Serve(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, x := range []struct {
		server *http.Server
		l      net.Listener
	}{{s.public, s.publicAddr}, {s.admin, s.adminAddr}} {
		g.Go(func() error {
			if err := x.server.Serve(x.l); !errors.Is(err, http.ErrServerClosed) {
				return fmt.Errorf("server: %w", err)
			}
			return nil
		})
	}
	g.Go(func() error {
		<-ctx.Done()
		return s.shutdown()
	})
	return g.Wait()
}

func (s *Server) shutdown() error {
	s.stopping.Store(true)
	s.log.Info("stopping")
	time.Sleep(s.cfg.DrainDelay) //nolint:forbidigo // it is the wait itself that is asked for
	ctx, cancel := context.WithTimeout(context.Background(), s.cfg.ShutdownTimeout)
	defer cancel()
	var g errgroup.Group
	g.Go(func() error { return s.ws.Shutdown(ctx) })
	g.Go(func() error { return s.sse.Shutdown(ctx) })
	g.Go(func() error { return s.public.Shutdown(ctx) })
	err := g.Wait()
	if err != nil {
		// What is still open is cut: an upload that did not finish was not acknowledged, and its lease expires.
		s.log.Warn("the shutdown deadline passed with requests in progress")
		_ = s.public.Close()
	}
	s.deps.Hub.Close()
	admin, cancelAdmin := context.WithTimeout(context.Background(), time.Second)
	defer cancelAdmin()
	if s.admin.Shutdown(admin) != nil {
		_ = s.admin.Close()
	}
	return nil
}

// Checked is told how each check of a content ended, for the metrics. It is document.Checker's Observe.
func (s *Server) Checked(what document.CheckOutcome) {
	s.metrics.checks.WithLabelValues(string(what)).Inc()
}

// Swept is told what each sweep did, for the metrics. It is document.Sweeper's Observe.
func (s *Server) Swept(r document.Report) { s.metrics.sweeps.observe(r, time.Now()) }
