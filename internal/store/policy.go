package store

import (
	"context"

	"github.com/google/uuid"
)

// dropPolicies deletes the rules that are about one customer type, which is about to be deleted.
func (t *tx) dropPolicies(ctx context.Context, typeID uuid.UUID) error {
	const mine = `SELECT id FROM field_policy WHERE account_id = $1 AND type_id = $2`
	if _, err := t.exec(ctx, `DELETE FROM field_rule WHERE account_id = $1 AND policy_id IN (`+mine+`)`, typeID); err != nil {
		return err
	}
	_, err := t.exec(ctx, `DELETE FROM field_policy WHERE account_id = $1 AND type_id = $2`, typeID)
	return err
}
