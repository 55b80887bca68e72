package read

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"dossier/internal/wall"
)

// wordShares is what PostgreSQL's statistics say about common lexemes. A search with several words asks the index for the rarest
// one only: for a word of 100,000 customers it would have to go through all of them, however few have the other word.
// It changes how long a search takes, never what it finds; without statistics it asks for the longest word.
type wordShares struct {
	list atomic.Pointer[shareList]
	// asking is true while an operation fetches the list; others go on with what there is.
	asking atomic.Bool
}

type shareList struct {
	at      time.Time
	lexemes []string
	// sums[i] is the sum of the shares of the first i lexemes.
	sums []float64
}

// sharesKept is how long a list is used. Autovacuum makes new statistics when a tenth of the customers has changed.
const sharesKept = 10 * time.Minute

// refresh fetches the list when it is old. That it fails is no reason for the search to fail.
func (s *wordShares) refresh(ctx context.Context, e *Engine) {
	if old := s.list.Load(); old != nil && time.Since(old.at) < sharesKept || !s.asking.CompareAndSwap(false, true) {
		return
	}
	defer s.asking.Store(false)
	next := &shareList{at: time.Now()}
	var lexemes []string
	var shares []float32
	b, query := &pgx.Batch{}, wordFrequencies
	if e.walled {
		wall.System(b)
		query = walledFrequencies
	}
	b.Queue(query).QueryRow(func(row pgx.Row) error { return row.Scan(&lexemes, &shares) })
	if err := e.config.Pool.SendBatch(ctx, b).Close(); err == nil && len(shares) >= len(lexemes) {
		order := make([]int, len(lexemes))
		for i := range order {
			order[i] = i
		}
		slices.SortFunc(order, func(a, b int) int { return strings.Compare(lexemes[a], lexemes[b]) })
		next.sums = append(next.sums, 0)
		for i, from := range order {
			next.lexemes = append(next.lexemes, lexemes[from])
			next.sums = append(next.sums, next.sums[i]+float64(shares[from]))
		}
	}
	s.list.Store(next)
}

// of gives what says how common a lexeme is, nil where nobody knows.
func (l *shareList) of() func(string) float64 {
	if l == nil || len(l.lexemes) == 0 {
		return nil
	}
	return l.share
}

// share is the part of all customers that have a lexeme which begins so, as far as it is known.
func (l *shareList) share(begins string) float64 {
	from, _ := slices.BinarySearch(l.lexemes, begins)
	to, _ := slices.BinarySearch(l.lexemes, begins+"\U0010FFFF")
	return l.sums[to] - l.sums[from]
}
