package store

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// A bulk statement writes many rows at once: one array per column, unnested. For an import that is about a tenth of the
// work of a statement per row, and its text is the same for any number of rows, so it is prepared once.

// bulkColumn is a column of a bulk statement: an array with the value of each row, or one value for all of them.
type bulkColumn[R any] struct {
	name, sqlType string
	collect       func(rows []R) any
	fixed         any
	// frozen says that an update leaves the column alone.
	frozen bool
	// cast is the type that the text is to become, "" when it is none.
	cast string
}

func collect[R, V any](rows []R, value func(*R) V) any {
	list := make([]V, len(rows))
	for i := range rows {
		list[i] = value(&rows[i])
	}
	return list
}

func idColumn[R any](name string, value func(*R) uuid.UUID) bulkColumn[R] {
	return bulkColumn[R]{name: name, sqlType: "uuid", collect: func(rows []R) any { return collect(rows, value) }, frozen: true}
}

func nullIDColumn[R any](name string, value func(*R) *uuid.UUID) bulkColumn[R] {
	return bulkColumn[R]{name: name, sqlType: "uuid", collect: func(rows []R) any { return collect(rows, value) }, frozen: true}
}

func textColumn[R any](name string, value func(*R) string) bulkColumn[R] {
	return bulkColumn[R]{name: name, sqlType: "text", collect: func(rows []R) any { return collect(rows, value) }}
}

// nullTextColumn has NULL for "".
func nullTextColumn[R any](name string, value func(*R) string) bulkColumn[R] {
	return bulkColumn[R]{name: name, sqlType: "text", collect: func(rows []R) any {
		return collect(rows, func(r *R) *string { return null(value(r)) })
	}}
}

func intColumn[R any](name string, value func(*R) int32) bulkColumn[R] {
	return bulkColumn[R]{name: name, sqlType: "integer", collect: func(rows []R) any { return collect(rows, value) }}
}

func nullIntColumn[R any](name string, value func(*R) *int32) bulkColumn[R] {
	return bulkColumn[R]{name: name, sqlType: "integer", collect: func(rows []R) any { return collect(rows, value) }}
}

func boolColumn[R any](name string, value func(*R) bool) bulkColumn[R] {
	return bulkColumn[R]{name: name, sqlType: "boolean", collect: func(rows []R) any { return collect(rows, value) }}
}

func timeColumn[R any](name string, value func(*R) time.Time) bulkColumn[R] {
	return bulkColumn[R]{name: name, sqlType: "timestamptz", collect: func(rows []R) any { return collect(rows, value) }}
}

func nullTimeColumn[R any](name string, value func(*R) *time.Time) bulkColumn[R] {
	return bulkColumn[R]{name: name, sqlType: "timestamptz", collect: func(rows []R) any { return collect(rows, value) }}
}

func jsonColumn[R any](name string, value func(*R) string) bulkColumn[R] {
	return cast("jsonb", textColumn(name, value))
}

// cast makes a column of text one of another type.
func cast[R any](sqlType string, c bulkColumn[R]) bulkColumn[R] {
	c.cast = sqlType
	return c
}

// chosenColumn is an id that can be changed, NULL for the zero one.
func chosenColumn[R any](name string, value func(*R) uuid.UUID) bulkColumn[R] {
	return bulkColumn[R]{name: name, sqlType: "uuid", collect: func(rows []R) any {
		return collect(rows, func(r *R) *uuid.UUID { return nullID(value(r)) })
	}}
}

// fixedColumn has one value for all rows.
func fixedColumn[R any](name, sqlType string, value any) bulkColumn[R] {
	return bulkColumn[R]{name: name, sqlType: sqlType, fixed: value}
}

// once makes the column one that an update leaves alone.
func once[R any](c bulkColumn[R]) bulkColumn[R] {
	c.frozen = true
	return c
}

// bulkStatement gathers a statement's text and arguments; $1 is the account.
type bulkStatement struct{ args []any }

func (b *bulkStatement) arg(v any, sqlType string) string {
	b.args = append(b.args, v)
	return "$" + strconv.Itoa(len(b.args)+1) + "::" + sqlType
}

// arrays gives the FROM item with the arrays, as u, and the expression of each column.
func arrays[R any](b *bulkStatement, columns []bulkColumn[R], rows []R) (from string, expressions []string) {
	var lists, names []string
	for i, c := range columns {
		if c.collect == nil {
			expressions = append(expressions, b.arg(c.fixed, c.sqlType))
			continue
		}
		name := "c" + strconv.Itoa(i)
		names = append(names, name)
		lists = append(lists, b.arg(c.collect(rows), c.sqlType+"[]"))
		expression := "u." + name
		if c.cast != "" {
			expression += "::" + c.cast
		}
		expressions = append(expressions, expression)
	}
	return "unnest(" + strings.Join(lists, ", ") + ") AS u(" + strings.Join(names, ", ") + ")", expressions
}

// bulkInsert inserts rows. Where overwrite is true, rows whose id is there already are overwritten.
func bulkInsert[R any](ctx context.Context, t *tx, table string, columns []bulkColumn[R], rows []R, overwrite bool) error {
	if len(rows) == 0 {
		return nil
	}
	var b bulkStatement
	from, expressions := arrays(&b, columns, rows)
	names := make([]string, len(columns))
	var sets []string
	for i, c := range columns {
		names[i] = c.name
		if !c.frozen {
			sets = append(sets, c.name+" = excluded."+c.name)
		}
	}
	text := "INSERT INTO " + table + " (account_id, " + strings.Join(names, ", ") + ") SELECT $1, " + strings.Join(expressions, ", ") + " FROM " + from
	if overwrite {
		// SECURITY: the ids were read in this account and transaction, or are new. The condition makes that certain.
		text += " ON CONFLICT (id) DO UPDATE SET " + strings.Join(sets, ", ") + " WHERE " + table + ".account_id = excluded.account_id"
	}
	n, err := t.exec(ctx, text, b.args...)
	if err == nil && n != int64(len(rows)) {
		err = errLostLock
	}
	return err
}

// bulkUpdate overwrites the columns that are not frozen, of rows that are locked: each must have the version before its
// new one. The first column is the id.
func bulkUpdate[R any](ctx context.Context, t *tx, table string, columns []bulkColumn[R], rows []R) error {
	if len(rows) == 0 {
		return nil
	}
	changing := columns[:1:1]
	for _, c := range columns {
		if !c.frozen {
			changing = append(changing, c)
		}
	}
	var b bulkStatement
	from, expressions := arrays(&b, changing, rows)
	var sets []string
	version := ""
	for i, c := range changing {
		if i > 0 {
			sets = append(sets, c.name+" = "+expressions[i])
		}
		if c.name == "version" {
			version = expressions[i]
		}
	}
	n, err := t.exec(ctx, "UPDATE "+table+" r SET "+strings.Join(sets, ", ")+" FROM "+from+
		" WHERE r.account_id = $1 AND r.id = u.c0 AND r.version = "+version+" - 1", b.args...)
	if err == nil && n != int64(len(rows)) {
		err = errLostLock
	}
	return err
}
