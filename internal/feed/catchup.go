package feed

import (
	"context"
	"time"

	"dossier/internal/fault"
	"dossier/internal/transport"
)

// pageLife is how long a page of the log is kept for other members. After a restart thousands of subscribers come back
// with the same few cursors within a moment; each page is then run once for all of them.
const pageLife = 2 * time.Second

// page is the messages of one catch-up run. It does not change once done is closed.
type page struct {
	done    chan struct{}
	msgs    []transport.Message
	reached int64
	err     error
	expires time.Time
}

// catchUp brings a member from its position to the group's, a page at a time. It ends when the member is live, or when
// its queue has no room for another page; then the reader starts it again.
func (m *member) catchUp() {
	g := m.group
	defer g.hub.running.Done()
	var failures int
	for {
		from, to, more := m.stretch()
		if !more {
			return
		}
		p, own := g.page(from, to, m.runner)
		if p.err != nil {
			failures++
			if m.catchUpFailed(p.err, own, failures) {
				return
			}
			continue
		}
		failures = 0
		if !m.take(p) {
			return
		}
	}
}

// stretch gives the stretch of the log to run next; more is false when the member is live or has ended.
func (m *member) stretch() (from, to int64, more bool) {
	g := m.group
	g.mu.Lock()
	defer g.mu.Unlock()
	if m.ended() || g.ended || g.hub.ctx.Err() != nil {
		return 0, 0, false
	}
	if g.admit(m) {
		m.mu.Lock()
		m.catching = false
		m.mu.Unlock()
		g.kick()
		return 0, 0, false
	}
	return m.at, max(g.pos, g.head), true
}

// take puts a page into the queue. It says false when there is no room for the next one.
func (m *member) take(p *page) bool {
	g := m.group
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, msg := range p.msgs {
		if msg.Seq > m.at {
			m.at = msg.Seq
			g.push(m, msg)
		}
	}
	m.at = max(m.at, p.reached)
	m.mu.Lock()
	defer m.mu.Unlock()
	// A reader that has come down to a quarter in the meantime would not start a catchUp that still runs.
	if waiting := len(m.queue) - m.first; waiting > g.hub.cfg.Queue/4 {
		m.behind, m.catching = true, false
		return false
	}
	return true
}

// catchUpFailed says whether to give up. Another member's lack of rights is no reason: the page is run again for this one.
func (m *member) catchUpFailed(err error, own bool, failures int) bool {
	g := m.group
	if g.ctx.Err() != nil {
		return true
	}
	switch verdict(err, failures) {
	case tryAgain:
		g.hub.cfg.Logger.Warn("catch-up failed, trying again", "code", fault.CodeOf(err), "failures", failures)
		wait(g.ctx, failures)
		return false
	case endMember:
		if !own {
			return false
		}
	}
	m.end(err)
	return true
}

// page gives the page that starts after from, run by this call (own) or by another.
func (g *group) page(from, to int64, runner Runner) (p *page, own bool) {
	g.pagesMu.Lock()
	p = g.pages[from]
	if p == nil {
		p = &page{done: make(chan struct{})}
		if g.pages == nil {
			g.pages = make(map[int64]*page)
		}
		g.pages[from] = p
		own = true
	}
	g.pagesMu.Unlock()
	if !own {
		<-p.done
		return p, false
	}
	g.runPage(p, from, to, runner)
	g.pagesMu.Lock()
	if p.err != nil {
		delete(g.pages, from)
	}
	p.expires = time.Now().Add(pageLife)
	close(p.done)
	g.pagesMu.Unlock()
	return p, true
}

func (g *group) runPage(p *page, from, to int64, runner Runner) {
	select {
	case g.hub.slots <- struct{}{}:
	case <-g.ctx.Done():
		p.err = g.ctx.Err()
		return
	}
	defer func() { <-g.hub.slots }()
	g.hub.stats.catchUps.Add(1)
	ctx, cancel := context.WithTimeout(g.ctx, g.hub.cfg.RunTimeout)
	defer cancel()
	limit := g.hub.cfg.Page
	last := from
	reached, err := runner.Run(ctx, from, to, func(msg transport.Message) error {
		if len(p.msgs) >= limit {
			return errPause
		}
		if msg.Seq <= last {
			return nil
		}
		last = msg.Seq
		p.msgs = append(p.msgs, msg)
		if len(p.msgs) >= limit {
			return errPause
		}
		return nil
	})
	switch {
	case len(p.msgs) >= limit:
		p.reached = last
	case err != nil && last > from: // what was emitted is good
		p.reached = last
	case err != nil:
		g.hub.stats.failures.Add(1)
		p.err = err
	default:
		p.reached = max(last, min(reached, to))
		if p.reached <= from {
			g.hub.stats.failures.Add(1)
			p.err = fault.New(fault.Internal, "internal error")
		}
	}
}

func (g *group) forgetPages(now time.Time) {
	g.pagesMu.Lock()
	defer g.pagesMu.Unlock()
	for from, p := range g.pages {
		if !p.expires.IsZero() && now.After(p.expires) {
			delete(g.pages, from)
		}
	}
}
