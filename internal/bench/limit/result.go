package main

import (
	"encoding/binary"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"dossier/internal/typeid"
)

// results reads the results of a batch; the first error stays.
type results struct {
	batch pgx.BatchResults
	err   error
}

// each calls f for every row of the next result.
func (r *results) each(f func(row row)) {
	if r.err != nil {
		return
	}
	rows, err := r.batch.Query()
	if err != nil {
		r.err = err
		return
	}
	for rows.Next() {
		f(rows.RawValues())
	}
	r.err = rows.Err()
}

// row is the values of a row as PostgreSQL sends them in binary.
type row [][]byte

func (r row) uuid(i int) uuid.UUID { return uuid.UUID(r[i]) }

func (r row) int(i int) int64 {
	switch len(r[i]) {
	case 2:
		return int64(int16(binary.BigEndian.Uint16(r[i])))
	case 4:
		return int64(int32(binary.BigEndian.Uint32(r[i])))
	default:
		return int64(binary.BigEndian.Uint64(r[i]))
	}
}

// kind is how a column is written.
type kind func(dst, value []byte) []byte

func text(dst, v []byte) []byte { return appendString(dst, v) }

func number(dst, v []byte) []byte { return strconv.AppendInt(dst, row{v}.int(0), 10) }

// pgEpoch is where PostgreSQL counts microseconds from.
var pgEpoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()

func instant(dst, v []byte) []byte {
	dst = append(dst, '"')
	dst = time.UnixMicro(pgEpoch+row{v}.int(0)).UTC().AppendFormat(dst, time.RFC3339Nano)
	return append(dst, '"')
}

func id(prefix string) kind {
	return func(dst, v []byte) []byte {
		dst = append(dst, '"')
		dst = typeid.Append(dst, prefix, [16]byte(v))
		return append(dst, '"')
	}
}

// column is a member of an object: its name and how its value is written.
type column struct {
	key   string
	write kind
}

func field(name string, write kind) column { return column{`"` + name + `":`, write} }

// fields appends the members of an object, which are the row's columns from the first one given.
func fields(dst []byte, columns []column, r row, first int) []byte {
	for i, c := range columns {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, c.key...)
		if r[first+i] == nil {
			dst = append(dst, "null"...)
		} else {
			dst = c.write(dst, r[first+i])
		}
	}
	return dst
}

func object(dst []byte, columns []column, r row, first int) []byte {
	dst = append(dst, '{')
	dst = fields(dst, columns, r, first)
	return append(dst, '}')
}

// list appends the next result as a list of objects.
func (r *results) list(dst []byte, columns []column) []byte {
	dst = append(dst, '[')
	n := len(dst)
	r.each(func(row row) {
		if len(dst) > n {
			dst = append(dst, ',')
		}
		dst = object(dst, columns, row, 0)
	})
	return append(dst, ']')
}

// parts is text per parent: lists of children that were read in any order of the parents.
type parts struct {
	index map[uuid.UUID]int
	text  [][]byte
}

func newParts(n int) *parts { return &parts{index: make(map[uuid.UUID]int, n)} }

func (p *parts) parent(id uuid.UUID) {
	p.index[id] = len(p.text)
	p.text = append(p.text, make([]byte, 0, 256))
}

// children reads the next result, whose first column is the parent, into new texts.
func (r *results) children(p *parts, columns []column) [][]byte {
	out := make([][]byte, len(p.text))
	r.each(func(row row) {
		i := p.index[row.uuid(0)]
		if len(out[i]) > 0 {
			out[i] = append(out[i], ',')
		} else {
			out[i] = make([]byte, 0, 512)
		}
		out[i] = object(out[i], columns, row, 1)
	})
	return out
}

const hex = "0123456789abcdef"

// appendString appends JSON text. Bytes above 0x7f are UTF-8, because the database's encoding is.
func appendString(dst, s []byte) []byte {
	dst = append(dst, '"')
	from := 0
	for i, c := range s {
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, s[from:i]...)
		from = i + 1
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		default:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	dst = append(dst, s[from:]...)
	return append(dst, '"')
}
