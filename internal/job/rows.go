package job

import (
	"io"
	"slices"
	"strings"

	"dossier/internal/customer"
)

// The size of a step: rows that are imported in one transaction. Larger ones gain little and hold their locks longer.
const (
	stepRows  = 500
	stepBytes = 4 << 20
	readBytes = 64 << 10
)

// row is one row of the file. cells are what is read, raw what stands there.
type row struct {
	line    int
	problem string
	raw     []string
	cells   cellsOf
}

// empty says that the row has no value in any column.
func (r *row) empty() bool {
	return r.problem == "" && !slices.ContainsFunc(r.raw, func(s string) bool { return strings.TrimSpace(s) != "" })
}

// rowReader reads rows from a place in the file on.
type rowReader struct {
	src    io.Reader
	parser csvParser
	enc    encoding
	// position is the byte of the file behind the last row.
	position int64
	buf      []byte
	rest     []byte
	ended    bool
}

func newRowReader(src io.Reader, in importInput, position, line int64) *rowReader {
	return &rowReader{
		src: src, enc: in.Encoding, position: position, buf: make([]byte, readBytes),
		parser: csvParser{delimiter: in.Delimiter[0], keep: true, lines: int(line)},
	}
}

// next gives the next row; io.EOF behind the last one.
func (r *rowReader) next() (row, error) {
	for {
		n, complete, err := r.parser.feed(r.rest)
		r.rest = r.rest[n:]
		r.position += int64(n)
		switch {
		case err != nil:
			return row{}, err
		case complete:
			return r.take(), nil
		case r.ended:
			if r.parser.end() {
				return r.take(), nil
			}
			return row{}, io.EOF
		}
		if err := r.fill(); err != nil {
			return row{}, err
		}
	}
}

func (r *rowReader) fill() error {
	n, err := r.src.Read(r.buf)
	r.rest = r.buf[:n]
	if err == io.EOF { //nolint:errorlint // a wrapped io.EOF is a failure, not the end
		r.ended, err = true, nil
	}
	return err
}

func (r *rowReader) take() row {
	out := row{line: r.parser.line, problem: r.parser.problem}
	if out.problem == "" {
		out.raw = r.parser.cells(r.enc)
	}
	r.parser.next()
	return out
}

// step gives the rows of the next step. last says that none follow.
func (r *rowReader) step() (rows []row, last bool, err error) {
	began := r.position
	for len(rows) < stepRows && r.position-began < stepBytes {
		next, err := r.next()
		if err == io.EOF { //nolint:errorlint // see fill
			return rows, true, nil
		}
		if err != nil {
			return nil, false, err
		}
		rows = append(rows, next)
	}
	return rows, false, nil
}

// read turns what stands in a row into what is meant: without the apostrophes of an export, and with national telephone
// numbers as international ones.
func (l *layout) read(raw []string, region string) cellsOf {
	cells := make(cellsOf, len(raw))
	for i, s := range raw {
		s = armed(s)
		if region != "" && i < len(l.fields) && strings.HasSuffix(l.fields[i], ".number") && attributeKey(l.fields[i]) == "" {
			s = customer.International(s, region)
		}
		cells[i] = s
	}
	return cells
}
