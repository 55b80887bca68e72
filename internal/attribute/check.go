package attribute

import (
	"bytes"
	"regexp"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"dossier/internal/fault"
	"dossier/internal/text"
	"dossier/internal/typeid"
)

// check collects all that is wrong with an input, so that a client can show everything at once.
type check struct {
	faults fault.List
	newID  func() uuid.UUID
	// types are the customer types of the account.
	types []uuid.UUID
}

func (c *check) knownType(id uuid.UUID) bool { return slices.Contains(c.types, id) }

func (c *check) bad(path []string, format string, args ...any) {
	c.faults = append(c.faults, fault.At(fault.BadUserInput, path, format, args...))
}

func (c *check) required(path []string, format string, args ...any) {
	c.faults = append(c.faults, fault.At(fault.Required, path, format, args...))
}

// at extends a path without touching the one it is made from.
func at(path []string, more ...string) []string { return append(slices.Clip(path), more...) }

func item(path []string, i int) []string { return at(path, strconv.Itoa(i)) }

func (c *check) label(path []string, s string) string {
	path = at(path, "label")
	label, problem := text.Line(s, MaxLabel)
	switch {
	case problem != "":
		c.bad(path, "%s", problem)
	case label == "":
		c.required(path, "Give it a label.")
	}
	return label
}

func (c *check) description(path []string, s *string) string {
	if s == nil {
		return ""
	}
	lines, problem := text.Lines(*s, MaxDescription)
	if problem != "" {
		c.bad(at(path, "description"), "%s", problem)
	}
	return lines
}

func (c *check) ofType(path []string, t Type) Type {
	if !slices.Contains(types, t) {
		c.bad(at(path, "type"), "There is no such type of custom attributes.")
	}
	return t
}

// key reads a key, or makes one of the label where none is given.
func (c *check) key(path []string, given *string, label, fallback string, taken func(string) bool, noun string) string {
	switch {
	case given == nil:
		return makeKey(label, fallback, taken)
	case !validKey(*given):
		c.bad(path, keyRule)
	case taken(*given):
		c.faults = append(c.faults, fault.At(fault.Conflict, path, "Another %s has this key already. Choose another one.", noun))
	}
	return *given
}

// fits holds that a definition has what its type needs and nothing that its type does not have.
func (c *check) fits(path []string, d Definition) {
	switch {
	case !d.Type.chosen() && len(d.Options) > 0:
		c.bad(at(path, "options"), "Only SELECT and MULTI_SELECT have options.")
	case d.Type.chosen() && !slices.ContainsFunc(d.Options, func(o Option) bool { return !o.Archived }):
		c.required(at(path, "options"), "At least one option must be there to choose.")
	}
	if d.Type != File && len(d.Accept) > 0 {
		c.bad(at(path, "accept"), "Only FILE has media types.")
	}
	if d.Type != File && d.MaxFiles != 0 {
		c.bad(at(path, "maxFiles"), "Only FILE has a number of files.")
	}
	if d.Type != File && d.MaxFileBytes != 0 {
		c.bad(at(path, "maxFileBytes"), "Only FILE has a size of files.")
	}
}

// of drops the rules that values of the type are not measured by.
func (v Validation) of(t Type) Validation {
	var out Validation
	switch t {
	case Text, LongText:
		out.MinLength, out.MaxLength, out.Pattern = v.MinLength, v.MaxLength, v.Pattern
	case Integer, Decimal:
		out.Minimum, out.Maximum = v.Minimum, v.Maximum
	case Date:
		out.EarliestDate, out.LatestDate = v.EarliestDate, v.LatestDate
	case DateTime:
		out.EarliestTime, out.LatestTime = v.EarliestTime, v.LatestTime
	case Boolean, Select, MultiSelect, URL, Email, Phone, File:
	}
	return out
}

// validation reads the rules for values of a type.
func (c *check) validation(path []string, t Type, in *ValidationInput) Validation {
	if in == nil {
		return Validation{}
	}
	v := Validation{
		MinLength: in.MinLength, MaxLength: in.MaxLength, Pattern: value(in.Pattern), EarliestDate: in.EarliestDate, LatestDate: in.LatestDate,
		EarliestTime: in.EarliestTime, LatestTime: in.LatestTime,
	}
	v.Minimum = c.bound(at(path, "minimum"), t, in.Minimum)
	v.Maximum = c.bound(at(path, "maximum"), t, in.Maximum)
	c.foreign(path, t, v)
	v = v.of(t)
	longest := MaxText
	if t == LongText {
		longest = MaxLongText
	}
	for name, n := range map[string]*int{"minLength": v.MinLength, "maxLength": v.MaxLength} {
		if n != nil && (*n < 1 || *n > longest) {
			c.bad(at(path, name), "A %s has from 1 to %d characters.", t, longest)
		}
	}
	c.pattern(at(path, "pattern"), v.Pattern)
	switch {
	case v.MinLength != nil && v.MaxLength != nil && *v.MinLength > *v.MaxLength:
		c.bad(at(path, "maxLength"), "maxLength is less than minLength: no text satisfies both.")
	case v.Minimum != "" && v.Maximum != "" && text.CompareDecimals(v.Minimum, v.Maximum) > 0:
		c.bad(at(path, "maximum"), "maximum is less than minimum: no number satisfies both.")
	case after(v.EarliestDate, v.LatestDate):
		c.bad(at(path, "latestDate"), "latestDate is before earliestDate: no date satisfies both.")
	case after(v.EarliestTime, v.LatestTime):
		c.bad(at(path, "latestTime"), "latestTime is before earliestTime: no time satisfies both.")
	}
	return v
}

func after(a, b *time.Time) bool { return a != nil && b != nil && a.After(*b) }

// foreign refuses rules that values of the type cannot be measured by.
func (c *check) foreign(path []string, t Type, v Validation) {
	kept := v.of(t)
	for _, rule := range []struct {
		name        string
		given, kept bool
	}{
		{"minLength", v.MinLength != nil, kept.MinLength != nil},
		{"maxLength", v.MaxLength != nil, kept.MaxLength != nil},
		{"pattern", v.Pattern != "", kept.Pattern != ""},
		{"minimum", v.Minimum != "", kept.Minimum != ""},
		{"maximum", v.Maximum != "", kept.Maximum != ""},
		{"earliestDate", v.EarliestDate != nil, kept.EarliestDate != nil},
		{"latestDate", v.LatestDate != nil, kept.LatestDate != nil},
		{"earliestTime", v.EarliestTime != nil, kept.EarliestTime != nil},
		{"latestTime", v.LatestTime != nil, kept.LatestTime != nil},
	} {
		if rule.given && !rule.kept {
			c.bad(at(path, rule.name), "A %s has no %s. Leave it out.", t, rule.name)
		}
	}
}

func (c *check) bound(path []string, t Type, s *string) string {
	if s == nil {
		return ""
	}
	n, ok := text.Decimal(*s, MaxWhole, MaxFraction)
	switch {
	case !ok:
		c.bad(path, "This is a decimal number with at most %d digits before and %d behind the point.", MaxWhole, MaxFraction)
	case t == Integer && strings.Contains(n, "."):
		c.bad(path, "An INTEGER is a whole number, so its bounds are too.")
	}
	return n
}

// maxProgram is how many steps a compiled pattern may have.
const maxProgram = 1000

// SECURITY: matching takes time in proportion to the length of the text and that of the compiled pattern, which repetitions
// make much longer than what is written: "(.{100}){10}" has 12 characters and over a thousand steps.
func (c *check) pattern(path []string, s string) {
	if s == "" {
		return
	}
	if len(s) > MaxPattern {
		c.bad(path, "The regular expression has %d bytes; at most %d are accepted.", len(s), MaxPattern)
		return
	}
	parsed, err := syntax.Parse(s, syntax.Perl)
	if err != nil {
		c.bad(path, "This is not a regular expression as RE2 has it. Look-ahead, look-behind and back-references do not exist in it.")
		return
	}
	program, err := syntax.Compile(parsed.Simplify())
	if err != nil || len(program.Inst) > maxProgram {
		c.bad(path, "The regular expression repeats too much. Use smaller numbers of repetitions, or minLength and maxLength.")
	}
}

// Matches says whether the whole of s matches the pattern of the rules.
func (v Validation) Matches(s string) bool {
	if v.Pattern == "" {
		return true
	}
	pattern, err := regexp.Compile(`^(?:` + v.Pattern + `)$`)
	return err == nil && pattern.MatchString(s)
}

// customerTypes reads the types of customers that an attribute is for. Whether there are such types only the stored data tell.
func (c *check) customerTypes(path []string, list []string) []uuid.UUID {
	if len(list) > MaxTypes {
		c.bad(path, "This list has %d types of customers; at most %d are accepted.", len(list), MaxTypes)
		return nil
	}
	var ids []uuid.UUID
	for i, s := range list {
		id, err := typeid.ParseAs(typeid.CustomerType, s)
		switch {
		case err != nil || !c.knownType(id):
			c.faults = append(c.faults, fault.At(fault.NotFound, item(path, i), "The customer type does not exist in this account."))
		case !slices.Contains(ids, id):
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
	return ids
}

var mediaRange = regexp.MustCompile(`^[a-z0-9][a-z0-9!#$&^_.+-]{0,126}/(\*|[a-z0-9][a-z0-9!#$&^_.+-]{0,126})$`)

func (c *check) accept(path []string, list []string) []string {
	if len(list) > MaxAccept {
		c.bad(path, "This list has %d media types; at most %d are accepted.", len(list), MaxAccept)
		return nil
	}
	var out []string
	for i, s := range list {
		s = strings.TrimSpace(s)
		if !slices.Contains(AcceptGroups, s) {
			s = strings.ToLower(s)
		}
		switch {
		case !mediaRange.MatchString(s) && !slices.Contains(AcceptGroups, s):
			c.bad(item(path, i), "A media type looks like application/pdf or image/*; the groups are %s.", strings.Join(AcceptGroups, ", "))
		case !slices.Contains(out, s):
			out = append(out, s)
		}
	}
	return out
}

func (c *check) maxFiles(path []string, n *int) int {
	if n == nil {
		return 0
	}
	if *n < 1 || *n > MaxFiles {
		c.bad(path, "maxFiles is from 1 to %d, or null for no limit of its own.", MaxFiles)
	}
	return *n
}

func (c *check) maxFileBytes(path []string, n *int64) int64 {
	if n == nil {
		return 0
	}
	if *n < 1 {
		c.bad(path, "maxFileBytes is at least 1, or null for the account's limit.")
	}
	return *n
}
