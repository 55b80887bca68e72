package read

import (
	"dossier/internal/attribute"
	"dossier/internal/wall"
)

// SECURITY: this file is the tenancy of all reads. Tables get into a statement through the methods below and nowhere else
// (a test of the sources holds that), and each of them writes the account's predicate for the table in the same breath.
// The account is always $1 and comes from the viewer, never from the client.

// from writes a table under the alias t, what joins writes (may be nil), and the account's predicate as the first of the
// WHERE clause. Further conditions follow with and.
func (w *writer) from(n *noun, t string, joins func()) {
	w.text(" FROM " + w.source(n) + " " + t)
	if joins != nil {
		joins()
	}
	w.text(" WHERE ")
	w.owned(n, t)
}

// source gives what the rows of a table are read from.
func (w *writer) source(n *noun) string {
	if w.unit.walled {
		return wall.Source(n.table)
	}
	return n.table
}

// leftJoin writes a table whose row may be missing; on writes the expression that its id equals.
func (w *writer) leftJoin(n *noun, t string, on func()) { w.join(" LEFT JOIN ", n, t, on) }

// innerJoin writes a table whose row must be there.
func (w *writer) innerJoin(n *noun, t string, on func()) { w.join(" JOIN ", n, t, on) }

func (w *writer) join(how string, n *noun, t string, on func()) {
	w.text(how + w.source(n) + " " + t + " ON ")
	w.owned(n, t)
	if n.id == n.account {
		return // there is one row per account, and it was just named
	}
	w.text(" AND " + t + "." + n.id + " = ")
	on()
}

// owned writes the predicate that makes rows of other accounts invisible.
func (w *writer) owned(n *noun, t string) {
	w.text(t + "." + n.account + " = ")
	w.param(accountSlot)
}

// fromPage writes a page of rows, or a report's groups of them, as a table; page must write it with from.
func (w *writer) fromPage(t string, page func()) {
	w.text(" FROM (")
	page()
	w.text(") " + t)
}

// perParent writes the keys of the parents and, for each of them, its rows; both are written with from.
func (w *writer) perParent(parents func(), t string, rows func()) {
	w.text(" FROM (")
	parents()
	w.text(") p CROSS JOIN LATERAL (")
	rows()
	w.text(") " + t)
}

// hasPoint writes the condition that the customer t has a contact point whose column is the parameter.
func (w *writer) hasPoint(t string, point, contact *noun, column string, slot int) {
	e, c := w.alias(), w.alias()
	w.text(t + ".id IN (SELECT " + e + ".customer_id")
	w.from(point, e, nil)
	w.text(" AND " + e + "." + column + " = ")
	w.param(slot)
	w.text(" AND (" + e + ".contact_id IS NULL OR EXISTS (SELECT 1")
	w.from(contact, c, nil)
	w.text(" AND " + c + ".id = " + e + ".contact_id AND " + c + ".archived_at IS NULL)))")
}

// matches writes whether the search document of the row t matches the query in a slot.
func (w *writer) matches(document *noun, t string, query int) {
	s := w.alias()
	w.text("(SELECT " + s + ".words @@ ")
	w.param(query)
	w.from(document, s, nil)
	w.text(" AND " + s + ".id = " + t + ".id)")
}

// signed writes whether the document t has all bits of one of the masks in the slots. A mask that is null fits nobody.
func (w *writer) signed(t string, masks []int) {
	w.text("(")
	for i, slot := range masks {
		if i > 0 {
			w.text(" OR ")
		}
		w.text(t + ".signature & ")
		w.param(slot)
		w.text(" = ")
		w.param(slot)
	}
	w.text(")")
}

// signedMatches is signed and matches of the document of the row t.
func (w *writer) signedMatches(document *noun, t string, masks []int, query int) {
	s := w.alias()
	w.text("(SELECT ")
	w.signed(s, masks)
	w.text(" AND " + s + ".words @@ ")
	w.param(query)
	w.from(document, s, nil)
	w.text(" AND " + s + ".id = " + t + ".id)")
}

// holds writes whether the row of the noun with the id of t fulfils the conditions.
func (w *writer) holds(n *noun, t string, conds []cond) {
	r := w.alias()
	w.text("(SELECT true")
	w.from(n, r, nil)
	w.text(" AND " + r + "." + n.id + " = " + t + ".id")
	w.and(conds, r)
	w.text(") IS NOT NULL")
}

// wordFrequencies are what PostgreSQL knows of the commonest lexemes: the text of a list, and how often each is there; walledFrequencies
// is the same behind the wall. It is the one statement without an account. SECURITY: it tells nothing to clients; it only says in which
// order to look.
const walledFrequencies = `SELECT lexemes, shares FROM customer_search_shares()`

const wordFrequencies = `SELECT most_common_elems::text::text[], most_common_elem_freqs FROM pg_stats
WHERE schemaname = current_schema() AND tablename = 'customer_search' AND attname = 'words'`

// inTwoWays writes a query for the ids of rows u. Beside these are tokens, which few writes: how many they are is near.n; and the ids
// that walk writes, as walked.ids.
func (w *writer) inTwoWays(tokens, walk, rows func()) {
	w.text("WITH hits AS MATERIALIZED (")
	tokens()
	w.text(") SELECT u.id FROM (SELECT count(*) AS n FROM hits) near CROSS JOIN LATERAL (SELECT ARRAY(")
	walk()
	w.text(") AS ids OFFSET 0) walked CROSS JOIN LATERAL (") // OFFSET 0: or it would walk for each use of the ids
	rows()
	w.text(") u")
}

// few writes FROM and WHERE of the tokens of inTwoWays.
func (w *writer) few(t string) { w.text(" FROM hits " + t + " WHERE true") }

// tokens writes the tokens in the ranges that have the hint, unless it is nil: the index alone is read for them.
func (w *writer) tokens(f *found, ranges tokenRanges, hint *[2]int) {
	r, k, of := w.alias(), w.alias(), w.alias()
	columns := func(t string) string {
		return t + ".shared, " + t + ".status, " + t + ".sort_name, " + t + ".family_sort_name, " + t + ".created_at"
	}
	w.text("SELECT " + of + ".id, " + columns(of) + " FROM unnest(")
	w.param(ranges.from)
	w.text("::text[], ")
	w.param(ranges.to)
	w.text("::text[]) AS " + r + " (low, high) CROSS JOIN LATERAL (SELECT " + k + ".customer_id AS id, " + columns(k))
	w.from(f.token, k, nil)
	w.text(" AND " + k + ".word >= " + r + ".low AND " + k + ".word < " + r + ".high")
	if hint != nil {
		for i, column := range []string{"hint", "hint_more"} {
			w.text(" AND " + k + "." + column + " & ")
			w.param(hint[i])
			w.text(" = ")
			w.param(hint[i])
		}
	}
	w.text(" OFFSET 0) " + of)
}

// allWithToken writes the customers with a token in the ranges, each once, where the gate says so; it begins with AND.
func (w *writer) allWithToken(f *found, ranges tokenRanges, gate func()) {
	o := w.alias()
	w.text("SELECT DISTINCT " + o + ".id FROM (")
	w.tokens(f, ranges, &f.hint)
	w.text(") " + o + " WHERE true")
	gate()
	w.text(" OFFSET 0")
}

// hits writes the ids of the first rows that hit, of those that rows writes in order.
func (w *writer) hits(rows func(), limit int) {
	w.text("SELECT z.id FROM (")
	rows()
	w.text(") z WHERE z.hit LIMIT ")
	w.param(limit)
}

// meantWords finds, for typed words that begin no word of the account, the words with a spelling in common. $1 is the account, $2
// the words, $3 and $4 are the words again with each of their spellings.
const meantWords = `WITH unknown AS MATERIALIZED (
	SELECT u.typed FROM unnest($2::text[]) AS u (typed) WHERE (
		SELECT true FROM search_word AS k
		WHERE k.account_id = $1 AND k.spelling >= u.typed AND k.spelling < u.typed || U&'\+10FFFF' AND k.word = k.spelling LIMIT 1) IS NULL
)
SELECT DISTINCT t.typed, w.word FROM unnest($3::text[], $4::text[]) AS t (typed, spelling)
JOIN unknown USING (typed) JOIN search_word AS w ON w.account_id = $1 AND w.spelling = t.spelling
ORDER BY t.typed, w.word LIMIT 1000`

// hasAny writes whether the customer t, or one of its contacts that are not archived, has a contact point. With EXISTS PostgreSQL may
// choose to read the contact points of all customers first; a query for a value it runs row by row.
func (w *writer) hasAny(t string, point, contact *noun) {
	own, c, theirs := w.alias(), w.alias(), w.alias()
	w.text("((SELECT true")
	w.from(point, own, nil)
	w.text(" AND " + own + ".customer_id = " + t + ".id AND " + own + ".contact_id IS NULL LIMIT 1) IS NOT NULL OR (SELECT true")
	w.from(contact, c, nil)
	w.text(" AND " + c + ".customer_id = " + t + ".id AND " + c + ".archived_at IS NULL AND (SELECT true")
	w.from(point, theirs, nil)
	w.text(" AND " + theirs + ".contact_id = " + c + ".id LIMIT 1) LIMIT 1) IS NOT NULL)")
}

// hasAddress writes the condition that the customer t itself has a postal address for which holds, which begins with AND, is true.
func (w *writer) hasAddress(t string, address *noun, holds func(a string)) {
	a := w.alias()
	w.text(t + ".id IN (SELECT " + a + ".customer_id")
	w.from(address, a, nil)
	w.text(" AND " + a + ".contact_id IS NULL")
	holds(a)
	w.text(")")
}

// exists writes whether there is a row that the question asks for; key is the expression that its foreign key equals.
func (w *writer) exists(q *question, key string) {
	t := w.alias()
	w.text("EXISTS (SELECT 1")
	w.from(q.of, t, nil)
	w.text(" AND " + t + "." + q.foreignKey + " = " + key)
	if q.where != "" {
		w.text(" AND ")
		w.template(q.where, t)
	}
	w.text(")")
}

// hasAttribute writes the condition that the customer t has what h asks for.
func (w *writer) hasAttribute(t string, h *having) {
	w.text(t + ".id IN (")
	w.havers(h, "")
	w.text(")")
}

// havers writes a query for the customers who have what h asks for, or whether the one with the alias t has it.
func (w *writer) havers(h *having, t string) {
	havers := func(table *noun, definition string, conds []cond) {
		v := w.alias()
		w.text("SELECT " + v + ".customer_id")
		w.from(table, v, nil)
		w.text(" AND " + v + "." + definition + " = ")
		w.definitionWithKey(h.definition, h.key)
		w.and(conds, v)
		if t != "" {
			w.text(" AND " + v + ".customer_id = " + t + ".id")
		}
	}
	havers(h.table, "definition_id", h.conds)
	if h.files != nil {
		w.text(" UNION ALL ")
		havers(h.files, "area_id", []cond{raw(filed)})
	}
}

// isFewHaver writes the condition that the customer t has what h asks for, and that they are few: an index gives all of them.
func (w *writer) isFewHaver(t string, h *having) {
	x := w.alias()
	w.text(t + ".id = ANY((SELECT CASE WHEN count(*) <= " + h.few + " THEN array_agg(" + x + ".customer_id) END FROM (")
	w.havers(h, "")
	w.text(" LIMIT " + h.few + " + 1) " + x + ")::uuid[])")
}

// isOneOfMany writes the condition that the customer t has what h asks for, and that they are many: each customer is asked.
func (w *writer) isOneOfMany(t string, h *having) {
	w.text("(SELECT count(*) > " + h.few + " FROM (")
	w.havers(h, "")
	w.text(" LIMIT " + h.few + " + 1) " + w.alias() + ") AND EXISTS (")
	w.havers(h, t)
	w.text(" OFFSET 0)")
}

// fromEither writes two queries for rows of the noun as one table, and the account's predicate as from does.
func (w *writer) fromEither(n *noun, t string, one, other, joins func()) {
	w.text(" FROM ((")
	one()
	w.text(") UNION ALL (")
	other()
	w.text(")) " + t)
	joins()
	w.text(" WHERE ")
	w.owned(n, t)
}

// lacksAttribute writes the condition that the customer t has no value of the custom attribute, and no document in its area.
func (w *writer) lacksAttribute(t string, value, document, definition *noun, key int) {
	v, x := w.alias(), w.alias()
	w.text("NOT EXISTS (SELECT 1")
	w.from(value, v, nil)
	w.text(" AND " + v + ".customer_id = " + t + ".id AND " + v + ".definition_id = ")
	w.definitionWithKey(definition, key)
	w.text(") AND NOT EXISTS (SELECT 1")
	w.from(document, x, nil)
	w.text(" AND " + x + ".customer_id = " + t + ".id AND " + x + ".area_id = ")
	w.definitionWithKey(definition, key)
	w.text(" AND ")
	w.template(filed, x)
	w.text(")")
}

// filed is what counts as a document of an area.
const filed = "{t}.status <> 'ARCHIVED'"

// hasFiled writes the condition that the customer, whose id is an expression, has a document in the area d.
func (w *writer) hasFiled(document *noun, d string, customer func()) {
	x := w.alias()
	w.text("EXISTS (SELECT 1")
	w.from(document, x, nil)
	w.text(" AND " + x + ".area_id = " + d + ".id AND " + x + ".customer_id = ")
	customer()
	w.text(" AND ")
	w.template(filed, x)
	w.text(")")
}

// lacksRequiredFile writes the condition that there is an area which requires a document, for customers such as t, in which t has
// none.
func (w *writer) lacksRequiredFile(t string, definition, pair, document *noun) {
	d, any, own := w.alias(), w.alias(), w.alias()
	w.text("EXISTS (SELECT 1")
	w.from(definition, d, nil)
	w.text(" AND " + d + ".type = 'FILE' AND " + d + ".required AND " + d + ".archived_at IS NULL AND (NOT EXISTS (SELECT 1")
	w.from(pair, any, nil)
	w.text(" AND " + any + ".definition_id = " + d + ".id) OR EXISTS (SELECT 1")
	w.from(pair, own, nil)
	w.text(" AND " + own + ".definition_id = " + d + ".id AND " + own + ".type_id = " + t + ".type_id)) AND NOT ")
	w.hasFiled(document, d, func() { w.text(t + ".id") })
	w.text(")")
}

// inAreas writes the condition that the document t is in an area with one of the keys in a slot; one says that it holds one key and
// no list. general stands for the area that has no row.
func (w *writer) inAreas(t string, definition *noun, keys int, one bool) {
	is := func() {
		if one {
			w.text(" = ")
			w.param(keys)
			return
		}
		w.text(" = ANY(")
		w.param(keys)
		w.text(")")
	}
	d := w.alias()
	w.text("(" + t + ".area_id = ANY(ARRAY(SELECT " + d + ".id")
	w.from(definition, d, nil)
	w.text(" AND " + d + ".type = 'FILE' AND " + d + ".key")
	is()
	w.text(")) OR " + t + ".area_id IS NULL AND '" + attribute.GeneralKey + "'")
	is()
	w.text(")")
}

// contentIs writes the condition that the content in force of the document t is of one of the media types or ranges in a slot. A query
// for a value is run row by row, for the page at hand.
func (w *writer) contentIs(t string, version *noun, types int) {
	v := w.alias()
	w.text("(SELECT " + v + ".content_type = ANY(")
	w.param(types)
	w.text(") OR split_part(" + v + ".content_type, '/', 1) || '/*' = ANY(")
	w.param(types)
	w.text(")")
	w.from(version, v, nil)
	w.text(" AND " + v + ".id = " + t + ".current_version_id)")
}

// definitionWithKey writes a query for one id, which is run once per statement.
func (w *writer) definitionWithKey(definition *noun, key int) {
	d := w.alias()
	w.text("(SELECT " + d + ".id")
	w.from(definition, d, nil)
	w.text(" AND " + d + ".key = ")
	w.param(key)
	w.text(")")
}

// isOption writes the condition that v has the option with a key, or one of several, which are looked up once per statement.
func (w *writer) isOption(v string, option, definition *noun, key int, options optionKeys) {
	o := w.alias()
	before, compared, after := "ANY(ARRAY(SELECT ", ".key = ANY(", ")))"
	if options.one {
		before, compared, after = "(SELECT ", ".key = ", ")"
	}
	w.text(v + ".option_id = " + before + o + ".id")
	w.from(option, o, nil)
	w.text(" AND " + o + ".definition_id = ")
	w.definitionWithKey(definition, key)
	w.text(" AND " + o + compared)
	w.param(options.slot)
	w.text(after)
}

// bounded writes the counting of at most limit rows, which rows writes.
func (w *writer) bounded(rows func()) {
	w.text("SELECT count(*) AS c0 FROM (")
	rows()
	w.text(" LIMIT " + countLimitText + ") n")
}

// mayRead is the permission side: nil, or why the viewer may not read the field of a type. With an empty field it is about
// the type as a whole.
func (c *compiler) mayRead(n *noun, field string) error { return c.viewer.MayRead(n.name, field) }
