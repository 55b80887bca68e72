package main

import (
	"github.com/google/uuid"

	"dossier/internal/typeid"
)

// The members of the objects, in the order of the queries' selections.
var (
	customerHead   = []column{field("id", id(typeid.Customer)), field("displayName", text), field("version", number), field("kind", text), field("status", text)}
	phoneColumns   = []column{field("id", id(typeid.PhoneNumber)), field("e164", text), field("type", text)}
	emailColumns   = []column{field("id", id(typeid.EmailAddress)), field("address", text), field("type", text)}
	e164Column     = []column{field("e164", text)}
	contactColumns = []column{
		field("id", id(typeid.Contact)), field("displayName", text), field("givenName", text), field("familyName", text), field("role", text),
	}
	documentColumns = []column{field("id", id(typeid.Document)), field("kind", text), field("title", text), field("createdAt", instant)}
	contentColumns  = []column{field("sizeBytes", number), field("contentType", text)}
	entryColumns    = []column{field("at", instant), field("title", text), field("kind", text)}

	rowHead       = []column{field("id", id(typeid.Customer)), field("displayName", text), field("kind", text), field("status", text), field("version", number), field("updatedAt", instant)}
	rowContact    = []column{field("id", id(typeid.Contact)), field("displayName", text), field("role", text)}
	rowDocument   = []column{field("id", id(typeid.Document)), field("title", text), field("kind", text), field("status", text), field("source", text), field("createdAt", instant)}
	rowEntry      = []column{field("id", id(typeid.TimelineEntry)), field("at", instant), field("kind", text), field("title", text)}
	flatColumns   = []column{field("id", id(typeid.Customer)), field("displayName", text), field("kind", text), field("status", text), field("version", number), field("createdAt", instant), field("updatedAt", instant)}
	dashboardPage = 20
	listPage      = 50
)

const (
	contactsOf = `FROM contact WHERE account_id = $1 AND customer_id = $2 AND archived_at IS NULL ORDER BY secondary, sort_name, id LIMIT 10`

	profileCustomer = `SELECT id, display_name, version, kind, status FROM customer WHERE account_id = $1 AND id = $2`
	profilePhones   = `SELECT id, e164, type FROM phone_number WHERE account_id = $1 AND customer_id = $2 AND contact_id IS NULL ORDER BY position, id`
	profileEmails   = `SELECT id, address, type FROM email_address WHERE account_id = $1 AND customer_id = $2 AND contact_id IS NULL ORDER BY position, id`
	profileContacts = `SELECT id, display_name, given_name, family_name, role ` + contactsOf
	contactPhones   = `SELECT c.id, p.e164 FROM (SELECT id ` + contactsOf + `) AS c CROSS JOIN LATERAL
		(SELECT e164 FROM phone_number WHERE account_id = $1 AND contact_id = c.id ORDER BY position, id LIMIT 20) AS p`
	profileDocuments = `SELECT d.id, d.kind, d.title, d.created_at, v.size_bytes, v.content_type
		FROM (SELECT id, kind, title, created_at, current_version_id FROM document WHERE account_id = $1 AND customer_id = $2
			AND status IN ('ACTIVE', 'QUARANTINED') ORDER BY created_at DESC, id DESC LIMIT 20) AS d
		CROSS JOIN LATERAL (SELECT size_bytes, content_type FROM document_version WHERE account_id = $1 AND id = d.current_version_id LIMIT 1) AS v`
	profileUpcoming = `SELECT at, title, kind FROM timeline_entry WHERE account_id = $1 AND customer_id = $2 AND at > now() ORDER BY at, id LIMIT 5`
	profilePast     = `SELECT at, title, kind FROM timeline_entry WHERE account_id = $1 AND customer_id = $2 AND at <= now()
		ORDER BY at DESC, id DESC LIMIT 20`
)

func profile(v variables) (*work, error) {
	customer, err := customerID(v)
	if err != nil {
		return nil, err
	}
	w := &work{write: writeProfile}
	for _, sql := range []string{
		profileCustomer, profilePhones, profileEmails, profileContacts, contactPhones, profileDocuments, profileUpcoming, profilePast,
	} {
		w.batch.Queue(sql, v.Account, customer)
	}
	return w, nil
}

func writeProfile(r *results, dst []byte) []byte {
	dst = append(dst, `"customer":{`...)
	r.each(func(row row) { dst = fields(dst, customerHead, row, 0) })
	dst = r.list(append(dst, `,"phones":`...), phoneColumns)
	dst = r.list(append(dst, `,"emails":`...), emailColumns)
	contacts := newParts(10)
	r.each(func(row row) {
		contacts.parent(row.uuid(0))
		last := len(contacts.text) - 1
		contacts.text[last] = fields(contacts.text[last], contactColumns, row, 0)
	})
	phones := r.children(contacts, e164Column)
	dst = append(dst, `,"contacts":{"nodes":[`...)
	for i, head := range contacts.text {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(append(append(dst, '{'), head...), `,"phones":[`...)
		dst = append(append(dst, phones[i]...), "]}"...)
	}
	dst = append(dst, `]},"documents":{"nodes":[`...)
	first := true
	r.each(func(row row) {
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = fields(append(dst, '{'), documentColumns, row, 0)
		dst = object(append(dst, `,"currentVersion":`...), contentColumns, row, len(documentColumns))
		dst = append(dst, '}')
	})
	dst = r.list(append(dst, `]},"upcoming":{"nodes":`...), entryColumns)
	dst = r.list(append(dst, `},"past":{"nodes":`...), entryColumns)
	return append(dst, "}}"...)
}

// page is the order of the directory after a cursor; more is one row beyond the page, which tells whether there is a next.
func page(columns, limit string, after bool) string {
	sql := `SELECT ` + columns + ` FROM customer WHERE account_id = $1 AND status = 'ACTIVE'`
	if after {
		sql += ` AND (sort_name, id) > ($2, $3)`
	}
	return sql + ` ORDER BY sort_name, id LIMIT ` + limit
}

type pageSQL struct{ statements []string }

func (p pageSQL) prepare(v variables, write func(*results, []byte) []byte, after pageSQL) (*work, error) {
	w := &work{write: write}
	args, sql := []any{v.Account}, p
	if v.After != "" {
		c, err := parseCursor(v.After)
		if err != nil {
			return nil, err
		}
		args, sql = append(args, c.name, c.id), after
	}
	for i, s := range sql.statements {
		if i == len(sql.statements)-1 && s == countSQL {
			args = args[:1]
		}
		w.batch.Queue(s, args...)
	}
	return w, nil
}

const countSQL = `SELECT count(*) FROM (SELECT FROM customer WHERE account_id = $1 AND status = 'ACTIVE' LIMIT 10001) AS x`

func dashboardSQL(after bool) pageSQL {
	ids := `SELECT p.id, x.* FROM (` + page("id", "20", after) + `) AS p CROSS JOIN LATERAL `
	return pageSQL{[]string{
		page("id, display_name, kind, status, version, updated_at, sort_name", "21", after),
		ids + `(SELECT id, display_name, role FROM contact WHERE account_id = $1 AND customer_id = p.id AND archived_at IS NULL
			ORDER BY secondary, sort_name, id LIMIT 3) AS x`,
		ids + `(SELECT id, title, kind, status, source, created_at FROM document WHERE account_id = $1 AND customer_id = p.id
			AND status IN ('ACTIVE', 'QUARANTINED') ORDER BY created_at DESC, id DESC LIMIT 5) AS x`,
		ids + `(SELECT id, at, kind, title FROM timeline_entry WHERE account_id = $1 AND customer_id = p.id AND at <= now()
			ORDER BY at DESC, id DESC LIMIT 10) AS x`,
	}}
}

var dashboardFirst, dashboardAfter = dashboardSQL(false), dashboardSQL(true)

func dashboard(v variables) (*work, error) {
	return dashboardFirst.prepare(v, writeDashboard, dashboardAfter)
}

func writeDashboard(r *results, dst []byte) []byte {
	customers := newParts(dashboardPage)
	var end cursor
	more := false
	r.each(func(row row) {
		if len(customers.text) == dashboardPage {
			more = true
			return
		}
		customers.parent(row.uuid(0))
		last := len(customers.text) - 1
		customers.text[last] = fields(customers.text[last], rowHead, row, 0)
		end = cursor{string(row[len(rowHead)]), row.uuid(0)}
	})
	contacts := r.children(customers, rowContact)
	documents := r.children(customers, rowDocument)
	entries := r.children(customers, rowEntry)
	dst = append(dst, `"customers":{"nodes":[`...)
	for i, head := range customers.text {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(append(append(dst, '{'), head...), `,"contacts":{"nodes":[`...)
		dst = append(append(dst, contacts[i]...), `]},"documents":{"nodes":[`...)
		dst = append(append(dst, documents[i]...), `]},"timeline":{"nodes":[`...)
		dst = append(append(dst, entries[i]...), "]}}"...)
	}
	dst = append(dst, ']', ',')
	return append(pageInfo(dst, more, end), '}')
}

func pageInfo(dst []byte, more bool, end cursor) []byte {
	dst = append(dst, `"pageInfo":{"hasNextPage":`...)
	if more {
		dst = append(dst, "true"...)
	} else {
		dst = append(dst, "false"...)
	}
	dst = append(dst, `,"endCursor":`...)
	if end.id == uuid.Nil {
		return append(dst, "null}"...)
	}
	dst = end.appendTo(append(dst, '"'))
	return append(dst, '"', '}')
}

const flat = "id, display_name, kind, status, version, created_at, updated_at, sort_name"

var (
	listFirst, listAfter   = pageSQL{[]string{page(flat, "51", false)}}, pageSQL{[]string{page(flat, "51", true)}}
	countFirst, countAfter = pageSQL{[]string{page(flat, "51", false), countSQL}}, pageSQL{[]string{page(flat, "51", true), countSQL}}
)

func list(v variables) (*work, error) {
	return listFirst.prepare(v, func(r *results, dst []byte) []byte {
		dst = append(dst, `"customers":{`...)
		return append(writeFlat(r, dst), '}')
	}, listAfter)
}

func count(v variables) (*work, error) {
	return countFirst.prepare(v, func(r *results, dst []byte) []byte {
		nodes := writeFlat(r, nil)
		dst = append(dst, `"customers":{"totalCount":`...)
		r.each(func(row row) { dst = number(dst, row[0]) })
		dst = append(dst, ',')
		return append(append(dst, nodes...), '}')
	}, countAfter)
}

func writeFlat(r *results, dst []byte) []byte {
	dst = append(dst, `"nodes":[`...)
	n, more := 0, false
	var end cursor
	r.each(func(row row) {
		if n == listPage {
			more = true
			return
		}
		if n > 0 {
			dst = append(dst, ',')
		}
		n++
		dst = object(dst, flatColumns, row, 0)
		end = cursor{string(row[len(flatColumns)]), row.uuid(0)}
	})
	return pageInfo(append(dst, ']', ','), more, end)
}
