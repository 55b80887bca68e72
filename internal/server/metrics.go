package server

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"dossier/internal/document"
	"dossier/internal/feed"
)

// metrics are the server's Prometheus metrics, in a registry of their own so that a test can have several servers.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.HistogramVec
	sweeps   *sweeps
	checks   *prometheus.CounterVec
}

func newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "dossier_http_request_duration_seconds",
			Help:    "Time from the request's header to the end of the answer. An upgraded WebSocket counts its handshake.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10, 60},
		}, []string{"route", "method", "status"}),
	}
	m.sweeps = newSweeps(m.registry)
	m.checks = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "dossier_checks_total", Help: "Scans and previews of contents by this node. Raise an alarm when scan_without_verdict grows: documents are held back.",
	}, []string{"outcome"})
	for _, outcome := range document.CheckOutcomes {
		m.checks.WithLabelValues(string(outcome))
	}
	m.registry.MustRegister(m.checks, m.requests, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func (m *metrics) observe(r *http.Request, status int, took time.Duration) {
	m.requests.WithLabelValues(route(r), method(r), strconv.Itoa(status)).Observe(took.Seconds())
}

// gauge publishes a number that somebody else keeps.
func (m *metrics) gauge(name, help string, labels prometheus.Labels, value func() float64) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help, ConstLabels: labels}, value))
}

// counter publishes a sum that somebody else keeps.
func (m *metrics) counter(name, help string, value func() float64) {
	m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, value))
}

// publish registers what the parts of the program count themselves.
func (m *metrics) publish(deps Deps) {
	stat := func(f func(feed.Stats) int64) func() float64 {
		return func() float64 { return float64(f(deps.Hub.Stats())) }
	}
	m.gauge("dossier_live_subscribers", "Subscriptions that are open.", nil, stat(func(f feed.Stats) int64 { return f.Subscribers }))
	m.gauge("dossier_live_groups", "Groups of equal subscriptions.", nil, stat(func(f feed.Stats) int64 { return f.Groups }))
	m.counter("dossier_live_dropped_total", "Subscribers that were too slow.", stat(func(f feed.Stats) int64 { return f.Dropped }))
	m.counter("dossier_live_runs_total", "Executions for groups.", stat(func(f feed.Stats) int64 { return f.Runs }))
	m.counter("dossier_live_catch_ups_total", "Executions for subscribers behind.", stat(func(f feed.Stats) int64 { return f.CatchUps }))
	m.counter("dossier_live_delivered_total", "Messages to subscribers.", stat(func(f feed.Stats) int64 { return f.Delivered }))
	for _, pool := range deps.Pools {
		labels := prometheus.Labels{"pool": pool.Name}
		m.gauge("dossier_postgres_connections", "Connections to PostgreSQL that are open.", labels, func() float64 {
			total, _ := pool.Stats()
			return float64(total)
		})
		m.gauge("dossier_postgres_connections_in_use", "Connections to PostgreSQL that are in use.", labels, func() float64 {
			_, inUse := pool.Stats()
			return float64(inUse)
		})
		m.gauge("dossier_postgres_connections_max", "Connections to PostgreSQL that there may be.", labels, func() float64 { return float64(pool.Max) })
	}
	if deps.BlobFailures != nil {
		m.counter("dossier_blob_failures_total", "Calls that the object store refused or did not answer.", func() float64 {
			return float64(deps.BlobFailures())
		})
	}
}

// sweeps are the metrics of the sweeper. They are of this node: one node sweeps at a time.
type sweeps struct {
	runs, expired, deleted, failed, guarded prometheus.Counter
	orphans, missing, braked                prometheus.Gauge
	lastRun, lastAudit                      prometheus.Gauge
}

func newSweeps(registry *prometheus.Registry) *sweeps {
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: "dossier_sweep_" + name, Help: help})
		registry.MustRegister(c)
		return c
	}
	gauge := func(name, help string) prometheus.Gauge {
		g := prometheus.NewGauge(prometheus.GaugeOpts{Name: "dossier_sweep_" + name, Help: help})
		registry.MustRegister(g)
		return g
	}
	return &sweeps{
		runs:      counter("runs_total", "Sweeps of this node."),
		expired:   counter("expired_uploads_total", "Uploads whose server was gone."),
		deleted:   counter("deleted_objects_total", "Objects that nobody owned and are deleted."),
		failed:    counter("failed_deletes_total", "Objects that the store did not delete."),
		guarded:   counter("guarded_objects_total", "Objects that were to be deleted and are a document's: a bug, but nothing was lost."),
		orphans:   gauge("orphan_objects", "Objects without an owner that the last audit found."),
		missing:   gauge("missing_objects", "Documents whose object the last audit did not find. Raise an alarm when it is not 0."),
		braked:    gauge("braked", "1 when the last audit found more orphans than it may delete. Somebody must look."),
		lastRun:   gauge("last_run_timestamp_seconds", "When this node swept last."),
		lastAudit: gauge("last_audit_timestamp_seconds", "When this node compared all objects with all rows last."),
	}
}

func (s *sweeps) observe(r document.Report, now time.Time) {
	if !r.Led {
		return
	}
	s.runs.Inc()
	s.lastRun.Set(float64(now.Unix()))
	s.expired.Add(float64(r.Expired))
	s.deleted.Add(float64(r.Deleted))
	s.failed.Add(float64(r.Failed))
	s.guarded.Add(float64(r.Guarded))
	if !r.Audited {
		return
	}
	s.lastAudit.Set(float64(now.Unix()))
	s.orphans.Set(float64(r.Orphans))
	s.missing.Set(float64(r.Missing))
	s.braked.Set(0)
	if r.Braked {
		s.braked.Set(1)
	}
}
