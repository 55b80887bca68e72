// Command put is the upload server that the bench holds Dossier's against: it streams the body of a PUT into a file with
// SHA-256 on the way, as durably as Dossier's disk store (temporary file, fsync, rename, fsync of the directory). It has no
// multipart, no database and no checks.
package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

type server struct {
	dir     string
	next    atomic.Int64
	buffers sync.Pool
}

func main() {
	if err := run(); err != nil {
		slog.Error("put", "error", err)
		os.Exit(1)
	}
}

func run() error {
	listen := flag.String("listen", "127.0.0.1:0", "address")
	dir := flag.String("dir", "", "where files go")
	flag.Parse()
	s := &server{dir: *dir}
	s.buffers.New = func() any { b := make([]byte, 256<<10); return &b }
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("PUT /file", s.put)
	srv := &http.Server{Addr: *listen, Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	return srv.ListenAndServe()
}

func (s *server) put(w http.ResponseWriter, r *http.Request) {
	sum, n, err := s.store(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"sha256":"`+sum+`","size":`+strconv.FormatInt(n, 10)+`}`)
}

// plain hides the methods by which io.CopyBuffer would go around the buffer.
type plain struct{ io.Writer }

func (s *server) store(body io.Reader) (sum string, n int64, err error) {
	f, err := os.CreateTemp(s.dir, ".tmp-")
	if err != nil {
		return "", 0, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	buf := s.buffers.Get().(*[]byte) //nolint:errcheck // the pool holds nothing else
	defer s.buffers.Put(buf)
	h := sha256.New()
	if n, err = io.CopyBuffer(plain{io.MultiWriter(f, h)}, full{body}, *buf); err != nil {
		return "", n, err
	}
	if err := f.Sync(); err != nil {
		return "", n, err
	}
	if err := os.Rename(f.Name(), filepath.Join(s.dir, strconv.FormatInt(s.next.Add(1), 10))); err != nil {
		return "", n, err
	}
	d, err := os.Open(s.dir)
	if err != nil {
		return "", n, err
	}
	return hex.EncodeToString(h.Sum(nil)), n, errors.Join(d.Sync(), d.Close())
}

// full fills the buffer at each read: the body gives a few KiB at a time, and each write has its price.
type full struct{ r io.Reader }

func (f full) Read(p []byte) (int, error) {
	n, err := io.ReadFull(f.r, p)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = io.EOF
	}
	return n, err
}
