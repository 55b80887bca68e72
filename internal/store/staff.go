package store

import (
	"context"
	"database/sql"
	"strings"

	entsql "entgo.io/ent/dialect/sql"
	"github.com/google/uuid"

	"dossier/ent"
	"dossier/ent/predicate"
	"dossier/ent/staffuser"
	area "dossier/internal/account"
	"dossier/internal/auth"
	"dossier/internal/fault"
	"dossier/internal/fold"
	"dossier/internal/idempotency"
	"dossier/internal/timeline"
)

// subjectStaff is what revisions of staff users are about; events about them are about the account.
const subjectStaff timeline.Subject = "StaffUser"

// The actions of records about the staff. A person who signs in makes and changes their own record.
const (
	staffCreated = "STAFF_USER_CREATED"
	staffUpdated = "STAFF_USER_UPDATED"
)

// staffQuery is the field of Query to read again when the staff changed.
const staffQuery = "staffUsers"

// EnsureStaff implements auth.Directory. It writes only when something changed, so that a person who works all day does
// not leave a dead row behind every few seconds.
func (s *Store) EnsureStaff(ctx context.Context, accountID uuid.UUID, c auth.StaffClaims) (auth.StaffRecord, error) {
	u, err := s.ensureStaff(ctx, s.in(accountID), c)
	if err != nil {
		return auth.StaffRecord{}, translate("store.EnsureStaff", err)
	}
	return staffRecord(u), nil
}

func (s *Store) ensureStaff(ctx context.Context, in scope, c auth.StaffClaims) (*ent.StaffUser, error) {
	bySubject := func() (*ent.StaffUser, error) { return in.staff().Where(staffuser.Subject(c.Subject)).Only(ctx) }
	name := strings.TrimSpace(c.Name)
	for _, other := range []string{c.Email, c.Subject} {
		if name == "" {
			name = other
		}
	}
	u, err := bySubject()
	switch {
	case err == nil && u.DisplayName == name && textOf(u.Email) == c.Email && u.Role == string(c.Role):
		return u, nil
	case missing(err):
		err = s.claimStaff(ctx, in, c)
	}
	if err != nil {
		return nil, err
	}
	email := sql.NullString{String: c.Email, Valid: c.Email != ""}
	key := sql.NullString{String: fold.Email(c.Email), Valid: email.Valid}
	o := auth.OriginOf(ctx)
	if _, err := in.exec(ctx, upsertStaff, s.cfg.NewID(), s.now(), c.Subject, name, fold.Text(name), email, key, string(c.Role),
		null(o.RequestID), null(o.ClientAddress), s.cfg.NewID()); err != nil {
		return nil, err
	}
	return bySubject()
}

const upsertStaff = `
WITH before AS (
	SELECT display_name, email, role FROM staff_user WHERE account_id = $1 AND subject = $4
), made AS (
	INSERT INTO staff_user AS u (account_id, id, created_at, updated_at, signed_in_at, subject, display_name, sort_name, email, email_key, role)
	VALUES ($1, $2, $3, $3, $3, $4, $5, $6, $7, $8, $9)
	ON CONFLICT (account_id, subject) DO UPDATE
	SET updated_at = excluded.updated_at, version = u.version + 1, display_name = excluded.display_name, sort_name = excluded.sort_name,
		email = excluded.email, email_key = excluded.email_key, role = excluded.role
	WHERE (u.display_name, u.email, u.role) IS DISTINCT FROM (excluded.display_name, excluded.email, excluded.role)
	RETURNING u.id, u.display_name, u.email, u.role
)
INSERT INTO audit_record (` + recordColumns + `, id, action, subject_type, subject_id, changed_fields)
SELECT $1, $3, 'STAFF', made.id, $10, $11, 'DONE', $12, CASE WHEN b.role IS NULL THEN '` + staffCreated + `' ELSE '` + staffUpdated + `' END,
	'StaffUser', made.id, (
		SELECT coalesce(jsonb_agg(f.name), '[]') FROM (VALUES ('displayName', b.display_name IS DISTINCT FROM made.display_name),
			('email', b.email IS DISTINCT FROM made.email), ('role', b.role <> made.role)) AS f(name, changed)
		WHERE f.changed AND b.role IS NOT NULL)
FROM made LEFT JOIN before AS b ON true`

// claimStaff gives the record of somebody who was awaited to the person whose first token this is.
//
// SECURITY: the token is of the account's own issuer, so no other account's record is in reach, and the issuer vouches for
// the address; without that anybody who can choose an address in their profile could take a colleague's place. The record
// brings no rights with it: the role comes with each token, and a record that a token has claimed is never claimed again.
func (s *Store) claimStaff(ctx context.Context, in scope, c auth.StaffClaims) error {
	if !c.EmailVerified || c.Email == "" {
		return nil
	}
	o := auth.OriginOf(ctx)
	_, err := in.exec(ctx, claimStaff, c.Subject, s.now(), fold.Email(c.Email), null(o.RequestID), null(o.ClientAddress), s.cfg.NewID())
	if pe := pgError(err); pe != nil && pe.Code == uniqueViolation {
		return nil // another node was faster with the same person, whom the caller finds
	}
	return err
}

// Somebody who was archived before their first token is claimed too and stays archived, unless another one is awaited.
const claimStaff = `
WITH claimed AS (
	UPDATE staff_user SET subject = $2, signed_in_at = $3, updated_at = $3, version = version + 1
	WHERE account_id = $1 AND subject IS NULL AND id = (
		SELECT id FROM staff_user WHERE account_id = $1 AND subject IS NULL AND email_key = $4
		ORDER BY archived_at NULLS FIRST, id LIMIT 1)
	RETURNING id
)
INSERT INTO audit_record (` + recordColumns + `, id, action, subject_type, subject_id, changed_fields)
SELECT $1, $3, 'STAFF', id, $5, $6, 'DONE', $7, '` + staffUpdated + `', 'StaffUser', id, '["signedInAt"]' FROM claimed`

func textOf(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

const findStaff = `
SELECT u.display_name, u.role, u.disabled_at IS NULL, coalesce(a.oidc_issuer, '') FROM staff_user u JOIN account a ON a.id = u.account_id
WHERE u.account_id = $1 AND u.id = $2`

// StaffByID implements auth.Directory.
func (s *Store) StaffByID(ctx context.Context, accountID, id uuid.UUID) (auth.StaffRecord, error) {
	r := auth.StaffRecord{ID: id}
	err := s.in(accountID).queryOne(ctx, []any{&r.DisplayName, &r.Role, &r.Active, &r.IssuerURL}, findStaff, id)
	if missing(err) {
		err = notFound(nil, "staff user")
	}
	return r, translate("store.StaffByID", err)
}

func staffRecord(u *ent.StaffUser) auth.StaffRecord {
	return auth.StaffRecord{ID: u.ID, DisplayName: u.DisplayName, Active: u.DisabledAt == nil}
}

// StaffCreate implements account.StaffStore.
func (s *Store) StaffCreate(ctx context.Context, p auth.Principal, key *idempotency.Key, person area.Staff) (id uuid.UUID, err error) {
	err = s.inTx(ctx, "store.StaffCreate", p, func(ctx context.Context, t *tx) error {
		id, err = t.idempotent(ctx, key, func() (uuid.UUID, error) { return person.ID, t.insertStaff(ctx, person) })
		return err
	})
	return id, err
}

func (t *tx) insertStaff(ctx context.Context, person area.Staff) error {
	if err := t.lockStaff(ctx); err != nil {
		return err
	}
	if err := t.knownAddress(ctx, person, "input", "email"); err != nil {
		return err
	}
	awaited, err := t.staff().Where(staffuser.SubjectIsNil()).Count(ctx)
	if err != nil {
		return err
	}
	if awaited >= area.MaxAwaited {
		return fault.At(fault.Conflict, []string{"input"}, "%d people have not signed in yet, which is the most that there can be.", awaited)
	}
	const insert = `INSERT INTO staff_user (account_id, id, created_at, updated_at, display_name, sort_name, email, email_key, role)
VALUES ($1, $2, $3, $3, $4, $5, $6, $7, $8)`
	if _, err := t.exec(ctx, insert, person.ID, t.now, person.DisplayName, fold.Text(person.DisplayName), person.Email, person.EmailKey(),
		string(auth.Viewer)); err != nil {
		return err
	}
	t.settingsChanged(staffQuery, record{action: staffCreated, subject: subjectStaff, subjectID: person.ID})
	return t.revise(ctx, subjectStaff, person.ID, person.Version, nil)
}

// lockStaff lets the changes by administrators wait for each other. Tokens do not wait: the unique indexes hold for them.
func (t *tx) lockStaff(ctx context.Context) error {
	_, err := t.exec(ctx, `SELECT pg_advisory_xact_lock(hashtextextended('staff_user' || $1::text, 0))`)
	return err
}

// knownAddress refuses an address that somebody has who can be chosen.
func (t *tx) knownAddress(ctx context.Context, person area.Staff, path ...string) error {
	same := []predicate.StaffUser{staffuser.EmailKey(person.EmailKey()), staffuser.ArchivedAtIsNil(), staffuser.IDNEQ(person.ID)}
	known, err := t.staff().Where(same...).Exist(ctx)
	if err == nil && known {
		err = fault.At(fault.Conflict, path, "Somebody of the staff has this e-mail address already.")
	}
	return err
}

// StaffChange implements account.StaffStore.
func (s *Store) StaffChange(
	ctx context.Context, p auth.Principal, id uuid.UUID,
	decide func(area.Staff, area.StaffConflict) (area.Staff, []string, error),
) error {
	return s.inTx(ctx, "store.StaffChange", p, func(ctx context.Context, t *tx) error {
		if err := t.lockStaff(ctx); err != nil {
			return err
		}
		q := t.staff().Where(staffuser.ID(id))
		q.Modify(func(s *entsql.Selector) { s.For(entsql.LockNoKeyUpdate) })
		row, err := q.Only(ctx)
		if missing(err) {
			return notFound([]string{"id"}, "staff user")
		}
		if err != nil {
			return err
		}
		person := area.Staff{
			ID: row.ID, Version: int(row.Version), DisplayName: row.DisplayName, Email: textOf(row.Email),
			SignedIn: row.Subject != nil, ArchivedAt: row.ArchivedAt,
		}
		next, fields, err := decide(person, func(expected int, fields []string) error {
			return t.conflict(ctx, subjectStaff, id, person.Version, expected, fields)
		})
		if err != nil || len(fields) == 0 {
			return err
		}
		return t.updateStaff(ctx, person, next, fields)
	})
}

func (t *tx) updateStaff(ctx context.Context, old, next area.Staff, fields []string) error {
	next.Version = old.Version + 1
	if !next.SignedIn && next.ArchivedAt == nil && (next.EmailKey() != old.EmailKey() || old.ArchivedAt != nil) {
		path := []string{"input", "email"}
		if old.ArchivedAt != nil {
			path = []string{"id"}
		}
		if err := t.knownAddress(ctx, next, path...); err != nil {
			return err
		}
	}
	email := sql.NullString{String: next.Email, Valid: next.Email != ""}
	key := sql.NullString{String: next.EmailKey(), Valid: email.Valid}
	const update = `UPDATE staff_user SET version = $3, updated_at = $4, display_name = $5, sort_name = $6, email = $7, email_key = $8, archived_at = $9
WHERE account_id = $1 AND id = $2`
	if _, err := t.exec(ctx, update, next.ID, next.Version, t.now, next.DisplayName, fold.Text(next.DisplayName), email, key, nullTime(next.ArchivedAt)); err != nil {
		return err
	}
	t.settingsChanged(staffQuery, record{action: staffUpdated, subject: subjectStaff, subjectID: next.ID, fields: fields})
	return t.revise(ctx, subjectStaff, next.ID, next.Version, fields)
}
