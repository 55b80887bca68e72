package store

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/google/uuid"

	"dossier/internal/customer"
	"dossier/internal/search"
)

const (
	// storeSearch copies what the row of the customer holds already, so that the two cannot differ.
	storeSearch = `INSERT INTO customer_search (account_id, id, created_at, status, sort_name, family_sort_name, words, signature)
		SELECT account_id, id, created_at, status, sort_name, family_sort_name, array_to_tsvector($3::text[]), ('x' || $4::text)::bit(512)
		FROM customer WHERE account_id = $1 AND id = $2
		ON CONFLICT (id) DO UPDATE SET status = excluded.status, sort_name = excluded.sort_name,
			family_sort_name = excluded.family_sort_name, words = excluded.words, signature = excluded.signature`
	// newWords are those of a list that the account does not have yet. NOT EXISTS would let PostgreSQL compare the list with the
	// whole table, which it does as long as it believes that the table is small.
	newWords = `SELECT n.word FROM unnest($2::text[]) AS n (word) WHERE
		(SELECT true FROM search_word AS w WHERE w.account_id = $1 AND w.spelling = n.word AND w.word = n.word LIMIT 1) IS NULL`
	storeWords = `INSERT INTO search_word (id, account_id, spelling, word)
		SELECT gen_random_uuid(), $1, n.spelling, n.word FROM unnest($2::text[], $3::text[]) AS n (spelling, word)`
)

// indexChange stores what a file can be found by, where that differs from what it was. Whatever writes the rows of a file
// must call it in the same transaction and behind the row of the customer; for a file that was never indexed before is an empty
// one.
func (t *tx) indexChange(ctx context.Context, before, after customer.File) error {
	was, is := before.Search(), after.Search()
	words, signature := is.Lexemes(t.account), is.Signature()
	if before.ID == after.ID && before.Status == after.Status && was.SortName == is.SortName && was.FamilySortName == is.FamilySortName &&
		signature == was.Signature() && slices.Equal(words, was.Lexemes(t.account)) {
		return nil
	}
	if _, err := t.exec(ctx, storeSearch, after.ID, words, signature.Hex()); err != nil {
		return err
	}
	fresh := slices.DeleteFunc(is.Words(), func(w string) bool {
		_, known := slices.BinarySearch(was.Words(), w)
		return known
	})
	return t.addWords(ctx, fresh)
}

// indexAgain stores what customers can be found by after rows of their files went from one to the other.
func (t *tx) indexAgain(ctx context.Context, ids ...uuid.UUID) error {
	for _, id := range ids {
		f, err := t.lockFile(ctx, id, nil)
		if err != nil {
			return err
		}
		if err := t.indexChange(ctx, customer.File{}, f); err != nil {
			return err
		}
	}
	return nil
}

// storeSearches is storeSearch for many: $2 are customers, $3 the words of each as a JSON list, $4 the signatures.
const storeSearches = `INSERT INTO customer_search (account_id, id, created_at, status, sort_name, family_sort_name, words, signature)
	SELECT c.account_id, c.id, c.created_at, c.status, c.sort_name, c.family_sort_name,
		array_to_tsvector(ARRAY(SELECT jsonb_array_elements_text(n.words::jsonb))), ('x' || n.signature)::bit(512)
	FROM unnest($2::uuid[], $3::text[], $4::text[]) AS n (id, words, signature) JOIN customer c ON c.account_id = $1 AND c.id = n.id
	ON CONFLICT (id) DO UPDATE SET status = excluded.status, sort_name = excluded.sort_name,
		family_sort_name = excluded.family_sort_name, words = excluded.words, signature = excluded.signature`

// indexMany is indexChange for files that are new or changed.
func (t *tx) indexMany(ctx context.Context, files []customer.File) error {
	if len(files) == 0 {
		return nil
	}
	ids, lists, signatures := make([]uuid.UUID, len(files)), make([]string, len(files)), make([]string, len(files))
	var words []string
	for i, f := range files {
		d := f.Search()
		text, err := json.Marshal(d.Lexemes(t.account))
		if err != nil {
			return err
		}
		ids[i], lists[i], signatures[i] = f.ID, string(text), d.Signature().Hex()
		words = append(words, d.Words()...)
	}
	if _, err := t.exec(ctx, storeSearches, ids, lists, signatures); err != nil {
		return err
	}
	slices.Sort(words)
	return t.addWords(ctx, slices.Compact(words))
}

// addWords makes words known to which a mistyped one is corrected.
func (t *tx) addWords(ctx context.Context, words []string) error {
	if len(words) == 0 {
		return nil
	}
	rows, err := t.query(ctx, newWords, words)
	if err != nil {
		return err
	}
	defer rows.Close()
	var fresh []string
	for rows.Next() {
		var w string
		if err := rows.Scan(&w); err != nil {
			return err
		}
		fresh = append(fresh, w)
	}
	if err := rows.Err(); err != nil || len(fresh) == 0 {
		return err
	}
	_, err = t.exec(ctx, storeWords, spellings(fresh)...)
	return err
}

// spellings are the arguments of storeWords.
func spellings(words []string) []any {
	var keys, of []string
	for _, w := range words {
		for _, s := range search.Spellings(w) {
			keys, of = append(keys, s), append(of, w)
		}
	}
	return []any{keys, of}
}
