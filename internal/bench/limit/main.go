// Command limit is the LIMIT server of the bench: the four queries of the bench as fixed SQL, one batch each, whose binary
// results are appended to the response. It has no GraphQL, no permissions and no configuration, so what it costs is about
// the least that any server can pay for these answers.
package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"flag"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"dossier/internal/typeid"
)

type server struct {
	pool    *pgxpool.Pool
	buffers sync.Pool
}

// variables are what a request may hold.
type variables struct {
	Account uuid.UUID `json:"account"`
	ID      string    `json:"id"`
	After   string    `json:"after"`
}

type work struct {
	batch pgx.Batch
	// write reads the batch's results, in order, and appends the answer.
	write func(r *results, dst []byte) []byte
}

func main() {
	if err := run(); err != nil {
		slog.Error("limit", "error", err)
		os.Exit(1)
	}
}

func run() error {
	listen := flag.String("listen", "127.0.0.1:0", "address")
	database := flag.String("database", "", "PostgreSQL URL")
	conns := flag.Int("conns", 8, "most connections")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	cfg, err := pgxpool.ParseConfig(*database)
	if err != nil {
		return err
	}
	cfg.MaxConns = int32(*conns)
	cfg.ConnConfig.RuntimeParams["application_name"] = "limit"
	// The statements were written so that one plan fits all parameters.
	cfg.ConnConfig.RuntimeParams["plan_cache_mode"] = "force_generic_plan"
	s := &server{}
	if s.pool, err = pgxpool.NewWithConfig(ctx, cfg); err != nil {
		return err
	}
	defer s.pool.Close()
	s.buffers.New = func() any { b := make([]byte, 0, 128<<10); return &b }
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("POST /profile", s.handle(profile))
	mux.HandleFunc("POST /dashboard", s.handle(dashboard))
	mux.HandleFunc("POST /list", s.handle(list))
	mux.HandleFunc("POST /count", s.handle(count))
	srv := &http.Server{Addr: *listen, Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		<-ctx.Done()
		_ = srv.Close()
	}()
	if err := srv.ListenAndServe(); err != http.ErrServerClosed { //nolint:errorlint // it is returned as it is
		return err
	}
	return nil
}

func (s *server) handle(prepare func(variables) (*work, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			Variables variables `json:"variables"`
		}
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		job, err := prepare(body.Variables)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		buf := s.buffers.Get().(*[]byte) //nolint:errcheck // the pool holds nothing else
		defer s.buffers.Put(buf)
		if *buf, err = s.answer(r.Context(), job, (*buf)[:0]); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(len(*buf)))
		_, _ = w.Write(*buf)
	}
}

func (s *server) answer(ctx context.Context, job *work, dst []byte) ([]byte, error) {
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return dst, err
	}
	defer conn.Release()
	r := &results{batch: conn.SendBatch(ctx, &job.batch)}
	dst = append(dst, `{"data":{`...)
	dst = job.write(r, dst)
	dst = append(dst, "}}"...)
	if err := r.batch.Close(); r.err == nil {
		r.err = err
	}
	return dst, r.err
}

// cursor is the place behind a customer in the directory.
type cursor struct {
	name string
	id   uuid.UUID
}

func (c cursor) appendTo(dst []byte) []byte {
	return base64.RawURLEncoding.AppendEncode(dst, append(c.id[:], c.name...))
}

func parseCursor(s string) (cursor, error) {
	raw, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(raw) < 16 {
		return cursor{}, strconv.ErrSyntax
	}
	return cursor{strings.Clone(string(raw[16:])), uuid.UUID(raw[:16])}, nil
}

func customerID(v variables) (uuid.UUID, error) { return typeid.ParseAs(typeid.Customer, v.ID) }
