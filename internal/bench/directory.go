package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

//go:embed directory.sql
var directorySQL string

// directoryTarget is the time in the database within which 95 of 100 requests to the directory must be answered.
const directoryTarget = 15 * time.Millisecond

// directoryCell is one kind of request to the directory.
type directoryCell struct {
	Kind     string  `json:"kind"`
	Requests int     `json:"requests"`
	Found    float64 `json:"rowsPerRequest"`
	P50MS    float64 `json:"databaseP50Ms"`
	P95MS    float64 `json:"databaseP95Ms"`
	MaxMS    float64 `json:"databaseMaxMs"`
	HTTP95MS float64 `json:"requestP95Ms"`
}

// person is a customer that requests are made of.
type person struct{ given, family, name, email, phone string }

// kind is a kind of request; variables gives those of the n-th.
type kind struct {
	name      string
	selection string
	variables func(p person, r *rand.Rand) map[string]any
}

const (
	page  = "nodes { id displayName } pageInfo { startCursor endCursor hasNextPage }"
	total = "totalCount"
)

// searching makes a kind of request that has nothing but a search.
func searching(name string, text func(p person, r *rand.Rand) string) kind {
	return kind{name, page, func(p person, r *rand.Rand) map[string]any { return map[string]any{"search": text(p, r)} }}
}

// beginning is the first n letters.
func beginning(s string, n int) string {
	letters := []rune(s)
	return string(letters[:min(n, len(letters))])
}

// mistyped swaps two neighbours or drops a letter.
func mistyped(s string, r *rand.Rand) string {
	letters := []rune(s)
	i := 1 + r.IntN(max(1, len(letters)-2))
	if i+1 < len(letters) && r.IntN(2) == 0 {
		letters[i], letters[i+1] = letters[i+1], letters[i]
		return string(letters)
	}
	return string(append(letters[:i:i], letters[i+1:]...))
}

func with(search string, more map[string]any) map[string]any {
	if search != "" {
		more["search"] = search
	}
	return more
}

func orderBy(field, direction string) map[string]any {
	return map[string]any{"field": field, "direction": direction}
}

var directoryOrders = []string{"DISPLAY_NAME", "FAMILY_NAME", "EXTERNAL_ID", "CREATED_AT", "UPDATED_AT"}

// directoryKinds are what people and programs ask a directory.
var directoryKinds = []kind{
	searching("one letter", func(p person, _ *rand.Rand) string { return beginning(p.name, 1) }),
	searching("two letters", func(p person, _ *rand.Rand) string { return beginning(p.family, 2) }),
	searching("three letters of a given name", func(p person, _ *rand.Rand) string { return beginning(p.given, 3) }),
	searching("four letters of a family name", func(p person, _ *rand.Rand) string { return beginning(p.family, 4) }),
	searching("given name", func(p person, _ *rand.Rand) string { return p.given }),
	searching("family name", func(p person, _ *rand.Rand) string { return p.family }),
	searching("family name, mistyped", func(p person, r *rand.Rand) string { return mistyped(p.family, r) }),
	searching("given and family name", func(p person, _ *rand.Rand) string { return p.given + " " + p.family }),
	searching("given name and a letter", func(p person, _ *rand.Rand) string { return p.given + " " + beginning(p.family, 1) }),
	searching("two letters and two letters", func(p person, _ *rand.Rand) string { return beginning(p.family, 2) + " " + beginning(p.given, 2) }),
	searching("e-mail address", func(p person, _ *rand.Rand) string { return p.email }),
	searching("part of an e-mail address", func(p person, _ *rand.Rand) string {
		box, _, _ := strings.Cut(p.email, "@")
		return box[strings.LastIndexByte(box, '.')+1:]
	}),
	searching("number, last 5 digits", func(p person, _ *rand.Rand) string { return p.phone[len(p.phone)-5:] }),
	searching("number, first 4 digits with 0", func(p person, _ *rand.Rand) string { return "0" + p.phone[3:7] }),
	searching("nothing of that name", func(p person, r *rand.Rand) string { return "qx" + strconv.Itoa(r.IntN(1000)) + p.family }),
	{"search by creation, newest first", page, func(p person, r *rand.Rand) map[string]any {
		return with([]string{p.family, beginning(p.given, 3), p.given}[r.IntN(3)], map[string]any{"orderBy": orderBy("CREATED_AT", "DESC")})
	}},
	{"search by family name", page, func(p person, r *rand.Rand) map[string]any {
		return with([]string{p.family, beginning(p.family, 3), p.given}[r.IntN(3)], map[string]any{"orderBy": orderBy("FAMILY_NAME", "ASC")})
	}},
	{"search with filters", page, func(p person, r *rand.Rand) map[string]any {
		return with([]string{p.family, beginning(p.given, 3), p.given}[r.IntN(3)],
			map[string]any{"where": map[string]any{"kind": []string{"COMPANY"}, "or": []any{map[string]any{"createdVia": []string{"API"}}, map[string]any{"hasEmail": true}}}})
	}},
	{"filters", page, func(_ person, r *rand.Rand) map[string]any {
		return map[string]any{
			"where":   map[string]any{"kind": []string{"PERSON"}, "postalCodeStartsWith": fmt.Sprintf("%03d", r.IntN(1000))},
			"orderBy": orderBy(directoryOrders[r.IntN(5)], []string{"ASC", "DESC"}[r.IntN(2)]),
		}
	}},
	{"totalCount of a family name", total, func(p person, _ *rand.Rand) map[string]any { return map[string]any{"search": p.family} }},
	{"totalCount of three letters", total, func(p person, _ *rand.Rand) map[string]any {
		return map[string]any{"search": beginning(p.family, 3)}
	}},
}

// directory measures searches, filters and pages of one account with a million customers.
func (b *bench) directory(ctx context.Context) error {
	database, err := b.database(ctx, dataset{
		name: "directory_" + b.size.name, sql: directorySQL, settings: map[string]int{"customers": b.size.directory}, refill: true,
	})
	if err != nil {
		return err
	}
	var account uuid.UUID
	if err := b.queryRow(ctx, database, `SELECT id FROM account`, nil, &account); err != nil {
		return err
	}
	people, err := b.people(ctx, database)
	if err != nil {
		return err
	}
	// PostgreSQL says how long each step of each statement took: parsing, planning and running.
	if err := b.admin(ctx, `ALTER DATABASE `+database+` SET log_duration = on`); err != nil {
		return err
	}
	key, err := b.mintKey(ctx, database, account)
	if err != nil {
		return err
	}
	server, err := b.startDossier(ctx, "dossier", database)
	if err != nil {
		return err
	}
	defer server.stop()
	if err := b.warm(ctx, database); err != nil {
		return err
	}
	d := directoryRun{bench: b, addr: server.addr, key: key}
	if d.log, err = os.Open(filepath.Join(b.dir, "postgres", "log")); err != nil {
		return err
	}
	defer func() { _ = d.log.Close() }()
	if d.client, err = dial(ctx, server.addr); err != nil {
		return err
	}
	defer d.client.close()
	for _, k := range directoryKinds {
		if err := d.measure(ctx, k, people); err != nil {
			return fmt.Errorf("%s: %w", k.name, err)
		}
	}
	d.keep("all of these", d.all)
	for _, field := range directoryOrders {
		if err := d.pages(ctx, field); err != nil {
			return fmt.Errorf("pages by %s: %w", field, err)
		}
	}
	b.printf("%s", b.report.directoryTable())
	return nil
}

// warm reads the database into memory, where it is on a server that has run for a while: what is measured is the search, not the disk.
// What does not fit into PostgreSQL's own memory is in the system's; the tables of the search come last, so they stay.
func (b *bench) warm(ctx context.Context, database string) error {
	if err := b.exec(ctx, database, `CREATE EXTENSION IF NOT EXISTS pg_prewarm`); err != nil {
		return err
	}
	began, bytes := time.Now(), int64(0)
	if err := b.queryRow(ctx, database, `SELECT sum(pg_prewarm(c.oid))::bigint * 8192 FROM (SELECT c.oid FROM pg_class AS c
			LEFT JOIN pg_index AS x ON x.indexrelid = c.oid WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'i')
			ORDER BY coalesce(x.indrelid, c.oid)::regclass::text IN ('customer', 'customer_search', 'search_token', 'search_word'), c.relname LIMIT 1000) AS c`,
		nil, &bytes); err != nil {
		return err
	}
	b.printf("data: %d MB read into memory in %s\n", bytes>>20, time.Since(began).Round(time.Second))
	return nil
}

// people picks those that the requests are made of, the same in every run.
func (b *bench) people(ctx context.Context, database string) ([]person, error) {
	conn, err := pgx.Connect(ctx, b.dsn(database))
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	rows, err := conn.Query(ctx, `SELECT c.given_name, c.family_name, c.display_name, e.address, p.e164 FROM customer AS c
		JOIN email_address AS e ON (e.account_id, e.customer_id) = (c.account_id, c.id) AND e.contact_id IS NULL
		JOIN phone_number AS p ON (p.account_id, p.customer_id) = (c.account_id, c.id) AND p.contact_id IS NULL
		WHERE c.given_name IS NOT NULL ORDER BY md5(c.id::text) LIMIT $1`, b.size.variables)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (p person, err error) {
		return p, row.Scan(&p.given, &p.family, &p.name, &p.email, &p.phone)
	})
}

// directoryRun sends requests one after the other.
type directoryRun struct {
	*bench
	client    *client
	addr, key string
	log       *os.File
	// all are the answers to all kinds of requests but pages.
	all []answered
}

// answered is what came back, and how long it took.
type answered struct {
	rows           int
	start, end     string
	next           bool
	database, http time.Duration
}

const directoryQuery = `query Directory($search: String, $where: CustomerWhere, $orderBy: CustomerOrder, $first: Int, $after: String, $last: Int, $before: String) {
	customers(search: $search, where: $where, orderBy: $orderBy, first: $first, after: $after, last: $last, before: $before) { %s } }`

// measure sends the requests of a kind: a tenth of them first, for prepared statements and warm memory.
func (d *directoryRun) measure(ctx context.Context, k kind, people []person) error {
	r := rand.New(rand.NewPCG(15, 95))
	var list []answered
	for i, p := range people {
		a, err := d.ask(ctx, k.selection, k.variables(p, r))
		if err != nil {
			return err
		}
		if i >= len(people)/10 {
			list = append(list, a)
		}
	}
	d.all = append(d.all, list...)
	d.keep(k.name, list)
	return nil
}

// pages walks forward and back again in an order, from the beginning and from far within.
func (d *directoryRun) pages(ctx context.Context, field string) error {
	var list []answered
	for _, direction := range []string{"ASC", "DESC"} {
		vars := map[string]any{"orderBy": orderBy(field, direction), "first": 100}
		for range 60 {
			a, err := d.ask(ctx, page, vars)
			if err != nil {
				return err
			}
			list = append(list, a)
			vars["after"] = a.end
		}
		vars = map[string]any{"orderBy": orderBy(field, direction), "last": 100, "before": list[len(list)-1].start}
		for range 30 {
			a, err := d.ask(ctx, page, vars)
			if err != nil {
				return err
			}
			list = append(list, a)
			vars["before"] = a.start
		}
	}
	d.keep("pages of 100 by "+field+", forward and back", list)
	return nil
}

func (d *directoryRun) keep(name string, list []answered) {
	c := &directoryCell{Kind: name, Requests: len(list)}
	var database, http []time.Duration
	for _, a := range list {
		database, http = append(database, a.database), append(http, a.http)
		c.Found += float64(a.rows) / float64(len(list))
	}
	c.P50MS, c.P95MS, c.MaxMS, c.HTTP95MS = ms(percentile(database, 50)), ms(percentile(database, 95)), ms(percentile(database, 100)), ms(percentile(http, 95))
	d.report.Directory = append(d.report.Directory, c)
	d.printf("%s", c.line())
}

func (d *directoryRun) ask(ctx context.Context, selection string, variables map[string]any) (a answered, err error) {
	if err := ctx.Err(); err != nil {
		return a, err
	}
	body, err := json.Marshal(map[string]any{"query": fmt.Sprintf(directoryQuery, selection), "variables": variables})
	if err != nil {
		return a, err
	}
	if _, err := d.log.Seek(0, io.SeekEnd); err != nil {
		return a, err
	}
	var answer bytes.Buffer
	began := time.Now()
	if err := d.client.do(post(d.addr, "/graphql", d.key, body), &answer); err != nil {
		return a, err
	}
	a.http = time.Since(began)
	var got struct {
		Data struct {
			Customers struct {
				Nodes    []struct{ ID string }
				PageInfo struct {
					StartCursor, EndCursor string
					HasNextPage            bool
				}
			}
		}
		Errors []struct{ Message string }
	}
	if err := json.Unmarshal(answer.Bytes(), &got); err != nil {
		return a, err
	}
	if len(got.Errors) > 0 {
		return a, errors.New(got.Errors[0].Message)
	}
	c := got.Data.Customers
	a.rows, a.start, a.end, a.next = len(c.Nodes), c.PageInfo.StartCursor, c.PageInfo.EndCursor, c.PageInfo.HasNextPage
	a.database, err = d.databaseTime()
	return a, err
}

var durationLine = regexp.MustCompile(`duration: ([0-9.]+) ms`)

// databaseTime adds up what PostgreSQL has written since the request was sent.
func (d *directoryRun) databaseTime() (time.Duration, error) {
	text, err := io.ReadAll(d.log)
	if err != nil {
		return 0, err
	}
	var sum time.Duration
	for _, m := range durationLine.FindAllSubmatch(text, -1) {
		millis, err := strconv.ParseFloat(string(m[1]), 64)
		if err != nil {
			return 0, err
		}
		sum += time.Duration(millis * float64(time.Millisecond))
	}
	if sum == 0 {
		return 0, errors.New("PostgreSQL's log says nothing about the request")
	}
	return sum, nil
}

func (c *directoryCell) line() string {
	return fmt.Sprintf("%-46s %5d %7.1f %8.2f %8.2f %8.2f %8.2f  (target %.0f ms: %s)\n", c.Kind, c.Requests, c.Found, c.P50MS, c.P95MS, c.MaxMS,
		c.HTTP95MS, ms(directoryTarget), verdict(c.P95MS, ms(directoryTarget)))
}

func (r *report) directoryTable() string {
	s := "\nDirectory: time in the database per request, one account\n" +
		"request                                            n    rows   p50 ms   p95 ms   max ms  http p95\n"
	for _, c := range r.Directory {
		s += c.line()
	}
	return s
}
