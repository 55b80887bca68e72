package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"dossier/internal/typeid"
)

const accounts = 10

// target is a contestant of the reads.
type target struct {
	name string
	*process
	// encode makes the request of a query for a choice of variables.
	encode func(q *query, c choice) request
	// cursors are the ends of the directory's pages, per account.
	cursors [accounts][]string
	list    map[string][]request
	// admin is where Dossier can be profiled; empty for the others.
	admin string
}

// choice is what a request asks for: a customer, and how many pages of the directory come before.
type choice struct {
	account  int
	customer uuid.UUID
	page     int
}

// reads measures the queries.
func (b *bench) reads(ctx context.Context) error {
	database, err := b.seeded(ctx, b.size)
	if err != nil {
		return err
	}
	ids, choices, err := b.choose(ctx, database)
	if err != nil {
		return err
	}
	targets, err := b.startTargets(ctx, database, ids)
	defer func() {
		for _, t := range targets {
			t.stop()
		}
	}()
	if err != nil {
		return err
	}
	if err := compare(ctx, targets, choices); err != nil {
		return err
	}
	b.printf("data: the contestants' answers are equal (%s)\n", names(targets))
	for i := range queries {
		measured := false
		for _, connections := range []int{1, 8} {
			if !strings.Contains(fmt.Sprint(queries[i].name, " ", connections), b.query) {
				continue
			}
			measured = true
			if err := b.measureQuery(ctx, &queries[i], connections, targets); err != nil {
				return err
			}
		}
		if measured && b.profile && targets[0].admin != "" {
			if err := b.profileQuery(ctx, &queries[i], targets[0]); err != nil {
				return err
			}
		}
	}
	b.printf("%s", b.report.readTable())
	return nil
}

func names(targets []*target) string {
	var s []string
	for _, t := range targets {
		s = append(s, t.name)
	}
	return strings.Join(s, ", ")
}

// choose picks the variables: the same in every run.
func (b *bench) choose(ctx context.Context, database string) (ids [accounts]uuid.UUID, list []choice, err error) {
	conn, err := pgx.Connect(ctx, b.dsn(database))
	if err != nil {
		return ids, nil, err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	rows, err := conn.Query(ctx, `SELECT id FROM account ORDER BY name`)
	if err != nil {
		return ids, nil, err
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil || copy(ids[:], found) != accounts {
		return ids, nil, errors.Join(err, errors.New("the data does not have 10 accounts"))
	}
	rows, err = conn.Query(ctx, `SELECT account_id, id FROM customer WHERE status = 'ACTIVE' ORDER BY md5(id::text), id LIMIT $1`, b.size.variables)
	if err != nil {
		return ids, nil, err
	}
	random := rand.New(rand.NewPCG(2, 10))
	var account, customer uuid.UUID
	_, err = pgx.ForEachRow(rows, []any{&account, &customer}, func() error {
		c := choice{account: slices.Index(found, account), customer: customer}
		// Two of five look at the first page, the others further down, up to the 1,000th customer.
		if random.IntN(5) >= 2 {
			c.page = 1 + random.IntN(min(walkPages, b.size.customers*9/10/accounts/walkStep))
		}
		list = append(list, c)
		return nil
	})
	return ids, list, err
}

// startTargets starts the contestants that are not skipped.
func (b *bench) startTargets(ctx context.Context, database string, ids [accounts]uuid.UUID) (list []*target, err error) {
	starts := []struct {
		name  string
		start func(ctx context.Context, name, database string, ids [accounts]uuid.UUID) (*target, error)
	}{
		{"dossier", b.startDossierTarget},
		{before, b.startDossierTarget},
		{unwalled, b.startDossierTarget},
		{"limit", b.startLimit},
		{postGraphile, b.startPostGraphile},
		{walledPostGraphile, b.startPostGraphile},
	}
	for _, s := range starts {
		if b.skips(s.name) {
			continue
		}
		t, err := s.start(ctx, s.name, database, ids)
		if err != nil {
			return list, err
		}
		t.name = s.name
		list = append(list, t)
	}
	return list, nil
}

func body(v map[string]any) []byte {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err) // it holds strings only
	}
	return raw
}

func (b *bench) startDossierTarget(ctx context.Context, name, database string, ids [accounts]uuid.UUID) (*target, error) {
	d, err := b.startDossier(ctx, name, database)
	if err != nil {
		return nil, err
	}
	t := &target{process: d.process, admin: d.admin}
	var keys [accounts]string
	for i, id := range ids {
		if keys[i], err = b.mintKey(ctx, database, id); err != nil {
			t.stop()
			return nil, err
		}
	}
	t.encode = func(q *query, c choice) request {
		v := map[string]any{}
		if !q.paged {
			v["id"] = typeid.Format(typeid.Customer, c.customer)
		} else if c.page > 0 {
			v["after"] = t.cursors[c.account][c.page-1]
		}
		return post(t.addr, "/graphql", keys[c.account], body(map[string]any{"query": q.dossier, "variables": v}))
	}
	return t, nil
}

func (b *bench) startLimit(ctx context.Context, _, database string, ids [accounts]uuid.UUID) (*target, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	p, err := b.start(ctx, command{
		name: "limit", path: b.server("limit"), args: []string{"-listen", addr, "-database", b.dsn(database)},
		addr: addr, ready: addr + "/healthz",
	})
	if err != nil {
		return nil, err
	}
	t := &target{process: p}
	t.encode = func(q *query, c choice) request {
		v := map[string]any{"account": ids[c.account]}
		if !q.paged {
			v["id"] = typeid.Format(typeid.Customer, c.customer)
		} else if c.page > 0 {
			v["after"] = t.cursors[c.account][c.page-1]
		}
		return post(t.addr, "/"+q.name, "", body(map[string]any{"variables": v}))
	}
	return t, nil
}

// ask sends one request and gives the answer.
func (t *target) ask(ctx context.Context, r request) ([]byte, error) {
	c, err := dial(ctx, t.addr)
	if err != nil {
		return nil, err
	}
	defer c.close()
	var buf bytes.Buffer
	if err := c.do(r, &buf); err != nil {
		return nil, err
	}
	if bytes.Contains(buf.Bytes(), errorsKey) {
		return nil, fmt.Errorf("the answer has errors: %.2000s", buf.Bytes())
	}
	return buf.Bytes(), nil
}

// prepare makes the requests, after a walk through each account's directory for the cursors.
func (t *target) prepare(ctx context.Context, choices []choice) error {
	deepest := [accounts]int{}
	for _, c := range choices {
		deepest[c.account] = max(deepest[c.account], c.page)
	}
	for account, pages := range deepest {
		for page := range pages {
			answer, err := t.ask(ctx, t.encode(&queries[walk], choice{account: account, page: page}))
			if err != nil {
				return err
			}
			var a struct {
				Data struct {
					Customers struct {
						PageInfo struct{ EndCursor string }
					}
				}
			}
			if err := json.Unmarshal(answer, &a); err != nil {
				return err
			}
			t.cursors[account] = append(t.cursors[account], a.Data.Customers.PageInfo.EndCursor)
		}
	}
	t.list = map[string][]request{}
	for i := range queries {
		for _, c := range choices {
			t.list[queries[i].name] = append(t.list[queries[i].name], t.encode(&queries[i], c))
		}
	}
	return nil
}

// measureQuery runs the rounds of one query: in each the contestants take turns, so that what else the machine does meets
// them alike.
func (b *bench) measureQuery(ctx context.Context, q *query, connections int, targets []*target) error {
	cells := map[string]*readCell{}
	for _, t := range targets {
		cells[t.name] = &readCell{Query: q.name, Connections: connections, Contestant: t.name}
		if _, err := burst(ctx, t.addr, t.list[q.name], q.requests(b.size)/2, connections); err != nil {
			return fmt.Errorf("warm up %s with %s: %w", t.name, q.name, err)
		}
		if err := resetPeak(t.pid()); err != nil {
			return err
		}
	}
	for range b.size.rounds {
		for _, t := range targets {
			if err := b.measureRound(ctx, t, q, connections, cells[t.name]); err != nil {
				return fmt.Errorf("%s with %s: %w", t.name, q.name, err)
			}
		}
	}
	for _, t := range targets {
		_, peak, err := memory(t.pid())
		if err != nil {
			return err
		}
		cells[t.name].finish(peak)
		b.report.Reads = append(b.report.Reads, cells[t.name])
	}
	b.printf("%s", b.report.readLines(q.name, connections))
	return nil
}

func (b *bench) measureRound(ctx context.Context, t *target, q *query, connections int, cell *readCell) error {
	server, postgres, err := b.used(t.pid())
	if err != nil {
		return err
	}
	n := q.requests(b.size)
	seen, err := burst(ctx, t.addr, t.list[q.name], n, connections)
	if err != nil {
		return err
	}
	serverAfter, postgresAfter, err := b.used(t.pid())
	if err != nil {
		return err
	}
	cell.add(n, serverAfter-server, postgresAfter-postgres, seen)
	return nil
}

// used is the processor time so far of a server and of PostgreSQL.
func (b *bench) used(pid int) (server, postgres time.Duration, err error) {
	server, err = cpu(pid)
	if err != nil {
		return 0, 0, err
	}
	postgres, err = b.clusterCPU()
	return server, postgres, err
}

// compare makes the requests of all contestants and holds that their answers are equal.
func compare(ctx context.Context, targets []*target, choices []choice) error {
	for _, t := range targets {
		if err := t.prepare(ctx, choices); err != nil {
			return fmt.Errorf("%s: %w", t.name, err)
		}
	}
	for i := range queries {
		if err := sameAnswers(ctx, queries[i].name, targets); err != nil {
			return err
		}
	}
	return nil
}

// sameAnswers holds that all contestants give the same rows in the same order for the first variables.
func sameAnswers(ctx context.Context, name string, targets []*target) error {
	for i := range min(20, len(targets[0].list[name])) {
		var want string
		for k, t := range targets {
			answer, err := t.ask(ctx, t.list[name][i])
			if err != nil {
				return fmt.Errorf("%s, %s: %w", t.name, name, err)
			}
			got, err := canonical(answer)
			if err != nil {
				return fmt.Errorf("%s, %s: %w", t.name, name, err)
			}
			if k == 0 {
				want = got
			}
			if got != want {
				return fmt.Errorf("the answers to %s differ:\n%s: %.3000s\n%s: %.3000s", name, targets[0].name, want, t.name, got)
			}
		}
	}
	return nil
}

// canonical writes an answer so that two can be compared: ids as UUIDs, times in microseconds, numbers as text, members
// sorted, cursors left out.
func canonical(answer []byte) (string, error) {
	d := json.NewDecoder(bytes.NewReader(answer))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return "", err
	}
	out, err := json.Marshal(plainValue(v))
	return string(out), err
}

func plainValue(v any) any {
	switch v := v.(type) {
	case map[string]any:
		delete(v, "endCursor")
		for k := range v {
			v[k] = plainValue(v[k])
		}
		return v
	case []any:
		for i := range v {
			v[i] = plainValue(v[i])
		}
		return v
	case json.Number:
		return v.String()
	case string:
		if _, id, err := typeid.Parse(v); err == nil {
			return id.String()
		}
		if t, err := time.Parse(time.RFC3339Nano, v); err == nil {
			return t.UnixMicro()
		}
		return v
	default:
		return v
	}
}
