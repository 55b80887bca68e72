package store

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"dossier/internal/timeline"
)

// BenchmarkUpdatesOfOneAccount has many writers change customers of one account: the row that numbers the events is what
// they all wait for.
func BenchmarkUpdatesOfOneAccount(b *testing.B) {
	e := newEnv(b)
	defer e.processorTime(b)()
	var n atomic.Int64
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		id := e.person(e.ada, "Writer")
		for version := 1; pb.Next(); version++ {
			if err := e.rename(e.ada, id, version, strconv.FormatInt(n.Add(1), 10)); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// BenchmarkOneEvent is a transaction that only appends one event: what every change pays for the log and the audit trail.
func BenchmarkOneEvent(b *testing.B) {
	e := newEnv(b)
	id := e.person(e.ada, "Ada")
	defer e.processorTime(b)()
	for b.Loop() {
		_, err := e.store.atOnce(b.Context(), e.ada, func(t *tx, _ *statements) {
			t.emit(timeline.Event{Type: timeline.CustomerUpdated, CustomerID: &id, Subject: timeline.SubjectCustomer, SubjectID: id})
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

// processorTime reports how much processor time an operation takes in PostgreSQL and in this process: unlike the time on
// the clock it means something on a busy machine. The function that it gives ends the measurement.
func (e *env) processorTime(b *testing.B) func() {
	b.Helper()
	beforeServer, beforeSelf := e.serverTicks(), selfTime(b)
	return func() {
		b.StopTimer()
		const tick = 10_000 // microseconds: USER_HZ is 100 on every Linux
		n := float64(b.N)
		b.ReportMetric(float64(e.serverTicks()-beforeServer)*tick/n, "server-µs/op")
		b.ReportMetric(float64((selfTime(b)-beforeSelf).Microseconds())/n, "client-µs/op")
	}
}

// serverTicks is the processor time of the sessions in the test's database; 0 on systems that do not tell.
func (e *env) serverTicks() (sum int64) {
	e.t.Helper()
	rows, err := e.admin.Query(e.t.Context(), `SELECT pid FROM pg_stat_activity WHERE datname = current_database()`)
	if err != nil {
		e.t.Fatal(err)
	}
	pids, err := pgx.CollectRows(rows, pgx.RowTo[int])
	if err != nil {
		e.t.Fatal(err)
	}
	for _, pid := range pids {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			continue
		}
		// The fields behind the name, which is in parentheses and may hold anything: utime and stime are the 12th and 13th.
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		for _, field := range fields[11:13] {
			n, _ := strconv.ParseInt(field, 10, 64)
			sum += n
		}
	}
	return sum
}

func selfTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkEventsBehindTheHead is what a subscription group does for each wake-up.
func BenchmarkEventsBehindTheHead(b *testing.B) {
	e := newEnv(b)
	ids := e.history()
	for b.Loop() {
		if _, _, err := e.store.Events(b.Context(), e.ada.AccountID, 55, 63, timeline.Filter{CustomerID: &ids[0]}, 200); err != nil {
			b.Fatal(err)
		}
	}
}
