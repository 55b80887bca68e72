package store

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"dossier/ent"
	"dossier/ent/attributedefinition"
	"dossier/ent/attributeoption"
	"dossier/ent/attributevalue"
	"dossier/internal/attribute"
	"dossier/internal/auth"
	"dossier/internal/idempotency"
	"dossier/internal/timeline"
)

var _ attribute.Store = (*Store)(nil)

// lockAttributes lets one transaction at a time change the definitions of an account. It is no lock of a row, because the
// first definition of an account finds none, and the row of the account must be the last to be locked.
const lockAttributes = `SELECT pg_advisory_xact_lock(hashtextextended('attribute_definition ' || $1::text, 0))`

// AttributeCreate implements attribute.Store.
func (s *Store) AttributeCreate(
	ctx context.Context, p auth.Principal, key *idempotency.Key, decide func(all []attribute.Definition, customerTypes []uuid.UUID) (attribute.Change, error),
) (id uuid.UUID, err error) {
	err = s.inTx(ctx, "store.AttributeCreate", p, func(ctx context.Context, t *tx) error {
		id, err = t.idempotent(ctx, key, func() (uuid.UUID, error) {
			all, err := t.lockDefinitions(ctx)
			if err != nil {
				return uuid.Nil, err
			}
			types, err := t.customerTypeIDs(ctx)
			if err != nil {
				return uuid.Nil, err
			}
			ch, err := decide(all, types)
			if err != nil {
				return uuid.Nil, err
			}
			return ch.Definition.ID, t.insertDefinition(ctx, ch)
		})
		return err
	})
	return id, err
}

// AttributeChange implements attribute.Store.
func (s *Store) AttributeChange(
	ctx context.Context, p auth.Principal, id uuid.UUID, path []string,
	decide func(all []attribute.Definition, i int, use attribute.Use, conflict attribute.Conflict) (attribute.Change, error),
) error {
	return s.inTx(ctx, "store.AttributeChange", p, func(ctx context.Context, t *tx) error {
		all, err := t.lockDefinitions(ctx)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(all, func(d attribute.Definition) bool { return d.ID == id })
		if i < 0 {
			return notFound(path, "custom attribute")
		}
		use, err := t.attributeUse(ctx, all[i])
		if err != nil {
			return err
		}
		ch, err := decide(all, i, use, func(expected int, fields []string) error {
			return t.conflict(ctx, timeline.SubjectAttribute, id, all[i].Version, expected, fields)
		})
		if err != nil || ch.Nothing() {
			return err
		}
		if ch.Delete {
			return t.deleteDefinition(ctx, ch)
		}
		return t.updateDefinition(ctx, all[i], ch)
	})
}

func (t *tx) lockDefinitions(ctx context.Context) ([]attribute.Definition, error) {
	if _, err := t.exec(ctx, lockAttributes); err != nil {
		return nil, err
	}
	rows, err := t.attributes().Order(attributedefinition.ByPosition(), attributedefinition.ByID()).All(ctx)
	if err != nil {
		return nil, err
	}
	return t.definitionsOf(ctx, rows)
}

// AttributeDefinitions implements customer.Reading.
func (r reading) AttributeDefinitions() ([]attribute.Definition, error) {
	t, ctx := r.tx, r.ctx
	rows, err := t.attributes().Where(attributedefinition.ArchivedAtIsNil()).
		Order(attributedefinition.ByPosition(), attributedefinition.ByID()).All(ctx)
	if err != nil {
		return nil, err
	}
	return t.definitionsOf(ctx, rows)
}

// customerTypeIDs are the types that a customer of the account can have, archived ones too.
func (t *tx) customerTypeIDs(ctx context.Context) ([]uuid.UUID, error) {
	return t.idList(ctx, `SELECT id FROM customer_type WHERE account_id = $1`)
}

func (t *tx) idList(ctx context.Context, query string, args ...any) ([]uuid.UUID, error) {
	rows, err := t.query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var ids []uuid.UUID
	for rows.Next() {
		var id uuid.UUID
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}

// definitionsOf reads the customer types and the options of those that have any, in one query each for all of them.
func (t *tx) definitionsOf(ctx context.Context, rows []*ent.AttributeDefinition) ([]attribute.Definition, error) {
	list := make([]attribute.Definition, len(rows))
	places := map[uuid.UUID]int{}
	var chosen []uuid.UUID
	for i, r := range rows {
		list[i] = definitionOf(r)
		places[r.ID] = i
		if t := list[i].Type; t == attribute.Select || t == attribute.MultiSelect {
			chosen = append(chosen, r.ID)
		}
	}
	if err := t.loadTypes(ctx, list, places); err != nil || len(chosen) == 0 {
		return list, err
	}
	options, err := t.attributeOptions().Where(attributeoption.DefinitionIDIn(chosen...)).
		Order(attributeoption.ByPosition(), attributeoption.ByID()).All(ctx)
	if err != nil {
		return nil, err
	}
	for _, o := range options {
		d := &list[places[o.DefinitionID]]
		d.Options = append(d.Options, attribute.Option{ID: o.ID, Key: o.Key, Label: o.Label, Archived: o.Archived})
	}
	return list, nil
}

// loadTypes reads the customer types that definitions are for.
func (t *tx) loadTypes(ctx context.Context, list []attribute.Definition, places map[uuid.UUID]int) error {
	if len(list) == 0 {
		return nil
	}
	rows, err := t.query(ctx, `SELECT definition_id, type_id FROM attribute_definition_type WHERE account_id = $1 ORDER BY type_id`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var definition, customerType uuid.UUID
		if err := rows.Scan(&definition, &customerType); err != nil {
			return err
		}
		if i, ok := places[definition]; ok {
			list[i].CustomerTypes = append(list[i].CustomerTypes, customerType)
		}
	}
	return rows.Err()
}

// writeTypes makes the stored customer types of a definition those of the list.
func (t *tx) writeTypes(ctx context.Context, definition uuid.UUID, types []uuid.UUID) error {
	_, err := t.exec(ctx, `DELETE FROM attribute_definition_type WHERE account_id = $1 AND definition_id = $2`, definition)
	if err != nil || len(types) == 0 {
		return err
	}
	ids := make([]uuid.UUID, len(types))
	for i := range ids {
		ids[i] = t.newID()
	}
	_, err = t.exec(ctx, `INSERT INTO attribute_definition_type (account_id, created_at, definition_id, id, type_id)
		SELECT $1, $2, $3, e.id, e.type_id FROM unnest($4::uuid[], $5::uuid[]) AS e(id, type_id)`, t.now, definition, ids, types)
	return err
}

func definitionOf(r *ent.AttributeDefinition) attribute.Definition {
	d := attribute.Definition{
		ID: r.ID, Version: int(r.Version), Key: r.Key, Label: r.Label, Description: deref(r.Description), Type: attribute.Type(r.Type),
		Required: r.Required, CustomerVisible: r.CustomerVisible, Position: int(r.Position), ArchivedAt: r.ArchivedAt,
		Validation: attribute.Validation{
			MinLength: wide(r.MinLength), MaxLength: wide(r.MaxLength), Pattern: deref(r.Pattern), Minimum: deref(r.Minimum),
			Maximum: deref(r.Maximum), EarliestDate: r.EarliestDate, LatestDate: r.LatestDate, EarliestTime: r.EarliestTime, LatestTime: r.LatestTime,
		},
	}
	if len(r.Accept) > 0 {
		d.Accept = r.Accept
	}
	if r.MaxFiles != nil {
		d.MaxFiles = int(*r.MaxFiles)
	}
	if r.MaxFileBytes != nil {
		d.MaxFileBytes = *r.MaxFileBytes
	}
	return d
}

func wide(n *int32) *int {
	if n == nil {
		return nil
	}
	w := int(*n)
	return &w
}

// attributeUse reads how customers use a definition.
func (t *tx) attributeUse(ctx context.Context, d attribute.Definition) (attribute.Use, error) {
	use := attribute.Use{Options: map[uuid.UUID]bool{}}
	var err error
	if use.CustomerTypes, err = t.customerTypeIDs(ctx); err != nil {
		return use, err
	}
	if d.Type == attribute.File {
		use.Values, err = t.areaInUse(ctx, d.ID)
		return use, err
	}
	use.Values, err = t.attributeValues().Where(attributevalue.DefinitionID(d.ID)).Exist(ctx)
	if err != nil || !use.Values || len(d.Options) == 0 {
		return use, err
	}
	ids, err := t.idList(ctx, optionsInUse, d.ID)
	for _, id := range ids {
		use.Options[id] = true
	}
	return use, err
}

// optionsInUse asks for each option whether anybody has it, which is one look-up in an index each.
const optionsInUse = `
SELECT o.id FROM attribute_option o WHERE o.account_id = $1 AND o.definition_id = $2 AND (
	EXISTS (SELECT FROM attribute_value v WHERE v.account_id = $1 AND v.definition_id = $2 AND v.option_id = o.id)
	OR EXISTS (SELECT FROM attribute_value_option v WHERE v.account_id = $1 AND v.definition_id = $2 AND v.option_id = o.id))`

func (t *tx) insertDefinition(ctx context.Context, ch attribute.Change) error {
	d := ch.Definition
	kind, actorID := t.actor()
	create := t.attributeCreate().SetID(d.ID).SetCreatedAt(t.now).SetUpdatedAt(t.now).SetNillableCreatedByKind(kind).SetNillableCreatedByID(actorID).
		SetKey(d.Key).SetPosition(narrow(d.Position))
	fillDefinition(create.Mutation(), d)
	if err := create.Exec(ctx); err != nil {
		return err
	}
	if err := t.writeOptions(ctx, d.ID, d.Options); err != nil {
		return err
	}
	if len(d.CustomerTypes) > 0 {
		if err := t.writeTypes(ctx, d.ID, d.CustomerTypes); err != nil {
			return err
		}
	}
	t.emit(attributeEvent(ch))
	return t.revise(ctx, timeline.SubjectAttribute, d.ID, 1, nil)
}

func (t *tx) updateDefinition(ctx context.Context, old attribute.Definition, ch attribute.Change) error {
	d, version := ch.Definition, old.Version+1
	u := t.attributeUpdate().Where(attributedefinition.ID(d.ID), attributedefinition.Version(narrow(old.Version))).
		SetVersion(narrow(version)).SetUpdatedAt(t.now)
	fillDefinition(u.Mutation(), d)
	n, err := u.Save(ctx)
	if err == nil && n != 1 {
		err = errLostLock
	}
	if err != nil {
		return err
	}
	if err := t.reorder(ctx, ch.Order); err != nil {
		return err
	}
	if slices.Contains(ch.Fields, "customerTypeIds") {
		if err := t.writeTypes(ctx, d.ID, d.CustomerTypes); err != nil {
			return err
		}
	}
	if slices.Contains(ch.Fields, "options") {
		if err := t.removeOptions(ctx, ch.Removed); err != nil {
			return err
		}
		if err := t.writeOptions(ctx, d.ID, d.Options); err != nil {
			return err
		}
	}
	t.emit(attributeEvent(ch))
	return t.revise(ctx, timeline.SubjectAttribute, d.ID, version, ch.Fields)
}

func (t *tx) deleteDefinition(ctx context.Context, ch attribute.Change) error {
	d := ch.Definition
	if err := t.removeOptions(ctx, ch.Removed); err != nil {
		return err
	}
	if err := t.writeTypes(ctx, d.ID, nil); err != nil {
		return err
	}
	if err := t.leaveArea(ctx, d.ID); err != nil {
		return err
	}
	if _, err := t.attributeDelete().Where(attributedefinition.ID(d.ID)).Exec(ctx); err != nil {
		return err
	}
	if err := t.reorder(ctx, ch.Order); err != nil {
		return err
	}
	t.emit(attributeEvent(ch))
	return t.revise(ctx, timeline.SubjectAttribute, d.ID, d.Version+1, nil)
}

// reorder numbers the definitions anew. The place is not a part of what their versions guard, but for the one that moved.
func (t *tx) reorder(ctx context.Context, ids []uuid.UUID) error {
	if len(ids) == 0 {
		return nil
	}
	_, err := t.exec(ctx, `UPDATE attribute_definition d SET position = o.n - 1
		FROM unnest($2::uuid[]) WITH ORDINALITY AS o(id, n)
		WHERE d.account_id = $1 AND d.id = o.id AND d.position <> o.n - 1`, ids)
	return err
}

func (t *tx) removeOptions(ctx context.Context, ids []uuid.UUID) error {
	if len(ids) == 0 {
		return nil
	}
	_, err := t.attributeOptionDelete().Where(attributeoption.IDIn(ids...)).Exec(ctx)
	return err
}

// writeOptions stores the options in their order, by ids that were read in this transaction or are new.
func (t *tx) writeOptions(ctx context.Context, definition uuid.UUID, options []attribute.Option) error {
	if len(options) == 0 {
		return nil
	}
	rows := make([]*ent.AttributeOptionCreate, len(options))
	for i, o := range options {
		rows[i] = t.attributeOptionCreate().SetID(o.ID).SetCreatedAt(t.now).SetDefinitionID(definition).SetKey(o.Key).SetLabel(o.Label).
			SetPosition(narrow(i)).SetArchived(o.Archived)
	}
	return t.attributeOptionCreateBulk(rows...).OnConflictColumns(attributeoption.FieldID).Update(func(u *ent.AttributeOptionUpsert) {
		u.UpdateLabel().UpdatePosition().UpdateArchived()
	}).Exec(ctx)
}

// fillDefinition sets what can be changed of a definition.
func fillDefinition(m *ent.AttributeDefinitionMutation, d attribute.Definition) {
	m.SetLabel(d.Label)
	m.SetType(string(d.Type))
	m.SetRequired(d.Required)
	m.SetCustomerVisible(d.CustomerVisible)
	m.SetAccept(d.Accept)
	if d.Accept == nil {
		m.SetAccept([]string{})
	}
	v := d.Validation
	setOrClear(null(d.Description), m.SetDescription, m.ClearDescription)
	setOrClear(narrowed(v.MinLength), m.SetMinLength, m.ClearMinLength)
	setOrClear(narrowed(v.MaxLength), m.SetMaxLength, m.ClearMaxLength)
	setOrClear(null(v.Pattern), m.SetPattern, m.ClearPattern)
	setOrClear(null(v.Minimum), m.SetMinimum, m.ClearMinimum)
	setOrClear(null(v.Maximum), m.SetMaximum, m.ClearMaximum)
	setOrClear(v.EarliestDate, m.SetEarliestDate, m.ClearEarliestDate)
	setOrClear(v.LatestDate, m.SetLatestDate, m.ClearLatestDate)
	setOrClear(v.EarliestTime, m.SetEarliestTime, m.ClearEarliestTime)
	setOrClear(v.LatestTime, m.SetLatestTime, m.ClearLatestTime)
	setOrClear[time.Time](d.ArchivedAt, m.SetArchivedAt, m.ClearArchivedAt)
	var files *int32
	if d.MaxFiles > 0 {
		n := narrow(d.MaxFiles)
		files = &n
	}
	setOrClear(files, m.SetMaxFiles, m.ClearMaxFiles)
	var fileBytes *int64
	if d.MaxFileBytes > 0 {
		fileBytes = &d.MaxFileBytes
	}
	setOrClear(fileBytes, m.SetMaxFileBytes, m.ClearMaxFileBytes)
}

func setOrClear[T any](v *T, set func(T), clearIt func()) {
	if v == nil {
		clearIt()
		return
	}
	set(*v)
}

func narrowed(n *int) *int32 {
	if n == nil {
		return nil
	}
	v := narrow(*n)
	return &v
}

func attributeEvent(ch attribute.Change) timeline.Event {
	return timeline.Event{Type: ch.Event, Subject: timeline.SubjectAttribute, SubjectID: ch.Definition.ID, ChangedFields: ch.Fields}
}
