package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"dossier/internal/typeid"
)

// crowd is how many subscribers there are, and how many events they get.
type crowd struct{ subscribers, events, rounds int }

func (sz size) crowds() []crowd {
	if sz.name == "small" {
		return []crowd{{100, 20, 1}, {1000, 20, 1}}
	}
	return []crowd{{1000, 200, 3}, {10_000, 200, 2}}
}

// liveCell is one contestant with one crowd.
type liveCell struct {
	Subscribers int     `json:"subscribers"`
	Contestant  string  `json:"contestant"`
	MicroS      float64 `json:"serverCpuMicrosecondsPerMessage"`
	PostgresUS  float64 `json:"postgresCpuMicrosecondsPerMessage"`
	PerSecond   float64 `json:"messagesPerSecond"`
	AllMS       float64 `json:"medianMsUntilAllHaveIt"`
	KiBEach     float64 `json:"kibPerSubscriber"`
	Bytes       int     `json:"bytesPerMessage"`

	server, postgres, took time.Duration
	messages               int
	all                    []time.Duration
}

// station is a contestant of the live events: fresh for each round, since memory is measured.
type station struct {
	*process
	name string
	// join makes a socket a subscriber.
	join func(ctx context.Context, n int) (*socket, error)
	// event makes something happen that all subscribers are told.
	event request
	// exact: messages carry the numbers by which gaps are seen.
	exact bool
}

const liveSubscription = `subscription Live($customer: ID) { events(customerId: $customer) { cursor ... on EventDelivery { prevSeq
  event { id seq type at customer { id displayName } subject { ... on TimelineEntry { id kind title at } } } } } }`

// standIn is a message such as Dossier's, for a run without it.
var standIn = []byte(`{"id":"6f1ed002-ab5b-4de2-8b1e-000000000000","type":"next","payload":{"data":{"events":{"seq":1,"is":"` +
	strings.Repeat("x", 400) + `"}}}}`)

// live measures the delivery of events.
func (b *bench) live(ctx context.Context) error {
	database, err := b.scratch(ctx, "dossier")
	if err != nil {
		return err
	}
	sample := standIn
	stations := []struct {
		name  string
		start func(context.Context) (*station, error)
	}{
		{"dossier", func(ctx context.Context) (*station, error) { return b.dossierStation(ctx, database) }},
		{"prepared", func(ctx context.Context) (*station, error) { return b.preparedStation(ctx, sample) }},
	}
	for _, crowd := range b.size.crowds() {
		cells := map[string]*liveCell{}
		for range crowd.rounds {
			for _, contestant := range stations {
				if b.skips(contestant.name) {
					continue
				}
				cell := cells[contestant.name]
				if cell == nil {
					cell = &liveCell{Subscribers: crowd.subscribers, Contestant: contestant.name}
					cells[contestant.name], b.report.Live = cell, append(b.report.Live, cell)
				}
				s, err := contestant.start(ctx)
				if err != nil {
					return err
				}
				if sample, err = b.measureLive(ctx, s, crowd, cell); err != nil {
					return fmt.Errorf("%s with %d subscribers: %w", s.name, crowd.subscribers, err)
				}
			}
		}
		b.printf("%s", b.report.liveLines(crowd.subscribers))
	}
	b.printf("%s", b.report.liveTable())
	return nil
}

func (b *bench) dossierStation(ctx context.Context, database string) (*station, error) {
	account, customer, err := b.firstCustomer(ctx, database)
	if err != nil {
		return nil, err
	}
	d, err := b.startDossier(ctx, "dossier", database)
	if err != nil {
		return nil, err
	}
	key, err := b.mintKey(ctx, database, account)
	if err != nil {
		d.stop()
		return nil, err
	}
	id := typeid.Format(typeid.Customer, customer)
	subscribe := string(body(map[string]any{"query": liveSubscription, "variables": map[string]any{"customer": id}}))
	s := &station{process: d.process, name: "dossier", exact: true}
	s.join = func(ctx context.Context, n int) (*socket, error) {
		c, err := openSocket(ctx, d.addr, "/graphql", key)
		if err != nil {
			return nil, err
		}
		// Ids as the graphql-ws client makes them: other ones on each socket.
		err = errors.Join(
			c.send(opText, `{"type":"connection_init","payload":{"Authorization":"Bearer `+key+`"}}`), c.expect("connection_ack"),
			c.send(opText, fmt.Sprintf(`{"id":"6f1ed002-ab5b-4de2-8b1e-%012d","type":"subscribe","payload":%s}`, n, subscribe)))
		return c, err
	}
	s.event = post(d.addr, "/graphql", key, body(map[string]any{
		"query": `mutation Log($customer: ID!) { timelineEntryCreate(customerId: $customer,
  input: {kind: VISIT, at: "2026-03-01T09:30:00Z", title: "Yearly maintenance of the heating"}) { timelineEntry { id } userErrors { message } } }`,
		"variables": map[string]any{"customer": id},
	}))
	return s, nil
}

func (b *bench) preparedStation(ctx context.Context, message []byte) (*station, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	p, err := b.start(ctx, command{name: "prepared", path: b.server("prepared"), args: []string{"-listen", addr}, addr: addr, ready: addr + "/healthz"})
	if err != nil {
		return nil, err
	}
	s := &station{process: p, name: "prepared", event: post(addr, "/broadcast", "", message)}
	s.join = func(ctx context.Context, _ int) (*socket, error) {
		c, err := openSocket(ctx, addr, "/live", "")
		if err != nil {
			return nil, err
		}
		return c, c.expect("connection_ack")
	}
	return s, nil
}

// audience is the subscribers, who count what they get.
type audience struct {
	sockets  []*socket
	got      []atomic.Int64
	want     atomic.Int64
	complete chan struct{}
	at       atomic.Int64
	failed   chan error
	sample   atomic.Pointer[[]byte]
	wg       sync.WaitGroup
}

// gather connects the subscribers, some at a time.
func gather(ctx context.Context, s *station, n int) (*audience, error) {
	a := &audience{sockets: make([]*socket, n), got: make([]atomic.Int64, n), complete: make(chan struct{}, 1), failed: make(chan error, 1)}
	var next atomic.Int64
	errs := make([]error, 16)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			for errs[i] == nil && ctx.Err() == nil {
				k := int(next.Add(1)) - 1
				if k >= n {
					return
				}
				if a.sockets[k], errs[i] = s.join(ctx, k); errs[i] == nil {
					a.start(k, s.exact)
				}
			}
		})
	}
	wg.Wait()
	if err := firstOf(errs); err != nil {
		a.leave()
		return nil, err
	}
	return a, nil
}

// start reads for a subscriber from now on: one who waited for the others would not answer pings.
func (a *audience) start(i int, exact bool) {
	a.wg.Go(func() {
		if err := a.listen(i, a.sockets[i], exact); err != nil {
			select {
			case a.failed <- fmt.Errorf("subscriber %d: %w", i, err):
			default:
			}
		}
	})
}

var nextType, seqMember, prevMember = []byte(`"type":"next"`), []byte(`"seq":`), []byte(`"prevSeq":`)

// listen counts the events of one subscriber. Each event must be the one behind the last.
func (a *audience) listen(i int, c *socket, exact bool) error {
	last := int64(-1)
	for {
		m, err := c.next()
		if err != nil {
			return err
		}
		if !bytes.Contains(m, nextType) || !bytes.Contains(m, seqMember) {
			if bytes.Contains(m, []byte(`"type":"error"`)) {
				return fmt.Errorf("got %.500s", m)
			}
			continue
		}
		if i == 0 {
			kept := bytes.Clone(m)
			a.sample.Store(&kept)
		}
		if exact {
			seq, _ := number(m, seqMember)
			prev, ok := number(m, prevMember)
			if ok && last >= 0 && prev != last {
				return fmt.Errorf("event %d says that %d came before, but it was %d", seq, prev, last)
			}
			last = seq
		}
		a.got[i].Add(1)
		if a.at.Add(1) == a.want.Load() {
			a.complete <- struct{}{}
		}
	}
}

// leave closes all sockets and waits for their readers.
func (a *audience) leave() {
	for _, c := range a.sockets {
		if c != nil {
			_ = c.conn.Close()
		}
	}
	a.wg.Wait()
}

// warm makes events until each subscriber has had one: a subscription says nothing when it stands.
func (a *audience) warm(ctx context.Context, s *station, p *client) error {
	limit := time.Now().Add(2 * time.Minute)
	for time.Now().Before(limit) {
		if err := fire(p, s.event); err != nil {
			return err
		}
		if err := a.settle(ctx); err != nil {
			return err
		}
		if !slices.ContainsFunc(pointers(a.got), func(n *atomic.Int64) bool { return n.Load() == 0 }) {
			return nil
		}
	}
	return errors.New("some subscribers never get an event")
}

func pointers(list []atomic.Int64) []*atomic.Int64 {
	out := make([]*atomic.Int64, len(list))
	for i := range list {
		out[i] = &list[i]
	}
	return out
}

// settle waits until nothing has arrived for a while.
func (a *audience) settle(ctx context.Context) error {
	before := int64(-1)
	t := time.NewTicker(500 * time.Millisecond)
	defer t.Stop()
	for a.at.Load() != before {
		before = a.at.Load()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-a.failed:
			return err
		case <-t.C:
		}
	}
	return nil
}

func fire(p *client, r request) error {
	var buf bytes.Buffer
	if err := p.do(r, &buf); err != nil {
		return err
	}
	if bytes.Contains(buf.Bytes(), errorsKey) || bytes.Contains(buf.Bytes(), []byte(`"message"`)) {
		return fmt.Errorf("no event: %.500s", buf.Bytes())
	}
	return nil
}

// measureLive sends the events one by one, each when all subscribers have the one before, so that no two can share a write.
func (b *bench) measureLive(ctx context.Context, s *station, crowd crowd, cell *liveCell) (sample []byte, err error) {
	defer s.stop()
	p, err := dial(ctx, s.addr)
	if err != nil {
		return nil, err
	}
	defer p.close()
	if err := fire(p, s.event); err != nil {
		return nil, err
	}
	empty, _, err := memory(s.pid())
	if err != nil {
		return nil, err
	}
	a, err := gather(ctx, s, crowd.subscribers)
	if err != nil {
		return nil, err
	}
	defer a.leave()
	if err := a.warm(ctx, s, p); err != nil {
		return nil, err
	}
	server, postgres, err := b.used(s.pid())
	if err != nil {
		return nil, err
	}
	began := time.Now()
	if err := a.hear(ctx, s, p, crowd, cell); err != nil {
		return nil, err
	}
	cell.took += time.Since(began)
	serverAfter, postgresAfter, err := b.used(s.pid())
	if err != nil {
		return nil, err
	}
	_, peak, err := memory(s.pid())
	if err != nil {
		return nil, err
	}
	cell.server += serverAfter - server
	cell.postgres += postgresAfter - postgres
	cell.messages += crowd.subscribers * crowd.events
	cell.KiBEach = max(cell.KiBEach, float64(peak-empty)/1024/float64(crowd.subscribers))
	sample = *a.sample.Load()
	cell.Bytes = len(sample)
	cell.finish()
	return sample, nil
}

// hear sends the events and waits for each until all have it.
func (a *audience) hear(ctx context.Context, s *station, p *client, crowd crowd, cell *liveCell) error {
	for range crowd.events {
		a.want.Store(a.at.Load() + int64(crowd.subscribers))
		at := time.Now()
		if err := fire(p, s.event); err != nil {
			return err
		}
		late := time.NewTimer(30 * time.Second)
		select {
		case <-a.complete:
			late.Stop()
		case err := <-a.failed:
			late.Stop()
			return err
		case <-ctx.Done():
			late.Stop()
			return ctx.Err()
		case <-late.C:
			return fmt.Errorf("%d of %d subscribers did not get an event", a.want.Load()-a.at.Load(), crowd.subscribers)
		}
		cell.all = append(cell.all, time.Since(at))
	}
	return nil
}

func (c *liveCell) finish() {
	n := float64(c.messages)
	c.MicroS, c.PostgresUS = ms(c.server)*1000/n, ms(c.postgres)*1000/n
	c.PerSecond = n / c.took.Seconds()
	c.AllMS = ms(percentile(c.all, 50))
}

func (r *report) liveLines(subscribers int) string {
	var s strings.Builder
	cells := map[string]*liveCell{}
	for _, c := range r.Live {
		if c.Subscribers == subscribers {
			cells[c.Contestant] = c
			fmt.Fprintf(&s, "%11d  %-10s %9.2f %9.2f %9.0f %10.1f %9.1f %7d\n", c.Subscribers, c.Contestant, c.MicroS, c.PostgresUS, c.PerSecond,
				c.AllMS, c.KiBEach, c.Bytes)
		}
	}
	d, p := cells["dossier"], cells["prepared"]
	if d != nil && p != nil && p.MicroS > 0 {
		fmt.Fprintf(&s, "%11d  dossier / prepared %5.2fx  (target 2.50x: %s); %.1f KiB each (target 40: %s)\n", subscribers, d.MicroS/p.MicroS,
			verdict(d.MicroS/p.MicroS, 2.5), d.KiBEach, verdict(d.KiBEach, 40))
	}
	return s.String()
}

func (r *report) liveTable() string {
	s := "\nLive: processor time per delivered message\n" +
		"subscribers  contestant   cpu us  postgres     msg/s  ms to all  KiB each   bytes\n"
	seen := 0
	for _, c := range r.Live {
		if c.Subscribers != seen {
			s += r.liveLines(c.Subscribers)
		}
		seen = c.Subscribers
	}
	return s
}
