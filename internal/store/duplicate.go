package store

import (
	"context"
	"errors"
	"hash/fnv"
	"slices"
	"strings"

	"github.com/google/uuid"

	"dossier/internal/customer"
	"dossier/internal/fault"
)

// reasonOf maps the numbers that the statement below gives to reasons.
var reasonOf = map[int]customer.Reason{1: customer.SameEmail, 2: customer.SamePhone, 3: customer.SameNameAndPostalCode}

// ofNobodyArchived is the condition that a contact point e is of a customer itself or of a contact that is there.
const ofNobodyArchived = `(e.contact_id IS NULL
	OR EXISTS (SELECT FROM contact n WHERE n.account_id = $1 AND n.id = e.contact_id AND n.archived_at IS NULL))`

// findCandidates looks at 1,000 rows of each sort at most: a thing that more customers share tells nobody apart.
const findCandidates = `
WITH hit (id, reason) AS (
	(SELECT e.customer_id, 1 FROM email_address e WHERE e.account_id = $1 AND e.address_key = ANY ($2::text[]) AND ` + ofNobodyArchived + ` LIMIT 1000)
	UNION
	(SELECT e.customer_id, 2 FROM unnest($3::text[], $4::text[]) AS p (e164, extension)
		JOIN phone_number e ON e.account_id = $1 AND e.e164 = p.e164 AND coalesce(e.extension, '') = p.extension
		WHERE ` + ofNobodyArchived + ` LIMIT 1000)
	UNION
	SELECT s.id, 3 FROM (SELECT c.id FROM customer c WHERE c.account_id = $1 AND c.sort_name = $5 AND cardinality($6::text[]) > 0 LIMIT 1000) s
	WHERE EXISTS (SELECT FROM postal_address a WHERE a.account_id = $1 AND a.customer_id = s.id AND a.contact_id IS NULL
		AND upper(replace(a.postal_code, ' ', '')) = ANY ($6::text[]))
)
SELECT h.id, bit_or(1 << h.reason) AS reasons FROM hit h JOIN customer c ON c.account_id = $1 AND c.id = h.id
WHERE c.status <> 'MERGED' AND c.id <> $7 GROUP BY h.id ORDER BY count(*) DESC, min(h.reason), h.id LIMIT $8`

// candidates gives the customers that may be the one with these traits.
func (c scope) candidates(ctx context.Context, traits customer.Traits, limit int) (list []customer.Candidate, err error) {
	numbers, extensions := make([]string, len(traits.Phones)), make([]string, len(traits.Phones))
	for i, p := range traits.Phones {
		numbers[i], extensions[i] = p.E164, p.Extension
	}
	rows, err := c.query(ctx, findCandidates, notNil(traits.Emails), numbers, extensions, traits.SortName, notNil(traits.PostalCodes),
		traits.Except, limit)
	if err != nil {
		return nil, err
	}
	for rows.Next() {
		var found customer.Candidate
		var reasons int
		if err := rows.Scan(&found.ID, &reasons); err != nil {
			return nil, errors.Join(err, rows.Close())
		}
		for bit := 1; bit <= len(reasonOf); bit++ {
			if reasons&(1<<bit) != 0 {
				found.Reasons = append(found.Reasons, reasonOf[bit])
			}
		}
		list = append(list, found)
	}
	return list, errors.Join(rows.Err(), rows.Close())
}

func notNil(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

// Duplicates implements customer.Reading.
func (r reading) Duplicates(traits customer.Traits, limit int) ([]customer.Candidate, error) {
	if err := r.tx.lockTraits(r.ctx, traits); err != nil {
		return nil, err
	}
	return r.tx.candidates(r.ctx, traits, limit)
}

// traitLocks is how many locks stand for all traits of an account: few enough that customers with many contacts do not
// use up the lock table of the server.
const traitLocks = 128

// lockTraits makes two transactions that are about to create the same customer go one after the other, so that the second
// one sees the first one's. The locks are taken in the order of their numbers.
func (t *tx) lockTraits(ctx context.Context, traits customer.Traits) error {
	var keys []int64
	add := func(parts ...string) {
		h := fnv.New64a()
		for _, p := range parts {
			_, _ = h.Write(append([]byte(p), 0))
		}
		account := fnv.New64a()
		_, _ = account.Write(t.account[:])
		keys = append(keys, int64(account.Sum64()/traitLocks*traitLocks+h.Sum64()%traitLocks)) //nolint:gosec // any number names a lock
	}
	for _, e := range traits.Emails {
		add("email", e)
	}
	for _, p := range traits.Phones {
		add("phone", p.E164, p.Extension)
	}
	for _, code := range traits.PostalCodes {
		add("name", traits.SortName, code)
	}
	slices.Sort(keys)
	_, err := t.exec(ctx, `SELECT pg_advisory_xact_lock(k) FROM unnest($2::bigint[]) AS k WHERE $1::uuid IS NOT NULL`, slices.Compact(keys))
	return err
}

// CustomerDuplicates implements customer.Store.
func (s *Store) CustomerDuplicates(ctx context.Context, accountID, id uuid.UUID, limit int) ([]customer.Candidate, error) {
	t := &tx{scope: s.in(accountID)}
	f, err := t.readFile(ctx, id, []string{"customerId"}, nil)
	if err == nil && f.Status == customer.Merged {
		f, err = t.readFile(ctx, f.MergedInto, []string{"customerId"}, nil)
	}
	if err != nil {
		return nil, translate("store.CustomerDuplicates", err)
	}
	list, err := t.candidates(ctx, customer.TraitsOf(f), limit)
	return list, translate("store.CustomerDuplicates", err)
}

// The groups of one sort behind a key. The first part walks one index and needs no row of a table; the second looks at the
// few keys that several rows have.
const (
	emailGroups = `
SELECT k.value, '' AS extension, g.ids FROM (
	SELECT address_key AS value FROM email_address WHERE account_id = $1 AND address_key > $2
	GROUP BY address_key HAVING count(*) > 1 ORDER BY address_key
) k CROSS JOIN LATERAL (
	SELECT count(*) AS members, string_agg(x.id::text, ',' ORDER BY x.id) AS ids FROM (
		SELECT DISTINCT e.customer_id AS id FROM email_address e JOIN customer c ON c.account_id = $1 AND c.id = e.customer_id AND c.status <> 'MERGED'
		WHERE e.account_id = $1 AND e.address_key = k.value AND ` + ofNobodyArchived + ` ORDER BY 1 LIMIT $4
	) x
) g WHERE g.members > 1 AND $3::text IS NOT NULL ORDER BY k.value LIMIT $5`
	phoneGroups = `
SELECT k.value, g.extension, g.ids FROM (
	SELECT e164 AS value FROM phone_number WHERE account_id = $1 AND e164 >= $2
	GROUP BY e164 HAVING count(*) > 1 ORDER BY e164
) k CROSS JOIN LATERAL (
	SELECT x.extension, array_to_string((array_agg(x.id ORDER BY x.id))[1:$4], ',') AS ids FROM (
		SELECT DISTINCT e.customer_id AS id, coalesce(e.extension, '') COLLATE "C" AS extension
		FROM phone_number e JOIN customer c ON c.account_id = $1 AND c.id = e.customer_id AND c.status <> 'MERGED'
		WHERE e.account_id = $1 AND e.e164 = k.value AND ` + ofNobodyArchived + `
	) x GROUP BY x.extension HAVING count(*) > 1
) g WHERE (k.value, g.extension) > ($2, $3) ORDER BY k.value, g.extension LIMIT $5`
)

// DuplicateGroups implements customer.Store.
func (s *Store) DuplicateGroups(ctx context.Context, accountID uuid.UUID, after customer.GroupKey, limit int) ([]customer.Group, error) {
	groups := []customer.Group{}
	if after.Reason != customer.SamePhone {
		list, err := s.in(accountID).groups(ctx, emailGroups, customer.SameEmail, after, limit)
		if err != nil {
			return nil, translate("store.DuplicateGroups", err)
		}
		groups, after = list, customer.GroupKey{}
	}
	if len(groups) < limit {
		list, err := s.in(accountID).groups(ctx, phoneGroups, customer.SamePhone, after, limit-len(groups))
		if err != nil {
			return nil, translate("store.DuplicateGroups", err)
		}
		groups = append(groups, list...)
	}
	return groups, nil
}

func (c scope) groups(ctx context.Context, statement string, reason customer.Reason, after customer.GroupKey, limit int) ([]customer.Group, error) {
	rows, err := c.query(ctx, statement, after.Value, after.Extension, customer.MaxGroupMembers, limit)
	if err != nil {
		return nil, err
	}
	var groups []customer.Group
	for rows.Next() {
		g := customer.Group{GroupKey: customer.GroupKey{Reason: reason}}
		var ids string
		if err := rows.Scan(&g.Value, &g.Extension, &ids); err != nil {
			return nil, errors.Join(err, rows.Close())
		}
		for s := range strings.SplitSeq(ids, ",") {
			id, err := uuid.Parse(s)
			if err != nil {
				return nil, errors.Join(err, rows.Close())
			}
			g.Customers = append(g.Customers, id)
		}
		groups = append(groups, g)
	}
	return groups, errors.Join(rows.Err(), rows.Close())
}

// mergedCustomer is the fault of adding something to a customer that was merged into another one.
func mergedCustomer(path []string) error {
	return fault.At(fault.Conflict, path, "The customer was merged into another one. Use that one.")
}
