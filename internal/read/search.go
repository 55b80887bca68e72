package read

import (
	"context"
	"encoding/binary"
	"errors"
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
// A search has two ways. It can walk along the order of the page and look at each row: right when many rows match, as for one or
// two letters. Or it can collect all that match from the index of words and sort them: right when few do. PostgreSQL
// cannot know which when the word is a parameter. So each search looks at the next sampleSize rows of its order first. If
// there are enoughHits among them it walks, for maxWalk rows at most: a sample can be wrong. When that does not fill the
// page, or was not tried, it asks the index of words.
//
// What makes looking at a row cheap is the signature of its document, which stands in the index of the order: only a row that
// has all bits of one of the query's masks is looked at closer. In an order whose index has none, fewer rows are looked at.
//
// Both ways fail for a word that begins what the rows are ordered by: all Marias stand in one place, which a walk from A gets to
// last, and they are too many to be sorted. They are a range of the order's index, which is read beside the others.
type searched struct {
	// document has the rows' ids, lexemes and signatures, and copies of some of their columns.
	document *noun
	// copied are the orders whose keys, like the status, the document has copies of, with an index that has the signature.
	copied []string
	// leads are the orders by name.
	leads map[string]search.Lead
	// facets gives what of the argument where a signature knows.
	facets func(where arguments) search.Facets
}

// pace is how many rows a search looks at. For words that are common, of which the index would give many, two hits are enough, and
// it walks farther.
type pace struct {
	sampleSize, enoughHits, maxWalk, maxCommonWalk int
}

var (
	// bySignature is for orders whose index has signatures, of which a thousand are looked at in 0.3 to 0.7 ms.
	bySignature = pace{sampleSize: 2000, enoughHits: 4, maxWalk: 8000, maxCommonWalk: 20_000}
	// byDocument is for the others, where each row's document is looked up.
	byDocument = pace{sampleSize: 400, enoughHits: 3, maxWalk: 6000, maxCommonWalk: 6000}
)

// searchDocument is no type of the schema, so it is not among the nouns.
var searchDocument = &noun{table: "customer_search", id: "id", account: "account_id"}

// found is a search of one level.
type found struct {
	*searched
	// query leaves out the rows between from and to, of the order's first column; all does not. few and fewAll are of their
	// terms those to ask the index for.
	query, all, few, fewAll, from, to int
	// exact is the slot of whether few and fewAll are all terms.
	exact int
	// masks are the slots of the masks, of which one must fit.
	masks []int
	// signed is the slot of whether there are masks: without them no row is looked at on the way. enough and walk are those of how
	// many hits and rows the pace says.
	signed, enough, walk int
	lead                 search.Lead
	// ordered says that the document has the keys of the order, alone that it has all columns that the conditions need, too.
	ordered, alone bool
	pace
}

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
	f.alone = f.ordered
	for _, v := range args.in("where") {
		f.alone = f.alone && v == nil
	}
	if err := c.masks(f, site); err != nil {
		return err
	}
	for _, p := range []struct {
		slot  *int
		oid   uint32
		value func(q search.Query, b *binding) []byte
	}{
		{&f.query, oidTSQuery, func(q search.Query, b *binding) []byte { return q.Match(b.rq.env.account, f.lead, b.rq.meant) }},
		{&f.few, oidTSQuery, func(q search.Query, b *binding) []byte {
			lead := f.lead
			if q.Beginning(lead) == "" { // of several words none is left out, also when the index is asked for one of them
				lead = search.LeadNone
			}
			return b.rq.shares.rare(b.rq.env.account, q).Match(b.rq.env.account, lead, b.rq.meant)
		}},
		{&f.fewAll, oidTSQuery, func(q search.Query, b *binding) []byte {
			return b.rq.shares.rare(b.rq.env.account, q).Match(b.rq.env.account, search.LeadNone, b.rq.meant)
		}},
		{&f.all, oidTSQuery, func(q search.Query, b *binding) []byte {
			return q.Match(b.rq.env.account, search.LeadNone, b.rq.meant)
		}},
		{&f.exact, oidBool, func(q search.Query, b *binding) []byte {
			if b.rq.shares.rare(b.rq.env.account, q).Terms() == q.Terms() {
				return []byte{1}
			}
			return []byte{0}
		}},
		{&f.from, oidText, func(q search.Query, _ *binding) []byte { return []byte(q.Beginning(f.lead)) }},
		{&f.to, oidText, func(q search.Query, _ *binding) []byte {
			if from := q.Beginning(f.lead); from != "" {
				return []byte(from + "\U0010FFFF")
			}
			return []byte{} // nothing is less
		}},
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
	w.text("SELECT u." + l.noun.id)
	w.sampled(f.enoughHits, func() { l.sample(w) }, func() { l.walk(w, limit) }, func() {
		if f.lead != search.LeadNone {
			l.foundAhead(w, limit)
			w.text(" UNION ")
		}
		l.foundByWalking(w)
		w.text(" UNION ")
		l.foundByWords(w, limit)
	})
	l.ordered(w, "u", limit)
}

// masks makes the parameters of the query's masks, and of how far they are worth following: a query without masks goes to the
// index of words.
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
		if len(list) == 0 {
			return []byte{0}, err
		}
		return []byte{1}, err
	})
	if err != nil {
		return err
	}
	return errors.Join(c.paced(&f.enough, site, f.enoughHits, 2), c.paced(&f.walk, site, f.maxWalk, f.maxCommonWalk))
}

// paced makes a parameter that depends on how common the words are.
func (c *compiler) paced(slot *int, site, rare, common int) (err error) {
	*slot, err = c.param(oidInt8, func(b *binding) ([]byte, error) {
		q, err := parseSearch(b, site)
		n := rare
		if b.rq.shares.common(b.rq.env.account, q) {
			n = common
		}
		return binary.BigEndian.AppendUint64(nil, uint64(n)), err //nolint:gosec // not negative
	})
	return err
}

// encodeBits is the binary form of a bit string.
func encodeBits(s search.Signature) []byte {
	return append(binary.BigEndian.AppendUint32(nil, search.SignatureBits), s[:]...)
}

// hit writes whether a row matches: its signature is looked at first. Those that the word begins need no look at all.
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
	w.text("CASE")
	if f.lead != search.LeadNone {
		w.text(" WHEN ")
		l.begun(w, t)
		w.text(" THEN true")
		holds()
	}
	w.text(" WHEN ")
	if f.ordered {
		w.signed(t, f.masks)
		w.text(" THEN ")
		w.matches(f.document, t, f.query)
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

// sample writes the next rows of the order, and whether they match.
func (l *level) sample(w *writer) {
	t := w.alias()
	w.text("SELECT ")
	l.hit(w, t)
	l.onTheWay(w, t)
	l.ordered(w, t, -1)
	w.text(" LIMIT " + strconv.Itoa(l.search.sampleSize))
}

// onTheWay writes FROM and WHERE of the rows along the order.
func (l *level) onTheWay(w *writer, t string) {
	w.from(l.along(), t, nil)
	w.text(" AND ")
	w.param(l.search.signed)
	w.and(l.bounds, t)
}

// foundAhead writes the rows whose first key begins with the word.
func (l *level) foundAhead(w *writer, limit int) {
	t := w.alias()
	l.foundKeys(w, t)
	w.from(l.noun, t, nil)
	w.text(" AND ")
	l.begun(w, t)
	l.foundEnd(w, t, limit)
}

// walk writes the ids of the rows that match, one after the other along the order.
func (l *level) walk(w *writer, limit int) {
	w.hits(func() {
		t := w.alias()
		w.text("SELECT " + t + ".id, ")
		l.hit(w, t)
		l.onTheWay(w, t)
		w.text(" AND near.hits >= ")
		w.param(l.search.enough)
		l.ordered(w, t, l.search.walk)
	}, limit)
}

// foundByWalking writes the rows that the walk has found.
func (l *level) foundByWalking(w *writer) {
	t := w.alias()
	l.foundKeys(w, t)
	w.from(l.noun, t, nil)
	w.text(" AND " + t + ".id = ANY(walked.ids))")
}

// foundByWords writes the rows that match, all of them and sorted, unless the walk has filled the page.
func (l *level) foundByWords(w *writer, limit int) {
	t := w.alias()
	l.foundKeys(w, t)
	l.byWords(w, t, l.search.few, l.search.query, func() {
		w.text(" AND (near.hits < ")
		w.param(l.search.enough)
		w.text(" OR cardinality(walked.ids) < ")
		w.param(limit)
		w.text(")")
	})
	l.foundEnd(w, t, limit)
}

// foundAll writes FROM and WHERE of all rows that match.
func (l *level) foundAll(w *writer) {
	t := w.alias()
	l.byWords(w, t, l.search.fewAll, l.search.all, func() {})
	w.and(l.conds, t)
}

// byWords writes FROM and WHERE of the rows that the index of words finds. t is the document itself where it has all that is
// needed. Else it is joined to what was found: OFFSET 0 keeps PostgreSQL from beginning at the other end.
func (l *level) byWords(w *writer, t string, few, query int, gate func()) {
	match := func(d string) {
		gate()
		w.text(" AND " + d + ".words @@ ")
		w.param(few)
		w.text(" AND (")
		w.param(l.search.exact)
		w.text(" OR ")
		w.signed(d, l.search.masks)
		w.text(" AND ts_match_vq(" + d + ".words, ")
		w.param(query)
		w.text("))")
	}
	if l.search.alone {
		w.from(l.search.document, t, nil)
		match(t)
		return
	}
	d, h := w.alias(), w.alias()
	w.fromPage(h, func() {
		w.text("SELECT " + d + ".id")
		w.from(l.search.document, d, nil)
		match(d)
		w.text(" OFFSET 0")
	})
	w.innerJoin(l.noun, t, func() { w.text(h + ".id") })
	w.text(" WHERE true")
}

// foundKeys begins a query for the keys of the order, of which the id is one.
func (l *level) foundKeys(w *writer, t string) {
	w.text("(SELECT ")
	l.keyList(w, t, false)
}

func (l *level) foundEnd(w *writer, t string, limit int) {
	w.and(l.conds, t)
	w.and(l.bounds, t)
	l.ordered(w, t, limit)
	w.text(")")
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
