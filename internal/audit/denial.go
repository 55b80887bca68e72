package audit

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"dossier/internal/auth"
)

// Denial is what somebody was not allowed to do, and how often.
type Denial struct {
	Principal auth.Principal
	// Action is the root field that was asked for ("Mutation.customerCreate"), or what a link was for.
	Action string
	// At is when it happened, of several times the last.
	At     time.Time
	Times  int
	Origin auth.Origin
}

// Store keeps denials.
type Store interface {
	// DenialInsert adds a record to the trail of the principal's account.
	DenialInsert(ctx context.Context, d Denial) error
}

// Window is how long denials of one principal and action are put together.
const Window = time.Minute

// maxOpen bounds the windows that are open at a time.
const maxOpen = 10_000

// Denials writes denials into the trail. The first of a principal and an action is written at once. Those that follow
// within a minute are counted, and the count is one record at the end of the minute: whoever asks a thousand times a second
// for what is refused makes two records a minute on each node and not sixty thousand. A crash loses the counts of the last
// minute, never the first denial.
type Denials struct {
	Store Store
	Log   *slog.Logger
	Now   func() time.Time

	mu   sync.Mutex
	open map[key]*window
}

type key struct {
	who    auth.Holder
	action string
}

// window is the denials since the last record.
type window struct {
	Denial
	until time.Time
}

// NewDenials gives Denials on the system's clock.
func NewDenials(store Store, log *slog.Logger) *Denials {
	return &Denials{Store: store, Log: log, Now: time.Now, open: map[key]*window{}}
}

// Denied notes that p was not allowed to do something. Nobody (an anonymous request) has no trail. That a record cannot be
// written changes nothing for the client: it was refused either way.
func (d *Denials) Denied(ctx context.Context, p auth.Principal, action string) {
	who := p.Holder()
	if p.IsZero() || who == (auth.Holder{}) {
		return
	}
	denial := Denial{Principal: p, Action: action, At: d.Now(), Times: 1, Origin: auth.OriginOf(ctx)}
	if d.first(key{who, action}, &denial) {
		d.write(ctx, denial)
	}
}

// first says whether a denial is to be written, and with how many before it. The others are counted.
func (d *Denials) first(k key, denial *Denial) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	w := d.open[k]
	switch {
	case w != nil && denial.At.Before(w.until):
		denial.Times = w.Times + 1
		w.Denial = *denial
		return false
	case w != nil: // it has ended and was not closed yet: this record says what it has counted, too
		denial.Times += w.Times
	case len(d.open) >= maxOpen: // written one by one, until windows close
		return true
	}
	w = &window{Denial: *denial, until: denial.At.Add(Window)}
	w.Times = 0
	d.open[k] = w
	return true
}

// Run closes windows until ctx ends, and then all of them.
func (d *Denials) Run(ctx context.Context) error {
	tick := time.NewTicker(Window / 6)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			d.flush(ctx, false)
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			d.flush(last, true)
			return nil
		}
	}
}

// flush writes what closed windows have counted.
func (d *Denials) flush(ctx context.Context, all bool) {
	now := d.Now()
	var list []Denial
	d.mu.Lock()
	for k, w := range d.open {
		if !all && now.Before(w.until) {
			continue
		}
		if w.Times > 0 {
			list = append(list, w.Denial)
		}
		delete(d.open, k)
	}
	d.mu.Unlock()
	for _, denial := range list {
		d.write(ctx, denial)
	}
}

func (d *Denials) write(ctx context.Context, denial Denial) {
	// A client that goes away must not keep the record from being written.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := d.Store.DenialInsert(ctx, denial); err != nil {
		d.Log.ErrorContext(ctx, "a denial could not be written into the audit trail",
			slog.String("action", denial.Action), slog.Int("times", denial.Times), slog.Any("cause", err))
	}
}
