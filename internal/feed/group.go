package feed

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"dossier/internal/fault"
	"dossier/internal/transport"
)

var (
	// errPause stops a run of which enough was taken for now; the rest is run again later.
	errPause = errors.New("feed: enough for now")
	// errEnded stops the run of a group that has no members any more.
	errEnded = errors.New("feed: the group has ended")
)

// The pauses between failed runs. A failure that is not Unavailable is taken as lasting after maxInternal tries.
const (
	firstBackoff = 50 * time.Millisecond
	lastBackoff  = 5 * time.Second
	maxInternal  = 5
)

// group is the subscribers of one operation.
//
// A member is live when everything up to the group's position has been put into its queue (or was before its own start);
// the others catch up on their own and join when they have come into the range of the recent messages.
type group struct {
	hub     *Hub
	account uuid.UUID
	key     string
	ctx     context.Context
	cancel  context.CancelFunc

	over    atomic.Int32  // members whose queue is more than half full
	drained chan struct{} // capacity 1: a member's queue has become short

	mu         sync.Mutex
	members    []*member
	live       int
	head       int64 // the log's, as far as known
	pos        int64 // everything up to here was fanned out
	recentFrom int64 // everything in (recentFrom, pos] is in recent
	recent     []transport.Message
	running    bool
	paused     bool
	ended      bool
	closing    error     // how members that still join end
	quiet      time.Time // since when nothing was sent

	pagesMu sync.Mutex
	pages   map[int64]*page
}

// join adds a member. It says false when the group has ended in the meantime.
func (g *group) join(m *member, fromNow bool) bool {
	g.mu.Lock()
	if g.ended {
		g.mu.Unlock()
		return false
	}
	m.group = g
	m.index = len(g.members)
	g.members = append(g.members, m)
	if fromNow {
		m.at = max(m.at, g.pos)
		if m.beat != nil {
			g.push(m, m.beat(m.at))
		}
	}
	if g.closing != nil {
		m.end(g.closing)
	} else if !g.admit(m) {
		m.catching = true
		g.hub.running.Add(1)
		go m.catchUp()
	}
	g.kick()
	g.mu.Unlock()
	return true
}

// admit makes the member live if nothing is missing between its position and the group's. Under g.mu.
func (g *group) admit(m *member) bool {
	if g.live == 0 && !g.running && g.head-m.at <= int64(g.hub.cfg.Recent) {
		// Nobody depends on the group's position: it starts over at the member's. After a restart this makes the first
		// of many returning subscribers run the group for all of them. It never goes beyond the head, whatever the
		// cursor says: others would miss what is in between.
		g.pos = min(m.at, g.head)
		g.recentFrom, g.recent = g.pos, nil
	}
	if m.at < g.recentFrom {
		return false
	}
	var missing int
	for _, msg := range g.recent {
		if msg.Seq > m.at {
			missing++
		}
	}
	if missing > m.room(g.hub.cfg.Queue) {
		return false
	}
	for _, msg := range g.recent {
		if msg.Seq > m.at {
			m.at = msg.Seq
			g.push(m, msg)
		}
	}
	m.live = true
	g.live++
	return true
}

// leave removes a member; the last one ends the group.
func (g *group) leave(m *member) {
	g.mu.Lock()
	last := len(g.members) - 1
	g.members[last].index = m.index
	g.members[m.index] = g.members[last]
	g.members[last] = nil
	g.members = g.members[:last]
	g.unlive(m)
	end := last == 0
	if end {
		g.ended = true
		g.cancel()
	}
	g.mu.Unlock()
	g.hub.stats.subscribers.Add(-1)
	if end {
		g.hub.drop(g)
	}
}

func (g *group) unlive(m *member) {
	if m.live {
		m.live = false
		g.live--
	}
}

// endAll ends the stream of every member. They stay members until they are closed.
func (g *group) endAll(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closing = err
	for _, m := range g.members {
		g.unlive(m)
		m.end(err)
	}
}

func (g *group) advance(head int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.head = max(g.head, head)
	g.kick()
}

// kick starts the run when there is something to run for. Under g.mu.
func (g *group) kick() {
	if g.running || g.ended || g.live == 0 || g.pos >= g.head || g.hub.ctx.Err() != nil {
		return
	}
	g.running = true
	g.hub.running.Add(1)
	go g.run()
}

// run executes the operation for all live members until the group has come to the head. It is a goroutine that exists
// only while there is work.
func (g *group) run() {
	defer g.hub.running.Done()
	var failures int
	for {
		m, from, to := g.next()
		if m == nil {
			return
		}
		g.hub.stats.runs.Add(1)
		ctx, cancel := context.WithTimeout(g.ctx, g.hub.cfg.RunTimeout)
		reached, err := m.runner.Run(ctx, from, to, g.emit)
		cancel()
		progress, paused, err := g.advanced(from, min(reached, to), err)
		if progress {
			failures = 0
		}
		switch {
		case paused:
			g.pace()
		case err != nil:
			failures++
			g.failed(m, err, failures)
		}
	}
}

// next picks the stretch to run and the member to run it for, or ends the run. The member is one that is there now: the
// rights of one that has left may be gone.
func (g *group) next() (m *member, from, to int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.ended && g.live > 0 && g.pos < g.head && g.ctx.Err() == nil {
		for _, m = range g.members {
			if m.live {
				g.paused = false
				return m, g.pos, g.head
			}
		}
	}
	g.running = false
	return nil, 0, 0
}

// advanced takes the outcome of a run into account.
func (g *group) advanced(from, reached int64, err error) (progress, paused bool, _ error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.paused { // what was not taken counts as not reached, whatever the runner says
		return true, true, nil
	}
	if err == nil {
		g.pos = max(g.pos, reached)
		if g.pos <= from {
			err = fault.Wrap("feed.run", errors.New("the runner made no progress"))
		}
	}
	return g.pos > from, false, err
}

// emit fans one message out to all live members.
func (g *group) emit(msg transport.Message) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ended {
		return errEnded
	}
	if g.paused {
		return errPause
	}
	if msg.Seq <= g.pos { // after a failed run
		return nil
	}
	g.pos = msg.Seq
	g.quiet = time.Now()
	g.remember(msg)
	for _, m := range g.members {
		if m.live && msg.Seq > m.at {
			m.at = msg.Seq
			g.push(m, msg)
		}
	}
	if int(g.over.Load())*2 > g.live {
		g.paused = true
		return errPause
	}
	return nil
}

// push puts a message into the queue of a member, and drops a member whose queue is full. Under g.mu.
func (g *group) push(m *member, msg transport.Message) {
	if m.push(msg, g.hub.cfg.Queue) {
		g.hub.stats.delivered.Add(1)
		return
	}
	if m.end(transport.ErrSlow) {
		g.hub.stats.dropped.Add(1)
	}
	g.unlive(m)
}

// remember keeps the message for members that join. Under g.mu.
func (g *group) remember(msg transport.Message) {
	if len(g.recent) >= g.hub.cfg.Recent {
		half := len(g.recent) / 2
		g.recentFrom = g.recent[half-1].Seq
		n := copy(g.recent, g.recent[half:])
		clear(g.recent[n:])
		g.recent = g.recent[:n]
	}
	g.recent = append(g.recent, msg)
}

// pace waits while most members are behind: then this node is the bottleneck, and dropping them would only bring them
// back with more work. A minority that is slow is not waited for.
func (g *group) pace() {
	timer := time.NewTimer(g.hub.cfg.PaceWait)
	defer timer.Stop()
	for {
		g.mu.Lock()
		behind := int(g.over.Load())*2 > g.live
		g.mu.Unlock()
		if !behind {
			return
		}
		select {
		case <-g.drained:
		case <-timer.C:
			g.dropSlow()
			return
		case <-g.ctx.Done():
			return
		}
	}
}

// dropSlow drops the members that have not come out of being behind.
func (g *group) dropSlow() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, m := range g.members {
		if m.live && m.isOver() {
			g.unlive(m)
			if m.end(transport.ErrSlow) {
				g.hub.stats.dropped.Add(1)
			}
		}
	}
}

// failed waits before the next try, or ends the members for whom there is none.
func (g *group) failed(m *member, err error, failures int) {
	if g.ctx.Err() != nil {
		return
	}
	g.hub.stats.failures.Add(1)
	switch verdict(err, failures) {
	case endMember:
		g.mu.Lock()
		g.unlive(m)
		m.end(err)
		g.mu.Unlock()
	case endGroup:
		g.hub.cfg.Logger.Warn("live operation ended", "code", fault.CodeOf(err))
		g.mu.Lock()
		for _, m := range g.members {
			if m.live {
				g.unlive(m)
				m.end(err)
			}
		}
		g.mu.Unlock()
	case tryAgain:
		g.hub.cfg.Logger.Warn("live operation failed, trying again", "code", fault.CodeOf(err), "failures", failures)
		wait(g.ctx, failures)
	}
}

// What to do after a failed run.
const (
	tryAgain = iota
	endMember
	endGroup
)

func verdict(err error, failures int) int {
	switch fault.CodeOf(fault.Wrap("feed.run", err)) { // Wrap makes a time-out Unavailable
	case fault.Unavailable, fault.RateLimited:
		return tryAgain
	case fault.Internal:
		if failures < maxInternal {
			return tryAgain
		}
		return endGroup
	case fault.Unauthenticated, fault.Forbidden:
		return endMember
	default:
		return endGroup
	}
}

func wait(ctx context.Context, failures int) {
	timer := time.NewTimer(min(lastBackoff, firstBackoff<<min(failures, 10)))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// tick sends a heartbeat when the group was silent for long enough, and forgets old pages.
func (g *group) tick(now time.Time) {
	g.forgetPages(now)
	g.mu.Lock()
	defer g.mu.Unlock()
	if now.Sub(g.quiet) > pageLife && !g.running {
		g.recentFrom, g.recent = g.pos, nil // ten thousand silent groups must not hold their last messages for ever
	}
	if now.Sub(g.quiet) < g.hub.cfg.Heartbeat || g.running || g.live == 0 {
		return
	}
	g.quiet = now
	var msg transport.Message
	for _, m := range g.members {
		if !m.live || m.beat == nil || m.at > g.pos {
			continue
		}
		if msg.Payload == nil {
			msg = m.beat(g.pos)
		}
		m.pushIfIdle(msg)
	}
}
