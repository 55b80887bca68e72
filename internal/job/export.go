package job

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"dossier/internal/attribute"
	"dossier/internal/customer"
	"dossier/internal/typeid"
)

// exportPage is how many customers are read at a time.
const exportPage = 500

// format is a form of an exported file.
type format struct {
	extension, contentType string
	// open begins a file. The writer it gives is called for each customer.
	open func(w *bufio.Writer, widths Widths, defs []attribute.Definition) (writer, error)
}

// writer writes a customer.
type writer interface {
	write(e *Exported) error
	end() error
}

// formats are the forms, by their names in the SDL.
var formats = map[string]format{
	"CSV":        {"csv", "text/csv", openTable},
	"JSON_LINES": {"jsonl", "application/x-ndjson", openLines},
}

// errWidths says that a customer has got longer lists since the columns were counted, or an option that was made since.
var errWidths = errors.New("job: a customer has more than the columns hold")

// table writes CSV with a column for each contact point and person that any customer has.
type table struct {
	csv    *csv.Writer
	widths Widths
	defs   []attribute.Definition
	cells  []string
}

func openTable(w *bufio.Writer, widths Widths, defs []attribute.Definition) (writer, error) {
	if _, err := w.WriteString("\ufeff"); err != nil { // else spreadsheets take UTF-8 for the encoding of the country
		return nil, err
	}
	t := &table{csv: csv.NewWriter(w), widths: widths, defs: defs}
	t.csv.UseCRLF = true
	t.cells = append(t.cells, "id", "status")
	for i := range scalars {
		t.cells = append(t.cells, scalars[i].name)
	}
	for i := range defs {
		t.cells = append(t.cells, attributePrefix+defs[i].Key)
	}
	t.pointNames("", widths.Points)
	for i := range widths.Contacts {
		prefix := listContacts + "." + strconv.Itoa(i+1) + "."
		for _, part := range contactParts {
			t.cells = append(t.cells, prefix+part)
		}
		t.pointNames(prefix, widths.ContactPoints)
	}
	t.cells = append(t.cells, "createdAt", "updatedAt")
	return t, t.csv.Write(t.cells)
}

func (t *table) pointNames(prefix string, w PointWidths) {
	for _, list := range []struct {
		name string
		n    int
	}{{listEmails, w.Emails}, {listPhones, w.Phones}, {listAddresses, w.Addresses}} {
		for i := range list.n {
			for _, part := range pointParts[list.name] {
				t.cells = append(t.cells, prefix+list.name+"."+strconv.Itoa(i+1)+"."+part)
			}
		}
	}
}

func (t *table) add(values ...string) {
	for _, v := range values {
		t.cells = append(t.cells, defuse(v))
	}
}

func (t *table) write(e *Exported) error {
	t.cells = t.cells[:0]
	t.add(typeid.Format(typeid.Customer, e.ID), string(e.Status))
	for i := range scalars {
		t.add(scalars[i].get(&e.Customer))
	}
	for i := range t.defs {
		cell := ""
		if v := valueOf(&e.Customer, &t.defs[i]); v != nil {
			var err error
			if cell, err = attributeCell(v, &t.defs[i]); err != nil {
				return err
			}
		}
		t.add(cell)
	}
	if len(e.Contacts) > t.widths.Contacts || !t.points(e.Points, t.widths.Points) {
		return errWidths
	}
	for i := range t.widths.Contacts {
		var c customer.Contact
		if i < len(e.Contacts) {
			c = e.Contacts[i]
		}
		t.add(c.GivenName, c.FamilyName, c.Role)
		if !t.points(c.Points, t.widths.ContactPoints) {
			return errWidths
		}
	}
	t.add(instant(e.CreatedAt), instant(e.UpdatedAt))
	return t.csv.Write(t.cells)
}

// points is false when there are more than the columns hold.
func (t *table) points(p customer.Points, w PointWidths) bool {
	for i := range w.Emails {
		var e customer.Email
		if i < len(p.Emails) {
			e = p.Emails[i]
		}
		t.add(e.Address, e.Type, strings.ReplaceAll(e.Purposes, ",", " "))
	}
	for i := range w.Phones {
		var n customer.Phone
		if i < len(p.Phones) {
			n = p.Phones[i]
		}
		t.add(dialled(n), n.Type)
	}
	for i := range w.Addresses {
		var a customer.Address
		if i < len(p.Addresses) {
			a = p.Addresses[i]
		}
		t.add(a.StreetAddress, a.Locality, a.Region, a.PostalCode, a.Country, a.Type)
	}
	return len(p.Emails) <= w.Emails && len(p.Phones) <= w.Phones && len(p.Addresses) <= w.Addresses
}

func (t *table) end() error {
	t.csv.Flush()
	return t.csv.Error()
}

func instant(at time.Time) string { return at.UTC().Format("2006-01-02T15:04:05.999999Z07:00") }

// lines writes JSON lines, with the names of the schema's inputs.
type lines struct {
	out  *json.Encoder
	defs []attribute.Definition
}

func openLines(w *bufio.Writer, _ Widths, defs []attribute.Definition) (writer, error) {
	l := &lines{out: json.NewEncoder(w), defs: defs}
	l.out.SetEscapeHTML(false)
	return l, nil
}

func (l *lines) write(e *Exported) error {
	line := map[string]any{
		"id": typeid.Format(typeid.Customer, e.ID), "status": e.Status, "createdAt": instant(e.CreatedAt), "updatedAt": instant(e.UpdatedAt),
	}
	for i := range scalars {
		line[scalars[i].name] = null(scalars[i].get(&e.Customer))
	}
	line[fieldTaxExempt] = e.TaxExempt
	attributes := make([]map[string]any, 0, len(e.Attributes))
	for i := range l.defs {
		v := valueOf(&e.Customer, &l.defs[i])
		if v == nil {
			continue
		}
		in, err := attributeLine(v, &l.defs[i])
		if err != nil {
			return err
		}
		attributes = append(attributes, in)
	}
	line[fieldAttributes] = attributes
	pointsOf(line, e.Points)
	contacts := make([]map[string]any, len(e.Contacts))
	for i, c := range e.Contacts {
		contacts[i] = map[string]any{
			"id": typeid.Format(typeid.Contact, c.ID), "givenName": null(c.GivenName), "familyName": null(c.FamilyName), "role": null(c.Role), "isPrimary": c.Primary,
		}
		pointsOf(contacts[i], c.Points)
	}
	line[listContacts] = contacts
	return l.out.Encode(line)
}

func pointsOf(line map[string]any, p customer.Points) {
	emails, phones, addresses := make([]any, len(p.Emails)), make([]any, len(p.Phones)), make([]any, len(p.Addresses))
	for i, e := range p.Emails {
		emails[i] = map[string]any{"address": e.Address, "type": e.Type, "purposes": e.PurposeList()}
	}
	for i, n := range p.Phones {
		phones[i] = map[string]any{"number": dialled(n), "type": n.Type}
	}
	for i, a := range p.Addresses {
		addresses[i] = map[string]any{
			"type": a.Type, "streetAddress": null(a.StreetAddress), "addressLocality": null(a.Locality), "addressRegion": null(a.Region),
			"postalCode": null(a.PostalCode), "addressCountry": null(a.Country),
		}
	}
	line[listEmails], line[listPhones], line[listAddresses] = emails, phones, addresses
}

func (l *lines) end() error { return nil }

// exporting writes one file.
type exporting struct {
	store  Store
	claim  Claim
	draft  ExportDraft
	widths Widths
	defs   []attribute.Definition
	done   int64
	// told is when the progress was told last.
	told time.Time
	now  func() time.Time
}

// file writes the whole file, a page at a time. No connection is held while the object store takes it.
func (x *exporting) file(ctx context.Context, w io.Writer) error {
	buf := bufio.NewWriterSize(w, 64<<10)
	out, err := formats[x.draft.Format].open(buf, x.widths, x.defs)
	if err != nil {
		return err
	}
	after := uuid.Nil
	for {
		page, err := x.store.ExportPage(ctx, x.claim.By.AccountID, *x.draft.Where, after, exportPage)
		if err != nil {
			return err
		}
		for i := range page {
			if err := out.write(&page[i]); err != nil {
				return err
			}
		}
		x.done += int64(len(page))
		if len(page) < exportPage {
			break
		}
		after = page[len(page)-1].ID
		if err := x.tell(ctx); err != nil {
			return err
		}
	}
	return errors.Join(out.end(), buf.Flush())
}

// tell says how far the export is, at most once per second.
func (x *exporting) tell(ctx context.Context) error {
	if now := x.now(); now.Sub(x.told) >= time.Second {
		x.told = now
		return x.store.ExportProgress(ctx, x.claim, x.done)
	}
	return nil
}
