package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"dossier/internal/clamd"
	"dossier/internal/document"
)

// config is all that `serve` and `dev` can be told, by flag or by environment variable. It is one struct, so that
// `--help` is the complete list. Values are parsed leniently and checked in problems, so that everything that is wrong is
// said at once.
type config struct {
	DatabaseURL secret   `name:"database-url" env:"DATABASE_URL" placeholder:"URL" help:"PostgreSQL 15 or later, as postgres://user:password@host/database. dev has its own when this is not set."`
	DatabaseApp secret   `name:"database-app-url" env:"DOSSIER_DATABASE_APP_URL" placeholder:"URL" help:"Another login to the same database, for everything but migrations: a member of the roles dossier_app and dossier_system that owns nothing. Without it DATABASE_URL is used, and becomes these roles."`
	Secret      secret   `name:"secret" env:"DOSSIER_SECRET" placeholder:"HEX" help:"At least 32 random bytes in hexadecimal, the same on every node: signs downloads, direct uploads and peppers API keys. dev makes one."`
	Listen      string   `name:"listen" env:"DOSSIER_LISTEN" default:"127.0.0.1:8080" help:"Address of the API."`
	AdminListen string   `name:"admin-listen" env:"DOSSIER_ADMIN_LISTEN" default:"127.0.0.1:8081" help:"Address of /metrics, /healthz, /readyz and /debug/pprof. Never open it to the world."`
	PublicURL   string   `name:"public-url" env:"DOSSIER_PUBLIC_URL" placeholder:"URL" help:"Where clients reach the API, for download links. Default: http:// and the listen address."`
	Origins     []string `name:"origin" env:"DOSSIER_ORIGINS" placeholder:"ORIGIN" help:"Origins of browser apps, such as https://app.example.com, for CORS and WebSocket. The public URL's own is always allowed."`
	Proxies     []string `name:"proxy" env:"DOSSIER_PROXIES" placeholder:"NETWORK" help:"Addresses or networks, such as 10.0.0.0/8, of the load balancers in front. Only from these is X-Forwarded-For believed, for the audit trail."`
	DataDir     string   `name:"data-dir" env:"DOSSIER_DATA_DIR" default:"data" help:"Where the disk store and the private PostgreSQL of dev are."`
	BlobStore   string   `name:"blob-store" env:"DOSSIER_BLOB_STORE" default:"disk" help:"Where documents are: disk or gcs."`
	GCSBucket   string   `name:"gcs-bucket" env:"DOSSIER_GCS_BUCKET" placeholder:"NAME" help:"Bucket of the gcs store. Credentials are found as Google's libraries do."`
	GCSEndpoint string   `name:"gcs-endpoint" env:"DOSSIER_GCS_ENDPOINT" placeholder:"URL" help:"Another endpoint for the gcs store, such as an emulator's."`
	GCSKeyFile  string   `name:"gcs-key-file" env:"DOSSIER_GCS_KEY_FILE" placeholder:"FILE" help:"Service account key for the gcs store, where the environment has no identity of its own."`
	PGBin       string   `name:"pg-bin" env:"PG_BIN" placeholder:"DIR" help:"Where initdb and postgres are, for dev. They are searched for when it is not set."`

	ReadConns       number   `name:"read-conns" env:"DOSSIER_READ_CONNS" default:"8" help:"Most connections for reading."`
	WriteConns      number   `name:"write-conns" env:"DOSSIER_WRITE_CONNS" default:"8" help:"Most connections for writing."`
	MaxFiles        number   `name:"max-files" env:"DOSSIER_MAX_FILES" default:"50" help:"Most files of one upload request."`
	MaxSockets      number   `name:"max-sockets" env:"DOSSIER_MAX_SOCKETS" default:"50" help:"Most live connections of one API key to one node; a staff user may have two fifths of it."`
	UploadMemory    number   `name:"upload-memory-mb" env:"DOSSIER_UPLOAD_MEMORY_MB" default:"32" help:"Memory in MB that large uploads to gcs may buffer together."`
	EventRetention  duration `name:"event-retention" env:"DOSSIER_EVENT_RETENTION" default:"168h" help:"How long events, and with them subscription cursors, are kept."`
	DownloadTTL     duration `name:"download-ttl" env:"DOSSIER_DOWNLOAD_TTL" default:"5m" help:"How long a download link works at most, up to 5 minutes."`
	UploadLease     duration `name:"upload-lease" env:"DOSSIER_UPLOAD_LEASE" default:"2m" help:"After how long an upload counts as dead whose server is gone."`
	ShutdownTimeout duration `name:"shutdown-timeout" env:"DOSSIER_SHUTDOWN_TIMEOUT" default:"25s" help:"How long a stopping server waits for uploads in progress."`
	DrainDelay      duration `name:"drain-delay" env:"DOSSIER_DRAIN_DELAY" default:"0s" help:"How long a stopping server is not ready but still accepts, so that load balancers notice. 5s behind one."`
	JobWorkers      number   `name:"job-workers" env:"DOSSIER_JOB_WORKERS" default:"2" help:"How many imports and exports run at a time on this node; 0 leaves them to others."`
	JobLease        duration `name:"job-lease" env:"DOSSIER_JOB_LEASE" default:"15s" help:"After how long another node goes on with an import, an export, a scan or a preview whose node is gone."`
	Clamd           string   `name:"clamd" env:"DOSSIER_CLAMD" placeholder:"ADDRESS" help:"Where ClamAV's clamd is, as host:port or unix:/path: then no new content is available before it was scanned. The same on every node. Off when it is not set."`
	ScanMax         number   `name:"scan-max-mb" env:"DOSSIER_SCAN_MAX_MB" default:"25" help:"The largest content in MB that is sent to clamd; larger ones stay held back. Not over clamd's StreamMaxLength and MaxFileSize."`
	ScanTimeout     duration `name:"scan-timeout" env:"DOSSIER_SCAN_TIMEOUT" default:"150s" help:"How long clamd may take for an answer."`
	PDFPreviews     bool     `name:"pdf-previews" env:"DOSSIER_PDF_PREVIEWS" help:"Draw the first page of PDFs, too. The renderer is made when the first one comes, which takes 300 MB of memory once; its machine code is kept below the data directory."`
	CheckWorkers    number   `name:"check-workers" env:"DOSSIER_CHECK_WORKERS" default:"2" help:"How many documents are scanned or made a preview of at a time on this node; 0 leaves them to others."`
	Sweep           duration `name:"sweep" env:"DOSSIER_SWEEP" default:"1m" help:"How often to look for expired uploads and orphan objects; one node does it."`
	LogLevel        string   `name:"log-level" env:"DOSSIER_LOG_LEVEL" default:"info" help:"debug, info, warn or error."`
}

// problems gives everything that is wrong, each with its flag and variable. It never holds a value of a secret.
func (c *config) problems(dev bool) error {
	var list []error
	say := func(flag, env, format string, args ...any) {
		list = append(list, fmt.Errorf("--%s (%s): %s", flag, env, fmt.Sprintf(format, args...)))
	}
	if !dev && c.DatabaseURL == "" && c.DatabaseApp == "" {
		say("database-url", "DATABASE_URL", "is required, for example postgres://dossier@db.internal/dossier")
	}
	for _, d := range []struct {
		flag, env string
		value     secret
	}{{"database-url", "DATABASE_URL", c.DatabaseURL}, {"database-app-url", "DOSSIER_DATABASE_APP_URL", c.DatabaseApp}} {
		if u, err := url.Parse(string(d.value)); d.value != "" && (err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql") {
			say(d.flag, d.env, "must be a postgres:// URL")
		}
	}
	if _, err := c.secretBytes(); err != nil && (!dev || c.Secret != "") {
		say("secret", "DOSSIER_SECRET", "%v; make one with: openssl rand -hex 32", err)
	}
	for _, a := range []struct{ flag, env, value string }{
		{"listen", "DOSSIER_LISTEN", c.Listen}, {"admin-listen", "DOSSIER_ADMIN_LISTEN", c.AdminListen},
	} {
		if _, port, err := net.SplitHostPort(a.value); err != nil || !isPort(port) {
			say(a.flag, a.env, "must be host:port, such as 127.0.0.1:8080")
		}
	}
	if u, err := url.Parse(c.PublicURL); c.PublicURL != "" && (err != nil || !isWeb(u) || u.RawQuery != "") {
		say("public-url", "DOSSIER_PUBLIC_URL", "must be an http or https URL")
	}
	for _, o := range c.Origins {
		if u, err := url.Parse(o); err != nil || !isWeb(u) || u.Path != "" || strings.Contains(o, "*") {
			say("origin", "DOSSIER_ORIGINS", "each must be scheme://host[:port] without a path or wildcard")
		}
	}
	for _, n := range c.Proxies {
		if _, err := network(n); err != nil {
			say("proxy", "DOSSIER_PROXIES", "each must be an IP address or a network, such as 10.0.0.0/8")
		}
	}
	switch c.BlobStore {
	case "disk":
	case "gcs":
		if c.GCSBucket == "" {
			say("gcs-bucket", "DOSSIER_GCS_BUCKET", "is required with the gcs store")
		}
	default:
		say("blob-store", "DOSSIER_BLOB_STORE", "must be disk or gcs")
	}
	if _, _, err := clamd.ParseAddress(c.Clamd); c.Clamd != "" && err != nil {
		say("clamd", "DOSSIER_CLAMD", "%v", err)
	}
	for _, n := range []struct {
		flag, env string
		value     number
		min, max  int
	}{
		{"read-conns", "DOSSIER_READ_CONNS", c.ReadConns, 1, 1000},
		{"write-conns", "DOSSIER_WRITE_CONNS", c.WriteConns, 1, 1000},
		{"max-files", "DOSSIER_MAX_FILES", c.MaxFiles, 1, 1000},
		{"max-sockets", "DOSSIER_MAX_SOCKETS", c.MaxSockets, 1, 1_000_000},
		{"upload-memory-mb", "DOSSIER_UPLOAD_MEMORY_MB", c.UploadMemory, 8, 65536},
		{"job-workers", "DOSSIER_JOB_WORKERS", c.JobWorkers, 0, 64},
		{"check-workers", "DOSSIER_CHECK_WORKERS", c.CheckWorkers, 0, 64},
		{"scan-max-mb", "DOSSIER_SCAN_MAX_MB", c.ScanMax, 1, 1_000_000},
	} {
		if n.value.err != nil || n.value.n < n.min || n.value.n > n.max {
			say(n.flag, n.env, "must be a whole number from %d to %d", n.min, n.max)
		}
	}
	for _, d := range []struct {
		flag, env string
		value     duration
		min, max  time.Duration
	}{
		{"event-retention", "DOSSIER_EVENT_RETENTION", c.EventRetention, time.Hour, 10 * 366 * 24 * time.Hour},
		{"download-ttl", "DOSSIER_DOWNLOAD_TTL", c.DownloadTTL, 10 * time.Second, document.MaxLinkTTL},
		{"upload-lease", "DOSSIER_UPLOAD_LEASE", c.UploadLease, time.Second, time.Hour},
		{"job-lease", "DOSSIER_JOB_LEASE", c.JobLease, time.Second, time.Hour},
		{"shutdown-timeout", "DOSSIER_SHUTDOWN_TIMEOUT", c.ShutdownTimeout, 0, time.Hour},
		{"drain-delay", "DOSSIER_DRAIN_DELAY", c.DrainDelay, 0, time.Hour},
		{"sweep", "DOSSIER_SWEEP", c.Sweep, time.Second, 24 * time.Hour},
		{"scan-timeout", "DOSSIER_SCAN_TIMEOUT", c.ScanTimeout, time.Second, 15 * time.Minute},
	} {
		if d.value.err != nil || d.value.d < d.min || d.value.d > d.max {
			say(d.flag, d.env, "must be a duration from %s to %s, such as 90s or 2h", d.min, d.max)
		}
	}
	if _, err := c.level(); err != nil {
		say("log-level", "DOSSIER_LOG_LEVEL", "must be debug, info, warn or error")
	}
	return errors.Join(list...)
}

func (c *config) secretBytes() ([]byte, error) {
	b, err := hex.DecodeString(string(c.Secret))
	if err != nil {
		return nil, errors.New("must be hexadecimal")
	}
	if len(b) < 32 {
		return nil, errors.New("must have at least 32 bytes, which are 64 hexadecimal digits")
	}
	return b, nil
}

// appURL is the database as the program works on it.
func (c *config) appURL() secret {
	if c.DatabaseApp != "" {
		return c.DatabaseApp
	}
	return c.DatabaseURL
}

func (c *config) level() (slog.Level, error) {
	var l slog.Level
	err := l.UnmarshalText([]byte(c.LogLevel))
	return l, err
}

func (c *config) publicURL() string {
	if c.PublicURL != "" {
		return strings.TrimSuffix(c.PublicURL, "/")
	}
	return "http://" + c.Listen
}

// proxies are the networks of the load balancers, which problems has checked.
func (c *config) proxies() []netip.Prefix {
	var list []netip.Prefix
	for _, n := range c.Proxies {
		if p, err := network(n); err == nil {
			list = append(list, p)
		}
	}
	return list
}

// network reads a network, or an address as the network of that one.
func network(s string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(s); err == nil {
		return addr.Unmap().Prefix(addr.Unmap().BitLen())
	}
	p, err := netip.ParsePrefix(s)
	return p.Masked(), err
}

func isPort(s string) bool {
	n, err := strconv.Atoi(s)
	return err == nil && n >= 0 && n < 65536
}

func isWeb(u *url.URL) bool { return (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" }

// secret is a text that is never printed.
type secret string

// String hides the value from fmt and from kong's messages.
func (secret) String() string { return "(secret)" }

// GoString hides the value from %#v.
func (secret) GoString() string { return "(secret)" }

// LogValue hides the value from slog.
func (secret) LogValue() slog.Value { return slog.StringValue("(secret)") }

// number is a whole number whose error waits for problems.
type number struct {
	n   int
	err error
}

// UnmarshalText parses and never fails.
func (v *number) UnmarshalText(b []byte) error {
	v.n, v.err = strconv.Atoi(strings.TrimSpace(string(b)))
	return nil
}

// duration is a time.Duration whose error waits for problems.
type duration struct {
	d   time.Duration
	err error
}

// UnmarshalText parses and never fails.
func (v *duration) UnmarshalText(b []byte) error {
	v.d, v.err = time.ParseDuration(strings.TrimSpace(string(b)))
	return nil
}
