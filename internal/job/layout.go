package job

import (
	"slices"
	"strconv"
	"strings"

	"dossier/internal/attribute"
	"dossier/internal/customer"
	"dossier/internal/fault"
)

// maxColumns bounds a file's columns, and so the memory of a row.
const maxColumns = 500

// omit is the field of a column that is left out.
const omit = "-"

// layout says which cell of a row goes where. Columns are places in the row, -1 for none.
type layout struct {
	// fields names the field of each column, "" where it goes nowhere.
	fields  []string
	scalars []scalarColumn
	self    pointColumns
	// contacts has a gap (nil) where a number was left out.
	contacts []*contactColumns
	// attributes are the columns of custom attributes.
	attributes []attributeColumn
}

type scalarColumn struct{ scalar, column int }

// pointColumns are the columns of contact points: for each point its parts, in the order of pointParts.
type pointColumns struct {
	emails, phones, addresses [][]int
}

type contactColumns struct {
	parts [3]int // in the order of contactParts
	pointColumns
}

// ColumnMapping is a column of the file and the field that it goes to.
type ColumnMapping struct {
	Column string `json:"column"`
	Field  string `json:"field"`
}

// newLayout finds out where the columns of a header go. Everything that is wrong is said at once: about the mapping at the
// paths of the input, about the header at filePath. defs are the account's custom attributes.
func newLayout(header []string, mapping []ColumnMapping, ignoreUnknown bool, filePath []string, defs []attribute.Definition) (*layout, error) {
	var faults fault.List
	bad := func(path []string, format string, args ...any) {
		faults = append(faults, fault.At(fault.BadUserInput, path, format, args...))
	}
	fields := make([]string, len(header))
	named := make(map[string]string, len(mapping))
	for i, m := range mapping {
		here := []string{"input", "columns", strconv.Itoa(i)}
		t, ok := parseTarget(m.Field)
		switch def := definitionOf(defs, t.attribute); {
		case m.Field == omit:
		case !ok:
			bad(append(here, "field"), "%s", unknownField(m.Field))
		case t.attribute != "" && def == nil:
			bad(append(here, "field"), "There is no custom attribute %q in use. Its key is that of its definition.", cut(t.attribute, maxShown))
		case def != nil && def.Type == attribute.File:
			bad(append(here, "field"), "%s is a FILE: its documents are uploaded, not imported. Choose another field, or -.", def.Key)
		}
		if !slices.ContainsFunc(header, func(h string) bool { return sameName(h, m.Column) }) {
			bad(append(here, "column"), "The file has no column of this name. Its columns are: %s.", listNames(header))
		}
		named[strings.TrimSpace(m.Column)] = m.Field
	}
	if len(header) > maxColumns {
		bad(filePath, "The file has %d columns; at most %d are accepted.", len(header), maxColumns)
		return nil, faults
	}
	taken := make(map[string]string, len(header))
	var unknown []string
	for i, h := range header {
		name, wanted := strings.TrimSpace(h), true
		field, given := named[name]
		if !given {
			field, wanted = fieldOf(name)
		}
		switch {
		case field == omit || !wanted:
			continue
		case definitionOf(defs, attributeKey(field)) == nil && attributeKey(field) != "" && !given:
			unknown = append(unknown, name)
			continue
		case field == "":
			if name != "" || len(header) == 1 {
				unknown = append(unknown, name)
			}
			continue
		}
		if def := definitionOf(defs, attributeKey(field)); def != nil && def.Type == attribute.File && !given {
			bad(filePath, "The column %q goes to a custom attribute of the type FILE: its documents are uploaded, not imported. Leave the column out, or map it to -.", cut(name, maxShown))
			continue
		}
		if other, twice := taken[field]; twice {
			bad(filePath, "The columns %q and %q both go to %s. Map one of them to another field, or to -.", cut(other, maxShown), cut(name, maxShown), field)
		}
		taken[field], fields[i] = name, field
	}
	if len(unknown) > 0 && !ignoreUnknown {
		bad(filePath, "It is not known where these columns go: %s. Name a field for each in input.columns, or set ignoreUnknownColumns.", listNames(unknown))
	}
	if len(taken) == 0 && len(faults) == 0 {
		bad(filePath, "None of the file's columns is a field of a customer. Its columns are: %s.", listNames(header))
	}
	if err := faults.Err(); err != nil {
		return nil, err
	}
	return compile(fields), nil
}

func unknownField(name string) string {
	return "There is no field " + strconv.Quote(cut(name, maxShown)) + ". Fields are named as in customerCreate's input, with numbers from 1, such as emails.1.address."
}

func sameName(a, b string) bool { return strings.TrimSpace(a) == strings.TrimSpace(b) }

// maxShown is the most characters of a name that a message shows, maxListed the most names.
const (
	maxShown  = 60
	maxListed = 20
)

func listNames(names []string) string {
	shown := names[:min(len(names), maxListed)]
	quoted := make([]string, len(shown))
	for i, n := range shown {
		quoted[i] = strconv.Quote(cut(n, maxShown))
	}
	if len(names) > len(shown) {
		quoted = append(quoted, "...")
	}
	return strings.Join(quoted, ", ")
}

// cut shortens a text to n characters.
func cut(s string, n int) string {
	for i := range s {
		if n == 0 {
			return s[:i]
		}
		n--
	}
	return s
}

// compile sorts the columns by where they go.
func compile(fields []string) *layout {
	l := &layout{fields: fields}
	for column, name := range fields {
		t, ok := parseTarget(name)
		switch {
		case !ok: // goes nowhere
		case t.attribute != "":
			l.attributes = append(l.attributes, attributeColumn{t.attribute, column})
		case t.scalar >= 0:
			l.scalars = append(l.scalars, scalarColumn{t.scalar, column})
		case t.contact == 0:
			l.self.place(t, column)
		default:
			for len(l.contacts) < t.contact {
				l.contacts = append(l.contacts, nil)
			}
			c := l.contacts[t.contact-1]
			if c == nil {
				c = &contactColumns{parts: [3]int{-1, -1, -1}}
				l.contacts[t.contact-1] = c
			}
			if t.list == "" {
				c.parts[slices.Index(contactParts, t.part)] = column
			} else {
				c.place(t, column)
			}
		}
	}
	return l
}

func (p *pointColumns) place(t target, column int) {
	list := map[string]*[][]int{listEmails: &p.emails, listPhones: &p.phones, listAddresses: &p.addresses}[t.list]
	for len(*list) < t.index {
		*list = append(*list, nil)
	}
	parts := (*list)[t.index-1]
	if parts == nil {
		parts = slices.Repeat([]int{-1}, len(pointParts[t.list]))
		(*list)[t.index-1] = parts
	}
	parts[slices.Index(pointParts[t.list], t.part)] = column
}

// cellsOf gives access to a row by columns.
type cellsOf []string

// at gives the cell of a column, nil when there is none or it is empty: an empty cell says nothing.
func (r cellsOf) at(column int) *string {
	if column < 0 || column >= len(r) || strings.TrimSpace(r[column]) == "" {
		return nil
	}
	return &r[column]
}

func (r cellsOf) text(column int) string {
	if v := r.at(column); v != nil {
		return *v
	}
	return ""
}

// any says whether one of the columns has a value.
func (r cellsOf) any(columns []int) bool {
	return slices.ContainsFunc(columns, func(c int) bool { return r.at(c) != nil })
}

// origins says from which column the values at the paths of an input came. It is made only for rows with errors.
type origins map[string]int

func (o origins) note(column int, path ...string) {
	if o != nil && column >= 0 {
		o["input."+strings.Join(path, ".")] = column
	}
}

// column finds the column of a fault: that of its path, or of the first thing below it, or of what it is in. -1 when the
// row as a whole is meant.
func (o origins) column(path []string) int {
	full := strings.Join(path, ".")
	if c, ok := o[full]; ok {
		return c
	}
	best := -1
	for p, c := range o {
		if strings.HasPrefix(p, full+".") && (best < 0 || c < best) {
			best = c
		}
	}
	if best >= 0 || len(path) < 4 {
		return best
	}
	return o.column(path[:len(path)-1])
}

// draft makes the input of a new customer from a row.
func (l *layout) draft(row cellsOf, o origins) customer.Draft {
	var d customer.Draft
	for _, s := range l.scalars {
		if v := row.at(s.column); v != nil {
			scalars[s.scalar].set(&d, v)
		}
		o.note(s.column, scalars[s.scalar].name)
	}
	d.Emails = l.self.emailInputs(row, o, 0)
	d.Phones = l.self.phoneInputs(row, o, 0)
	d.Addresses = l.self.addressInputs(row, o, 0)
	for _, c := range l.contacts {
		if c == nil {
			continue
		}
		below := []string{listContacts, strconv.Itoa(len(d.Contacts))}
		contact := customer.ContactDraft{
			GivenName: row.at(c.parts[0]), FamilyName: row.at(c.parts[1]), Role: row.at(c.parts[2]),
			Emails: c.emailInputs(row, o, 0, below...), Phones: c.phoneInputs(row, o, 0, below...), Addresses: c.addressInputs(row, o, 0, below...),
		}
		if contact.GivenName == nil && contact.FamilyName == nil && contact.Role == nil &&
			len(contact.Emails) == 0 && len(contact.Phones) == 0 && len(contact.Addresses) == 0 {
			continue
		}
		for i, column := range c.parts {
			o.note(column, append(slices.Clip(below), contactParts[i])...)
		}
		d.Contacts = append(d.Contacts, contact)
	}
	if d.Kind == "" && d.CompanyName != nil && d.GivenName == nil && d.FamilyName == nil {
		d.Kind = customer.Company // a row that names a company and nobody is one
	}
	return d
}

// emailInputs, phoneInputs and addressInputs make the entries of a list; from is the place of the first one in the list
// of the input. A type without anything else is no entry.
func (p *pointColumns) emailInputs(row cellsOf, o origins, from int, below ...string) []customer.EmailInput {
	var list []customer.EmailInput
	for _, c := range p.emails {
		if c == nil || row.at(c[0]) == nil {
			continue
		}
		notePoint(o, c, pointParts[listEmails], listEmails, from+len(list), below)
		list = append(list, customer.EmailInput{Address: *row.at(c[0]), Type: upper(row.text(c[1])), Purposes: purposes(row.at(c[2]))})
	}
	return list
}

// purposes reads a cell that names several, nil when it is empty.
func purposes(cell *string) []string {
	if cell == nil {
		return nil
	}
	return strings.FieldsFunc(strings.ToUpper(*cell), func(r rune) bool { return r == ' ' || r == ',' || r == ';' || r == '|' })
}

func (p *pointColumns) phoneInputs(row cellsOf, o origins, from int, below ...string) []customer.PhoneInput {
	var list []customer.PhoneInput
	for _, c := range p.phones {
		if c == nil || row.at(c[0]) == nil {
			continue
		}
		notePoint(o, c, pointParts[listPhones], listPhones, from+len(list), below)
		list = append(list, customer.PhoneInput{Number: *row.at(c[0]), Type: upper(row.text(c[1]))})
	}
	return list
}

func (p *pointColumns) addressInputs(row cellsOf, o origins, from int, below ...string) []customer.AddressInput {
	var list []customer.AddressInput
	for _, c := range p.addresses {
		if c == nil || !row.any(c[:5]) {
			continue
		}
		notePoint(o, c, pointParts[listAddresses], listAddresses, from+len(list), below)
		list = append(list, customer.AddressInput{
			StreetAddress: row.at(c[0]), AddressLocality: row.at(c[1]), AddressRegion: row.at(c[2]), PostalCode: row.at(c[3]),
			AddressCountry: row.at(c[4]), Type: upper(row.text(c[5])),
		})
	}
	return list
}

func notePoint(o origins, columns []int, parts []string, list string, i int, below []string) {
	if o == nil {
		return
	}
	for k, column := range columns {
		o.note(column, append(slices.Clip(below), list, strconv.Itoa(i), parts[k])...)
	}
}
