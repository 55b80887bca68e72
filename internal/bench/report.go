package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// report is the result of a run: what results.json holds.
type report struct {
	At      time.Time     `json:"at"`
	Size    string        `json:"size"`
	Cores   int           `json:"cores"`
	Reads   []*readCell   `json:"reads,omitempty"`
	Uploads []*uploadCell `json:"uploads,omitempty"`
	Live    []*liveCell   `json:"live,omitempty"`
	// Slow is reads beside uploads that take their time.
	Slow *slowCell `json:"slow,omitempty"`
	// Directory is measured in the database, and beside nobody.
	Directory []*directoryCell `json:"directory,omitempty"`
}

func (r *report) began(size string) { r.At, r.Size, r.Cores = time.Now().UTC(), size, runtime.NumCPU() }

// readCell is one contestant with one query at one concurrency.
type readCell struct {
	Query       string  `json:"query"`
	Connections int     `json:"connections"`
	Contestant  string  `json:"contestant"`
	ServerMS    float64 `json:"serverCpuMs"`
	PostgresMS  float64 `json:"postgresCpuMs"`
	PerSecond   float64 `json:"requestsPerSecond"`
	P50MS       float64 `json:"p50Ms"`
	P99MS       float64 `json:"p99Ms"`
	PeakMB      float64 `json:"peakRssMb"`
	Bytes       int64   `json:"bytesPerResponse"`

	requests         int
	server, postgres time.Duration
	took             time.Duration
	bytes            int64
	times            []time.Duration
}

func (c *readCell) add(n int, server, postgres time.Duration, t traffic) {
	c.requests += n
	c.server += server
	c.postgres += postgres
	c.took += t.took
	c.bytes += t.bytes
	c.times = append(c.times, t.times...)
}

func (c *readCell) finish(peak int64) {
	n := float64(c.requests)
	c.ServerMS, c.PostgresMS = ms(c.server)/n, ms(c.postgres)/n
	c.PerSecond = n / c.took.Seconds()
	c.P50MS, c.P99MS = ms(percentile(c.times, 50)), ms(percentile(c.times, 99))
	c.PeakMB = float64(peak) / 1e6
	c.Bytes = c.bytes / int64(c.requests)
	c.times = nil
}

func (c *readCell) total() float64 { return c.ServerMS + c.PostgresMS }

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// find gives a cell, nil when the contestant was left out.
func (r *report) find(query string, connections int, contestant string) *readCell {
	i := slices.IndexFunc(r.Reads, func(c *readCell) bool {
		return c.Query == query && c.Connections == connections && c.Contestant == contestant
	})
	if i < 0 {
		return nil
	}
	return r.Reads[i]
}

const readHead = "query      conns  contestant    cpu ms  server  postgres   req/s   p50 ms  p99 ms  peak MB   bytes\n"

// readLines is one query's part of the table, with the ratios that the issue sets.
func (r *report) readLines(query string, connections int) string {
	var s strings.Builder
	for _, c := range r.Reads {
		if c.Query == query && c.Connections == connections {
			fmt.Fprintf(&s, "%-10s %5d  %-12s %7.3f %7.3f %9.3f %7.0f  %7.2f %7.2f %8.1f %7d\n", c.Query, c.Connections, c.Contestant,
				c.total(), c.ServerMS, c.PostgresMS, c.PerSecond, c.P50MS, c.P99MS, c.PeakMB, c.Bytes)
		}
	}
	s.WriteString(r.readRatios(query, connections))
	return s.String()
}

func (r *report) readRatios(query string, connections int) string {
	var s strings.Builder
	for _, o := range []struct {
		name, beside string
		target       float64 // 0: none
	}{
		// Beside PostGraphile in three ways: Dossier alone behind row-level security, both, neither.
		{"dossier", postGraphile, 0.35},
		{"dossier", walledPostGraphile, 0.35},
		{unwalled, postGraphile, 0.35},
		{"dossier", "limit", 1.6},
		{"dossier", unwalled, 1.08},
		{"dossier", before, 0},
	} {
		c, other := r.find(query, connections, o.name), r.find(query, connections, o.beside)
		if c == nil || other == nil {
			continue
		}
		ratio := c.total() / other.total()
		fmt.Fprintf(&s, "%-10s %5d  %-8s / %-12s %5.2fx", query, connections, o.name, o.beside, ratio)
		if o.target > 0 {
			fmt.Fprintf(&s, "  (target %.2fx: %s)", o.target, verdict(ratio, o.target))
		}
		s.WriteByte('\n')
	}
	return s.String()
}

func verdict(value, target float64) string {
	if value <= target {
		return "met"
	}
	return "MISSED"
}

func (r *report) readTable() string {
	var s strings.Builder
	s.WriteString("\nReads: processor time per request, of the server and of PostgreSQL\n" + readHead)
	for i := range queries {
		for _, connections := range []int{1, 8} {
			s.WriteString(r.readLines(queries[i].name, connections))
		}
	}
	return s.String()
}

// write writes results.json and results.md.
func (r *report) write(dir string) error {
	raw, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	var text strings.Builder
	fmt.Fprintf(&text, "# Bench, %s, size %s, %d cores\n", r.At.Format("2006-01-02 15:04 MST"), r.Size, r.Cores)
	for _, t := range []struct {
		have  bool
		table func() string
	}{{len(r.Reads) > 0, r.readTable}, {len(r.Uploads) > 0, r.uploadTable}, {r.Slow != nil, r.slowLine}, {len(r.Live) > 0, r.liveTable}, {len(r.Directory) > 0, r.directoryTable}} {
		if t.have {
			text.WriteString("\n```text" + t.table() + "```\n")
		}
	}
	return errors.Join(
		os.WriteFile(filepath.Join(dir, "results.json"), append(raw, '\n'), 0o644),   //nolint:gosec // not a secret
		os.WriteFile(filepath.Join(dir, "results.md"), []byte(text.String()), 0o644), //nolint:gosec // not a secret
	)
}
