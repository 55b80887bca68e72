package read

import (
	"strconv"

	"dossier/internal/fault"
)

// maxSifted is how many rows of a list are looked at for conditions that no index serves.
const maxSifted = 20_000

// sift writes the first rows of the level in order, so many at most, and of them those for which the sifting conditions hold. It
// stops as soon as the page is full, so only what is rare costs as much as it may.
func (l *level) sift(w *writer, t string, joins func(), paged bool) {
	inner := w.alias()
	w.fromPage(t, func() {
		w.text("SELECT " + inner + ".*")
		l.stretch(w, inner, paged)
		w.text(" LIMIT " + strconv.Itoa(l.e.sifted))
	})
	joins()
	w.text(" WHERE true")
	w.and(l.sifted, t)
}

// stretch writes the rows that are sifted.
func (l *level) stretch(w *writer, t string, paged bool) {
	w.from(l.noun, t, nil)
	w.and(l.conds, t)
	if paged {
		w.and(l.bounds, t)
	}
	l.ordered(w, t, -1)
}

// guardSift asks whether there are more rows than are sifted. Then a page that was not filled, or a count, would be a lie: it is
// refused, with what to do.
func (c *compiler) guardSift(l *level) {
	l.short = fault.At(fault.BadUserInput, []string{"where"}, "Of the first %d documents in this order, too few are what is asked for, and no more "+
		"are looked at. Narrow createdAt, expiresOn or retentionUntil, or ask for the documents of one customer.", c.e.sifted)
	ask := func(paged bool, note func(b *binding, more bool)) {
		w := newWriter(c.u)
		t := w.alias()
		w.text("SELECT 1")
		l.stretch(w, t, paged)
		w.text(" OFFSET " + strconv.Itoa(c.e.sifted) + " LIMIT 1")
		c.u.steps = append(c.u.steps, sqlStep{statement: w.statement(), guard: func(b *binding, row [][]byte) error {
			note(b, row != nil)
			return nil
		}})
	}
	if l.rowed {
		ask(true, func(b *binding, more bool) { b.endless = more })
	}
	if l.counted {
		ask(false, func(b *binding, more bool) { b.uncounted = more })
	}
}
