package job

import (
	"context"
	"hash/maphash"
	"slices"
	"strings"

	"github.com/google/uuid"

	"dossier/internal/customer"
	"dossier/internal/fault"
	"dossier/internal/optional"
)

// maxValue is how many characters of a cell are kept with its error.
const maxValue = 200

// importer imports the rows of one file.
type importer struct {
	in      importInput
	layout  *layout
	planner customer.Planner
	// dry is set for a dry run, which decides everything and writes nothing.
	dry *dryRun
}

// dryRun remembers by which keys the rows so far would be found, because nothing is written that the next rows could find.
// Keys are kept as hashes: a million rows would not fit otherwise.
type dryRun struct {
	seed maphash.Seed
	// made has the customer that got a key first; others has those that got it later, which are few.
	made   map[uint64]uuid.UUID
	others map[uint64][]uuid.UUID
}

func newDryRun() *dryRun {
	return &dryRun{seed: maphash.MakeSeed(), made: make(map[uint64]uuid.UUID), others: make(map[uint64][]uuid.UUID)}
}

func (d *dryRun) add(k keyValue, ids []uuid.UUID) {
	h := d.hash(k)
	for _, id := range ids {
		if first, ok := d.made[h]; !ok {
			d.made[h] = id
		} else if first != id {
			d.others[h] = appendNew(d.others[h], id)
		}
	}
}

func (d *dryRun) find(k keyValue) []uuid.UUID {
	h := d.hash(k)
	first, ok := d.made[h]
	if !ok {
		return nil
	}
	return append([]uuid.UUID{first}, d.others[h]...)
}

func (d *dryRun) hash(k keyValue) uint64 {
	return maphash.Comparable(d.seed, k)
}

// keyValue is a value by which a row finds its customer.
type keyValue struct {
	key   MatchKey
	value string
}

// keys gives the values of a row by which it finds its customer, and the column of the first value of each key.
func (m *importer) keys(cells cellsOf) (values []keyValue, columns map[MatchKey]int) {
	columns = make(map[MatchKey]int, len(m.in.MatchBy))
	for _, key := range m.in.MatchBy {
		list, form := m.layout.self.emails, customer.EmailKey
		switch key {
		case MatchPhone:
			list, form = m.layout.self.phones, customer.PhoneKey
		case MatchExternalID:
			continue
		case MatchEmail:
		}
		for _, c := range list {
			if c == nil || cells.at(c[0]) == nil {
				continue
			}
			if v := form(cells.text(c[0])); v != "" {
				values = append(values, keyValue{key, v})
				if _, ok := columns[key]; !ok {
					columns[key] = c[0]
				}
			}
		}
	}
	// The external id is looked up in any case: no two customers may have the same.
	if i := slices.Index(m.in.Fields, "externalId"); i >= 0 && cells.at(i) != nil {
		if v := customer.ExternalIDKey(cells.text(i)); v != "" {
			values, columns[MatchExternalID] = append(values, keyValue{MatchExternalID, v}), i
		}
	}
	return values, columns
}

// batch is one run of a step.
type batch struct {
	*importer
	// Reading is that of the rules, see reading.go.
	*rulesReading
	b    Batch
	step Step
	// stored are the customers that have a value, as the transaction found them; made those that the rows before made so.
	stored map[keyValue][]uuid.UUID
	made   map[keyValue][]uuid.UUID
	files  map[uuid.UUID]customer.File
	// pending are the changes that are not written yet, of the customers in touched.
	pending []Write
	touched map[uuid.UUID]bool
}

// prepared is a row with all that can be known of it outside of a transaction.
type prepared struct {
	row
	values  []keyValue
	columns map[MatchKey]int
}

// prepare reads rows.
func (m *importer) prepare(rows []row) []prepared {
	out := make([]prepared, len(rows))
	for i, r := range rows {
		out[i].row = r
		switch {
		case r.problem != "" || r.empty():
			continue
		case len(r.raw) != len(m.in.Columns):
			continue
		}
		out[i].cells = m.layout.read(r.raw, m.in.Region)
		out[i].values, out[i].columns = m.keys(out[i].cells)
	}
	return out
}

// run does the rows of a step, within the transaction of b. It may run several times for the same rows. commit is to be
// called when what it gave was kept.
func (m *importer) run(ctx context.Context, b Batch, rows []prepared) (step Step, commit func(), err error) {
	s := &batch{importer: m, rulesReading: newRulesReading(b), b: b, made: make(map[keyValue][]uuid.UUID), touched: make(map[uuid.UUID]bool)}
	if err := s.find(ctx, rows); err != nil {
		return Step{}, nil, err
	}
	for i := range rows {
		if err := s.row(ctx, &rows[i]); err != nil {
			return Step{}, nil, err
		}
	}
	if err := s.flush(ctx); err != nil {
		return Step{}, nil, err
	}
	return s.step, func() {
		if m.dry != nil {
			for k, ids := range s.made {
				m.dry.add(k, ids)
			}
		}
	}, nil
}

// find looks all rows' customers up at once, and locks those that may be changed.
func (s *batch) find(ctx context.Context, rows []prepared) error {
	s.stored = make(map[keyValue][]uuid.UUID)
	for _, key := range []MatchKey{MatchExternalID, MatchEmail, MatchPhone} {
		var values []string
		for i := range rows {
			for _, v := range rows[i].values {
				if v.key == key {
					values = append(values, v.value)
				}
			}
		}
		found, err := s.b.Match(ctx, key, values)
		if err != nil {
			return err
		}
		for v, ids := range found {
			s.stored[keyValue{key, v}] = ids
		}
	}
	s.files = make(map[uuid.UUID]customer.File)
	if s.in.Mode == modeCreateOnly {
		return nil
	}
	var ids []uuid.UUID
	seen := make(map[uuid.UUID]bool)
	for i := range rows {
		if match, _ := s.match(&rows[i]); len(match) == 1 && !seen[match[0]] {
			seen[match[0]] = true
			ids = append(ids, match[0])
		}
	}
	return s.lock(ctx, ids)
}

func (s *batch) lock(ctx context.Context, ids []uuid.UUID) error {
	if len(ids) == 0 {
		return nil
	}
	files, err := s.b.Lock(ctx, ids)
	for _, f := range files {
		s.files[f.ID] = f
	}
	return err
}

// match gives the customers that a row means, by the first key that finds any.
func (s *batch) match(r *prepared) (ids []uuid.UUID, by MatchKey) {
	for _, key := range s.in.MatchBy {
		for _, v := range r.values {
			if v.key != key {
				continue
			}
			for _, id := range s.known(v) {
				ids = appendNew(ids, id)
			}
		}
		if len(ids) > 0 {
			return ids, key
		}
	}
	return nil, ""
}

// known gives the customers that have a value: those that are stored, and those that the rows before gave it to.
func (s *batch) known(v keyValue) []uuid.UUID {
	ids := append(slices.Clip(s.stored[v]), s.made[v]...)
	if s.dry != nil {
		ids = append(ids, s.dry.find(v)...)
	}
	return ids
}

func appendNew(list []uuid.UUID, id uuid.UUID) []uuid.UUID {
	for _, have := range list {
		if have == id {
			return list
		}
	}
	return append(list, id)
}

// row decides what becomes of one row.
func (s *batch) row(ctx context.Context, r *prepared) error {
	switch {
	case r.problem != "":
		s.fail(r, fault.List{fault.New(fault.BadUserInput, "%s", r.problem)}, nil)
		return nil
	case r.empty():
		s.step.Skipped++
		return nil
	case len(r.raw) != len(s.in.Columns):
		s.fail(r, fault.List{fault.New(fault.BadUserInput, "The row has %d cells and the header %d. Put quotes around a cell that holds the delimiter.", len(r.raw), len(s.in.Columns))}, nil)
		return nil
	}
	if i := slices.Index(s.in.Fields, fieldTaxExempt); i >= 0 && r.cells.at(i) != nil && badTruth(r.cells.text(i)) {
		path := []string{"input", fieldTaxExempt}
		s.fail(r, fault.List{fault.At(fault.BadUserInput, path, "Write true or false.")}, origins{strings.Join(path, "."): i})
		return nil
	}
	ids, by := s.match(r)
	switch {
	case len(ids) > 1:
		s.fail(r, fault.List{fault.At(fault.Conflict, []string{string(by)}, "%d customers have what this row is matched by (%s). Merge them, or match by something else.", len(ids), by)},
			origins{string(by): r.columns[by]})
	case len(ids) == 0 && s.in.Mode == modeUpdateOnly, len(ids) == 1 && s.in.Mode == modeCreateOnly:
		s.step.Skipped++
	case len(ids) == 0:
		return s.create(r)
	default:
		return s.update(ctx, r, ids[0])
	}
	return nil
}

func (s *batch) create(r *prepared) error {
	d := s.layout.draft(r.cells, nil)
	var err error
	if d.Attributes, err = s.attributes(r, nil); err != nil {
		return err
	}
	ch, err := s.planner.Create(s, d)
	if err != nil {
		return s.refuse(r, err, func(o origins) { s.layout.draft(r.cells, o) })
	}
	s.step.Created++
	s.change(r, Write{New: true, Change: ch})
	return nil
}

// attributes are the values of custom attributes in a row.
func (s *batch) attributes(r *prepared, o origins) ([]customer.AttributeInput, error) {
	if len(s.layout.attributes) == 0 {
		return nil, nil
	}
	defs, err := s.AttributeDefinitions()
	return s.layout.attributeInputs(r.cells, o, defs, s.in.Region), err
}

func (s *batch) update(ctx context.Context, r *prepared, id uuid.UUID) error {
	if s.touched[id] {
		// A row before this one made or changed the customer: that is written first, and this row goes on from there.
		if err := s.flush(ctx); err != nil {
			return err
		}
	}
	f, ok := s.files[id]
	if !ok { // made by a row before, or changed and so to be read again
		if err := s.lock(ctx, []uuid.UUID{id}); err != nil {
			return err
		}
		f, ok = s.files[id]
	}
	if !ok && s.dry == nil {
		return errMoved
	}
	if !ok {
		f = unknownFile(id)
	}
	p := s.layout.patch(r.cells, nil, f)
	attributes, err := s.attributes(r, nil)
	if err != nil {
		return err
	}
	if attributes != nil {
		p.Attributes = optional.Some(attributes)
	}
	ch, err := s.planner.Update(s, f, p)
	if err != nil {
		return s.refuse(r, err, func(o origins) { s.layout.patch(r.cells, o, f) })
	}
	if ch.Nothing() {
		s.step.Skipped++
		return nil
	}
	s.step.Updated++
	s.change(r, Write{File: f, Change: ch})
	return nil
}

// errMoved says that a customer was found and could not be locked: it was merged or deleted meanwhile. The step is tried
// again.
var errMoved = fault.New(fault.Unavailable, "A customer of the file was changed at the same time. Try again.")

// unknownFile stands in a dry run for a customer that an earlier row would make. That customer has a name, whatever its
// kind.
func unknownFile(id uuid.UUID) customer.File {
	return customer.File{Customer: customer.Customer{ID: id, Version: 1, Kind: customer.Person, Status: customer.Active, GivenName: "-", CompanyName: "-"}}
}

// ExternalIDTaken implements customer.Reading: of the rows before, what they would make is not stored yet.
func (s *batch) ExternalIDTaken(externalID string, except uuid.UUID) (bool, error) {
	return slices.ContainsFunc(s.known(keyValue{MatchExternalID, externalID}), func(id uuid.UUID) bool { return id != except }), nil
}

// change notes a change to be written, and by what its customer is found from now on.
func (s *batch) change(r *prepared, w Write) {
	id := w.Change.Customer.ID
	s.pending = append(s.pending, w)
	s.touched[id] = true
	for _, v := range r.values {
		s.made[v] = appendNew(s.made[v], id)
	}
}

func (s *batch) flush(ctx context.Context) error {
	writes := s.pending
	s.pending = nil
	clear(s.touched)
	if s.dry != nil || len(writes) == 0 {
		return nil
	}
	for i := range writes {
		delete(s.files, writes[i].Change.Customer.ID) // what is stored is another version from now on
	}
	return s.b.Write(ctx, writes)
}

// refuse notes the errors of a row. Only now it is found out from which columns its values came.
func (s *batch) refuse(r *prepared, err error, trace func(o origins)) error {
	list := fault.AsList(err)
	if list == nil {
		return err
	}
	o := origins{}
	trace(o)
	if _, err := s.attributes(r, o); err != nil {
		return err
	}
	s.fail(r, list, o)
	return nil
}

// column finds the column of a fault. What is missing came from no cell, so there it is the first column of the field.
func (s *batch) column(o origins, f *fault.Error) int {
	path := f.Path
	if d, ok := f.Detail.(fault.AttributeDetail); ok {
		return slices.Index(s.in.Fields, attributePrefix+d.Key)
	}
	if column := o.column(path); column >= 0 || len(path) < 2 {
		return column
	}
	return slices.IndexFunc(s.in.Fields, func(f string) bool { return f == path[1] || strings.HasPrefix(f, path[1]+".") })
}

func (s *batch) fail(r *prepared, list fault.List, o origins) {
	s.step.Failed++
	for _, f := range list {
		e := RowError{Line: r.line, Code: string(f.Code), Message: f.Message}
		if column := s.column(o, f); column >= 0 {
			if message := unreadable(s.definitions, f, s.in.Fields[column]); message != "" {
				e.Message = message
			}
			e.Column, e.ColumnName, e.Field = column+1, cut(s.in.Columns[column], maxValue), s.in.Fields[column]
			e.Value = cut(strings.ToValidUTF8(strings.ReplaceAll(r.raw[column], "\x00", "\uFFFD"), "\uFFFD"), maxValue)
		}
		s.step.Errors = append(s.step.Errors, e)
	}
}
