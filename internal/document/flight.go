package document

import (
	"sync"

	"github.com/google/uuid"
)

// flights are pieces of work of which each is done once at a time: who asks for one that runs waits for it and gets the same
// answer.
type flights struct {
	mu      sync.Mutex
	running map[flightKey]*flight
}

// flightKey is of an account.
//
// SECURITY: with the id alone a user of another account could join a flight, and would be told what only its own may know.
type flightKey struct{ account, id uuid.UUID }

type flight struct {
	done chan struct{}
	id   uuid.UUID
	err  error
}

// do does the work, or waits for the one who does.
func (f *flights) do(key flightKey, work func() (uuid.UUID, error)) (uuid.UUID, error) {
	f.mu.Lock()
	if running := f.running[key]; running != nil {
		f.mu.Unlock()
		<-running.done
		return running.id, running.err
	}
	mine := &flight{done: make(chan struct{}), err: errDamaged()} // what those get who wait for one that panics
	if f.running == nil {
		f.running = map[flightKey]*flight{}
	}
	f.running[key] = mine
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		delete(f.running, key)
		f.mu.Unlock()
		close(mine.done)
	}()
	mine.id, mine.err = work()
	return mine.id, mine.err
}
