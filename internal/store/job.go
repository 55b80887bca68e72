package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"dossier/internal/auth"
	"dossier/internal/document"
	"dossier/internal/fault"
	"dossier/internal/idempotency"
	"dossier/internal/job"
	"dossier/internal/timeline"
)

// jobs is the Store as package job sees it.
type jobs struct{ *Store }

var _ job.Store = jobs{}

// Jobs gives the Store as package job sees it.
func (s *Store) Jobs() job.Store { return jobs{s} }

const insertJob = `
INSERT INTO job (account_id, id, created_at, updated_at, created_by_kind, created_by_id, kind, dry_run, input, file_name, total, source_key, source_bytes)
VALUES ($1, $2, $3, $3, $4, $5, $6, $7, $8::text::jsonb, $9, $10, $11, $12)`

func (t *tx) insertJob(ctx context.Context, n job.New, sourceKey *string, sourceBytes int64) error {
	kind, actorID := t.actor()
	_, err := t.exec(ctx, insertJob, n.ID, t.now, kind, actorID, string(n.Kind), n.DryRun, string(n.Input), null(n.FileName), n.Total, sourceKey, sourceBytes)
	t.emitJob(timeline.JobCreated, n.ID)
	return err
}

func (t *tx) emitJob(eventType string, id uuid.UUID) {
	t.emit(timeline.Event{Type: eventType, Subject: timeline.SubjectJob, SubjectID: id})
}

// CreateJob implements job.Store.
func (s jobs) CreateJob(ctx context.Context, p auth.Principal, key *idempotency.Key, n job.New) (id uuid.UUID, err error) {
	err = s.inTx(ctx, "store.CreateJob", p, func(ctx context.Context, t *tx) error {
		id, err = t.idempotent(ctx, key, func() (uuid.UUID, error) { return n.ID, t.insertJob(ctx, n, nil, 0) })
		return err
	})
	return id, err
}

// CompleteImport implements job.Store.
func (s jobs) CompleteImport(ctx context.Context, p auth.Principal, a document.Attempt, c document.Content, n job.New) (uuid.UUID, error) {
	err := s.inTx(patiently(ctx), "store.CompleteImport", p, func(ctx context.Context, t *tx) error {
		row, err := t.lockUpload(ctx, a.ID)
		switch {
		case missing(err):
			return document.ErrLease()
		case err != nil:
			return err
		case row.state == document.UploadDone:
			return nil // by an earlier call whose outcome was not known
		case row.state != document.UploadPending || row.expired:
			return document.ErrLease()
		}
		if err := t.idempotencyAnswer(ctx, a.Key, c.Answer); err != nil {
			return err
		}
		if err := t.insertJob(ctx, n, &a.ObjectKey, c.SizeBytes); err != nil {
			return err
		}
		ended, err := t.exec(ctx, endUpload, a.ID, document.UploadDone, nil)
		if err := t.one(int(ended), err); err != nil {
			return err
		}
		return t.settle(ctx, row.reserved, c.SizeBytes)
	})
	if isUnknown(err) {
		err = &fault.Error{Code: fault.CodeOf(err), Message: unknownUpload, Err: errors.Join(document.ErrOutcomeUnknown, err)}
	}
	return n.ID, err
}

const lockJob = `SELECT kind, state FROM job WHERE account_id = $1 AND id = $2 FOR UPDATE`

// CancelJob implements job.Store.
func (s jobs) CancelJob(ctx context.Context, p auth.Principal, id uuid.UUID, path []string, allow func(job.Kind) error) error {
	return s.inTx(ctx, "store.CancelJob", p, func(ctx context.Context, t *tx) error {
		var kind, state string
		err := t.queryOne(ctx, []any{&kind, &state}, lockJob, id)
		if missing(err) {
			return notFound(path, "job")
		}
		if err != nil {
			return err
		}
		if err := allow(job.Kind(kind)); err != nil || state != "QUEUED" && state != "RUNNING" {
			return err
		}
		return t.endJob(ctx, id, "CANCELLED", nil)
	})
}

// waiting is a job that a runner may take; {now} is the database's clock, so that nodes need not agree on the time.
const waiting = `(state = 'QUEUED' AND coalesce(lease_until, now()) <= now() OR state = 'RUNNING' AND lease_until <= now())`

const idleAccounts = `
SELECT account_id FROM job q WHERE state IN ('QUEUED', 'RUNNING') AND ` + waiting + `
	AND NOT EXISTS (SELECT FROM job r WHERE r.account_id = q.account_id AND r.state = 'RUNNING' AND r.lease_until > now())
GROUP BY account_id ORDER BY min(created_at) LIMIT 10`

// accountQueue makes the claims for one account wait for each other, so that only one of its jobs runs at a time: two
// imports at once could both miss a customer that the other is about to make.
const accountQueue = `SELECT pg_advisory_xact_lock(hashtextextended('dossier job ' || $1::uuid::text, 0))`

const claimJob = `
UPDATE job SET state = 'RUNNING', runner = $2, lease_until = now() + $3 * interval '1 microsecond', updated_at = now(),
	started_at = coalesce(started_at, now()), published_at = now(), failures = failures + CASE state WHEN 'RUNNING' THEN 1 ELSE 0 END
WHERE account_id = $1 AND id = (
	SELECT id FROM job WHERE account_id = $1 AND ` + waiting + `
		AND NOT EXISTS (SELECT FROM job r WHERE r.account_id = $1 AND r.state = 'RUNNING' AND r.lease_until > now())
	ORDER BY created_at, id LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING id, kind, dry_run, input::text, coalesce(file_name, ''), coalesce(source_key, ''), position, line, done, failures,
	coalesce(created_by_kind, ''), created_by_id`

// ClaimJob implements job.Store.
//
// SECURITY: which account has work is asked across accounts, by state and time only. All else is done as that account.
func (s jobs) ClaimJob(ctx context.Context, lease time.Duration) (job.Claim, bool, error) {
	rows, err := s.system.Query(ctx, idleAccounts)
	if err != nil {
		return job.Claim{}, false, translate("store.ClaimJob", err)
	}
	accounts, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return job.Claim{}, false, translate("store.ClaimJob", err)
	}
	for _, account := range accounts {
		c, ok, err := s.claim(ctx, account, lease)
		if ok || err != nil {
			return c, ok, err
		}
	}
	return job.Claim{}, false, nil
}

func (s jobs) claim(ctx context.Context, account uuid.UUID, lease time.Duration) (c job.Claim, ok bool, err error) {
	err = s.inTx(ctx, "store.ClaimJob", auth.System(account), func(ctx context.Context, t *tx) error {
		c, ok = job.Claim{Runner: t.newID()}, false
		if _, err := t.exec(ctx, accountQueue); err != nil {
			return err
		}
		var kind, input, byKind string
		var byID *uuid.UUID
		err := t.queryOne(ctx, []any{
			&c.ID, &kind, &c.DryRun, &input, &c.FileName, &c.SourceKey, &c.Position, &c.Line, &c.Done, &c.Failures, &byKind, &byID,
		}, claimJob, c.Runner, lease.Microseconds())
		if missing(err) {
			return nil
		}
		if err != nil {
			return err
		}
		c.Kind, c.Input, c.By, ok = job.Kind(kind), []byte(input), auth.System(account), true
		if byID != nil {
			c.By = auth.Principal{AccountID: account, Kind: auth.Kind(byKind), ID: *byID}
		}
		t.emitJob(timeline.JobProgress, c.ID)
		return nil
	})
	return c, ok && err == nil, err
}

// held is the condition that the runner holds the job: $2 is the job, $3 the runner.
const held = ` WHERE account_id = $1 AND id = $2 AND runner = $3 AND state = 'RUNNING'`

// asRunner runs a statement whose first arguments are those of held.
func (t *tx) asRunner(ctx context.Context, c job.Claim, statement string, args ...any) error {
	n, err := t.exec(ctx, statement, append([]any{c.ID, c.Runner}, args...)...)
	if err == nil && n != 1 {
		err = errLost()
	}
	return err
}

func errLost() error {
	return &fault.Error{Code: fault.Conflict, Message: "The job has ended or is run by another node.", Err: job.ErrLost}
}

// ExtendJob implements job.Store.
func (s jobs) ExtendJob(ctx context.Context, c job.Claim, lease time.Duration) error {
	t := &tx{scope: s.in(c.By.AccountID)}
	err := t.asRunner(ctx, c, `UPDATE job SET lease_until = now() + $4 * interval '1 microsecond'`+held, lease.Microseconds())
	return translate("store.ExtendJob", err)
}

// ReleaseJob implements job.Store.
func (s jobs) ReleaseJob(ctx context.Context, c job.Claim, pause time.Duration, failed bool) error {
	t := &tx{scope: s.in(c.By.AccountID)}
	err := t.asRunner(ctx, c, `UPDATE job SET state = 'QUEUED', runner = NULL, lease_until = now() + $4 * interval '1 microsecond',
		failures = failures + $5, updated_at = now()`+held, pause.Microseconds(), count(failed))
	return translate("store.ReleaseJob", err)
}

func count(yes bool) int64 {
	if yes {
		return 1
	}
	return 0
}

// FailJob implements job.Store.
func (s jobs) FailJob(ctx context.Context, c job.Claim, cause *fault.Error) error {
	return s.inTx(ctx, "store.FailJob", c.By, func(ctx context.Context, t *tx) error {
		if err := t.asRunner(ctx, c, `UPDATE job SET updated_at = now()`+held); err != nil {
			return err
		}
		return t.endJob(ctx, c.ID, "FAILED", cause)
	})
}

// endJob ends a job whose row is locked. The file of an import is garbage from now on: it holds the data of people and is
// needed no more. So is what an export that did not succeed has written.
const endJob = `
WITH was AS (
	SELECT id, source_key, source_bytes, CASE WHEN $3 <> 'SUCCEEDED' THEN result_key END AS result_key FROM job WHERE account_id = $1 AND id = $2
), ended AS (
	UPDATE job j SET state = $3, error_code = $4, error_message = $5, finished_at = now(), updated_at = now(), runner = NULL, lease_until = NULL,
		source_key = NULL, source_bytes = 0, result_key = CASE WHEN $3 = 'SUCCEEDED' THEN j.result_key END
	FROM was WHERE j.account_id = $1 AND j.id = was.id
), thrown AS (
	INSERT INTO garbage (account_id, id, created_at, object_key, until, next_at)
	SELECT $1, gen_random_uuid(), now(), k, now() + $6 * interval '1 microsecond', now() FROM was, unnest(ARRAY[source_key, result_key]) AS k WHERE k IS NOT NULL
	ON CONFLICT (object_key) DO UPDATE SET next_at = now()
)
SELECT source_bytes FROM was`

func (t *tx) endJob(ctx context.Context, id uuid.UUID, state string, cause *fault.Error) error {
	var code, message *string
	if cause != nil {
		text := string(cause.Code)
		code, message = &text, &cause.Message
	}
	var bytes int64
	if err := t.queryOne(ctx, []any{&bytes}, endJob, id, state, code, message, garbageTime.Microseconds()); err != nil {
		return err
	}
	if bytes > 0 {
		if err := t.settle(ctx, 0, -bytes); err != nil {
			return err
		}
	}
	t.emitJob(timeline.JobFinished, id)
	return nil
}

var pruneJobs = `
WITH old AS (
	SELECT id, account_id, result_key, result_bytes FROM job WHERE finished_at < now() - $1 * interval '1 microsecond'
	ORDER BY finished_at LIMIT 10 FOR UPDATE SKIP LOCKED
), freed AS (
	UPDATE storage_usage s SET used_bytes = s.used_bytes - o.bytes, warned_percent = ` + warned("s.used_bytes - o.bytes") + `
	FROM (SELECT account_id, sum(result_bytes)::bigint AS bytes FROM old GROUP BY account_id) o WHERE s.account_id = o.account_id
), forgotten AS (
	DELETE FROM job_row_error e USING old WHERE e.account_id = old.account_id AND e.job_id = old.id
), thrown AS (
	INSERT INTO garbage (id, account_id, created_at, object_key, until, next_at)
	SELECT gen_random_uuid(), account_id, now(), result_key, now() + $2 * interval '1 microsecond', now() FROM old WHERE result_key IS NOT NULL
	ON CONFLICT (object_key) DO NOTHING
)
DELETE FROM job j USING old WHERE j.id = old.id`

// PruneJobs forgets jobs that ended longer ago than keep, with their files and the errors of their rows. It works across
// accounts, by time alone, and in small steps.
func (s *Store) PruneJobs(ctx context.Context, keep time.Duration) (total int64, err error) {
	for {
		tag, err := s.system.Exec(ctx, pruneJobs, keep.Microseconds(), garbageTime.Microseconds())
		total += tag.RowsAffected()
		if err != nil || tag.RowsAffected() == 0 {
			if err != nil {
				err = fmt.Errorf("prune jobs: %w", err)
			}
			return total, translate("store.PruneJobs", err)
		}
	}
}
