package job

import (
	"fmt"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

// maxRecordBytes bounds one row: a quote that is never closed must not take the rest of the file into memory.
const maxRecordBytes = 1 << 20

// csvParser reads rows by RFC 4180, with what encoding/csv accepts and refuses: quoted cells with line breaks, CRLF or LF,
// empty lines passed over, a quote inside an unquoted cell or text behind a quoted one refused. It is own code for three
// reasons: it is fed with pieces as they arrive, so that an upload is checked on its way; it knows the byte at which a row
// ends, from which a resumed job reads on; and its memory is bounded.
//
// The bytes are those of UTF-8 or of Windows-1252: all that it looks for is ASCII, and no other character of either
// encoding has these bytes in it.
type csvParser struct {
	delimiter byte
	// lines is how many lines have ended.
	lines int
	// keep says whether the cells of the row are wanted: their bytes one after the other, and where each ends.
	keep bool
	text []byte
	ends []int
	// line is the line (from 1) on which the row begins, size its bytes so far.
	line, size int
	// problem is the mistake in the row, "" when there is none.
	problem string

	state cellState
	// started says that the row has a byte that is no line break; returned, that the byte before was a CR.
	started, returned bool
}

type cellState uint8

const (
	cellStart cellState = iota
	inCell
	inQuotes
	afterQuote // behind a quote in a quoted cell: it ends the cell, or stands for a quote
	skipLine   // behind a mistake: to the end of the line
)

const (
	bareQuote = "A quote stands inside a cell that is not quoted. Put quotes around the cell and write the quote twice."
	badQuote  = "Text follows the closing quote of a cell. Write a quote inside a quoted cell twice."
	openQuote = "The quote of a cell is never closed."
)

// feed reads from p to the end of a row. It gives how many bytes it took and whether a row is complete; then the caller
// looks at it and calls next. An error ends the file.
func (c *csvParser) feed(p []byte) (n int, complete bool, err error) {
	for n < len(p) {
		b := p[n]
		n++
		if c.size++; c.size > maxRecordBytes {
			return n, false, fmt.Errorf("the row that begins on line %d has more than 1 MiB. A closing quote is missing, or the file is no table", c.line)
		}
		if c.returned {
			c.returned = false
			if b != '\n' { // a CR that ends no line is text
				c.step('\r')
			}
		}
		switch {
		case b == '\r':
			c.returned = true
		case b != '\n':
			c.step(b)
		case c.state == inQuotes:
			c.lines++
			c.step(b)
		default:
			c.lines++
			if c.started {
				c.endRow()
				return n, true, nil
			}
			c.next() // an empty line
		}
	}
	return n, false, nil
}

// end is the end of the file. It gives whether a last row is complete.
func (c *csvParser) end() bool {
	if !c.started {
		return false
	}
	if c.state == inQuotes {
		c.problem = openQuote
	}
	c.endRow()
	return true
}

// next begins a new row.
func (c *csvParser) next() {
	c.text, c.ends = c.text[:0], c.ends[:0]
	c.size, c.problem, c.state, c.started, c.returned = 0, "", cellStart, false, false
}

func (c *csvParser) endRow() {
	if c.problem == "" {
		c.endCell()
	}
}

func (c *csvParser) step(b byte) {
	if !c.started {
		c.started, c.line = true, c.lines+1
	}
	switch c.state {
	case cellStart, inCell:
		switch {
		case b == c.delimiter:
			c.endCell()
		case b != '"':
			c.add(b)
			c.state = inCell
		case c.state == cellStart:
			c.state = inQuotes
		default:
			c.mistake(bareQuote)
		}
	case inQuotes:
		if b == '"' {
			c.state = afterQuote
		} else {
			c.add(b)
		}
	case afterQuote:
		switch b {
		case '"':
			c.add(b)
			c.state = inQuotes
		case c.delimiter:
			c.endCell()
		default:
			c.mistake(badQuote)
		}
	case skipLine:
	}
}

func (c *csvParser) add(b byte) {
	if c.keep {
		c.text = append(c.text, b)
	}
}

func (c *csvParser) endCell() {
	c.state = cellStart
	if c.keep {
		c.ends = append(c.ends, len(c.text))
	}
}

func (c *csvParser) mistake(problem string) { c.state, c.problem = skipLine, problem }

// cells gives the row's cells as text.
func (c *csvParser) cells(enc encoding) []string {
	out := make([]string, len(c.ends))
	from := 0
	for i, to := range c.ends {
		out[i] = enc.text(c.text[from:to])
		from = to
	}
	return out
}

// encoding is that of a file's text.
type encoding string

const (
	encodingUTF8        encoding = "UTF-8"
	encodingWindows1252 encoding = "Windows-1252"
)

func (e encoding) text(b []byte) string {
	if e == encodingWindows1252 {
		if decoded, err := charmap.Windows1252.NewDecoder().Bytes(b); err == nil {
			return string(decoded)
		}
	}
	return string(b)
}

// utf8Checker finds out, piece by piece, whether a text is UTF-8, and if not whether it can be Windows-1252.
type utf8Checker struct {
	rest []byte // an unfinished character
	// broken says that it is no UTF-8, foreign that it has a byte that no text of Windows-1252 has.
	broken, foreign bool
}

func (u *utf8Checker) write(p []byte) {
	for _, b := range p {
		// NUL and other controls are in no text; the five bytes are assigned to nothing.
		if b < ' ' && b != '\t' && b != '\n' && b != '\r' || b == 0x7f || b == 0x81 || b == 0x8d || b == 0x8f || b == 0x90 || b == 0x9d {
			u.foreign = true
		}
	}
	if u.broken {
		return
	}
	if len(u.rest) > 0 {
		p = append(u.rest, p...)
		u.rest = nil
	}
	for len(p) > 0 {
		if p[0] < utf8.RuneSelf {
			p = p[1:]
			continue
		}
		if !utf8.FullRune(p) {
			u.rest = append([]byte(nil), p...)
			return
		}
		r, n := utf8.DecodeRune(p)
		if r == utf8.RuneError && n <= 1 {
			u.broken = true
			return
		}
		p = p[n:]
	}
}

// encoding gives the encoding of all that was written; false when it is none that is read.
func (u *utf8Checker) encoding() (encoding, bool) {
	switch {
	case !u.broken && len(u.rest) == 0:
		return encodingUTF8, true
	case !u.foreign:
		return encodingWindows1252, true
	default:
		return "", false
	}
}
