package read

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"dossier/internal/fault"
	"dossier/internal/wall"
)

// preparedPerConn bounds the statements that a connection keeps prepared; a session of PostgreSQL holds some 50 KB for each.
const preparedPerConn = 128

// acquireTimeout is how long an operation waits for a connection before it is told to come back.
const acquireTimeout = 2 * time.Second

// binaryFormat asks for, and sends, all values in binary.
var binaryFormat = []int16{1}

// prepared is a statement on one connection. description is nil until the server has described it.
type prepared struct {
	name        string
	description *pgconn.StatementDescription
}

// preparedKey is the place of a connection's statements in its custom data.
const preparedKey = "dossier/internal/read"

// session is one connection in use.
type session struct {
	conn     *pgxpool.Conn
	prepared *preparedCache
	// walled says that each pipeline begins by saying whose rows it is about.
	walled bool
}

// takeAccount is that beginning. It costs no round trip, and holds until the end of the pipeline.
var takeAccount = &statement{sql: wall.TakeAccount, oids: []uint32{oidText}}

type preparedCache struct {
	list    *simplelru.LRU[string, *prepared]
	evicted []string
	made    int
}

func preparedOf(conn *pgconn.PgConn) *preparedCache {
	if c, ok := conn.CustomData()[preparedKey].(*preparedCache); ok {
		return c
	}
	c := &preparedCache{}
	c.list, _ = simplelru.NewLRU(preparedPerConn, func(_ string, p *prepared) { c.evicted = append(c.evicted, p.name) })
	conn.CustomData()[preparedKey] = c
	return c
}

// run sends all statements of the units as one pipeline, which PostgreSQL runs as one transaction, and lets the units read
// the results while they arrive. A connection that had died in the pool is replaced once.
func (e *Engine) run(ctx context.Context, runs []*unitRun) error {
	statements := 0
	for _, r := range runs {
		statements += len(r.unit.steps)
	}
	if statements == 0 {
		return nil
	}
	for attempt := 0; ; attempt++ {
		for _, r := range runs {
			r.reset()
		}
		err := e.attempt(ctx, runs)
		if err == nil {
			return nil
		}
		if attempt > 0 || ctx.Err() != nil || !retryable(err) {
			return databaseFault(err)
		}
	}
}

func (e *Engine) attempt(ctx context.Context, runs []*unitRun) error {
	waiting, cancel := context.WithTimeout(ctx, acquireTimeout)
	conn, err := e.config.Pool.Acquire(waiting)
	cancel()
	if err != nil {
		return err
	}
	defer conn.Release()
	pg := conn.Conn().PgConn()
	s := &session{conn: conn, prepared: preparedOf(pg), walled: e.walled}
	if e.tracer != nil {
		err = e.traced(ctx, s, runs)
	} else {
		err = s.pipeline(ctx, pg, runs)
	}
	if err != nil && retryable(err) {
		_ = conn.Conn().Close(ctx) // the session does not know its statements any more; the pool opens another
	}
	return err
}

func (s *session) pipeline(ctx context.Context, pg *pgconn.PgConn, runs []*unitRun) error {
	p := pg.StartPipeline(ctx)
	fresh := make([]*prepared, 0, 16) // one entry per statement; nil where it was prepared before
	var values [][]byte
	if s.walled {
		// All units of an operation are of one viewer.
		values = append(values, []byte(runs[0].rq.env.account.String()))
		fresh = append(fresh, s.send(p, takeAccount, values))
	}
	for _, r := range runs {
		for i := range r.unit.steps {
			st := r.unit.steps[i].statement
			values = values[:0]
			for _, slot := range st.slots {
				values = append(values, r.values[slot])
			}
			fresh = append(fresh, s.send(p, st, values))
		}
	}
	for _, name := range s.prepared.evicted {
		p.SendDeallocate(name)
	}
	evicted := len(s.prepared.evicted)
	s.prepared.evicted = s.prepared.evicted[:0]
	err := p.Sync()
	if err == nil {
		err = s.results(p, runs, fresh, evicted)
	}
	if closeErr := p.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		s.forgetUndescribed()
	}
	return err
}

// send queues one statement, and its preparation when this connection sees it for the first time.
func (s *session) send(p *pgconn.Pipeline, st *statement, values [][]byte) *prepared {
	known, ok := s.prepared.list.Get(st.sql)
	switch {
	case !ok:
		s.prepared.made++
		known = &prepared{name: "read_" + strconv.Itoa(s.prepared.made)}
		p.SendPrepare(known.name, st.sql, st.oids)
		p.SendQueryPrepared(known.name, values, binaryFormat, binaryFormat)
		s.prepared.list.Add(st.sql, known)
		return known
	case known.description == nil: // prepared by an earlier statement of this pipeline
		p.SendQueryPrepared(known.name, values, binaryFormat, binaryFormat)
	default:
		p.SendQueryStatement(known.description, values, binaryFormat, binaryFormat)
	}
	return nil
}

func (s *session) results(p *pgconn.Pipeline, runs []*unitRun, fresh []*prepared, evicted int) error {
	if s.walled {
		if err := describe(p, fresh[0]); err != nil {
			return err
		}
		taken, err := nextResult(p)
		if err != nil {
			return err
		}
		if _, err := taken.Close(); err != nil {
			return err
		}
		fresh = fresh[1:]
	}
	n := 0
	for _, r := range runs {
		for i := range r.unit.steps {
			if err := describe(p, fresh[n]); err != nil {
				return err
			}
			n++
			if err := readResult(p, r, &r.unit.steps[i]); err != nil {
				return err
			}
		}
	}
	for range evicted + 1 { // what was closed, and the end of the pipeline
		if _, err := p.GetResults(); err != nil {
			return err
		}
	}
	return nil
}

// describe reads what the server says of a statement that it sees for the first time; nil stands for one that it knows.
func describe(p *pgconn.Pipeline, fresh *prepared) error {
	if fresh == nil {
		return nil
	}
	got, err := p.GetResults()
	if err != nil {
		return err
	}
	description, ok := got.(*pgconn.StatementDescription)
	if !ok {
		return errors.New("read: a statement without a description")
	}
	description.Name = fresh.name
	fresh.description = description
	return nil
}

func nextResult(p *pgconn.Pipeline) (*pgconn.ResultReader, error) {
	got, err := p.GetResults()
	if err != nil {
		return nil, err
	}
	rows, ok := got.(*pgconn.ResultReader)
	if !ok {
		return nil, errors.New("read: a statement without a result")
	}
	return rows, nil
}

func readResult(p *pgconn.Pipeline, r *unitRun, s *sqlStep) error {
	rows, err := nextResult(p)
	if err != nil {
		return err
	}
	readErr := r.read(s, rows)
	if _, err := rows.Close(); err != nil {
		return err
	}
	return readErr
}

// forgetUndescribed drops what may not have been prepared because the pipeline broke off before it.
func (s *session) forgetUndescribed() {
	for _, sql := range s.prepared.list.Keys() {
		if p, ok := s.prepared.list.Peek(sql); ok && p.description == nil {
			s.prepared.list.Remove(sql)
		}
	}
	s.prepared.evicted = s.prepared.evicted[:0]
}

// traced tells the tracer of the pool (OpenTelemetry, or the one that counts in tests) what is sent, apart from takeAccount.
func (e *Engine) traced(ctx context.Context, s *session, runs []*unitRun) error {
	batch := &pgx.Batch{}
	for _, r := range runs {
		for i := range r.unit.steps {
			batch.Queue(r.unit.steps[i].statement.sql)
		}
	}
	conn := s.conn.Conn()
	ctx = e.tracer.TraceBatchStart(ctx, conn, pgx.TraceBatchStartData{Batch: batch})
	err := s.pipeline(ctx, conn.PgConn(), runs)
	if err == nil {
		for _, q := range batch.QueuedQueries {
			e.tracer.TraceBatchQuery(ctx, conn, pgx.TraceBatchQueryData{SQL: q.SQL})
		}
	}
	e.tracer.TraceBatchEnd(ctx, conn, pgx.TraceBatchEndData{Err: err})
	return err
}

// retryable says whether another connection may give an answer: nothing was written, so trying again is safe.
func retryable(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		switch pg.Code {
		case "26000", "0A000", "57P01": // a statement that the session lost or whose result changed; a session that was ended
			return true
		}
		return false
	}
	var f *fault.Error
	return !errors.As(err, &f) && !errors.Is(err, context.DeadlineExceeded)
}

// databaseFault maps what PostgreSQL or the way to it said.
func databaseFault(err error) error {
	var f *fault.Error
	if errors.As(err, &f) {
		return fault.Wrap("read.run", err)
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		for _, class := range []string{"08", "53", "57", "58"} {
			if strings.HasPrefix(pg.Code, class) {
				return unavailable(err)
			}
		}
		return fault.Wrap("read.run", err)
	}
	return unavailable(err)
}

func unavailable(err error) error {
	return &fault.Error{Code: fault.Unavailable, Op: "read.run", Message: "The data could not be read in time. Try again.", Err: err}
}
