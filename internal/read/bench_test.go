package read_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"dossier/internal/auth"
	"dossier/internal/pgtest"
	"dossier/internal/read"
	"dossier/internal/store"
	"dossier/internal/typeid"
)

// The benchmark compares the engine, gqlgen's executor in front of it included, with the same statements written by hand
// and no GraphQL. It reports CPU of this process and of the PostgreSQL backends per request.

const (
	dashboardQuery = `query Dashboard($after: String) { customers(first: 20, after: $after) { nodes { id displayName kind status version updatedAt
  contacts(first: 3) { nodes { id displayName role } }
  documents(first: 5) { nodes { id title kind status source createdAt } }
  timeline(first: 10) { nodes { id at kind title } } }
  pageInfo { hasNextPage endCursor } } }`
	profileQuery = `query Profile($id: ID!) { customer(id: $id) { id displayName version kind status
  phones { id e164 type } emails { id address type }
  contacts(first: 10) { nodes { id displayName givenName familyName role phones { e164 } } }
  documents(first: 20) { nodes { id kind title createdAt currentVersion { sizeBytes contentType } } }
  upcoming: timeline(direction: UPCOMING, first: 5) { nodes { at title kind } }
  past: timeline(first: 20) { nodes { at title kind } } } }`
)

// sizedTemplate is the bench's data set at a given size.
func sizedTemplate(b testing.TB, customers, contacts, documents, events int) pgtest.Template {
	seed, err := os.ReadFile("../bench/seed.sql")
	if err != nil {
		b.Skip(err)
	}
	settings := fmt.Sprintf("SET bench.customers = '%d'; SET bench.contacts = '%d'; SET bench.documents = '%d'; SET bench.events = '%d';\n",
		customers, contacts, documents, events)
	sum := sha256.Sum256(append(seed, settings...))
	return pgtest.Template{
		Name: "readbench-" + store.MigrationsHash()[:8] + hex.EncodeToString(sum[:4]),
		Prepare: func(ctx context.Context, dsn string) error {
			if _, err := store.Migrate(ctx, dsn, nil); err != nil {
				return err
			}
			conn, err := pgx.Connect(ctx, dsn)
			if err != nil {
				return err
			}
			defer func() { _ = conn.Close(ctx) }()
			for _, sql := range []string{settings + string(seed), "VACUUM ANALYZE"} {
				if _, err := conn.PgConn().Exec(ctx, sql).ReadAll(); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

type benchEnv struct {
	*env
	p         auth.Principal
	customers []uuid.UUID
}

func newBench(b testing.TB) *benchEnv {
	db := pgtest.New(b, sizedTemplate(b, 10_000, 30_000, 50_000, 200_000))
	e := &benchEnv{env: attach(b, db.DSN(), db.Pool(b), func(c *read.Config) { c.Now = time.Now })}
	e.load(b)
	return e
}

// bare is a pool like that of the engine without the wall, for the statements by hand, which do not say whose they are.
func (e *benchEnv) bare(b *testing.B) *pgxpool.Pool {
	pool, err := read.OpenPool(b.Context(), e.pool.Config().ConnString(), 4)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(pool.Close)
	return pool
}

// load picks an account and its customers.
func (e *benchEnv) load(b testing.TB) {
	var account uuid.UUID
	if err := e.pool.QueryRow(b.Context(), `SELECT id FROM account ORDER BY name LIMIT 1`).Scan(&account); err != nil {
		b.Fatal(err)
	}
	e.p = admin(account)
	rows, _ := e.pool.Query(b.Context(), `SELECT id FROM customer WHERE account_id = $1 AND status = 'ACTIVE' ORDER BY sort_name, id LIMIT 500`, account)
	var err error
	if e.customers, err = pgx.CollectRows(rows, pgx.RowTo[uuid.UUID]); err != nil {
		b.Fatal(err)
	}
}

func BenchmarkDashboard(b *testing.B) {
	e := newBench(b)
	var cursors []string
	after := any(nil)
	for range 15 {
		data := e.data(e.p, dashboardQuery, map[string]any{"after": after})
		end := data[strings.LastIndex(data, `"endCursor":"`)+13:]
		after = end[:strings.Index(end, `"`)]
		cursors = append(cursors, after.(string))
	}
	b.Run("engine", func(b *testing.B) {
		e.measure(b, func(i int) int {
			return len(e.data(e.p, dashboardQuery, map[string]any{"after": cursors[i%len(cursors)]}))
		})
	})
	b.Run("limit", func(b *testing.B) {
		hand := byHand{e.bare(b), e.p.AccountID}
		e.measure(b, func(i int) int { return hand.dashboard(b, cursors[i%len(cursors)]) })
	})
}

func BenchmarkProfile(b *testing.B) {
	e := newBench(b)
	b.Run("engine", func(b *testing.B) {
		e.measure(b, func(i int) int {
			return len(e.data(e.p, profileQuery, map[string]any{"id": typeid.Format("cus", e.customers[i%len(e.customers)])}))
		})
	})
	b.Run("limit", func(b *testing.B) {
		hand := byHand{e.bare(b), e.p.AccountID}
		e.measure(b, func(i int) int { return hand.profile(b, e.customers[i%len(e.customers)]) })
	})
}

// measure runs f and reports CPU times.
func (e *benchEnv) measure(b *testing.B, f func(i int) int) {
	for i := range 200 {
		f(i)
	}
	b.ReportAllocs()
	backends := e.backends(b)
	own, theirs := cpuOfProcess(), cpuOfBackends(b, backends)
	bytes := 0
	b.ResetTimer()
	for i := range b.N {
		bytes += f(i)
	}
	b.StopTimer()
	own, theirs = cpuOfProcess()-own, cpuOfBackends(b, backends)-theirs
	n := float64(b.N)
	b.ReportMetric(float64(own.Microseconds())/n, "go-us/op")
	b.ReportMetric(float64(theirs.Microseconds())/n, "pg-us/op")
	b.ReportMetric(float64((own+theirs).Microseconds())/n, "cpu-us/op")
	b.ReportMetric(float64(bytes)/n, "bytes/op")
}

func (e *benchEnv) backends(b *testing.B) []int {
	rows, _ := e.pool.Query(b.Context(), `SELECT pid FROM pg_stat_activity WHERE application_name = 'dossier read' AND datname = current_database()`)
	pids, err := pgx.CollectRows(rows, pgx.RowTo[int])
	if err != nil {
		b.Fatal(err)
	}
	return pids
}

func cpuOfProcess() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// cpuOfBackends reads utime and stime, in ticks of 10 ms, from /proc.
func cpuOfBackends(b *testing.B, pids []int) time.Duration {
	var ticks int64
	for _, pid := range pids {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			b.Skip(err)
		}
		fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
		var utime, stime int64
		_, _ = fmt.Sscan(fields[11], &utime)
		_, _ = fmt.Sscan(fields[12], &stime)
		ticks += utime + stime
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// byHand is the limit: fixed statements, one batch, appended by hand.
type byHand struct {
	pool    *pgxpool.Pool
	account uuid.UUID
}

type member struct {
	key    string
	kind   read.Kind
	prefix string
}

var (
	handCustomer = []member{{`"id":`, read.KindID, "cus"}, {`,"displayName":`, read.KindText, ""}, {`,"kind":`, read.KindPlain, ""}, {`,"status":`, read.KindPlain, ""}, {`,"version":`, read.KindInt, ""}, {`,"updatedAt":`, read.KindInstant, ""}}
	handContact  = []member{{`{"id":`, read.KindID, "con"}, {`,"displayName":`, read.KindText, ""}, {`,"role":`, read.KindText, ""}}
	handDocument = []member{{`{"id":`, read.KindID, "doc"}, {`,"title":`, read.KindText, ""}, {`,"kind":`, read.KindPlain, ""}, {`,"status":`, read.KindPlain, ""}, {`,"source":`, read.KindPlain, ""}, {`,"createdAt":`, read.KindInstant, ""}}
	handEntry    = []member{{`{"id":`, read.KindID, "tle"}, {`,"at":`, read.KindInstant, ""}, {`,"kind":`, read.KindPlain, ""}, {`,"title":`, read.KindText, ""}}
)

func appendMembers(dst []byte, list []member, row [][]byte) []byte {
	for i, m := range list {
		dst = append(dst, m.key...)
		if row[i] == nil {
			dst = append(dst, "null"...)
			continue
		}
		dst = read.AppendValue(dst, m.kind, m.prefix, row[i])
	}
	return dst
}

const handPage = ` FROM customer WHERE account_id = $1 AND status = 'ACTIVE' AND (sort_name, id) > ($2, $3) ORDER BY sort_name, id LIMIT `

func (h byHand) dashboard(b *testing.B, cursor string) int {
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		b.Fatal(err)
	}
	name, id := string(raw[6:len(raw)-16]), uuid.UUID(raw[len(raw)-16:])
	keys := `SELECT p.id, x.* FROM (SELECT id` + handPage + `20) p CROSS JOIN LATERAL `
	var batch pgx.Batch
	for _, sql := range []string{
		`SELECT id, display_name, kind, status, version, updated_at, sort_name` + handPage + `21`,
		keys + `(SELECT id, display_name, role FROM contact WHERE account_id = $1 AND customer_id = p.id AND archived_at IS NULL ORDER BY secondary, sort_name, id LIMIT 3) x`,
		keys + `(SELECT id, title, kind, status, source, created_at FROM document WHERE account_id = $1 AND customer_id = p.id AND status IN ('ACTIVE', 'QUARANTINED') ORDER BY created_at DESC, id DESC LIMIT 5) x`,
		keys + `(SELECT id, at, kind, title FROM timeline_entry WHERE account_id = $1 AND customer_id = p.id AND at <= now() ORDER BY at DESC, id DESC LIMIT 10) x`,
	} {
		batch.Queue(sql, h.account, name, id)
	}
	res := h.pool.SendBatch(b.Context(), &batch)
	heads, index := make([][]byte, 0, 21), make(map[uuid.UUID]int, 21)
	h.each(b, res, func(row [][]byte) {
		index[uuid.UUID(row[0])] = len(heads)
		heads = append(heads, appendMembers(nil, handCustomer, row))
	})
	var lists [3][20][]byte
	for i, members := range [][]member{handContact, handDocument, handEntry} {
		h.each(b, res, func(row [][]byte) {
			at := &lists[i][index[uuid.UUID(row[0])]]
			if len(*at) > 0 {
				*at = append(*at, ',')
			}
			*at = append(appendMembers(*at, members, row[1:]), '}')
		})
	}
	if err := res.Close(); err != nil {
		b.Fatal(err)
	}
	dst := make([]byte, 0, 64<<10)
	dst = append(dst, `{"customers":{"nodes":[`...)
	for i := range min(len(heads), 20) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(append(dst, '{'), heads[i]...)
		for j, key := range []string{`,"contacts":{"nodes":[`, `]},"documents":{"nodes":[`, `]},"timeline":{"nodes":[`} {
			dst = append(append(dst, key...), lists[j][i]...)
		}
		dst = append(dst, "]}}"...)
	}
	dst = append(dst, `],"pageInfo":{"hasNextPage":true,"endCursor":"`...)
	dst = append(append(dst, cursor...), `"}}}`...)
	return len(dst)
}

func (h byHand) each(b *testing.B, res pgx.BatchResults, f func(row [][]byte)) {
	rows, err := res.Query()
	if err != nil {
		b.Fatal(err)
	}
	for rows.Next() {
		f(rows.RawValues())
	}
	if err := rows.Err(); err != nil {
		b.Fatal(err)
	}
}

func (h byHand) profile(b *testing.B, id uuid.UUID) int {
	contacts := ` FROM contact WHERE account_id = $1 AND customer_id = $2 AND archived_at IS NULL ORDER BY secondary, sort_name, id LIMIT 10`
	var batch pgx.Batch
	lists := [][]member{
		{{`{"id":`, read.KindID, "cus"}, {`,"displayName":`, read.KindText, ""}, {`,"version":`, read.KindInt, ""}, {`,"kind":`, read.KindPlain, ""}, {`,"status":`, read.KindPlain, ""}},
		{{`{"id":`, read.KindID, "phn"}, {`,"e164":`, read.KindText, ""}, {`,"type":`, read.KindPlain, ""}},
		{{`{"id":`, read.KindID, "eml"}, {`,"address":`, read.KindText, ""}, {`,"type":`, read.KindPlain, ""}},
		{{`{"id":`, read.KindID, "con"}, {`,"displayName":`, read.KindText, ""}, {`,"givenName":`, read.KindText, ""}, {`,"familyName":`, read.KindText, ""}, {`,"role":`, read.KindText, ""}},
		{{`{"id":`, read.KindID, "con"}, {`,"e164":`, read.KindText, ""}},
		{{`{"id":`, read.KindID, "doc"}, {`,"kind":`, read.KindPlain, ""}, {`,"title":`, read.KindText, ""}, {`,"createdAt":`, read.KindInstant, ""}, {`,"sizeBytes":`, read.KindBig, ""}, {`,"contentType":`, read.KindText, ""}},
		{{`{"at":`, read.KindInstant, ""}, {`,"title":`, read.KindText, ""}, {`,"kind":`, read.KindPlain, ""}},
		{{`{"at":`, read.KindInstant, ""}, {`,"title":`, read.KindText, ""}, {`,"kind":`, read.KindPlain, ""}},
	}
	for _, sql := range []string{
		`SELECT id, display_name, version, kind, status FROM customer WHERE account_id = $1 AND id = $2`,
		`SELECT id, e164, type FROM phone_number WHERE account_id = $1 AND customer_id = $2 AND contact_id IS NULL ORDER BY position, id`,
		`SELECT id, address, type FROM email_address WHERE account_id = $1 AND customer_id = $2 AND contact_id IS NULL ORDER BY position, id`,
		`SELECT id, display_name, given_name, family_name, role` + contacts,
		`SELECT c.id, p.e164 FROM (SELECT id` + contacts + `) c CROSS JOIN LATERAL (SELECT e164 FROM phone_number WHERE account_id = $1 AND contact_id = c.id ORDER BY position, id LIMIT 20) p`,
		`SELECT d.id, d.kind, d.title, d.created_at, v.size_bytes, v.content_type FROM (SELECT id, kind, title, created_at, current_version_id FROM document
			WHERE account_id = $1 AND customer_id = $2 AND status IN ('ACTIVE', 'QUARANTINED') ORDER BY created_at DESC, id DESC LIMIT 20) d
			CROSS JOIN LATERAL (SELECT size_bytes, content_type FROM document_version WHERE account_id = $1 AND id = d.current_version_id LIMIT 1) v`,
		`SELECT at, title, kind FROM timeline_entry WHERE account_id = $1 AND customer_id = $2 AND at > now() ORDER BY at, id LIMIT 5`,
		`SELECT at, title, kind FROM timeline_entry WHERE account_id = $1 AND customer_id = $2 AND at <= now() ORDER BY at DESC, id DESC LIMIT 20`,
	} {
		batch.Queue(sql, h.account, id)
	}
	res := h.pool.SendBatch(b.Context(), &batch)
	dst := make([]byte, 0, 16<<10)
	for _, members := range lists {
		h.each(b, res, func(row [][]byte) { dst = append(appendMembers(dst, members, row), '}', ',') })
	}
	if err := res.Close(); err != nil {
		b.Fatal(err)
	}
	return len(dst)
}
