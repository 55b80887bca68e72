package store

import (
	"context"
	"errors"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"dossier/internal/customer"
)

// fillBatch is how many customers fillSearch indexes in one transaction.
const fillBatch = 1000

// fillSearch indexes the customers that are not in customer_search: those that are older than it, and those that a node of an
// older version has made since. It works in batches with a transaction each, so it can be stopped at any time and goes on
// where it was. Several nodes may run it at once: what one has locked the others leave to it.
//
// SECURITY: it works across accounts, without input of any client; each row is written with the account of its customer.
func fillSearch(ctx context.Context, cc *pgx.ConnConfig) (int, error) {
	conn, err := pgx.ConnectConfig(ctx, cc.Copy())
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	f := filler{known: map[uuid.UUID]map[string]bool{}}
	total := 0
	var after uuid.UUID
	for {
		n := 0
		err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) (err error) {
			n, after, err = f.batch(ctx, tx, after)
			return err
		})
		total += n
		if err != nil || n == 0 {
			return total, err
		}
	}
}

// filler remembers the words that it has stored.
type filler struct{ known map[uuid.UUID]map[string]bool }

// filling is a customer that is being indexed.
type filling struct {
	account uuid.UUID
	file    customer.File
	places  map[uuid.UUID]int
}

const (
	// unindexed locks, so that nobody changes a file between its being read and its being indexed.
	unindexed = `SELECT c.id, c.account_id, c.kind, coalesce(c.given_name, ''), coalesce(c.family_name, ''), coalesce(c.company_name, '')
		FROM customer AS c WHERE c.id > $1 AND NOT EXISTS (SELECT 1 FROM customer_search AS s WHERE s.id = c.id AND s.signature <> ~ 0::bit(512))
		ORDER BY c.id LIMIT $2 FOR NO KEY UPDATE OF c`
	contactsOf = `SELECT id, customer_id, coalesce(given_name, ''), coalesce(family_name, '') FROM contact
		WHERE (account_id, customer_id) IN (SELECT * FROM unnest($1::uuid[], $2::uuid[])) AND archived_at IS NULL`
	emailsOf = `SELECT customer_id, contact_id, address FROM email_address
		WHERE (account_id, customer_id) IN (SELECT * FROM unnest($1::uuid[], $2::uuid[])) AND contact_id IS NULL
		UNION ALL SELECT customer_id, contact_id, address FROM email_address WHERE (account_id, contact_id) IN (SELECT * FROM unnest($3::uuid[], $4::uuid[]))`
	phonesOf = `SELECT customer_id, contact_id, e164 FROM phone_number
		WHERE (account_id, customer_id) IN (SELECT * FROM unnest($1::uuid[], $2::uuid[])) AND contact_id IS NULL
		UNION ALL SELECT customer_id, contact_id, e164 FROM phone_number WHERE (account_id, contact_id) IN (SELECT * FROM unnest($3::uuid[], $4::uuid[]))`
	storeFamily = `UPDATE customer SET family_sort_name = $3 WHERE account_id = $1 AND id = $2 AND family_sort_name <> $3`
	// storeMissing stores the spellings of words that the account does not have; see newWords for its form.
	storeMissing = `INSERT INTO search_word (id, account_id, spelling, word)
		SELECT gen_random_uuid(), $1, n.spelling, n.word FROM unnest($2::text[], $3::text[]) AS n (spelling, word)
		WHERE (SELECT true FROM search_word AS w WHERE w.account_id = $1 AND w.spelling = n.word AND w.word = n.word LIMIT 1) IS NULL`
)

// batch indexes the next customers behind an id.
func (f *filler) batch(ctx context.Context, tx pgx.Tx, after uuid.UUID) (int, uuid.UUID, error) {
	list := make([]*filling, 0, fillBatch)
	byID := make(map[uuid.UUID]*filling, fillBatch)
	var accounts, ids []uuid.UUID
	err := each(ctx, tx, unindexed, []any{after, fillBatch}, func(rows pgx.Rows) error {
		c := &filling{places: map[uuid.UUID]int{}}
		if err := rows.Scan(&c.file.ID, &c.account, &c.file.Kind, &c.file.GivenName, &c.file.FamilyName, &c.file.CompanyName); err != nil {
			return err
		}
		list, byID[c.file.ID] = append(list, c), c
		accounts, ids = append(accounts, c.account), append(ids, c.file.ID)
		return nil
	})
	if err != nil || len(list) == 0 {
		return 0, after, err
	}
	if err := load(ctx, tx, accounts, ids, byID); err != nil {
		return 0, after, err
	}
	if err := f.store(ctx, tx, list); err != nil {
		return 0, after, err
	}
	return len(list), ids[len(ids)-1], nil
}

// load reads the contacts and the contact points of the files.
func load(ctx context.Context, tx pgx.Tx, accounts, ids []uuid.UUID, byID map[uuid.UUID]*filling) error {
	var contactAccounts, contactIDs []uuid.UUID
	err := each(ctx, tx, contactsOf, []any{accounts, ids}, func(rows pgx.Rows) error {
		var c customer.Contact
		var of uuid.UUID
		if err := rows.Scan(&c.ID, &of, &c.GivenName, &c.FamilyName); err != nil {
			return err
		}
		owner := byID[of]
		owner.places[c.ID] = len(owner.file.Contacts)
		owner.file.Contacts = append(owner.file.Contacts, c)
		contactAccounts, contactIDs = append(contactAccounts, owner.account), append(contactIDs, c.ID)
		return nil
	})
	if err != nil {
		return err
	}
	point := func(add func(*customer.Points, string)) func(pgx.Rows) error {
		return func(rows pgx.Rows) error {
			var of uuid.UUID
			var contact *uuid.UUID
			var value string
			if err := rows.Scan(&of, &contact, &value); err != nil {
				return err
			}
			owner := byID[of]
			points := &owner.file.Points
			if contact != nil {
				points = &owner.file.Contacts[owner.places[*contact]].Points
			}
			add(points, value)
			return nil
		}
	}
	args := []any{accounts, ids, contactAccounts, contactIDs}
	return errors.Join(
		each(ctx, tx, emailsOf, args, point(func(p *customer.Points, v string) { p.Emails = append(p.Emails, customer.Email{Address: v}) })),
		each(ctx, tx, phonesOf, args, point(func(p *customer.Points, v string) { p.Phones = append(p.Phones, customer.Phone{E164: v}) })),
	)
}

// store writes what the files can be found by.
func (f *filler) store(ctx context.Context, tx pgx.Tx, list []*filling) error {
	var b pgx.Batch
	of := map[uuid.UUID]*index{}
	for _, c := range list {
		x := of[c.account]
		if x == nil {
			x = &index{}
			of[c.account] = x
		}
		if err := x.addFile(c.account, c.file); err != nil {
			return err
		}
		b.Queue(storeFamily, c.account, c.file.ID, c.file.FamilySortName())
	}
	for account, x := range of {
		for _, s := range x.statements() {
			b.Queue(s[0].(string), append([]any{account}, s[1:]...)...) //nolint:forcetypeassert // see statements
		}
		if fresh := f.fresh(account, x.words); len(fresh) > 0 {
			b.Queue(storeMissing, append([]any{account}, spellings(fresh)...)...)
		}
	}
	return tx.SendBatch(ctx, &b).Close()
}

// fresh are the words that the filler has not stored yet.
func (f *filler) fresh(account uuid.UUID, words []string) (fresh []string) {
	known := f.known[account]
	if known == nil {
		known = map[string]bool{}
		f.known[account] = known
	}
	for _, w := range words {
		if !known[w] {
			known[w] = true
			fresh = append(fresh, w)
		}
	}
	return fresh
}

// each calls scan for each row.
func each(ctx context.Context, tx pgx.Tx, query string, args []any, scan func(pgx.Rows) error) error {
	rows, err := tx.Query(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
