package customer

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"dossier/internal/attribute"
	"dossier/internal/fault"
	"dossier/internal/fold"
)

const fieldAttributes = "attributes"

// AttributeValue is what a customer has of a custom attribute. Its type says which field holds it.
type AttributeValue struct {
	DefinitionID uuid.UUID
	// Key is the definition's.
	Key  string
	Type attribute.Type
	// Text is of TEXT, LONG_TEXT, URL, EMAIL and PHONE.
	Text    string
	Integer int64
	// Decimal is in the form of text.Decimal.
	Decimal string
	Boolean bool
	// Time is of DATE, at midnight in UTC, and DATE_TIME.
	Time time.Time
	// Options is one id of SELECT, and of MULTI_SELECT one or several in the order of ids.
	Options []uuid.UUID
}

// maxLookup is how many bytes of a text are looked up by: an entry of an index has no room for much more.
const maxLookup = 2000

// Lookup is the form in which a text is looked up, cut to what an index can hold; "" for what cannot be looked up.
func (v AttributeValue) Lookup() string {
	switch v.Type {
	case attribute.Text, attribute.URL:
		return cut(fold.Text(v.Text), maxLookup)
	case attribute.Email:
		return fold.Email(v.Text)
	case attribute.Phone:
		return v.Text
	default:
		return ""
	}
}

// cut gives the first n bytes of a text, or fewer where a character would be cut in two.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}

func (v AttributeValue) equal(w AttributeValue) bool {
	return v.DefinitionID == w.DefinitionID && v.Type == w.Type && v.Text == w.Text && v.Integer == w.Integer && v.Decimal == w.Decimal &&
		v.Boolean == w.Boolean && v.Time.Equal(w.Time) && slices.Equal(v.Options, w.Options)
}

// AttributeChanges gives the values that are in b and not, or otherwise, in a, and the definitions whose value is in a and
// not in b. Both lists are in the order of keys, as File has them.
func AttributeChanges(a, b []AttributeValue) (set []AttributeValue, cleared []uuid.UUID) {
	old := make(map[uuid.UUID]AttributeValue, len(a))
	for _, v := range a {
		old[v.DefinitionID] = v
	}
	for _, v := range b {
		if was, ok := old[v.DefinitionID]; !ok || !was.equal(v) {
			set = append(set, v)
		}
		delete(old, v.DefinitionID)
	}
	for _, v := range a {
		if _, gone := old[v.DefinitionID]; gone {
			cleared = append(cleared, v.DefinitionID)
		}
	}
	return set, cleared
}

// diffAttributes notes that values differ, and of which attributes: two updates of different attributes do not collide.
func diffAttributes(fields map[string]bool, a, b []AttributeValue) {
	keys := map[uuid.UUID]string{}
	for _, v := range slices.Concat(a, b) {
		keys[v.DefinitionID] = v.Key
	}
	set, cleared := AttributeChanges(a, b)
	for _, v := range set {
		cleared = append(cleared, v.DefinitionID)
	}
	for _, id := range cleared {
		fields[fieldAttributes], fields[fieldAttributes+"."+keys[id]] = true, true
	}
}

// shown drops the names of single attributes: an event tells the fields of the schema.
func shown(fields []string) []string {
	return slices.DeleteFunc(slices.Clone(fields), func(name string) bool { return strings.HasPrefix(name, fieldAttributes+".") })
}

// readDefinitions reads the custom attributes in use. Staff are held to what the account requires.
func (c *check) readDefinitions(stored Reading, via Channel) (err error) {
	c.enforceRequired = via == ByStaff
	c.definitions, err = stored.AttributeDefinitions()
	return err
}

// attributes makes the new values of a customer: those of the input instead of the old ones of the same attributes.
func (c *check) attributes(path []string, cus Customer, in []AttributeInput) []AttributeValue {
	old := cus.Attributes
	if len(in) > attribute.MaxDefinitions {
		c.bad(path, "This list has %d values; at most %d are accepted.", len(in), attribute.MaxDefinitions)
		return old
	}
	next := slices.Clone(old)
	named := make(map[string]bool, len(in))
	for i, entry := range in {
		here := item(path, i)
		if named[entry.Key] {
			c.bad(at(here, "key"), "This key is in the list twice. Remove one.")
			continue
		}
		named[entry.Key] = true
		k := slices.IndexFunc(c.definitions, func(d attribute.Definition) bool { return d.Key == entry.Key })
		if k < 0 {
			c.missing(at(here, "key"), "custom attribute")
			continue
		}
		def := c.definitions[k]
		place := slices.IndexFunc(next, func(v AttributeValue) bool { return v.DefinitionID == def.ID })
		var had AttributeValue
		if place >= 0 {
			had = next[place]
		}
		before := len(c.faults)
		v, is := c.attribute(here, def, entry, had)
		if is && !def.For(cus.TypeID) {
			c.bad(at(here, "key"), "%s is not for customers of this type. Leave it out.", def.Key)
		}
		if len(c.faults) > before {
			c.refuse(def.Key)
		}
		switch {
		case !is && place >= 0:
			next = slices.Delete(next, place, place+1)
		case is && place >= 0:
			next[place] = v
		case is:
			next = append(next, v)
		}
	}
	slices.SortFunc(next, func(a, b AttributeValue) int { return cmp.Compare(a.Key, b.Key) })
	return next
}

// obeyAttributes holds that a customer has the attributes that it must have, and none that is hidden. A rule of the field
// policy about attributes.<key> goes before what the definition says, which is about new customers only.
func (c *check) obeyAttributes(stored Reading, via Channel, r Rules, e entry, fresh bool) error {
	ruled := func(field string) bool {
		return slices.ContainsFunc(slices.Concat(r.OfType, r.All), func(rule Rule) bool { return rule.Field == field })
	}
	about := slices.ContainsFunc(slices.Concat(r.OfType, r.All), func(rule Rule) bool { return strings.HasPrefix(rule.Field, fieldAttributes+".") })
	if about && c.definitions == nil {
		if err := c.readDefinitions(stored, via); err != nil {
			return err
		}
	}
	path := e.path(fieldAttributes)
	for _, def := range c.definitions {
		if def.Type == attribute.File || !def.For(e.after.TypeID) || c.refused[def.Key] {
			continue
		}
		field := fieldAttributes + "." + def.Key
		visible, required := true, fresh && c.mustHave(def)
		if ruled(field) {
			rule, _ := r.Rule(field)
			visible, required = rule.Visible, rule.Required
		}
		has := slices.ContainsFunc(e.after.Attributes, func(v AttributeValue) bool { return v.DefinitionID == def.ID })
		switch {
		case !visible && has && e.given(field):
			c.bad(path, "Customers of this type have no %s here: the field policy of the account hides it. Leave it out.", def.Key)
			c.faults[len(c.faults)-1].Detail = fault.AttributeDetail{Key: def.Key}
		case required && visible && !has:
			c.required(path, "A customer needs a value of the custom attribute %s (%s).", def.Key, def.Label)
			c.faults[len(c.faults)-1].Detail = fault.AttributeDetail{Key: def.Key}
		}
	}
	return nil
}

func (c *check) refuse(key string) {
	if c.refused == nil {
		c.refused = map[string]bool{}
	}
	c.refused[key] = true
}

// mustHave says whether customers need a value of an attribute. Those of a FILE are documents, which come later.
func (c *check) mustHave(def attribute.Definition) bool {
	return c.enforceRequired && def.Required && def.Type != attribute.File
}
