package store

import (
	"context"
	"database/sql"
	"errors"

	"entgo.io/ent/dialect"
	entsql "entgo.io/ent/dialect/sql"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"dossier/ent"
	"dossier/ent/account"
	"dossier/ent/apikey"
	"dossier/ent/attributedefinition"
	"dossier/ent/attributeoption"
	"dossier/ent/attributevalue"
	"dossier/ent/attributevalueoption"
	"dossier/ent/contact"
	"dossier/ent/customer"
	"dossier/ent/customerimage"
	"dossier/ent/customermerge"
	"dossier/ent/document"
	"dossier/ent/documentversion"
	"dossier/ent/emailaddress"
	"dossier/ent/imagefile"
	"dossier/ent/note"
	"dossier/ent/phonenumber"
	"dossier/ent/postaladdress"
	"dossier/ent/revision"
	"dossier/ent/staffuser"
	"dossier/ent/timelineentry"
	"dossier/internal/wall"
)

// scope is the database as one account sees it: every builder that it gives carries the account already.
//
// SECURITY: the field raw is used in this file only (held by a test), so that no query can be built that reaches another
// account's rows. Insert builders set the account; update and delete builders are for many rows, so
// that the account is part of their condition: never use the ...One forms.
type scope struct {
	raw     *ent.Client
	account uuid.UUID
}

// in gives the account's view outside of a transaction, for reads of one statement.
func (s *Store) in(accountID uuid.UUID) scope {
	return scope{raw: s.client(whose{account: accountID}), account: accountID}
}

// clients is how many accounts' clients are kept: one is made of 40 small things, which would be most of what a query allocates.
const clients = 64

// client gives an ent client whose statements outside of a transaction say whose they are.
func (s *Store) client(who whose) *ent.Client {
	if c, ok := s.clients.Get(who); ok {
		return c
	}
	c := ent.NewClient(ent.Driver(bound{s.driver, who}))
	s.clients.Add(who, c)
	return c
}

// bound is ent's driver with whose its statements are in their context: see conn.
type bound struct {
	*entsql.Driver
	who whose
}

// Exec implements dialect.Driver.
func (b bound) Exec(ctx context.Context, query string, args, v any) error {
	return b.Driver.Exec(b.who.with(ctx), query, args, v)
}

// Query implements dialect.Driver.
func (b bound) Query(ctx context.Context, query string, args, v any) error {
	return b.Driver.Query(b.who.with(ctx), query, args, v)
}

// ExecContext is what ent's client has for statements of ours.
func (b bound) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	return b.Driver.ExecContext(b.who.with(ctx), query, args...)
}

// QueryContext is what ent's client has for queries of ours.
func (b bound) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return b.Driver.QueryContext(b.who.with(ctx), query, args...)
}

// Tx implements dialect.Driver.
func (b bound) Tx(ctx context.Context) (dialect.Tx, error) { return b.BeginTx(ctx, nil) }

// BeginTx begins a transaction that is of the account from its first moment.
func (b bound) BeginTx(ctx context.Context, opts *entsql.TxOptions) (dialect.Tx, error) {
	return b.Driver.BeginTx(b.who.with(ctx), opts)
}

// begin begins a transaction of an account.
func (s *Store) begin(ctx context.Context, accountID uuid.UUID, opts *sql.TxOptions) (*ent.Tx, error) {
	return s.in(accountID).raw.BeginTx(ctx, opts)
}

// snapshot runs reads that all see the account as it was at one moment.
func (s *Store) snapshot(ctx context.Context, accountID uuid.UUID, read func(scope) error) error {
	raw, err := s.begin(ctx, accountID, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	if err != nil {
		return err
	}
	defer raw.Rollback() //nolint:errcheck // nothing was written
	return read(scope{raw: raw.Client(), account: accountID})
}

// acrossAccounts gives the unscoped client.
//
// SECURITY: only for what happens before an account is known or is about all of them: authentication by key or issuer,
// the sweeper, pruning, the commands. Never with input of a client as the only condition on an account's data. It works as
// the role dossier_system, whose rights are listed in package wall.
func (s *Store) acrossAccounts() *ent.Client { return s.client(whose{all: true}) }

// exec runs a statement in which $1 is the account; args begin at $2.
func (c scope) exec(ctx context.Context, statement string, args ...any) (int64, error) {
	res, err := c.raw.ExecContext(ctx, statement, c.args(args)...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// query runs a query in which $1 is the account; args begin at $2. The caller closes the rows.
func (c scope) query(ctx context.Context, statement string, args ...any) (*sql.Rows, error) {
	return c.raw.QueryContext(ctx, statement, c.args(args)...)
}

// queryOne scans the one row of a query in which $1 is the account; without a row it gives sql.ErrNoRows.
func (c scope) queryOne(ctx context.Context, dest []any, statement string, args ...any) error {
	rows, err := c.query(ctx, statement, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	if !rows.Next() {
		if err := rows.Err(); err != nil {
			return err
		}
		return sql.ErrNoRows
	}
	if err := rows.Scan(dest...); err != nil {
		return err
	}
	return rows.Close()
}

func (c scope) args(args []any) []any { return append([]any{c.account}, args...) }

// statements are those of one account that go to the database together. It is the second way besides scope, for what is
// known beforehand: see atOnce.
type statements struct {
	account uuid.UUID
	batch   pgx.Batch
}

// add queues a statement in which $1 is the account; args begin at $2.
func (b *statements) add(statement string, args ...any) {
	b.batch.Queue(statement, append([]any{idArg(b.account)}, args...)...)
}

// idArg is an id as pgx encodes it best: of a uuid.UUID it would make a text first, and parse that.
func idArg(id uuid.UUID) pgtype.UUID { return pgtype.UUID{Bytes: id, Valid: true} }

// optionalID is idArg for a column that may be null.
func optionalID(id *uuid.UUID) pgtype.UUID {
	if id == nil {
		return pgtype.UUID{}
	}
	return idArg(*id)
}

// readOne scans the one row of a query in which $1 is the account, outside of a transaction and without database/sql
// in between; without a row it gives pgx.ErrNoRows.
func (s *Store) readOne(ctx context.Context, account uuid.UUID, dest []any, statement string, args ...any) error {
	conn, err := s.acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	b := &pgx.Batch{}
	s.behindWall(b, account)
	none := false
	b.Queue(statement, append([]any{idArg(account)}, args...)...).QueryRow(func(row pgx.Row) error {
		err := row.Scan(dest...)
		if none = errors.Is(err, pgx.ErrNoRows); none {
			return nil // the batch did not fail
		}
		return err
	})
	err = conn.SendBatch(ctx, b).Close()
	if err == nil && none {
		err = pgx.ErrNoRows
	}
	return err
}

// behindWall begins a batch of the account.
func (s *Store) behindWall(b *pgx.Batch, account uuid.UUID) {
	if s.walled {
		wall.Account(b, account)
	}
}

// readAll gives the rows of a query in which $1 is the account, as readOne gives one. The connection is free again when it
// returns.
func readAll[R any](
	ctx context.Context, s *Store, account uuid.UUID, row func(pgx.CollectableRow) (R, error), statement string, args ...any,
) ([]R, error) {
	conn, err := s.acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Release()
	b := &pgx.Batch{}
	s.behindWall(b, account)
	var list []R
	b.Queue(statement, append([]any{idArg(account)}, args...)...).Query(func(rows pgx.Rows) (err error) {
		list, err = pgx.CollectRows(rows, row)
		return err
	})
	err = conn.SendBatch(ctx, b).Close()
	return list, err
}

func (c scope) accounts() *ent.AccountQuery {
	return c.raw.Account.Query().Where(account.ID(c.account))
}

func (c scope) accountCreate() *ent.AccountCreate { return c.raw.Account.Create().SetID(c.account) }

func (c scope) storageCreate() *ent.StorageUsageCreate {
	return c.raw.StorageUsage.Create().SetID(c.account)
}

func (c scope) revisions() *ent.RevisionQuery {
	return c.raw.Revision.Query().Where(revision.AccountID(c.account))
}

func (c scope) revisionCreate() *ent.RevisionCreate {
	return c.raw.Revision.Create().SetAccountID(c.account)
}

func (c scope) customers() *ent.CustomerQuery {
	return c.raw.Customer.Query().Where(customer.AccountID(c.account))
}

func (c scope) customerCreate() *ent.CustomerCreate {
	return c.raw.Customer.Create().SetAccountID(c.account)
}

func (c scope) customerUpdate() *ent.CustomerUpdate {
	return c.raw.Customer.Update().Where(customer.AccountID(c.account))
}

func (c scope) contacts() *ent.ContactQuery {
	return c.raw.Contact.Query().Where(contact.AccountID(c.account))
}

func (c scope) contactCreate() *ent.ContactCreate {
	return c.raw.Contact.Create().SetAccountID(c.account)
}

func (c scope) contactUpdate() *ent.ContactUpdate {
	return c.raw.Contact.Update().Where(contact.AccountID(c.account))
}

func (c scope) emails() *ent.EmailAddressQuery {
	return c.raw.EmailAddress.Query().Where(emailaddress.AccountID(c.account))
}

func (c scope) emailCreate() *ent.EmailAddressCreate {
	return c.raw.EmailAddress.Create().SetAccountID(c.account)
}

func (c scope) emailDelete() *ent.EmailAddressDelete {
	return c.raw.EmailAddress.Delete().Where(emailaddress.AccountID(c.account))
}

func (c scope) phones() *ent.PhoneNumberQuery {
	return c.raw.PhoneNumber.Query().Where(phonenumber.AccountID(c.account))
}

func (c scope) phoneCreate() *ent.PhoneNumberCreate {
	return c.raw.PhoneNumber.Create().SetAccountID(c.account)
}

func (c scope) phoneDelete() *ent.PhoneNumberDelete {
	return c.raw.PhoneNumber.Delete().Where(phonenumber.AccountID(c.account))
}

func (c scope) addresses() *ent.PostalAddressQuery {
	return c.raw.PostalAddress.Query().Where(postaladdress.AccountID(c.account))
}

func (c scope) addressCreate() *ent.PostalAddressCreate {
	return c.raw.PostalAddress.Create().SetAccountID(c.account)
}

func (c scope) addressDelete() *ent.PostalAddressDelete {
	return c.raw.PostalAddress.Delete().Where(postaladdress.AccountID(c.account))
}

func (c scope) documents() *ent.DocumentQuery {
	return c.raw.Document.Query().Where(document.AccountID(c.account))
}

func (c scope) documentUpdate() *ent.DocumentUpdate {
	return c.raw.Document.Update().Where(document.AccountID(c.account))
}

func (c scope) documentVersions() *ent.DocumentVersionQuery {
	return c.raw.DocumentVersion.Query().Where(documentversion.AccountID(c.account))
}

func (c scope) documentVersionCreate() *ent.DocumentVersionCreate {
	return c.raw.DocumentVersion.Create().SetAccountID(c.account)
}

func (c scope) entries() *ent.TimelineEntryQuery {
	return c.raw.TimelineEntry.Query().Where(timelineentry.AccountID(c.account))
}

func (c scope) entryCreate() *ent.TimelineEntryCreate {
	return c.raw.TimelineEntry.Create().SetAccountID(c.account)
}

func (c scope) entryUpdate() *ent.TimelineEntryUpdate {
	return c.raw.TimelineEntry.Update().Where(timelineentry.AccountID(c.account))
}

func (c scope) entryDelete() *ent.TimelineEntryDelete {
	return c.raw.TimelineEntry.Delete().Where(timelineentry.AccountID(c.account))
}

func (c scope) merges() *ent.CustomerMergeQuery {
	return c.raw.CustomerMerge.Query().Where(customermerge.AccountID(c.account))
}

func (c scope) mergeCreate() *ent.CustomerMergeCreate {
	return c.raw.CustomerMerge.Create().SetAccountID(c.account)
}

func (c scope) mergeUpdate() *ent.CustomerMergeUpdate {
	return c.raw.CustomerMerge.Update().Where(customermerge.AccountID(c.account))
}

func (c scope) notes() *ent.NoteQuery { return c.raw.Note.Query().Where(note.AccountID(c.account)) }

func (c scope) noteCreate() *ent.NoteCreate { return c.raw.Note.Create().SetAccountID(c.account) }

func (c scope) noteUpdate() *ent.NoteUpdate {
	return c.raw.Note.Update().Where(note.AccountID(c.account))
}

func (c scope) noteDelete() *ent.NoteDelete {
	return c.raw.Note.Delete().Where(note.AccountID(c.account))
}

func (c scope) imageCreate() *ent.CustomerImageCreate {
	return c.raw.CustomerImage.Create().SetAccountID(c.account)
}

func (c scope) imageDelete() *ent.CustomerImageDelete {
	return c.raw.CustomerImage.Delete().Where(customerimage.AccountID(c.account))
}

func (c scope) imageFiles() *ent.ImageFileQuery {
	return c.raw.ImageFile.Query().Where(imagefile.AccountID(c.account))
}

func (c scope) imageFileCreate() *ent.ImageFileCreate {
	return c.raw.ImageFile.Create().SetAccountID(c.account)
}

func (c scope) imageFileDelete() *ent.ImageFileDelete {
	return c.raw.ImageFile.Delete().Where(imagefile.AccountID(c.account))
}

func (c scope) staff() *ent.StaffUserQuery {
	return c.raw.StaffUser.Query().Where(staffuser.AccountID(c.account))
}

func (c scope) keys() *ent.ApiKeyQuery {
	return c.raw.ApiKey.Query().Where(apikey.AccountID(c.account))
}

func (c scope) keyCreate() *ent.ApiKeyCreate { return c.raw.ApiKey.Create().SetAccountID(c.account) }

func (c scope) keyUpdate() *ent.ApiKeyUpdate {
	return c.raw.ApiKey.Update().Where(apikey.AccountID(c.account))
}

// Bulk inserts take builders that a ...Create method made, which set the account.

func (c scope) emailCreateBulk(b ...*ent.EmailAddressCreate) *ent.EmailAddressCreateBulk {
	return c.raw.EmailAddress.CreateBulk(b...)
}

func (c scope) phoneCreateBulk(b ...*ent.PhoneNumberCreate) *ent.PhoneNumberCreateBulk {
	return c.raw.PhoneNumber.CreateBulk(b...)
}

func (c scope) addressCreateBulk(b ...*ent.PostalAddressCreate) *ent.PostalAddressCreateBulk {
	return c.raw.PostalAddress.CreateBulk(b...)
}

func (c scope) entryCreateBulk(b ...*ent.TimelineEntryCreate) *ent.TimelineEntryCreateBulk {
	return c.raw.TimelineEntry.CreateBulk(b...)
}

func (c scope) attributes() *ent.AttributeDefinitionQuery {
	return c.raw.AttributeDefinition.Query().Where(attributedefinition.AccountID(c.account))
}

func (c scope) attributeCreate() *ent.AttributeDefinitionCreate {
	return c.raw.AttributeDefinition.Create().SetAccountID(c.account)
}

func (c scope) attributeUpdate() *ent.AttributeDefinitionUpdate {
	return c.raw.AttributeDefinition.Update().Where(attributedefinition.AccountID(c.account))
}

func (c scope) attributeDelete() *ent.AttributeDefinitionDelete {
	return c.raw.AttributeDefinition.Delete().Where(attributedefinition.AccountID(c.account))
}

func (c scope) attributeOptions() *ent.AttributeOptionQuery {
	return c.raw.AttributeOption.Query().Where(attributeoption.AccountID(c.account))
}

func (c scope) attributeOptionCreate() *ent.AttributeOptionCreate {
	return c.raw.AttributeOption.Create().SetAccountID(c.account)
}

func (c scope) attributeOptionDelete() *ent.AttributeOptionDelete {
	return c.raw.AttributeOption.Delete().Where(attributeoption.AccountID(c.account))
}

func (c scope) attributeValues() *ent.AttributeValueQuery {
	return c.raw.AttributeValue.Query().Where(attributevalue.AccountID(c.account))
}

func (c scope) attributeValueCreate() *ent.AttributeValueCreate {
	return c.raw.AttributeValue.Create().SetAccountID(c.account)
}

func (c scope) attributeValueDelete() *ent.AttributeValueDelete {
	return c.raw.AttributeValue.Delete().Where(attributevalue.AccountID(c.account))
}

func (c scope) attributeValueOptionCreate() *ent.AttributeValueOptionCreate {
	return c.raw.AttributeValueOption.Create().SetAccountID(c.account)
}

func (c scope) attributeValueOptionDelete() *ent.AttributeValueOptionDelete {
	return c.raw.AttributeValueOption.Delete().Where(attributevalueoption.AccountID(c.account))
}

func (c scope) attributeOptionCreateBulk(b ...*ent.AttributeOptionCreate) *ent.AttributeOptionCreateBulk {
	return c.raw.AttributeOption.CreateBulk(b...)
}

func (c scope) attributeValueCreateBulk(b ...*ent.AttributeValueCreate) *ent.AttributeValueCreateBulk {
	return c.raw.AttributeValue.CreateBulk(b...)
}

func (c scope) attributeValueOptionCreateBulk(b ...*ent.AttributeValueOptionCreate) *ent.AttributeValueOptionCreateBulk {
	return c.raw.AttributeValueOption.CreateBulk(b...)
}
