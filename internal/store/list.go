package store

import (
	"context"
	"database/sql"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"dossier/internal/auth"
	"dossier/internal/catalog"
	"dossier/internal/fault"
	"dossier/internal/fold"
	"dossier/internal/idempotency"
	"dossier/internal/timeline"
)

// listTable says where a list is kept. The tables have the same columns, apart from one at most, which is why their
// statements are put together here and not by ent's builders, of which there are as many as tables.
type listTable struct {
	name string
	// extra is the column that only this table has, "" for none, and value what an item has in it.
	extra string
	value func(catalog.Item) any
}

var listTables = map[string]listTable{
	catalog.CustomerTypes.Noun:   {name: "customer_type"},
	catalog.CustomerOrigins.Noun: {name: "customer_origin"},
	catalog.Offices.Noun:         {"office", "time_zone", func(i catalog.Item) any { return i.TimeZone }},
	catalog.Services.Noun: {"service", "duration_minutes", func(i catalog.Item) any {
		return sql.NullInt32{Int32: narrow(i.DurationMinutes), Valid: i.DurationMinutes != 0}
	}},
}

var _ catalog.Store = (*Store)(nil)

// ListChange implements catalog.Store.
func (s *Store) ListChange(
	ctx context.Context, p auth.Principal, l catalog.List, key *idempotency.Key,
	decide func([]catalog.Item, catalog.Conflict) (catalog.Change, error),
) (id uuid.UUID, err error) {
	table := listTables[l.Noun]
	err = s.inTx(ctx, "store.ListChange", p, func(ctx context.Context, t *tx) error {
		id, err = t.idempotent(ctx, key, func() (uuid.UUID, error) {
			items, err := t.lockList(ctx, table)
			if err != nil {
				return uuid.Nil, err
			}
			ch, err := decide(items, func(item catalog.Item, expected int, fields []string) error {
				return t.conflict(ctx, timeline.Subject(l.Noun), item.ID, item.Version, expected, fields)
			})
			if err != nil || ch.Nothing() {
				return uuid.Nil, err
			}
			return ch.Item.ID, t.applyListChange(ctx, l, table, ch)
		})
		return err
	})
	return id, err
}

// lockList reads a list, locked against other changes until the end of the transaction. The lock is on the list and not on
// its rows, because a new item changes the list too.
func (t *tx) lockList(ctx context.Context, table listTable) ([]catalog.Item, error) {
	if _, err := t.exec(ctx, `SELECT pg_advisory_xact_lock(hashtextextended($2 || $1::text, 0))`, table.name); err != nil {
		return nil, err
	}
	return t.items(ctx, table)
}

// ListItems implements catalog.Store.
func (s *Store) ListItems(ctx context.Context, accountID uuid.UUID, l catalog.List) ([]catalog.Item, error) {
	items, err := s.in(accountID).items(ctx, listTables[l.Noun])
	return items, translate("store.ListItems", err)
}

func (c scope) items(ctx context.Context, table listTable) ([]catalog.Item, error) {
	zone, minutes := "''", "0"
	switch table.extra {
	case "time_zone":
		zone = table.extra
	case "duration_minutes":
		minutes = "coalesce(duration_minutes, 0)"
	}
	rows, err := c.query(ctx, "SELECT id, version, key, label, position, archived_at, "+zone+", "+minutes+" FROM "+table.name+
		" WHERE account_id = $1 ORDER BY position, id")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var items []catalog.Item
	for rows.Next() {
		var i catalog.Item
		var archivedAt sql.NullTime
		if err := rows.Scan(&i.ID, &i.Version, &i.Key, &i.Label, &i.Position, &archivedAt, &i.TimeZone, &i.DurationMinutes); err != nil {
			return nil, err
		}
		if archivedAt.Valid {
			i.ArchivedAt = &archivedAt.Time
		}
		items = append(items, i)
	}
	return items, rows.Err()
}

func (t *tx) applyListChange(ctx context.Context, l catalog.List, table listTable, ch catalog.Change) error {
	item, action := ch.Item, "_UPDATED"
	var err error
	switch {
	case ch.New:
		action = "_CREATED"
		err = t.insertItem(ctx, table, item)
	case ch.Remove:
		action = "_DELETED"
		item.Version++
		err = t.removeItem(ctx, l, table, item)
	default:
		item.Version++
		err = t.updateItem(ctx, table, item)
	}
	if err != nil {
		return err
	}
	if len(ch.Moved) > 0 {
		if err := t.moveItems(ctx, table, ch.Moved); err != nil {
			return err
		}
	}
	t.settingsChanged(l.Query, record{action: upperSnake(l.Noun) + action, subject: timeline.Subject(l.Noun), subjectID: item.ID, fields: ch.Fields})
	return t.revise(ctx, timeline.Subject(l.Noun), item.ID, item.Version, ch.Fields)
}

// settingsChanged adds the event that tells which field of Query to read again, and the record of what was changed.
func (t *tx) settingsChanged(field string, r record) {
	t.emit(timeline.Event{Type: timeline.SettingsChanged, Subject: timeline.SubjectAccount, SubjectID: t.account, ChangedFields: []string{field}})
	t.record(r)
}

// upperSnake is the name of a type in the spelling of actions: CustomerType is CUSTOMER_TYPE.
func upperSnake(name string) string {
	var b strings.Builder
	for i, r := range name {
		if i > 0 && 'A' <= r && r <= 'Z' {
			b.WriteByte('_')
		}
		b.WriteRune(r)
	}
	return strings.ToUpper(b.String())
}

func (t *tx) insertItem(ctx context.Context, table listTable, i catalog.Item) error {
	columns, values := "", ""
	args := []any{i.ID, t.now, i.Key, i.Label, fold.Label(i.Label), i.Position}
	if table.extra != "" {
		columns, values = ", "+table.extra, ", $8"
		args = append(args, table.value(i))
	}
	_, err := t.exec(ctx, "INSERT INTO "+table.name+" (account_id, id, created_at, updated_at, key, label, label_key, position"+columns+
		") VALUES ($1, $2, $3, $3, $4, $5, $6, $7"+values+")", args...)
	return err
}

func (t *tx) updateItem(ctx context.Context, table listTable, i catalog.Item) error {
	set := ""
	args := []any{i.ID, i.Version, t.now, i.Label, fold.Label(i.Label), i.Position, nullTime(i.ArchivedAt)}
	if table.extra != "" {
		set = ", " + table.extra + " = $9"
		args = append(args, table.value(i))
	}
	n, err := t.exec(ctx, "UPDATE "+table.name+" SET version = $3, updated_at = $4, label = $5, label_key = $6, position = $7, archived_at = $8"+
		set+" WHERE account_id = $1 AND id = $2", args...)
	if err == nil && n != 1 {
		err = errLostLock
	}
	return err
}

// removeItem deletes an item. Whatever uses it has a foreign key to it, so nothing here has to know all who could.
func (t *tx) removeItem(ctx context.Context, l catalog.List, table listTable, i catalog.Item) error {
	if l.Noun == catalog.CustomerTypes.Noun {
		if err := t.dropPolicies(ctx, i.ID); err != nil {
			return err
		}
	}
	_, err := t.exec(ctx, "DELETE FROM "+table.name+" WHERE account_id = $1 AND id = $2", i.ID)
	if pe := pgError(err); pe != nil && pe.Code == foreignKeyViolation {
		return fault.At(fault.Conflict, []string{"id"},
			"The %s is in use and cannot be deleted. Archive it instead: it stays where it is used and cannot be chosen anew.", l.Word)
	}
	return err
}

func (t *tx) moveItems(ctx context.Context, table listTable, places map[uuid.UUID]int) error {
	ids, positions := make([]uuid.UUID, 0, len(places)), make([]int32, 0, len(places))
	for id := range places {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) })
	for _, id := range ids {
		positions = append(positions, narrow(places[id]))
	}
	_, err := t.exec(ctx, "UPDATE "+table.name+" AS i SET position = m.position FROM unnest($2::uuid[], $3::int4[]) AS m(id, position) "+
		"WHERE i.account_id = $1 AND i.id = m.id", ids, positions)
	return err
}

func nullTime(at *time.Time) sql.NullTime {
	if at == nil {
		return sql.NullTime{}
	}
	return sql.NullTime{Time: *at, Valid: true}
}
