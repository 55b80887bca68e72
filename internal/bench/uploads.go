package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"dossier/internal/typeid"
)

// workload is a set of files to upload.
type workload struct {
	name     string
	files    int
	bytes    int64
	parallel int
	// chunked: the client does not say how long the body is.
	chunked bool
}

// workloads are those of the issue; the small ones show that the bench works.
func (sz size) workloads() []workload {
	const mib = 1 << 20
	if sz.name == "small" {
		return []workload{
			{"1 x 64 MiB", 1, 64 * mib, 1, false},
			{"16 x 4 MiB", 16, 4 * mib, 16, false},
			{"20 x 1 MiB", 20, mib, 8, false},
			{"16 x 4 MiB chunked", 16, 4 * mib, 16, true},
		}
	}
	return []workload{
		{"1 x 1 GiB", 1, 1024 * mib, 1, false},
		{"16 x 50 MiB", 16, 50 * mib, 16, false},
		{"200 x 1 MiB", 200, mib, 8, false},
		{"64 x 30 MiB chunked", 64, 30 * mib, 64, true},
	}
}

// uploadCell is one contestant with one workload; the best-placed figure is CPUSeconds, the sum over the rounds.
type uploadCell struct {
	Workload   string  `json:"workload"`
	Contestant string  `json:"contestant"`
	CPUSeconds float64 `json:"serverCpuSeconds"`
	PostgresS  float64 `json:"postgresCpuSeconds"`
	MBPerS     float64 `json:"mbPerSecond"`
	GrowthMiB  float64 `json:"peakRssGrowthMib"`
	TempFiles  int     `json:"tempFiles"`
	Failed     bool    `json:"failed,omitempty"`

	took  time.Duration
	bytes int64
}

// total is what the server and PostgreSQL cost together.
func (c *uploadCell) total() float64 { return c.CPUSeconds + c.PostgresS }

// uploader is a contestant of the uploads.
type uploader struct {
	name string
	*process
	// files is where it stores; whatever else it opens on disk is a temporary file.
	files string
	// admin is where Dossier can be profiled, and key what it is asked with; empty for the others.
	admin, key string
	// open writes a request's head and what comes before the content; its end is what comes behind.
	open func(c content, chunked bool) (head, before, end string)
	// check says whether the answer is the one for this content.
	check func(c content, answer []byte) error
}

// uploads measures the upload of files, and what slow ones do to reads.
func (b *bench) uploads(ctx context.Context) error {
	if strings.Contains(slowName, b.files) {
		if err := b.slow(ctx); err != nil {
			return err
		}
	}
	return b.uploadFiles(ctx)
}

func (b *bench) uploadFiles(ctx context.Context) error {
	list, err := b.startUploaders(ctx)
	defer func() {
		for _, u := range list {
			u.stop()
		}
	}()
	if err != nil {
		return err
	}
	block := noise()
	var failed []error
	for _, w := range b.size.workloads() {
		if !strings.Contains(w.name, b.files) {
			continue
		}
		c, err := newContent(w.bytes, block)
		if err != nil {
			return err
		}
		cells := map[string]*uploadCell{}
		for _, u := range list {
			cells[u.name] = &uploadCell{Workload: w.name, Contestant: u.name}
			b.report.Uploads = append(b.report.Uploads, cells[u.name])
		}
		// The first round counts for nobody: who is first in it has the memory of the page cache cleared, in a virtual machine even
		// fetched from the host, which on a fresh one is more than the upload itself.
		for round := range max(1, b.size.rounds*3/5) + 1 {
			for _, u := range turn(list, round) {
				if cells[u.name].Failed {
					continue
				}
				cell := cells[u.name]
				if round == 0 {
					cell = &uploadCell{}
				}
				if err := b.measureUpload(ctx, u, w, c, cell); err != nil {
					cells[u.name].Failed = true // the other workloads are worth knowing all the same
					failed = append(failed, fmt.Errorf("%s with %s: %w", u.name, w.name, err), emptyFiles(u.files))
				}
			}
		}
		b.printf("%s", b.report.uploadLines(w.name))
		for _, u := range list {
			if b.profile && u.admin != "" && !cells[u.name].Failed {
				failed = append(failed, b.profileUpload(ctx, u, w, c))
			}
		}
	}
	b.printf("%s", b.report.uploadTable())
	return errors.Join(failed...)
}

// turn gives the contestants of a round in the order opposite to the last one's, and every second round begins with another,
// so that what one leaves behind (dirty pages, a full journal, memory that is still to be cleared) is not always paid by the
// same other.
func turn(list []*uploader, round int) []*uploader {
	first := round / 2 % len(list)
	order := slices.Concat(list[first:], list[:first])
	if round%2 == 1 {
		slices.Reverse(order)
	}
	return order
}

func (b *bench) startUploaders(ctx context.Context) (list []*uploader, err error) {
	starts := []struct {
		name  string
		start func(context.Context, string) (*uploader, error)
	}{{"dossier", b.startScratchUploader}, {before, b.startScratchUploader}, {unwalled, b.startScratchUploader}, {"put", b.startPut}}
	for _, s := range starts {
		if b.skips(s.name) {
			continue
		}
		u, err := s.start(ctx, s.name)
		if err != nil {
			return list, err
		}
		list = append(list, u)
	}
	return list, nil
}

// scratch makes a contestant's database, which may be written to: a copy of the small data.
func (b *bench) scratch(ctx context.Context, contestant string) (string, error) {
	name := "bench_scratch_" + contestant
	template, err := b.seeded(ctx, sizes["small"])
	if err != nil {
		return "", err
	}
	return name, b.admin(ctx, `DROP DATABASE IF EXISTS `+name, `CREATE DATABASE `+name+` TEMPLATE `+template+` STRATEGY file_copy`)
}

// firstCustomer gives an account and a customer of it.
func (b *bench) firstCustomer(ctx context.Context, database string) (account, customer uuid.UUID, err error) {
	err = b.queryRow(ctx, database, `SELECT account_id, id FROM customer WHERE status = 'ACTIVE' ORDER BY id LIMIT 1`, nil, &account, &customer)
	return account, customer, err
}

// startScratchUploader is startDossierUploader on a database of its own.
func (b *bench) startScratchUploader(ctx context.Context, name string) (*uploader, error) {
	database, err := b.scratch(ctx, name)
	if err != nil {
		return nil, err
	}
	return b.startDossierUploader(ctx, name, database)
}

func (b *bench) startDossierUploader(ctx context.Context, name, database string, flags ...string) (*uploader, error) {
	account, customer, err := b.firstCustomer(ctx, database)
	if err != nil {
		return nil, err
	}
	d, err := b.startDossier(ctx, name, database, flags...)
	if err != nil {
		return nil, err
	}
	key, err := b.mintKey(ctx, database, account)
	if err != nil {
		d.stop()
		return nil, err
	}
	const boundary = "----bench-0123456789abcdef"
	operations := string(body(map[string]any{
		"query": `mutation Upload($customer: ID!, $files: [Upload!]!) { documentUpload(input: {customerId: $customer}, files: $files) {
  results { document { id currentVersion { sizeBytes sha256 } } userErrors { code message } } userErrors { code message } } }`,
		"variables": map[string]any{"customer": typeid.Format(typeid.Customer, customer), "files": []any{nil}},
	}))
	part := "--" + boundary + "\r\nContent-Disposition: form-data; name="
	before := part + "\"operations\"\r\n\r\n" + operations + "\r\n" + part + "\"map\"\r\n\r\n{\"0\":[\"variables.files.0\"]}\r\n" +
		part + "\"0\"; filename=\"contract.pdf\"\r\nContent-Type: application/pdf\r\n\r\n"
	end := "\r\n--" + boundary + "--\r\n"
	u := &uploader{name: name, process: d.process, files: d.files, admin: d.admin, key: key}
	u.open = func(c content, chunked bool) (string, string, string) {
		head := "POST /graphql HTTP/1.1\r\nHost: " + d.addr + "\r\nAuthorization: Bearer " + key +
			"\r\nGraphQL-Require-Preflight: 1\r\nContent-Type: multipart/form-data; boundary=" + boundary + "\r\n" +
			length(chunked, int64(len(before)+len(end))+c.size)
		return head, before, end
	}
	u.check = func(c content, answer []byte) error {
		if !bytes.Contains(answer, []byte(c.sum)) || !bytes.Contains(answer, fmt.Appendf(nil, `"sizeBytes":%d`, c.size)) {
			return fmt.Errorf("the answer is not of this file: %.500s", answer)
		}
		return nil
	}
	return u, nil
}

func length(chunked bool, n int64) string {
	if chunked {
		return "Transfer-Encoding: chunked\r\n\r\n"
	}
	return fmt.Sprintf("Content-Length: %d\r\n\r\n", n)
}

func (b *bench) startPut(ctx context.Context, _ string) (*uploader, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	files := filepath.Join(b.stores, "put")
	if err := os.MkdirAll(files, 0o700); err != nil {
		return nil, err
	}
	p, err := b.start(ctx, command{
		name: "put", path: b.server("put"), args: []string{"-listen", addr, "-dir", files}, addr: addr, ready: addr + "/healthz",
	})
	if err != nil {
		return nil, err
	}
	u := &uploader{name: "put", process: p, files: files}
	u.open = func(c content, chunked bool) (string, string, string) {
		return "PUT /file HTTP/1.1\r\nHost: " + addr + "\r\nContent-Type: application/pdf\r\n" + length(chunked, c.size), "", ""
	}
	u.check = func(c content, answer []byte) error {
		if !bytes.Contains(answer, []byte(c.sum)) {
			return fmt.Errorf("the answer is not of this file: %.500s", answer)
		}
		return nil
	}
	return u, nil
}

// chunks writes each piece as a chunk of its own.
type chunks struct{ c *client }

// Write sends the length, the bytes and the end of the chunk in one system call.
func (w chunks) Write(p []byte) (int, error) {
	parts := [][]byte{fmt.Appendf(nil, "%x\r\n", len(p)), p, []byte("\r\n")}
	return len(p), w.c.writeAll(parts)
}

// writer is where the body of a request goes.
type writer interface{ Write(p []byte) (int, error) }

// send uploads one file and checks the answer.
func (u *uploader) send(ctx context.Context, w workload, c content) error {
	return u.sendTo(ctx, w, c, func(conn net.Conn) writer { return conn })
}

// sendTo is send with a way of writing the content.
func (u *uploader) sendTo(ctx context.Context, w workload, c content, way func(net.Conn) writer) error {
	c, err := c.next()
	if err != nil {
		return err
	}
	conn, err := dial(ctx, u.addr)
	if err != nil {
		return err
	}
	defer conn.close()
	head, before, end := u.open(c, w.chunked)
	if _, err := conn.conn.Write([]byte(head)); err != nil {
		return err
	}
	out := way(conn.conn)
	if w.chunked {
		out = chunks{conn}
	}
	var answer bytes.Buffer
	write := func(s string) error {
		if s == "" {
			return nil
		}
		_, err := out.Write([]byte(s))
		return err
	}
	err = write(before)
	if err == nil {
		err = c.writeTo(out)
	}
	if err == nil {
		err = write(end)
	}
	if err != nil {
		_ = conn.answer(&answer) // an early answer says why
		return fmt.Errorf("%w; the server says: %.500s", err, answer.Bytes())
	}
	if w.chunked {
		if _, err := conn.conn.Write([]byte("0\r\n\r\n")); err != nil {
			return err
		}
	}
	if err := conn.answer(&answer); err != nil {
		return err
	}
	return u.check(c, answer.Bytes())
}

// measureUpload uploads the workload once.
func (b *bench) measureUpload(ctx context.Context, u *uploader, w workload, c content, cell *uploadCell) error {
	if err := resetPeak(u.pid()); err != nil {
		return err
	}
	before, _, err := memory(u.pid())
	if err != nil {
		return err
	}
	server, postgres, err := b.used(u.pid())
	if err != nil {
		return err
	}
	watch := watchFiles(u.pid(), u.files)
	began := time.Now()
	err = u.sendAll(ctx, w, c)
	took := time.Since(began)
	temp := watch()
	if err != nil {
		return err
	}
	serverAfter, postgresAfter, err := b.used(u.pid())
	if err != nil {
		return err
	}
	_, peak, err := memory(u.pid())
	if err != nil {
		return err
	}
	cell.CPUSeconds += (serverAfter - server).Seconds()
	cell.PostgresS += (postgresAfter - postgres).Seconds()
	cell.took += took
	cell.bytes += int64(w.files) * w.bytes
	cell.MBPerS = float64(cell.bytes) / 1e6 / cell.took.Seconds()
	cell.GrowthMiB = max(cell.GrowthMiB, float64(peak-before)/(1<<20))
	cell.TempFiles = max(cell.TempFiles, temp)
	return emptyFiles(u.files)
}

func (u *uploader) sendAll(ctx context.Context, w workload, c content) error {
	var next atomic.Int64
	errs := make([]error, w.parallel)
	var wg sync.WaitGroup
	for i := range w.parallel {
		wg.Go(func() {
			for next.Add(1) <= int64(w.files) && errs[i] == nil {
				errs[i] = u.send(ctx, w, c)
			}
		})
	}
	wg.Wait()
	return firstOf(errs)
}

// firstOf gives one error for all: of many clients that fail together, one says why.
func firstOf(errs []error) error {
	var first error
	n := 0
	for _, err := range errs {
		if err != nil {
			n++
			first = cmp.Or(first, err)
		}
	}
	if n > 1 {
		return fmt.Errorf("%d of %d clients failed, the first with: %w", n, len(errs), first)
	}
	return first
}

// watchFiles counts the regular files that a process has open outside its store, until the function it gives is called.
func watchFiles(pid int, store string) func() int {
	stop, done := make(chan struct{}), make(chan int)
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	standard := map[string]bool{}
	look := func(found map[string]bool) {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return
		}
		for _, e := range entries {
			to, err := os.Readlink(filepath.Join(dir, e.Name()))
			if err == nil && strings.HasPrefix(to, "/") && !strings.HasPrefix(to, "/dev/") && !strings.HasPrefix(to, store+"/") && to != store {
				found[to] = true
			}
		}
	}
	look(standard) // the log
	go func() {
		found := map[string]bool{}
		t := time.NewTicker(25 * time.Millisecond)
		defer t.Stop()
		for {
			select {
			case <-stop:
				n := 0
				for name := range found {
					if !standard[name] {
						n++
					}
				}
				done <- n
				return
			case <-t.C:
				look(found)
			}
		}
	}()
	return func() int {
		close(stop)
		return <-done
	}
}

// emptyFiles gives the space of what was stored back. The files stay, empty: see removeOld.
func emptyFiles(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		return os.Truncate(path, 0)
	})
}

func (r *report) findUpload(workload, contestant string) *uploadCell {
	for _, c := range r.Uploads {
		if c.Workload == workload && c.Contestant == contestant {
			return c
		}
	}
	return nil
}

func (r *report) uploadLines(workload string) string {
	var s strings.Builder
	for _, c := range r.Uploads {
		if c.Workload == workload {
			fmt.Fprintf(&s, "%-20s %-10s %8.2f %9.2f %8.0f %12.1f %10d\n", c.Workload, c.Contestant, c.CPUSeconds, c.PostgresS, c.MBPerS, c.GrowthMiB, c.TempFiles)
		}
	}
	d, p := r.findUpload(workload, "dossier"), r.findUpload(workload, "put")
	if d != nil && d.Failed {
		fmt.Fprintf(&s, "%-20s dossier FAILED\n", workload)
	} else if d != nil && p != nil && p.CPUSeconds > 0 {
		ratio := d.CPUSeconds / p.CPUSeconds
		fmt.Fprintf(&s, "%-20s dossier / put %5.2fx  (target 1.25x: %s)\n", workload, ratio, verdict(ratio, 1.25))
	}
	if d == nil || d.Failed {
		return s.String()
	}
	if old := r.findUpload(workload, before); old != nil && !old.Failed {
		fmt.Fprintf(&s, "%-20s dossier / %s %5.2fx, with PostgreSQL %5.2fx\n", workload, before, d.CPUSeconds/old.CPUSeconds, d.total()/old.total())
	}
	if off := r.findUpload(workload, unwalled); off != nil && !off.Failed {
		ratio := d.total() / off.total()
		fmt.Fprintf(&s, "%-20s dossier / %s, with PostgreSQL %5.2fx  (target 1.08x: %s)\n", workload, unwalled, ratio, verdict(ratio, 1.08))
	}
	return s.String()
}

func (r *report) uploadTable() string {
	s := "\nUploads: processor time of the server and of PostgreSQL, in seconds\n" +
		"workload             contestant    cpu s  postgres     MB/s  growth MiB  temp files\n"
	seen := ""
	for _, c := range r.Uploads {
		if c.Workload != seen {
			s += r.uploadLines(c.Workload)
		}
		seen = c.Workload
	}
	if d, p := r.allUploads("dossier"), r.allUploads("put"); d > 0 && p > 0 {
		s += fmt.Sprintf("%-20s dossier / put %5.2fx  (target 1.25x: %s)\n", "all of these", d/p, verdict(d/p, 1.25))
	}
	return s
}

// allUploads is the server's processor time over all workloads of this run, 0 when one of them failed or the contestant was left out.
func (r *report) allUploads(contestant string) (seconds float64) {
	for _, c := range r.Uploads {
		if c.Contestant != contestant {
			continue
		}
		if c.Failed {
			return 0
		}
		seconds += c.CPUSeconds
	}
	return seconds
}
