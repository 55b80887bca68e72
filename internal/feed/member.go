package feed

import (
	"context"
	"io"
	"sync"

	"dossier/internal/transport"
)

// member is one subscriber and its stream. It is a transport.Poller.
type member struct {
	group  *group
	runner Runner
	beat   func(seq int64) transport.Message

	// Under group.mu.
	index int
	at    int64 // everything up to here was put into the queue
	live  bool

	mu       sync.Mutex
	queue    []transport.Message // from first on; nil while nothing waits
	first    int
	wake     func()
	ready    chan struct{} // of Next
	err      error         // how the stream ends, after the queue
	catching bool          // a catchUp goroutine exists
	behind   bool          // start catchUp again when there is room
	over     bool          // counted in group.over
	closed   bool
}

// push appends to the queue. It says false when the queue is full.
func (m *member) push(msg transport.Message, limit int) bool {
	m.mu.Lock()
	if m.err != nil {
		m.mu.Unlock()
		return true
	}
	waiting := len(m.queue) - m.first
	if waiting >= limit {
		m.mu.Unlock()
		return false
	}
	if m.first > 0 && len(m.queue) == cap(m.queue) {
		m.queue = m.queue[:copy(m.queue, m.queue[m.first:])]
		m.first = 0
	}
	m.queue = append(m.queue, msg)
	if !m.over && waiting+1 > limit/2 {
		m.over = true
		m.group.over.Add(1)
	}
	wake := m.wake
	m.wake = nil
	m.mu.Unlock()
	if wake != nil {
		wake()
	}
	return true
}

// pushIfIdle is push for a heartbeat, which is worth nothing behind other messages.
func (m *member) pushIfIdle(msg transport.Message) {
	m.mu.Lock()
	idle := len(m.queue) == m.first
	m.mu.Unlock()
	if idle {
		m.push(msg, 2)
	}
}

// end ends the stream. It says false when it had ended. A stream that was too slow loses its queue: the client resumes
// from what it has received.
func (m *member) end(err error) bool {
	m.mu.Lock()
	if m.err != nil {
		m.mu.Unlock()
		return false
	}
	m.err = err
	if err == transport.ErrSlow { //nolint:errorlint // set by this package
		m.clear()
	}
	wake := m.wake
	m.wake = nil
	m.mu.Unlock()
	if wake != nil {
		wake()
	}
	return true
}

// clear empties the queue. Under m.mu.
func (m *member) clear() {
	m.queue, m.first, m.behind = nil, 0, false
	m.settle(0)
}

// settle updates what the group knows about the length of the queue. Under m.mu.
func (m *member) settle(waiting int) {
	if m.over && waiting <= m.group.hub.cfg.Queue/4 {
		m.over = false
		m.group.over.Add(-1)
		select {
		case m.group.drained <- struct{}{}:
		default:
		}
	}
}

func (m *member) isOver() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.over
}

func (m *member) room(limit int) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return limit - (len(m.queue) - m.first)
}

// Poll gives the next message if there is one; see transport.Poller.
func (m *member) Poll(wake func()) (transport.Message, bool, error) {
	m.mu.Lock()
	waiting := len(m.queue) - m.first
	if waiting == 0 {
		err := m.err
		if err == nil {
			m.wake = wake
		}
		m.mu.Unlock()
		return transport.Message{}, false, err
	}
	msg := m.queue[m.first]
	m.queue[m.first] = transport.Message{}
	m.first++
	waiting--
	if waiting == 0 {
		m.first = 0
		if m.queue = m.queue[:0]; cap(m.queue) > 8 {
			m.queue = nil
		}
	}
	m.settle(waiting)
	resume := m.behind && m.err == nil && waiting <= m.group.hub.cfg.Queue/4
	if resume {
		m.behind, m.catching = false, true
		m.group.hub.running.Add(1)
	}
	m.mu.Unlock()
	if resume {
		go m.catchUp()
	}
	return msg, true, nil
}

// Next waits for the next message; see transport.Stream.
func (m *member) Next(ctx context.Context) (transport.Message, error) {
	m.mu.Lock()
	if m.ready == nil {
		m.ready = make(chan struct{}, 1)
	}
	ready := m.ready
	m.mu.Unlock()
	for {
		msg, ok, err := m.Poll(func() {
			select {
			case ready <- struct{}{}:
			default:
			}
		})
		if ok || err != nil {
			return msg, err
		}
		select {
		case <-ready:
		case <-ctx.Done():
			return transport.Message{}, ctx.Err()
		}
	}
}

// Close leaves the group.
func (m *member) Close() {
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return
	}
	m.closed = true
	if m.err == nil {
		m.err = io.EOF
	}
	m.clear()
	wake := m.wake
	m.wake = nil
	m.mu.Unlock()
	if wake != nil {
		wake()
	}
	m.group.leave(m)
}

func (m *member) ended() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.err != nil
}
