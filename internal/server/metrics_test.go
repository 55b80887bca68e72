package server

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"dossier/internal/document"
)

func TestTheMetricsHoldRequestsPoolsAndLiveNumbers(t *testing.T) {
	t.Parallel()
	e := start(t, func(_ *Config, d *Deps) {
		d.Pools = []Pool{
			{Name: "read", Max: 8, Stats: func() (int, int) { return 5, 2 }}, {Name: "write", Max: 4, Stats: func() (int, int) { return 3, 1 }},
		}
		d.BlobFailures = func() int64 { return 7 }
	})
	get(t, e.server.URL()+"/healthz")
	e.server.Swept(document.Report{Led: false, Deleted: 100})
	e.server.Swept(document.Report{Led: true, Expired: 1, Deleted: 2, Failed: 3, Guarded: 4})
	e.server.Swept(document.Report{Led: true, Audited: true, Orphans: 5, Missing: 6, Braked: true})
	r := get(t, e.server.AdminURL()+"/metrics")
	if r.status != http.StatusOK {
		t.Fatalf("/metrics is %d", r.status)
	}
	for _, line := range []string{
		`dossier_http_request_duration_seconds_count{method="GET",route="/healthz",status="200"} 1`,
		`dossier_http_request_duration_seconds_bucket{method="GET",route="/healthz",status="200",le="+Inf"} 1`,
		`dossier_postgres_connections{pool="read"} 5`, `dossier_postgres_connections_in_use{pool="read"} 2`,
		`dossier_postgres_connections_max{pool="read"} 8`, `dossier_postgres_connections{pool="write"} 3`,
		`dossier_postgres_connections_in_use{pool="write"} 1`, `dossier_blob_failures_total 7`,
		"dossier_live_subscribers 0", "dossier_live_groups 0", "dossier_live_dropped_total 0", "dossier_live_runs_total 0",
		"dossier_live_catch_ups_total 0", "dossier_live_delivered_total 0",
		"dossier_sweep_runs_total 2", "dossier_sweep_expired_uploads_total 1", "dossier_sweep_deleted_objects_total 2",
		"dossier_sweep_failed_deletes_total 3", "dossier_sweep_guarded_objects_total 4", "dossier_sweep_orphan_objects 5",
		"dossier_sweep_missing_objects 6", "dossier_sweep_braked 1",
	} {
		if !strings.Contains(r.body, line+"\n") {
			t.Errorf("no line %s", line)
		}
	}
	for _, name := range []string{"go_goroutines ", "process_resident_memory_bytes ", "dossier_sweep_last_run_timestamp_seconds ", "dossier_sweep_last_audit_timestamp_seconds "} {
		if !strings.Contains(r.body, "\n"+name) {
			t.Errorf("no %s", name)
		}
	}
	e.server.Swept(document.Report{Led: true, Audited: true})
	if r := get(t, e.server.AdminURL()+"/metrics"); !strings.Contains(r.body, "dossier_sweep_braked 0\n") || !strings.Contains(r.body, "dossier_sweep_missing_objects 0\n") {
		t.Error("a clean audit does not take the alarm back")
	}
}

func TestAClientCannotMakeSeries(t *testing.T) {
	t.Parallel()
	e := start(t)
	secret := "canary-77"
	for _, path := range []string{
		"/" + secret, "/graphql/" + secret, "/files/" + secret, "/blobs/" + secret, "/query/" + secret, "/graphql?query=" + secret, "//" + secret, "/dev/issuer/" + secret,
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete, "CANARY-77"} {
			ask(t, method, e.server.URL()+path, map[string]string{"X-Canary": secret, "Authorization": "Bearer " + secret}, secret)
		}
	}
	r := get(t, e.server.AdminURL()+"/metrics")
	if strings.Contains(strings.ToLower(r.body), secret) {
		t.Error("the metrics hold what a client wrote")
	}
	for _, m := range regexp.MustCompile(`dossier_http_request_duration_seconds_count\{method="([^"]*)",route="([^"]*)"`).FindAllStringSubmatch(r.body, -1) {
		if !strings.Contains(" GET POST DELETE other ", " "+m[1]+" ") || !strings.Contains(" other /graphql /files/ /blobs/ /query/ ", " "+m[2]+" ") {
			t.Errorf("an unexpected series: %s", m[0])
		}
	}
}

func TestTheAdminRoutesAreNotPublic(t *testing.T) {
	t.Parallel()
	e := start(t)
	for _, path := range []string{"/metrics", "/debug/pprof/", "/debug/pprof/heap", "/debug/pprof/cmdline"} {
		if r := get(t, e.server.URL()+path); r.status != http.StatusNotFound {
			t.Errorf("%s is %d at the public address, want 404", path, r.status)
		}
		if r := get(t, e.server.AdminURL()+path); r.status != http.StatusOK {
			t.Errorf("%s is %d at the admin address, want 200", path, r.status)
		}
	}
}

func TestSlowRequestsHaveABucket(t *testing.T) {
	t.Parallel()
	m := newMetrics()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "/graphql", nil)
	if err != nil {
		t.Fatal(err)
	}
	m.observe(r, 200, 3*time.Millisecond)
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "dossier_http_request_duration_seconds" {
			if sum := f.GetMetric()[0].GetHistogram().GetSampleSum(); sum != 0.003 {
				t.Errorf("the sum is %v, want 0.003 seconds", sum)
			}
			return
		}
	}
	t.Error("no histogram of requests")
}
