package store

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"dossier/internal/auth"
	"dossier/internal/document"
	"dossier/internal/timeline"
)

var _ document.DateStore = (*Store)(nil)

// nearing is a date of documents that is told of when it nears. due chooses across accounts, tell marks those of one account that are
// due still; whoever marks a document emits its event, so there is one for each date.
type nearing struct{ event, due, tell string }

func nearingOf(event, date, told, more string) nearing {
	window := told + ` IS NULL AND ` + date + ` BETWEEN $1::date AND $2::date` + more
	return nearing{
		event: event,
		due:   `SELECT account_id, id FROM document WHERE ` + window + ` ORDER BY ` + date + ` LIMIT $3`,
		tell: `UPDATE document SET ` + told + ` = $5 WHERE account_id = $1 AND id = ANY ($2::uuid[]) AND ` + told + ` IS NULL
			AND ` + date + ` BETWEEN $3::date AND $4::date` + more + ` RETURNING id, customer_id`,
	}
}

var nearings = []nearing{
	nearingOf(timeline.DocumentExpiresSoon, "expires_on", "expiry_warned_at", ` AND status <> 'ARCHIVED'`),
	nearingOf(timeline.DocumentRetentionEnding, "retention_until", "retention_warned_at", ""),
}

// TellOfDates implements document.DateStore. Like the rest of the sweeper it works across accounts, by time and state.
func (s *Store) TellOfDates(ctx context.Context, from, to time.Time, limit int) (told int, err error) {
	for _, n := range nearings {
		due, err := s.nearing(ctx, n, from, to, limit)
		if err != nil {
			return told, translate("store.TellOfDates", err)
		}
		var errs []error
		for account, ids := range due {
			done, err := s.tellOf(ctx, n, account, ids, from, to)
			told += done
			errs = append(errs, err)
		}
		if err := errors.Join(errs...); err != nil {
			return told, translate("store.TellOfDates", err)
		}
	}
	return told, nil
}

func (s *Store) nearing(ctx context.Context, n nearing, from, to time.Time, limit int) (map[uuid.UUID][]uuid.UUID, error) {
	rows, err := s.system.Query(ctx, n.due, from, to, limit)
	if err != nil {
		return nil, err
	}
	due := map[uuid.UUID][]uuid.UUID{}
	var account, id uuid.UUID
	_, err = pgx.ForEachRow(rows, []any{&account, &id}, func() error {
		due[account] = append(due[account], id)
		return nil
	})
	return due, err
}

func (s *Store) tellOf(ctx context.Context, n nearing, account uuid.UUID, ids []uuid.UUID, from, to time.Time) (told int, err error) {
	err = s.inTx(ctx, "store.TellOfDates", auth.System(account), func(ctx context.Context, t *tx) error {
		told = 0
		rows, err := t.query(ctx, n.tell, ids, from, to, t.now)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var d document.Document
			if err := rows.Scan(&d.ID, &d.CustomerID); err != nil {
				return err
			}
			t.emit(d.EventOf(n.event, nil))
			told++
		}
		return rows.Err()
	})
	return told, err
}
