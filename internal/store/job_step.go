package store

import (
	"context"

	"github.com/google/uuid"

	entcustomer "dossier/ent/customer"
	"dossier/ent/predicate"
	"dossier/internal/attribute"
	"dossier/internal/customer"
	"dossier/internal/job"
	"dossier/internal/timeline"
	"dossier/internal/typeid"
)

// RestartImport implements job.Store.
func (s jobs) RestartImport(ctx context.Context, c job.Claim) error {
	return s.inTx(ctx, "store.RestartImport", c.By, func(ctx context.Context, t *tx) error {
		err := t.asRunner(ctx, c, `UPDATE job SET position = 0, line = 0, done = 0, created = 0, updated = 0, skipped = 0, failed = 0, errors = 0`+held)
		if err != nil {
			return err
		}
		_, err = t.exec(ctx, `DELETE FROM job_row_error WHERE account_id = $1 AND job_id = $2`, c.ID)
		return err
	})
}

// ImportStep implements job.Store.
func (s jobs) ImportStep(ctx context.Context, c job.Claim, work func(ctx context.Context, b job.Batch) (job.Step, error)) error {
	var err error
	for range maxAttempts {
		err = s.inTx(ctx, "store.ImportStep", c.By, func(ctx context.Context, t *tx) error {
			step, err := work(ctx, importBatch{t, reading{ctx: ctx, tx: t}})
			if err != nil {
				return err
			}
			return t.keepStep(ctx, c, step)
		})
		// Somebody has made a customer with an external id of the file meanwhile: this time it is found.
		if !violates(err, oneExternalID) {
			break
		}
	}
	return err
}

// keepStep moves the checkpoint on. The condition that the runner still holds the job is what makes a step happen once:
// one that has lost its job rolls back here with all that it wrote.
const keepStep = `
UPDATE job SET position = $4, line = $5, done = done + $6, created = created + $7, updated = updated + $8, skipped = skipped + $9,
	failed = failed + $10, errors = least(errors + $11, $12), failures = 0, updated_at = now(),
	published_at = CASE WHEN $13 AND published_at < now() - interval '1 second' THEN now() ELSE published_at END` + held + `
RETURNING published_at = now(), errors`

func (t *tx) keepStep(ctx context.Context, c job.Claim, s job.Step) error {
	var publish bool
	var kept int64
	err := t.queryOne(ctx, []any{&publish, &kept}, keepStep, c.ID, c.Runner, s.Position, s.Line, s.Rows(), s.Created, s.Updated, s.Skipped, s.Failed,
		int64(len(s.Errors)), int64(job.MaxRowErrors), !s.Last)
	if missing(err) {
		return errLost()
	}
	if err != nil {
		return err
	}
	if err := t.addRowErrors(ctx, c.ID, s.Errors, kept); err != nil {
		return err
	}
	switch {
	case s.Last:
		return t.endJob(ctx, c.ID, "SUCCEEDED", nil)
	case publish:
		t.emitJob(timeline.JobProgress, c.ID)
	}
	return nil
}

type bulkRowError struct {
	job.RowError
	id     uuid.UUID
	number int32
}

const highestError = `SELECT coalesce(max(number), 0) FROM job_row_error WHERE account_id = $1 AND job_id = $2`

// addRowErrors numbers errors on from those that are there, up to the most that are kept.
func (t *tx) addRowErrors(ctx context.Context, id uuid.UUID, list []job.RowError, kept int64) error {
	if len(list) == 0 {
		return nil
	}
	var highest int64
	if err := t.queryOne(ctx, []any{&highest}, highestError, id); err != nil {
		return err
	}
	list = list[:max(0, min(int64(len(list)), kept-highest))]
	rows := make([]bulkRowError, len(list))
	for i, e := range list {
		rows[i] = bulkRowError{e, t.newID(), int32(highest) + int32(i) + 1} //nolint:gosec // at most MaxRowErrors
	}
	return bulkInsert(ctx, t, "job_row_error", []bulkColumn[bulkRowError]{
		idColumn("id", func(r *bulkRowError) uuid.UUID { return r.id }),
		fixedColumn[bulkRowError]("created_at", "timestamptz", t.now),
		fixedColumn[bulkRowError]("job_id", "uuid", id),
		intColumn("number", func(r *bulkRowError) int32 { return r.number }),
		intColumn("line", func(r *bulkRowError) int32 { return int32(r.Line) }), //nolint:gosec // a file has fewer lines
		nullIntColumn("column_number", func(r *bulkRowError) *int32 {
			if r.Column == 0 {
				return nil
			}
			n := int32(r.Column) //nolint:gosec // at most 500
			return &n
		}),
		nullTextColumn("column_name", func(r *bulkRowError) string { return r.ColumnName }),
		nullTextColumn("field_name", func(r *bulkRowError) string { return r.Field }),
		textColumn("code", func(r *bulkRowError) string { return r.Code }),
		textColumn("message", func(r *bulkRowError) string { return r.Message }),
		nullTextColumn("value", func(r *bulkRowError) string { return r.Value }),
	}, rows, false)
}

// importBatch is a transaction as an import sees it.
type importBatch struct {
	t *tx
	customer.Reading
}

// matches are the queries by the keys: a customer's own contact points, not those of its contacts.
var matches = map[job.MatchKey]string{
	job.MatchEmail: `SELECT e.address_key, e.customer_id FROM email_address e JOIN customer c ON c.account_id = $1 AND c.id = e.customer_id
		WHERE e.account_id = $1 AND e.contact_id IS NULL AND e.address_key = ANY ($2) AND c.status IN ('ACTIVE', 'ARCHIVED')`,
	job.MatchExternalID: `SELECT external_id, id FROM customer WHERE account_id = $1 AND external_id = ANY ($2)`,
	job.MatchPhone: `SELECT p.e164, p.customer_id FROM phone_number p JOIN customer c ON c.account_id = $1 AND c.id = p.customer_id
		WHERE p.account_id = $1 AND p.contact_id IS NULL AND p.e164 = ANY ($2) AND c.status IN ('ACTIVE', 'ARCHIVED')`,
}

// Match implements job.Batch.
func (b importBatch) Match(ctx context.Context, key job.MatchKey, values []string) (map[string][]uuid.UUID, error) {
	out := make(map[string][]uuid.UUID)
	if len(values) == 0 {
		return out, nil
	}
	rows, err := b.t.query(ctx, matches[key], values)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var value string
		var id uuid.UUID
		if err := rows.Scan(&value, &id); err != nil {
			return nil, err
		}
		out[value] = append(out[value], id)
	}
	return out, rows.Err()
}

// Lock implements job.Batch.
func (b importBatch) Lock(ctx context.Context, ids []uuid.UUID) ([]customer.File, error) {
	return b.t.lockFiles(ctx, ids)
}

// Write implements job.Batch.
func (b importBatch) Write(ctx context.Context, changes []job.Write) error {
	return b.t.writeMany(ctx, changes)
}

const beginResult = `
WITH was AS (
	SELECT result_key FROM job` + held + `
), thrown AS (
	INSERT INTO garbage (account_id, id, created_at, object_key, until, next_at)
	SELECT $1, gen_random_uuid(), now(), result_key, now() + $6 * interval '1 microsecond', now() FROM was WHERE result_key IS NOT NULL
	ON CONFLICT (object_key) DO UPDATE SET next_at = now()
)
UPDATE job SET result_key = $4, result_type = $5, done = 0, updated_at = now()` + held

// BeginResult implements job.Store.
func (s jobs) BeginResult(ctx context.Context, c job.Claim, objectKey, contentType string) error {
	t := &tx{scope: s.in(c.By.AccountID)}
	return translate("store.BeginResult", t.asRunner(ctx, c, beginResult, objectKey, contentType, garbageTime.Microseconds()))
}

// ExportProgress implements job.Store.
func (s jobs) ExportProgress(ctx context.Context, c job.Claim, done int64) error {
	return s.inTx(ctx, "store.ExportProgress", c.By, func(ctx context.Context, t *tx) error {
		t.emitJob(timeline.JobProgress, c.ID)
		return t.asRunner(ctx, c, `UPDATE job SET done = $4, published_at = now(), updated_at = now()`+held, done)
	})
}

// FinishExport implements job.Store.
func (s jobs) FinishExport(ctx context.Context, c job.Claim, done, bytes int64) error {
	return s.inTx(ctx, "store.FinishExport", c.By, func(ctx context.Context, t *tx) error {
		err := t.asRunner(ctx, c, `UPDATE job SET done = $4, total = $4, created = $4, result_bytes = $5, updated_at = now()`+held, done, bytes)
		if err != nil {
			return err
		}
		if err := t.endJob(ctx, c.ID, "SUCCEEDED", nil); err != nil {
			return err
		}
		return t.settle(ctx, 0, bytes)
	})
}

// chosen gives the predicates of an export's customers.
func chosen(w job.ExportWhere) []predicate.Customer {
	var list []predicate.Customer
	if w.Status != nil {
		list = append(list, entcustomer.StatusIn(w.Status...))
	}
	if w.Kind != nil {
		list = append(list, entcustomer.KindIn(w.Kind...))
	}
	if w.TypeID != nil {
		list = append(list, entcustomer.TypeIDIn(parsed(typeid.CustomerType, w.TypeID)...))
	}
	if w.OriginID != nil {
		list = append(list, entcustomer.OriginIDIn(parsed(typeid.CustomerOrigin, w.OriginID)...))
	}
	if w.CreatedAt != nil && w.CreatedAt.Gte != nil {
		list = append(list, entcustomer.CreatedAtGTE(*w.CreatedAt.Gte))
	}
	if w.CreatedAt != nil && w.CreatedAt.Lt != nil {
		list = append(list, entcustomer.CreatedAtLT(*w.CreatedAt.Lt))
	}
	return list
}

// parsed reads ids that were checked when the job was asked for.
func parsed(prefix string, ids []string) []uuid.UUID {
	list := make([]uuid.UUID, len(ids))
	for i, id := range ids {
		list[i], _ = typeid.ParseAs(prefix, id)
	}
	return list
}

// CountExport implements job.Store.
func (s jobs) CountExport(ctx context.Context, c job.Claim, where job.ExportWhere) error {
	scope := s.in(c.By.AccountID)
	n, err := scope.customers().Where(chosen(where)...).Count(ctx)
	if err != nil {
		return translate("store.CountExport", err)
	}
	t := &tx{scope: scope}
	return translate("store.CountExport", t.asRunner(ctx, c, `UPDATE job SET total = $4`+held, int64(n)))
}

const widths = `
SELECT coalesce(max(position) FILTER (WHERE contact_id IS NULL), -1) + 1, coalesce(max(position) FILTER (WHERE contact_id IS NOT NULL), -1) + 1 FROM `

const widestContacts = `SELECT coalesce(max(n), 0) FROM (
	SELECT count(*) AS n FROM contact WHERE account_id = $1 AND archived_at IS NULL GROUP BY customer_id) AS c`

// ExportWidths implements job.Store.
func (s jobs) ExportWidths(ctx context.Context, accountID uuid.UUID) (job.Widths, error) {
	var w job.Widths
	c := s.in(accountID)
	for table, list := range map[string][2]*int{
		"email_address":  {&w.Points.Emails, &w.ContactPoints.Emails},
		"phone_number":   {&w.Points.Phones, &w.ContactPoints.Phones},
		"postal_address": {&w.Points.Addresses, &w.ContactPoints.Addresses},
	} {
		if err := c.queryOne(ctx, []any{list[0], list[1]}, widths+table+` WHERE account_id = $1`); err != nil {
			return w, translate("store.ExportWidths", err)
		}
	}
	return w, translate("store.ExportWidths", c.queryOne(ctx, []any{&w.Contacts}, widestContacts))
}

// AttributeDefinitions implements job.Store.
func (s jobs) AttributeDefinitions(ctx context.Context, accountID uuid.UUID) ([]attribute.Definition, error) {
	defs, err := reading{ctx: ctx, tx: &tx{scope: s.in(accountID)}}.AttributeDefinitions()
	return defs, translate("store.AttributeDefinitions", err)
}

// ExportPage implements job.Store.
func (s jobs) ExportPage(ctx context.Context, accountID uuid.UUID, where job.ExportWhere, after uuid.UUID, limit int) ([]job.Exported, error) {
	var out []job.Exported
	err := s.snapshot(ctx, accountID, func(c scope) error {
		q := c.customers().Where(append(chosen(where), entcustomer.IDGT(after))...).Order(entcustomer.ByID()).Limit(limit)
		rows, err := q.All(ctx)
		if err != nil {
			return err
		}
		files, err := c.files(ctx, rows)
		out = make([]job.Exported, len(rows))
		for i := range files {
			out[i] = job.Exported{File: files[i], CreatedAt: rows[i].CreatedAt.UTC(), UpdatedAt: rows[i].UpdatedAt.UTC()}
		}
		return err
	})
	return out, translate("store.ExportPage", err)
}
