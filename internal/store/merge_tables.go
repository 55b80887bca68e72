package store

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"dossier/internal/customer"
	"dossier/internal/typeid"
)

// movedTable is a table whose rows belong to a customer and go with it when it is merged into another one.
type movedTable struct {
	name string
	// where chooses the rows that go; "" chooses all.
	where string
	// noun and prefix name a row to clients. With them a row that was changed or removed since the merge keeps the merge
	// from being undone; without, it goes back when it is still there.
	noun, prefix string
	// constant says that the rows have no versions, because they are never changed.
	constant bool
}

// movedTables are those tables, in the order in which their rows go. Lines of the timeline come last: who changes a
// document writes lines under the lock of the document, so they are seen only once that lock was waited for. In the same
// way uploads come before documents.
//
// A test compares this list with the foreign keys of the database: a table that points at customers and is neither here
// nor in keptTables fails it.
var movedTables = []movedTable{
	{name: "upload", where: "state = 'PENDING'"},
	{name: "contact", noun: "contact", prefix: typeid.Contact},
	{name: "email_address", where: "contact_id IS NOT NULL"},
	{name: "phone_number", where: "contact_id IS NOT NULL"},
	{name: "postal_address", where: "contact_id IS NOT NULL"},
	{name: "document", noun: "document", prefix: typeid.Document},
	{name: "note", noun: "note", prefix: typeid.Note},
	// A winner without a picture gets the loser's; see pictures.
	{
		name: "customer_image", where: "NOT EXISTS (SELECT FROM customer_image o WHERE o.account_id = $1 AND o.customer_id = $3)",
		noun: "picture", prefix: typeid.Image, constant: true,
	},
	{name: "timeline_entry", noun: "timeline entry", prefix: typeid.TimelineEntry},
}

// keptTables point at customers and stay as they are, for the reason given.
var keptTables = map[string]string{
	"customer":        "merged_into_id: flattened by the merge itself",
	"customer_merge":  "it says which two they were",
	"customer_search": "written again from the rows of both (indexAgain)",
	"search_token":    "goes with customer_search",

	"attribute_value":        "a part of the file: the winner gets values of its own for what it lacks, and the loser keeps its values",
	"attribute_value_option": "goes with attribute_value",
	"audit_record":           "the trail is never changed: what happened to the loser happened to the loser",
	"event":                  "the log is never changed; the events of the merge lead from one customer to the other",
}

func (m movedTable) key() string { return m.name }

// movedRow is a row as a merge left it. Version is 0 in tables without versions.
type movedRow struct {
	ID      uuid.UUID
	Version int32
}

// versions is the expression of a row's version.
func (m movedTable) versions() string {
	if m.noun == "" || m.constant {
		return "0"
	}
	return "version"
}

func (m movedTable) condition() string {
	if m.where == "" {
		return ""
	}
	return " AND " + m.where
}

// move gives the rows of one customer to another one.
func (t *tx) move(ctx context.Context, table movedTable, from, to uuid.UUID) ([]movedRow, error) {
	return t.moveRows(ctx, "UPDATE "+table.name+" SET customer_id = $3 WHERE account_id = $1 AND customer_id = $2"+table.condition()+
		" RETURNING id, "+table.versions(), from, to)
}

// moveBack gives back rows that are as a merge left them. It names those that are not.
func (t *tx) moveBack(ctx context.Context, table movedTable, rows []movedRow, from, to uuid.UUID) (changed []string, err error) {
	if len(rows) == 0 {
		return nil, nil
	}
	ids, versions := make([]uuid.UUID, len(rows)), make([]int32, len(rows))
	for i, r := range rows {
		ids[i], versions[i] = r.ID, r.Version
	}
	back, err := t.moveRows(ctx, "UPDATE "+table.name+" AS t SET customer_id = $3 FROM unnest($4::uuid[], $5::int[]) AS m (row_id, seen)"+
		" WHERE account_id = $1 AND customer_id = $2 AND id = row_id AND "+table.versions()+" = seen"+table.condition()+
		" RETURNING id, seen", from, to, ids, versions)
	if err != nil || table.noun == "" {
		return nil, err
	}
	there := make(map[uuid.UUID]bool, len(back))
	for _, r := range back {
		there[r.ID] = true
	}
	for _, id := range ids {
		if !there[id] {
			changed = append(changed, table.noun+" "+typeid.Format(table.prefix, id))
		}
	}
	return changed, nil
}

// moveRows runs a statement that gives the id and the version of each row that it changed.
func (t *tx) moveRows(ctx context.Context, statement string, args ...any) (list []movedRow, err error) {
	rows, err := t.query(ctx, statement, args...)
	if err != nil {
		return nil, err
	}
	for rows.Next() {
		var r movedRow
		if err := rows.Scan(&r.ID, &r.Version); err != nil {
			return nil, errors.Join(err, rows.Close())
		}
		list = append(list, r)
	}
	return list, errors.Join(rows.Err(), rows.Close())
}

// pictures makes two customers point at the pictures that they have, after those were moved.
func (t *tx) pictures(ctx context.Context, one, other uuid.UUID) error {
	_, err := t.exec(ctx, `UPDATE customer AS c SET image_id = i.id
		FROM customer AS h LEFT JOIN customer_image AS i ON i.account_id = $1 AND i.customer_id = h.id
		WHERE h.account_id = $1 AND h.id IN ($2, $3) AND c.account_id = $1 AND c.id = h.id AND c.image_id IS DISTINCT FROM i.id`, one, other)
	return err
}

// takePoints gives those contact points of one customer itself to another one that are to be the other's; writing the
// other's lists does the rest. An index holds that one address of a customer gets the statement, so an address loses that
// purpose on the way.
func (t *tx) takePoints(ctx context.Context, from, to uuid.UUID, p customer.Points) error {
	for _, list := range []struct {
		table, set string
		ids        []uuid.UUID
	}{
		{"email_address", ", purposes = purposes - 'STATEMENT'", idsOf(p.Emails, func(e customer.Email) uuid.UUID { return e.ID })},
		{"phone_number", "", idsOf(p.Phones, func(n customer.Phone) uuid.UUID { return n.ID })},
		{"postal_address", "", idsOf(p.Addresses, func(a customer.Address) uuid.UUID { return a.ID })},
	} {
		if len(list.ids) == 0 {
			continue
		}
		_, err := t.exec(ctx, "UPDATE "+list.table+" SET customer_id = $3"+list.set+
			" WHERE account_id = $1 AND customer_id = $2 AND contact_id IS NULL AND id = ANY ($4::uuid[])", from, to, list.ids)
		if err != nil {
			return err
		}
	}
	return nil
}

func idsOf[P any](list []P, id func(P) uuid.UUID) []uuid.UUID {
	ids := make([]uuid.UUID, len(list))
	for i, p := range list {
		ids[i] = id(p)
	}
	return ids
}
