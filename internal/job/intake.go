package job

import (
	"bytes"

	"dossier/internal/attribute"
	"dossier/internal/fault"
)

// The limits of an imported file. The account's limit for one file is about documents; a directory is larger.
const (
	MaxImportBytes = 100_000_000
	MaxImportRows  = 1_000_000
)

// headBytes is how much of a file is looked at for its delimiter and its columns.
const headBytes = 64 << 10

// fileCheck looks at a file on its way into the object store: its encoding, delimiter and columns, and how many rows it
// has. What is wrong with the file as a whole is found here and not by the job.
type fileCheck struct {
	path          []string
	mapping       []ColumnMapping
	ignoreUnknown bool
	// attributes are the custom attributes of the account.
	attributes []attribute.Definition

	utf8   utf8Checker
	head   []byte // until begun
	begun  bool
	parser csvParser
	header []byte // the raw first row
	bytes  int64
	// offset and line are where the rows begin.
	offset int64
	line   int
	rows   int64
	ended  bool
}

func (c *fileCheck) refuse(format string, args ...any) error {
	return fault.At(fault.BadUserInput, c.path, format, args...)
}

// write takes the next bytes.
func (c *fileCheck) write(p []byte) error {
	c.bytes += int64(len(p))
	c.utf8.write(p)
	if c.begun {
		return c.count(p)
	}
	c.head = append(c.head, p...)
	if len(c.head) < headBytes {
		return nil
	}
	return c.begin()
}

// begin reads the first row.
func (c *fileCheck) begin() error {
	head := c.head
	c.begun, c.head = true, nil
	bom := 0
	switch {
	case bytes.HasPrefix(head, []byte("\xff\xfe")), bytes.HasPrefix(head, []byte("\xfe\xff")):
		return c.refuse("The file is UTF-16 text. Save it as CSV in UTF-8.")
	case bytes.HasPrefix(head, []byte("PK\x03\x04")), bytes.HasPrefix(head, []byte("\xd0\xcf\x11\xe0")):
		return c.refuse("The file is a workbook and not CSV. Save it as CSV in UTF-8.")
	case bytes.HasPrefix(head, []byte("\ufeff")):
		bom = len("\ufeff")
	case bytes.IndexByte(head, '\n') < 0 && bytes.Count(head, []byte("\r")) > 1:
		return c.refuse("The lines of the file end with CR alone. Save it as CSV with CRLF or LF.")
	}
	delimiter, n := detectDelimiter(head[bom:])
	if n == 0 {
		return c.refuse("The first row of the file must name its columns in at most 64 KiB.")
	}
	c.header = bytes.Clone(head[bom : bom+n])
	c.offset = int64(bom + n)
	c.parser = csvParser{delimiter: delimiter, lines: bytes.Count(head[:bom+n], []byte("\n"))}
	c.line = c.parser.lines
	enc := encodingUTF8
	if c.utf8.broken {
		enc = encodingWindows1252
	}
	if _, _, err := c.columns(enc); err != nil {
		return err
	}
	return c.count(head[bom+n:])
}

// delimiters are those that are looked for; the first wins where the header does not tell.
const delimiters = ",;\t"

// detectDelimiter gives the delimiter that splits the first row into most cells, and the bytes of the row with the empty
// lines before it; 0 when there is none.
func detectDelimiter(head []byte) (delimiter byte, size int) {
	most := 0
	for _, d := range []byte(delimiters) {
		p := csvParser{delimiter: d, keep: true}
		n, complete, err := p.feed(head)
		if err == nil && !complete {
			complete = len(head) < headBytes && p.end()
		}
		if complete && p.problem == "" && len(p.ends) > most {
			most, delimiter, size = len(p.ends), d, n
		}
	}
	return delimiter, size
}

// columns gives the names of the columns and where they go.
func (c *fileCheck) columns(enc encoding) ([]string, *layout, error) {
	p := csvParser{delimiter: c.parser.delimiter, keep: true}
	if _, complete, err := p.feed(c.header); err != nil || !complete && !p.end() {
		return nil, nil, c.refuse("The first row of the file must name its columns.")
	}
	names := p.cells(enc)
	l, err := newLayout(names, c.mapping, c.ignoreUnknown, c.path, c.attributes)
	return names, l, err
}

func (c *fileCheck) count(p []byte) error {
	for len(p) > 0 {
		n, complete, err := c.parser.feed(p)
		if err != nil {
			return c.refuse("The file cannot be read: %s.", err)
		}
		p = p[n:]
		if complete {
			c.rows++
			c.parser.next()
		}
		if c.rows > MaxImportRows {
			return c.refuse("The file has more than %d rows. Split it.", MaxImportRows)
		}
	}
	return nil
}

// finish is the end of the file. It gives what the job needs to know, however often it is asked.
func (c *fileCheck) finish() (importInput, error) {
	if !c.begun {
		if err := c.begin(); err != nil {
			return importInput{}, err
		}
	}
	if !c.ended && c.parser.end() {
		c.rows++
	}
	c.ended = true
	enc, ok := c.utf8.encoding()
	if !ok {
		return importInput{}, c.refuse("The file is neither UTF-8 nor Windows-1252 text. Save it as CSV in UTF-8.")
	}
	names, l, err := c.columns(enc)
	if err != nil {
		return importInput{}, err
	}
	return importInput{
		Columns: names, Fields: l.fields, Delimiter: string(c.parser.delimiter), Encoding: enc, Bytes: c.bytes, Offset: c.offset, Line: c.line, Rows: c.rows,
	}, nil
}

// importInput is what an import job knows, as JSON.
type importInput struct {
	Columns   []string `json:"columns"`
	Fields    []string `json:"fields"`
	Delimiter string   `json:"delimiter"`
	Encoding  encoding `json:"encoding"`
	Bytes     int64    `json:"bytes"`
	// Offset and Line are where the rows begin.
	Offset  int64      `json:"offset"`
	Line    int        `json:"line"`
	Rows    int64      `json:"rows"`
	MatchBy []MatchKey `json:"matchBy"`
	Mode    string     `json:"mode"`
	Region  string     `json:"region,omitempty"`
}

// The modes of an import, in the spelling of the SDL.
const (
	modeCreateOnly = "CREATE_ONLY"
	modeUpdateOnly = "UPDATE_ONLY"
)
