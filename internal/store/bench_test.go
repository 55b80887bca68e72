package store

import (
	"strconv"
	"sync/atomic"
	"testing"

	"dossier/internal/timeline"
)

// BenchmarkUpdatesOfOneAccount has many writers change customers of one account: the row that numbers the events is what
// they all wait for.
func BenchmarkUpdatesOfOneAccount(b *testing.B) {
	e := newEnv(b)
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
