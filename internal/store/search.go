package store

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/google/uuid"

	"dossier/internal/customer"
	"dossier/internal/search"
)

const (
	// storeSearches copies what the rows of the customers hold already, so that the two cannot differ. $2 are the customers, $3 the
	// words of each as a JSON list, $4 the signatures. The tokens of the words that they had are dropped.
	storeSearches = `WITH dropped AS (
			DELETE FROM search_token AS t USING customer_search AS s CROSS JOIN LATERAL unnest(tsvector_to_array(s.words)) AS w
			WHERE s.account_id = $1 AND s.id = ANY ($2::uuid[]) AND t.account_id = $1 AND t.word = substr(w, 8) COLLATE "C" AND t.customer_id = s.id
		)
		INSERT INTO customer_search (account_id, id, created_at, status, sort_name, family_sort_name, words, signature)
		SELECT c.account_id, c.id, c.created_at, c.status, c.sort_name, c.family_sort_name,
			array_to_tsvector(ARRAY(SELECT jsonb_array_elements_text(n.words::jsonb))), ('x' || n.signature)::bit(512)
		FROM unnest($2::uuid[], $3::text[], $4::text[]) AS n (id, words, signature) JOIN customer c ON c.account_id = $1 AND c.id = n.id
		ON CONFLICT (id) DO UPDATE SET status = excluded.status, sort_name = excluded.sort_name,
			family_sort_name = excluded.family_sort_name, words = excluded.words, signature = excluded.signature`
	// storeTokens stores the tokens of customers, in the order of the index: $2 are the customers, $3 the words, $4
	// and $5 the hints and $6 what the words share with others, each as long as the tokens are. The rest is copied from the documents.
	storeTokens = `INSERT INTO search_token (account_id, word, customer_id, hint, hint_more, shared, status, sort_name, family_sort_name, created_at)
		SELECT $1, n.word, n.id, n.hint, n.hint_more, n.shared, s.status, s.sort_name, s.family_sort_name, s.created_at
		FROM unnest($2::uuid[], $3::text[], $4::bigint[], $5::bigint[], $6::smallint[]) AS n (id, word, hint, hint_more, shared)
		JOIN customer_search s ON s.account_id = $1 AND s.id = n.id
		ON CONFLICT (account_id, word, customer_id) DO UPDATE SET hint = excluded.hint, hint_more = excluded.hint_more, shared = excluded.shared, status = excluded.status,
			sort_name = excluded.sort_name, family_sort_name = excluded.family_sort_name, created_at = excluded.created_at`
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
	var x index
	if err := x.add(after.ID, is, words, signature); err != nil {
		return err
	}
	old := was.Words()
	x.words = slices.DeleteFunc(x.words, func(w string) bool {
		_, known := slices.BinarySearch(old, w)
		return known
	})
	return x.write(ctx, t)
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

// indexMany is indexChange for files that are new or changed.
func (t *tx) indexMany(ctx context.Context, files []customer.File) error {
	var x index
	for _, f := range files {
		if err := x.addFile(t.account, f); err != nil {
			return err
		}
	}
	return x.write(ctx, t)
}

// index is what customers of an account can be found by.
type index struct {
	ids               []uuid.UUID
	lists, signatures []string
	// words are what mistyped ones are corrected to.
	words  []string
	tokens []tokenOf
}

// tokenOf is a token with its customer.
type tokenOf struct {
	search.Token
	customer uuid.UUID
	hint     search.Hint
}

func (x *index) addFile(account uuid.UUID, f customer.File) error {
	d := f.Search()
	return x.add(f.ID, d, d.Lexemes(account), d.Signature())
}

// add adds a customer, with the lexemes and the signature of its document.
func (x *index) add(id uuid.UUID, d search.Document, lexemes []string, signature search.Signature) error {
	text, err := json.Marshal(lexemes)
	if err != nil {
		return err
	}
	x.ids, x.lists, x.signatures = append(x.ids, id), append(x.lists, string(text)), append(x.signatures, signature.Hex())
	x.words = append(x.words, d.Words()...)
	tokens := search.Tokens(lexemes)
	hint := d.Hint(tokens)
	for _, token := range tokens {
		x.tokens = append(x.tokens, tokenOf{token, id, hint})
	}
	return nil
}

// statements are those that store the index, with their arguments behind the account.
func (x *index) statements() [][]any {
	slices.SortFunc(x.tokens, func(a, b tokenOf) int { return strings.Compare(a.Word, b.Word) })
	words, customers := make([]string, len(x.tokens)), make([]uuid.UUID, len(x.tokens))
	hints, more, shared := make([]int64, len(x.tokens)), make([]int64, len(x.tokens)), make([]int16, len(x.tokens))
	for i, t := range x.tokens {
		words[i], customers[i], hints[i], more[i], shared[i] = t.Word, t.customer, t.hint[0], t.hint[1], t.Shared
	}
	return [][]any{
		{storeSearches, x.ids, x.lists, x.signatures},
		{storeTokens, customers, words, hints, more, shared},
	}
}

func (x *index) write(ctx context.Context, t *tx) error {
	if len(x.ids) == 0 {
		return nil
	}
	for _, s := range x.statements() {
		if _, err := t.exec(ctx, s[0].(string), s[1:]...); err != nil { //nolint:forcetypeassert // see statements
			return err
		}
	}
	slices.Sort(x.words)
	return t.addWords(ctx, slices.Compact(x.words))
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
