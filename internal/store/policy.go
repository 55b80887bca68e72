package store

import (
	"context"
	"database/sql"

	"github.com/google/uuid"

	"dossier/internal/auth"
	"dossier/internal/customer"
	"dossier/internal/timeline"
)

var _ customer.PolicyStore = (*Store)(nil)

// policyQuery is the field of Query to read again when a policy changed; subjectPolicy is what its revisions are about.
const (
	policyQuery                    = "fieldPolicy"
	subjectPolicy timeline.Subject = "FieldPolicy"
)

// readRules reads the policy for all customers of a channel and that of a type in one statement, so that they belong
// together. A policy without rules has one row without a field.
const readRules = `SELECT p.type_id IS NOT NULL, p.version, r.field, coalesce(r.required, false), coalesce(r.visible, true)
FROM field_policy p LEFT JOIN field_rule r ON r.account_id = p.account_id AND r.policy_id = p.id
WHERE p.account_id = $1 AND p.channel = $2 AND (p.type_id IS NULL OR p.type_id = $3) ORDER BY r.field`

func (c scope) policies(ctx context.Context, via customer.Channel, typeID uuid.UUID) (all, ofType customer.Policy, err error) {
	rows, err := c.query(ctx, readRules, string(via), typeID)
	if err != nil {
		return all, ofType, err
	}
	defer rows.Close()
	for rows.Next() {
		var typed bool
		var version int
		var field sql.NullString
		var rule customer.Rule
		if err := rows.Scan(&typed, &version, &field, &rule.Required, &rule.Visible); err != nil {
			return all, ofType, err
		}
		p := &all
		if typed {
			p = &ofType
		}
		p.Version = version
		if field.Valid {
			rule.Field = field.String
			p.Rules = append(p.Rules, rule)
		}
	}
	return all, ofType, rows.Err()
}

// Rules implements customer.Reading.
func (r reading) Rules(via customer.Channel, typeID uuid.UUID) (customer.Rules, error) {
	all, ofType, err := r.tx.policies(r.ctx, via, typeID)
	return customer.Rules{All: all.Rules, OfType: ofType.Rules}, err
}

// Policies implements customer.PolicyStore.
func (s *Store) Policies(ctx context.Context, accountID uuid.UUID, via customer.Channel, typeID uuid.UUID) (all, ofType customer.Policy, err error) {
	in := s.in(accountID)
	if err = in.knownType(ctx, typeID); err == nil {
		all, ofType, err = in.policies(ctx, via, typeID)
	}
	return all, ofType, translate("store.Policies", err)
}

// knownType refuses a type that the account does not have; uuid.Nil stands for none.
func (c scope) knownType(ctx context.Context, typeID uuid.UUID) error {
	if typeID == uuid.Nil {
		return nil
	}
	var known bool
	err := c.queryOne(ctx, []any{&known}, `SELECT EXISTS (SELECT FROM customer_type WHERE account_id = $1 AND id = $2)`, typeID)
	if err == nil && !known {
		err = notFound([]string{"typeId"}, "customer type")
	}
	return err
}

// PolicyChange implements customer.PolicyStore. All policies of an account are locked as one: they are changed seldom, and
// one that does not exist yet has no row to lock.
func (s *Store) PolicyChange(
	ctx context.Context, p auth.Principal, via customer.Channel, typeID uuid.UUID, decide func(customer.Policy) ([]customer.Rule, error),
) error {
	return s.inTx(ctx, "store.PolicyChange", p, func(ctx context.Context, t *tx) error {
		if err := t.knownType(ctx, typeID); err != nil {
			return err
		}
		if _, err := t.exec(ctx, `SELECT pg_advisory_xact_lock(hashtextextended('field_policy' || $1::text, 0))`); err != nil {
			return err
		}
		stored, ofType, err := t.policies(ctx, via, typeID)
		if err != nil {
			return err
		}
		if typeID != uuid.Nil {
			stored = ofType
		}
		rules, err := decide(stored)
		if err != nil {
			return err
		}
		return t.writePolicy(ctx, via, typeID, stored.Version+1, rules)
	})
}

const writePolicy = `
WITH old AS (
	UPDATE field_policy SET version = $4, updated_at = $5 WHERE account_id = $1 AND channel = $2 AND type_id IS NOT DISTINCT FROM $3 RETURNING id
), new AS (
	INSERT INTO field_policy (account_id, channel, type_id, version, created_at, updated_at, id)
	SELECT $1, $2, $3, $4, $5, $5, $6 WHERE NOT EXISTS (SELECT FROM old) RETURNING id
)
SELECT id FROM old UNION ALL SELECT id FROM new`

func (t *tx) writePolicy(ctx context.Context, via customer.Channel, typeID uuid.UUID, version int, rules []customer.Rule) error {
	var id uuid.UUID
	err := t.queryOne(ctx, []any{&id}, writePolicy, string(via), uuid.NullUUID{UUID: typeID, Valid: typeID != uuid.Nil}, version, t.now, t.newID())
	if err != nil {
		return err
	}
	if _, err := t.exec(ctx, `DELETE FROM field_rule WHERE account_id = $1 AND policy_id = $2`, id); err != nil {
		return err
	}
	n := len(rules)
	ids, fields, required, visible := make([]uuid.UUID, n), make([]string, n), make([]bool, n), make([]bool, n)
	for i, r := range rules {
		ids[i], fields[i], required[i], visible[i] = t.newID(), r.Field, r.Required, r.Visible
	}
	_, err = t.exec(ctx, `INSERT INTO field_rule (account_id, policy_id, created_at, id, field, required, visible)
SELECT $1, $2, $3, r.id, r.field, r.required, r.visible FROM unnest($4::uuid[], $5::text[], $6::bool[], $7::bool[]) AS r(id, field, required, visible)`,
		id, t.now, ids, fields, required, visible)
	if err != nil {
		return err
	}
	t.settingsChanged(policyQuery, record{action: "FIELD_POLICY_UPDATED", subject: subjectPolicy, subjectID: id, fields: []string{"rules"}})
	return t.revise(ctx, subjectPolicy, id, version, []string{"rules"})
}

// dropPolicies deletes the rules that are about one customer type, which is about to be deleted.
func (t *tx) dropPolicies(ctx context.Context, typeID uuid.UUID) error {
	const rules = `DELETE FROM field_rule WHERE account_id = $1 AND policy_id IN (SELECT id FROM field_policy WHERE account_id = $1 AND type_id = $2)`
	if _, err := t.exec(ctx, rules, typeID); err != nil {
		return err
	}
	_, err := t.exec(ctx, `DELETE FROM field_policy WHERE account_id = $1 AND type_id = $2`, typeID)
	return err
}
