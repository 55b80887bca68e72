package server

import (
	"context"
	"mime"
	"net/http"
	"net/http/pprof"
	"net/url"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/rs/cors"

	"dossier/graph"
	"dossier/internal/auth"
	"dossier/internal/blob"
	"dossier/internal/document"
	"dossier/internal/read"
	"dossier/internal/transport"
)

func (s *Server) routes() (http.Handler, error) {
	query, err := newPage(s.cfg.SampleQuery)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/graphql", s.graphql())
	mux.Handle("GET /schema.graphql", schemaHandler(s.cfg.SDL))
	mux.Handle("GET /files/{token}", s.download(func(ctx context.Context, token string, v document.Visit) (document.Offer, error) {
		return s.deps.Resolver.Documents.DownloadRequest(ctx, s.deps.Links, token, v)
	}))
	mux.Handle("GET /exports/{token}", s.download(func(ctx context.Context, token string, v document.Visit) (document.Offer, error) {
		return s.deps.Resolver.Jobs.ResultRequest(ctx, s.deps.ExportLinks, token, v)
	}))
	mux.Handle("GET /archives/{token}", s.archive())
	mux.Handle("GET /images/original/{token}", s.originalImage())
	for path, variant := range map[string]string{"preview": document.ImagePreview, "thumbnail": document.ImageThumbnail} {
		mux.Handle("GET /images/"+path+"/{token}", s.smallImage(func(ctx context.Context, token string) (*blob.Reader, string, error) {
			return s.deps.Resolver.Documents.SmallImage(ctx, s.deps.Images, variant, token)
		}))
		mux.Handle("GET /previews/"+path+"/{token}", s.smallImage(func(ctx context.Context, token string) (*blob.Reader, string, error) {
			return s.deps.Resolver.Documents.OpenPreview(ctx, s.deps.Previews, variant, token)
		}))
	}
	if s.deps.BlobRoutes != nil {
		mux.Handle("/blobs/", s.deps.BlobRoutes)
	}
	if s.deps.DevIssuer != nil {
		mux.Handle("GET /dev/issuer/", s.deps.DevIssuer)
	}
	mux.Handle("GET "+pagePath, query)
	mux.Handle("GET /{$}", http.RedirectHandler(pagePath, http.StatusFound))
	mux.HandleFunc("GET /healthz", s.healthz)
	mux.HandleFunc("GET /readyz", s.readyz)

	h := s.observe(s.cors(mux))
	if s.cfg.Traces {
		h = traced(h)
	}
	return h, nil
}

// graphql is the one endpoint of staff and servers. The order of the transports matters: the first that supports a
// request takes it.
func (s *Server) graphql() http.Handler {
	h := graph.NewHandler(s.deps.Resolver, s.deps.Limits, s.log)
	h.AddTransport(s.ws)
	h.AddTransport(s.sse)
	h.AddTransport(transport.NewMultipart(transport.MultipartConfig{MaxFiles: s.cfg.MaxFiles}))
	h.AddTransport(transport.GET{})
	h.AddTransport(transport.POST{Sent: read.Release})
	h.AddTransport(transport.Unsupported{})
	credential := auth.RequireCredential(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if u, ok := w.(*uploadReply); ok {
			w = u.ResponseWriter // from here on the transport decides what is read
		}
		h.ServeHTTP(w, r)
	}))
	authenticated := s.deps.Auth.Authenticate(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// SECURITY: an upload without a credential is refused before its body is read. Other operations get to the
		// executor, because introspection is open and errors there have a path.
		if isMultipart(r) {
			credential.ServeHTTP(w, r)
			return
		}
		h.ServeHTTP(w, r)
	}))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if isMultipart(r) {
			w = &uploadReply{ResponseWriter: w, request: r}
		}
		authenticated.ServeHTTP(w, r)
	})
}

// uploadReply refuses an upload of which nothing was read, and nothing will be: net/http would read 256 KiB of the body
// before the answer, and as much again after it.
type uploadReply struct {
	http.ResponseWriter
	request *http.Request
}

// WriteHeader begins the answer.
func (u *uploadReply) WriteHeader(status int) {
	transport.LeaveBody(u.ResponseWriter, u.request)
	u.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (u *uploadReply) Unwrap() http.ResponseWriter { return u.ResponseWriter }

func isMultipart(r *http.Request) bool {
	if r.Header.Get("Content-Type") == "application/json" { // what nearly every client sends
		return false
	}
	t, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return t == "multipart/form-data"
}

func (s *Server) cors(next http.Handler) http.Handler {
	return cors.New(cors.Options{
		AllowOriginFunc: s.origins.allowed,
		AllowedMethods:  []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodHead, http.MethodDelete},
		AllowedHeaders: []string{
			"Authorization", "Content-Type", "Accept", "Last-Event-ID", "Apollo-Require-Preflight", "GraphQL-Require-Preflight",
			"X-Requested-With", "Content-Range", "X-Goog-Content-Length-Range", "X-Goog-If-Generation-Match", "X-Goog-Hash", "traceparent", "tracestate",
		},
		// Range is what a resumable upload goes on from.
		ExposedHeaders: []string{"X-Request-Id", "Retry-After", "Range"},
		MaxAge:         600,
	}).Handler(next)
}

func (s *Server) adminRoutes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.metrics.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", s.healthz)
	mux.HandleFunc("GET /readyz", s.readyz)
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return mux
}

// healthz says that the process runs. It does not ask the database: restarting the program would not heal that.
func (s *Server) healthz(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) }

// readyz says whether requests should be sent here: not while stopping, not without a database.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
	defer cancel()
	switch {
	case s.stopping.Load():
		http.Error(w, "stopping", http.StatusServiceUnavailable)
	case s.deps.Ready(ctx) != nil:
		http.Error(w, "the database does not answer", http.StatusServiceUnavailable)
	default:
		_, _ = w.Write([]byte("ready\n"))
	}
}

// origins are the origins of browser apps, for CORS and WebSocket alike.
type origins map[string]bool

func newOrigins(public string, list []string) origins {
	o := make(origins, len(list)+1)
	for _, origin := range append([]string{public}, list...) {
		if u, err := url.Parse(origin); err == nil && u.Host != "" {
			o[originOf(u)] = true
		}
	}
	return o
}

// originOf is the origin of a URL as browsers send it: without the scheme's own port.
func originOf(u *url.URL) string {
	scheme, host := strings.ToLower(u.Scheme), strings.ToLower(u.Host)
	switch scheme {
	case "http":
		host = strings.TrimSuffix(host, ":80")
	case "https":
		host = strings.TrimSuffix(host, ":443")
	}
	return scheme + "://" + host
}

func (o origins) allowed(origin string) bool { return o[strings.ToLower(origin)] }

// socket says whether a WebSocket may be opened: programs send no Origin; a page is of the same host or of the list.
func (o origins) socket(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" || o.allowed(origin) {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && strings.EqualFold(u.Host, r.Host)
}
