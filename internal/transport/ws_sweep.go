package transport

import (
	"sync"
	"time"

	"dossier/internal/fault"
)

// sweepWorkers is how many goroutines ask Recheck at a time, so that one slow answer does not hold up all sockets.
const sweepWorkers = 8

// sweep pings and rechecks all sockets from one timer: ten thousand timers would cost more than the work they start.
func (s *WS) sweep() {
	defer s.running.Done()
	tick := time.NewTicker(min(s.cfg.PingInterval, s.cfg.RecheckInterval, 2*time.Second) / 2)
	defer tick.Stop()
	for {
		select {
		case <-s.stop:
			return
		case now := <-tick.C:
			s.sweepOnce(now)
		}
	}
}

func (s *WS) sweepOnce(now time.Time) {
	var ping, recheck []*wsConn
	s.mu.Lock()
	for c := range s.conns {
		if now.After(c.nextPing) {
			c.nextPing = now.Add(s.cfg.PingInterval)
			ping = append(ping, c)
		}
		if s.cfg.Recheck != nil && now.After(c.nextRecheck) {
			c.nextRecheck = now.Add(s.cfg.RecheckInterval * 3 / 4) // the tick adds up to a quarter
			recheck = append(recheck, c)
		}
	}
	s.mu.Unlock()
	for _, c := range ping {
		s.running.Go(c.ping)
	}
	s.recheckAll(recheck)
}

func (s *WS) recheckAll(conns []*wsConn) {
	if len(conns) == 0 {
		return
	}
	var wg sync.WaitGroup
	chunk := max(64, (len(conns)+sweepWorkers-1)/sweepWorkers)
	for len(conns) > 0 {
		part := conns[:min(chunk, len(conns))]
		conns = conns[len(part):]
		wg.Go(func() {
			for _, c := range part {
				s.recheck(c)
			}
		})
	}
	wg.Wait()
}

func (s *WS) recheck(c *wsConn) {
	ctx, ready := c.principal()
	if !ready {
		return
	}
	err := s.cfg.Recheck(ctx)
	if revoked(err) {
		s.running.Go(func() { c.close(CloseUnauthorized, "Unauthorized") })
	}
}

// revoked tells an answer about the principal from a failure to find out.
func revoked(err error) bool {
	code := fault.CodeOf(err)
	return code == fault.Unauthenticated || code == fault.Forbidden
}
