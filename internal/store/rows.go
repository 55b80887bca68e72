package store

import (
	"database/sql/driver"
	"fmt"
	"io"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

// rows are the rows of a query as database/sql reads them.
type rows struct {
	list pgx.Rows
	// batch is what the query was sent with, nil for a query by itself.
	batch   pgx.BatchResults
	names   []string
	convert []func(src []byte) (driver.Value, error)
	// ready says that the first row was fetched already, and more that there was one.
	ready, more bool
}

// newRows takes what a query gave. It fetches the first row: the columns are not known before, and database/sql asks at once.
func newRows(m *pgtype.Map, list pgx.Rows, batch pgx.BatchResults, err error) (driver.Rows, error) {
	r := &rows{list: list, batch: batch}
	if err == nil {
		r.ready, r.more = true, list.Next()
		err = list.Err()
	}
	if err != nil {
		_ = r.Close()
		return nil, unsent(err)
	}
	fields := list.FieldDescriptions()
	r.names, r.convert = make([]string, len(fields)), make([]func([]byte) (driver.Value, error), len(fields))
	for i, f := range fields {
		r.names[i], r.convert[i] = f.Name, converter(m, f)
	}
	return r, nil
}

// Columns implements driver.Rows.
func (r *rows) Columns() []string { return r.names }

// Close implements driver.Rows. What a statement outside of a transaction has changed is committed here.
func (r *rows) Close() error {
	r.list.Close()
	err := r.list.Err()
	if r.batch != nil {
		if closeErr := r.batch.Close(); err == nil {
			err = closeErr
		}
	}
	return err
}

// Next implements driver.Rows.
func (r *rows) Next(dest []driver.Value) (err error) {
	more := r.more
	if !r.ready {
		more = r.list.Next()
	}
	r.ready = false
	if !more {
		if err := r.list.Err(); err != nil {
			return err
		}
		return io.EOF
	}
	for i, src := range r.list.RawValues() {
		if src == nil {
			dest[i] = nil
		} else if dest[i], err = r.convert[i](src); err != nil {
			return fmt.Errorf("column %s: %w", r.names[i], err)
		}
	}
	return nil
}

// converter makes one of the types that database/sql knows of a column: what has no such type, an id for instance, is a text.
func converter(m *pgtype.Map, f pgconn.FieldDescription) func([]byte) (driver.Value, error) {
	switch f.DataTypeOID {
	case pgtype.BoolOID:
		return into[bool](m, f)
	case pgtype.Int2OID, pgtype.Int4OID, pgtype.Int8OID:
		return into[int64](m, f)
	case pgtype.Float4OID, pgtype.Float8OID:
		return into[float64](m, f)
	case pgtype.ByteaOID, pgtype.JSONOID, pgtype.JSONBOID:
		return into[[]byte](m, f)
	case pgtype.DateOID, pgtype.TimestampOID, pgtype.TimestamptzOID:
		return into[time.Time](m, f)
	default:
		return into[string](m, f)
	}
}

func into[T any](m *pgtype.Map, f pgconn.FieldDescription) func([]byte) (driver.Value, error) {
	var v T
	plan := m.PlanScan(f.DataTypeOID, f.Format, &v)
	return func(src []byte) (driver.Value, error) {
		err := plan.Scan(src, &v)
		return v, err
	}
}
