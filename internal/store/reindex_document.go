package store

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"dossier/internal/document"
)

const (
	// unkeyed are documents that the filter by text does not find, because they are older than the column or of a node of an
	// older version. They are locked, so that nobody changes one between its being read and its being keyed.
	unkeyed = `SELECT d.id, d.account_id, d.title, coalesce(d.description, ''), coalesce(v.file_name, '')
		FROM document AS d LEFT JOIN document_version AS v ON v.account_id = d.account_id AND v.id = d.current_version_id
		WHERE d.search_key = '' AND d.id > $1 ORDER BY d.id LIMIT $2 FOR NO KEY UPDATE OF d`
	storeSearchKey = `UPDATE document SET search_key = $3 WHERE account_id = $1 AND id = $2`
)

// fillDocuments gives documents the key that the filter by text looks in, in batches with a transaction each, so it can be
// stopped at any time and goes on where it was.
//
// SECURITY: it works across accounts, without input of any client; each row is written with its own account.
func fillDocuments(ctx context.Context, cc *pgx.ConnConfig) (int, error) {
	conn, err := pgx.ConnectConfig(ctx, cc.Copy())
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	total := 0
	for after := (uuid.UUID{}); ; {
		n := 0
		err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			var b pgx.Batch
			err := each(ctx, tx, unkeyed, []any{after, fillBatch}, func(rows pgx.Rows) error {
				var account uuid.UUID
				var title, description, fileName string
				if err := rows.Scan(&after, &account, &title, &description, &fileName); err != nil {
					return err
				}
				n++
				b.Queue(storeSearchKey, account, after, document.SearchKey(title, description, fileName))
				return nil
			})
			if err != nil || n == 0 {
				return err
			}
			return tx.SendBatch(ctx, &b).Close()
		})
		total += n
		if err != nil || n < fillBatch {
			return total, err
		}
	}
}
