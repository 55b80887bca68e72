package read

import (
	"context"
	"encoding/binary"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/vektah/gqlparser/v2/ast"

	"dossier/internal/fault"
	"dossier/internal/search"
	"dossier/internal/wall"
)

// searched declares how the rows of a connection are found by words.
//
// A search has two ways. It can collect all that match from the ranges of the index of tokens and sort them: right when few match.
// Or it can walk along the order of the page and look at each row: right when many do, as for one or two letters. PostgreSQL
// cannot know which when the word is a parameter. So each search begins to collect, and goes on with what it has when that was
// all of it. When there are more it walks, for maxWalk rows at most: matches can be far apart in the order. When that does not
// fill the page it collects the rest.
//
// What makes looking at a row cheap is the signature of its document, which stands in the index of the order: only a row that
// has all bits of one of the query's masks is looked at closer. In an order whose index has none, fewer rows are walked along.
//
// Both ways fail for a word that begins what the rows are ordered by: all Marias stand in one place, which a walk from A gets to
// last, and they are too many to be sorted. They are a range of the order's index, which is read beside the others.
type searched struct {
	// document has the rows' ids, lexemes and signatures, and copies of some of their columns; token has a row for each lexeme.
	document, token *noun
	// copied are the orders whose keys, like the status, the document has copies of, with an index that has the signature.
	copied []string
	// leads are the orders by name.
	leads map[string]search.Lead
	// facets gives what of the argument where a signature knows.
	facets func(where arguments) search.Facets
}

// pace is how many matches are too many to be sorted, how many of those that only may match, and how many rows a walk looks at.
type pace struct{ many, maybeMany, maxWalk int }

var (
	// bySignature is for orders whose index has signatures, of which a thousand are looked at in 0.4 to 0.9 ms, and a
	// thousand tokens are sorted in 1.3 ms. A walk for what only may match is longer: there is less of it, and a name of several words stands in
	// one place of an order.
	bySignature = pace{many: 3500, maybeMany: 5000, maxWalk: 20_000}
	// byDocument is for the others, where each row's document is looked up, on the walk and to be sorted.
	byDocument = pace{many: 4000, maybeMany: 4000, maxWalk: 10_000}
)

// searchDocument and searchToken are no types of the schema, so they are not among the nouns.
var (
	searchDocument = &noun{table: "customer_search", id: "id", account: "account_id"}
	searchToken    = &noun{table: "search_token", id: "customer_id", account: "account_id"}
)

// found is a search of one level.
type found struct {
	*searched
	// query leaves out the rows between from and to, of the order's first column.
	query, from, to int
	// total are the ranges of all who may match, page those without the rows between from and to.
	page, total tokenRanges
	// exact is the slot of whether the ranges need no closer look; else query leaves out nobody.
	// length and hint those of search.Ranges.
	exact, length int
	hint          [2]int
	// tooMany is the slot of many or maybeMany.
	tooMany int
	// masks are the slots of the masks, of which one must fit.
	masks []int
	// signed is the slot of whether there are masks: without them no row is looked at on the way.
	signed int
	lead   search.Lead
	// ordered says that the document has the keys of the order, bare that it has all columns that the conditions need, alone both.
	ordered, bare, alone bool
	pace
}

// tokenRanges are the slots of search.Ranges.
type tokenRanges struct{ from, to int }

// blank says whether a text is missing or has nothing but spaces.
func blank(v any) bool { return strings.TrimSpace(asText(v)) == "" }

// search compiles the argument search.
func (c *compiler) search(l *level, s *searched, site int, args arguments) error {
	if h := l.having; h != nil { // a search has ways of its own to find the rows
		l.conds, l.having = append(l.conds, func(w *writer, t string) { w.hasAttribute(t, h) }), nil
	}
	f := &found{searched: s, lead: s.leads[l.order.name], ordered: slices.Contains(s.copied, l.order.name), pace: c.e.byDocument}
	if f.ordered {
		f.pace = c.e.bySignature
	}
	f.bare = true
	for _, v := range args.in("where") {
		f.bare = f.bare && v == nil
	}
	f.alone = f.ordered && f.bare
	if err := c.masks(f, site); err != nil {
		return err
	}
	ranges := func(q search.Query, b *binding, lead search.Lead) search.Ranges {
		return q.Ranges(b.rq.env.account, lead, b.rq.meant, b.rq.shares.of(), f.facets(b.args[site].in("where")))
	}
	for _, p := range []struct {
		slot  *int
		oid   uint32
		value func(q search.Query, b *binding) []byte
	}{
		{&f.query, oidTSQuery, func(q search.Query, b *binding) []byte { return q.Match(b.rq.env.account, f.lead, b.rq.meant) }},
		{&f.from, oidText, func(q search.Query, _ *binding) []byte { return []byte(q.Beginning(f.lead)) }},
		{&f.to, oidText, func(q search.Query, _ *binding) []byte {
			if from := q.Beginning(f.lead); from != "" {
				return []byte(from + "\U0010FFFF")
			}
			return []byte{} // nothing is less
		}},
		{&f.page.from, oidTextArray, func(q search.Query, b *binding) []byte { return encodeStrings(ranges(q, b, f.lead).From) }},
		{&f.page.to, oidTextArray, func(q search.Query, b *binding) []byte { return encodeStrings(ranges(q, b, f.lead).To) }},
		{&f.total.from, oidTextArray, func(q search.Query, b *binding) []byte { return encodeStrings(ranges(q, b, search.LeadNone).From) }},
		{&f.total.to, oidTextArray, func(q search.Query, b *binding) []byte { return encodeStrings(ranges(q, b, search.LeadNone).To) }},
		{&f.exact, oidBool, func(q search.Query, b *binding) []byte {
			return []byte{byte(btoi(ranges(q, b, search.LeadNone).Exact))}
		}},
		{&f.tooMany, oidInt8, func(q search.Query, b *binding) []byte {
			if ranges(q, b, search.LeadNone).Exact {
				return int8Bytes(int64(f.many))
			}
			return int8Bytes(int64(f.maybeMany))
		}},
		{&f.length, oidInt8, func(q search.Query, b *binding) []byte { return int8Bytes(int64(ranges(q, b, search.LeadNone).Length)) }},
		{&f.hint[0], oidInt8, func(q search.Query, b *binding) []byte { return int8Bytes(ranges(q, b, search.LeadNone).Hint[0]) }},
		{&f.hint[1], oidInt8, func(q search.Query, b *binding) []byte { return int8Bytes(ranges(q, b, search.LeadNone).Hint[1]) }},
	} {
		slot, err := c.param(p.oid, func(b *binding) ([]byte, error) {
			q, err := parseSearch(b, site)
			if err != nil {
				return nil, err
			}
			return p.value(q, b), nil
		})
		if err != nil {
			return err
		}
		*p.slot = slot
	}
	l.search = f
	return nil
}

func parseSearch(b *binding, site int) (search.Query, error) {
	q, err := search.Parse(asText(b.args[site]["search"]))
	if err != nil {
		return q, fault.At(fault.BadUserInput, []string{"search"}, "search %s.", err)
	}
	return q, nil
}

// foundPage writes a query for the ids of the page.
func (l *level) foundPage(w *writer, limit int) {
	f := l.search
	w.inTwoWays(func() {
		w.tokens(f, f.total, &f.hint)
		w.text(" LIMIT ")
		w.param(f.tooMany)
	}, func() { l.walk(w, limit) }, func() {
		if f.lead != search.LeadNone {
			l.foundAhead(w, limit)
			w.text(" UNION ")
		}
		l.foundByWalking(w)
		w.text(" UNION ")
		l.sorted(w, limit, func(t string) {
			w.few(t)
			l.isMany(w, " < ")
		})
		w.text(" UNION ")
		l.sorted(w, limit, func(t string) {
			w.fromPage(t, func() { w.tokens(f, f.page, &f.hint) })
			w.text(" WHERE true")
			l.isShort(w, limit)
		})
	})
	l.ordered(w, "u", limit)
}

// masks makes the parameters of the query's masks. With a query without masks nobody walks.
func (c *compiler) masks(f *found, site int) error {
	masks := func(b *binding) ([]search.Signature, error) {
		q, err := parseSearch(b, site)
		if err != nil {
			return nil, err
		}
		return q.Masks(b.rq.meant, f.facets(b.args[site].in("where"))), nil
	}
	for i := range search.MaxMasks {
		slot, err := c.param(oidBit, func(b *binding) ([]byte, error) {
			list, err := masks(b)
			switch {
			case err != nil:
				return nil, err
			case i < len(list):
				return encodeBits(list[i]), nil
			case i == 0: // all rows have them
				return encodeBits(search.Signature{}), nil
			default:
				return nil, nil
			}
		})
		if err != nil {
			return err
		}
		f.masks = append(f.masks, slot)
	}
	var err error
	f.signed, err = c.param(oidBool, func(b *binding) ([]byte, error) {
		list, err := masks(b)
		return []byte{byte(btoi(len(list) > 0))}, err
	})
	return err
}

// encodeBits is the binary form of a bit string.
func encodeBits(s search.Signature) []byte {
	return append(binary.BigEndian.AppendUint32(nil, search.SignatureBits), s[:]...)
}

// hit writes whether a row matches: its signature is looked at first, which those that the word begins have too.
func (l *level) hit(w *writer, t string) {
	f := l.search
	holds := func() {
		if f.ordered && !f.alone {
			w.text(" AND ")
			w.holds(l.noun, t, l.conds)
			return
		}
		w.and(l.conds, t)
	}
	w.text("CASE WHEN ")
	if f.ordered {
		w.signed(t, f.masks)
		w.text(" THEN (")
		if f.lead != search.LeadNone {
			l.begun(w, t)
			w.text(" OR ")
		}
		w.matches(f.document, t, f.query)
		w.text(")")
	} else {
		w.signedMatches(f.document, t, f.masks, f.query)
		w.text(" THEN true")
	}
	holds()
	w.text(" ELSE false END AS hit")
}

// begun writes the condition that the first key of the order begins with the word.
func (l *level) begun(w *writer, t string) {
	first := t + "." + l.order.keys[0].column
	w.text(first + " >= ")
	w.param(l.search.from)
	w.text(" AND " + first + " < ")
	w.param(l.search.to)
}

// along is the table along whose index the order is walked.
func (l *level) along() *noun {
	if l.search.ordered {
		return l.search.document
	}
	return l.noun
}

// foundAhead writes the rows whose first key begins with the word, where the walk has not filled the page: of those that it came by
// it has found them.
func (l *level) foundAhead(w *writer, limit int) {
	t := w.alias()
	l.foundKeys(w, t)
	w.from(l.noun, t, nil)
	l.isShort(w, limit)
	w.text(" AND ")
	l.begun(w, t)
	w.and(l.conds, t)
	w.and(l.bounds, t)
	l.ordered(w, t, limit)
	w.text(")")
}

// isShort writes the condition that the walk has not filled the page.
func (l *level) isShort(w *writer, limit int) {
	l.isMany(w, " >= ")
	w.text(" AND cardinality(walked.ids) < ")
	w.param(limit)
}

// isMany writes the condition that there were more tokens than are collected, or with another comparison that there were not.
func (l *level) isMany(w *writer, compared string) {
	w.text(" AND near.n" + compared)
	w.param(l.search.tooMany)
}

// walk writes the ids of the rows that match, one after the other along the order.
func (l *level) walk(w *writer, limit int) {
	w.hits(func() {
		t := w.alias()
		w.text("SELECT " + t + ".id, ")
		l.hit(w, t)
		w.from(l.along(), t, nil)
		w.text(" AND ")
		w.param(l.search.signed)
		l.isMany(w, " >= ")
		w.and(l.bounds, t)
		l.ordered(w, t, -1)
		w.text(" LIMIT " + strconv.Itoa(l.search.maxWalk))
	}, limit)
}

// foundByWalking writes the rows that the walk has found.
func (l *level) foundByWalking(w *writer) {
	t := w.alias()
	l.foundKeys(w, t)
	w.from(l.along(), t, nil)
	w.text(" AND " + t + ".id = ANY(walked.ids))")
}

// sorted writes the first rows that match, of those with one of the tokens that from writes. They are sorted by the copies of the keys
// that tokens have: whether a row matches is looked at only when its turn comes.
func (l *level) sorted(w *writer, limit int, from func(t string)) {
	f := l.search
	t, z := w.alias(), w.alias()
	l.foundKeys(w, z)
	w.fromPage(z, func() {
		if f.ordered {
			w.text("SELECT DISTINCT ")
			l.keyList(w, t, false)
			from(t)
			if f.alone {
				w.and(l.conds, t)
			}
		} else {
			w.text("SELECT ")
			l.keyList(w, t, false)
			l.lookedUp(w, t, from)
			w.and(l.conds, t)
		}
		w.and(l.bounds, t)
		l.ordered(w, t, -1)
		w.text(" OFFSET 0")
	})
	w.text(" WHERE (")
	w.param(f.exact)
	w.text(" OR ")
	w.signedMatches(f.document, z, f.masks, f.query)
	w.text(")")
	if f.ordered && !f.alone {
		w.text(" AND ")
		w.holds(l.noun, z, l.conds)
	}
	w.text(" LIMIT ")
	w.param(limit)
	w.text(")")
}

// lookedUp writes FROM and WHERE of the rows with one of the tokens that from writes.
func (l *level) lookedUp(w *writer, t string, from func(t string)) {
	d, h, k := w.alias(), w.alias(), w.alias()
	w.fromPage(h, func() {
		w.text("SELECT " + d + ".id")
		w.from(l.search.document, d, nil)
		w.text(" AND " + d + ".id = ANY(ARRAY(SELECT " + k + ".id")
		from(k)
		w.text("))")
		l.hasMask(w, d)
		w.text(" OFFSET 0")
	})
	w.innerJoin(l.noun, t, func() { w.text(h + ".id") })
	w.text(" WHERE true")
}

// hasMask writes the condition that the document d may match, where the ranges do not say that it does.
func (l *level) hasMask(w *writer, d string) {
	w.text(" AND (")
	w.param(l.search.exact)
	w.text(" OR ")
	w.signed(d, l.search.masks)
	w.text(")")
}

// foundAll writes FROM and WHERE of all rows that match.
func (l *level) foundAll(w *writer) {
	f := l.search
	t := w.alias()
	if !f.bare {
		d, h := w.alias(), w.alias()
		w.fromPage(h, func() {
			w.text("SELECT " + d + ".id")
			l.matching(w, d, f.total, func() {})
			w.text(" OFFSET 0")
		})
		w.innerJoin(l.noun, t, func() { w.text(h + ".id") })
		w.text(" WHERE true")
		w.and(l.conds, t)
		return
	}
	// Where the tokens say all that is to be known, nobody is looked up.
	n, c := w.alias(), w.alias()
	w.fromPage(c, func() {
		w.text("SELECT 1")
		w.fromPage(n, func() { w.tokens(f, f.total, nil) })
		w.text(" WHERE " + n + ".shared < ")
		w.param(f.length)
		w.and(l.conds, n)
		w.text(" UNION ALL SELECT 1")
		l.matching(w, t, f.total, func() {
			w.text(" AND ")
			w.param(f.length)
			w.text(" = 0")
		})
		w.and(l.conds, t)
	})
}

// collected writes FROM and WHERE of the documents with a token in the ranges, where the gate says so.
func (l *level) collected(w *writer, d string, ranges tokenRanges, gate func()) {
	h := w.alias()
	w.fromPage(h, func() { w.allWithToken(l.search, ranges, gate) })
	w.innerJoin(l.search.document, d, func() { w.text(h + ".id") })
	w.text(" WHERE true")
}

// matching writes FROM and WHERE of the documents d that match, of those with a token in the ranges, where the gate says so.
func (l *level) matching(w *writer, d string, ranges tokenRanges, gate func()) {
	f := l.search
	l.collected(w, d, ranges, gate)
	l.hasMask(w, d)
	w.text(" AND (")
	w.param(f.exact)
	w.text(" OR ")
	w.matches(f.document, d, f.query)
	w.text(")")
}

// foundKeys begins a query for the keys of the order, of which the id is one.
func (l *level) foundKeys(w *writer, t string) {
	w.text("(SELECT ")
	l.keyList(w, t, false)
}

// understand looks up what the mistyped words of the operation's searches may have meant.
func (op *operation) understand(ctx context.Context, fields []*ast.Field) error {
	var typed []string
	if len(fields) > 0 {
		op.e.words.refresh(ctx, op.e)
		op.rq.shares = op.e.words.list.Load()
	}
	for _, f := range fields {
		args, err := op.coercer().field(f.Definition, f.Arguments)
		if err != nil || blank(args["search"]) {
			continue
		}
		if q, err := search.Parse(asText(args["search"])); err == nil {
			typed = append(typed, q.Typed()...)
		}
	}
	if len(typed) == 0 || op.rq.env.viewer.MayRead("Customer", "") != nil {
		return nil
	}
	slices.Sort(typed)
	typed = slices.Compact(typed)
	var of, spelling []string
	for _, w := range typed {
		for _, s := range search.Spellings(w) {
			of, spelling = append(of, w), append(spelling, s)
		}
	}
	meant := map[string][]string{}
	b := &pgx.Batch{}
	if op.e.walled {
		wall.Account(b, op.rq.env.account)
	}
	b.Queue(meantWords, op.rq.env.account, typed, of, spelling).Query(func(rows pgx.Rows) error {
		var was, word string
		_, err := pgx.ForEachRow(rows, []any{&was, &word}, func() error {
			if list := meant[was]; search.OneTypo(was, word) && len(list) < search.MaxMeant {
				meant[was] = append(list, word)
			}
			return nil
		})
		return err
	})
	if err := op.e.config.Pool.SendBatch(ctx, b).Close(); err != nil {
		return databaseFault(err)
	}
	op.rq.meant = meant
	return nil
}
