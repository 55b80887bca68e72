package attribute

import (
	"slices"
	"time"

	"github.com/google/uuid"
)

// The area for documents that is always there has this key and this label. It has no definition, and no FILE has its key.
const (
	GeneralKey   = "general"
	GeneralLabel = "General documents"
)

// Limits of the schema, in characters and items.
const (
	MaxDefinitions = 100
	MaxOptions     = 200
	MaxKey         = 60
	MaxLabel       = 200
	MaxDescription = 2000
	MaxPattern     = 200
	MaxAccept      = 50
	MaxFiles       = 1000
	MaxTypes       = 100
)

// Limits of values.
const (
	// MaxText is how many characters a TEXT may have, MaxLongText a LONG_TEXT and MaxURL a URL.
	MaxText     = 500
	MaxLongText = 10_000
	MaxURL      = 2000
	// MaxWhole and MaxFraction are how many digits a DECIMAL may have before and behind the point.
	MaxWhole    = 20
	MaxFraction = 10
	// MaxInteger is the greatest INTEGER, which is the greatest number that JSON clients keep exactly.
	MaxInteger = 1<<53 - 1
)

// Type is what an attribute holds, in the spelling of the SDL.
type Type string

// The types.
const (
	Text        Type = "TEXT"
	LongText    Type = "LONG_TEXT"
	Integer     Type = "INTEGER"
	Decimal     Type = "DECIMAL"
	Boolean     Type = "BOOLEAN"
	Date        Type = "DATE"
	DateTime    Type = "DATE_TIME"
	Select      Type = "SELECT"
	MultiSelect Type = "MULTI_SELECT"
	URL         Type = "URL"
	Email       Type = "EMAIL"
	Phone       Type = "PHONE"
	File        Type = "FILE"
)

// types lists them in the order of the SDL.
var types = []Type{Text, LongText, Integer, Decimal, Boolean, Date, DateTime, Select, MultiSelect, URL, Email, Phone, File}

// AcceptGroups are the names that stand for many media types in Definition.Accept: those of document.Groups, which a test holds.
var AcceptGroups = []string{"IMAGE", "TEXT", "TABLE", "OFFICE", "ARCHIVE", "AUDIO", "VIDEO"}

// chosen says whether values are chosen from options.
func (t Type) chosen() bool { return t == Select || t == MultiSelect }

// Definition is a custom attribute. Empty text stands for null.
type Definition struct {
	ID              uuid.UUID
	Version         int
	Key             string
	Label           string
	Description     string
	Type            Type
	Required        bool
	CustomerVisible bool
	Position        int
	ArchivedAt      *time.Time
	Validation      Validation
	// CustomerTypes are the types of customers that it is for, in the order of ids; with none it is for all.
	CustomerTypes []uuid.UUID
	// Options are in order, the archived ones among them.
	Options []Option
	// Accept, MaxFiles and MaxFileBytes are of FILE; nil and 0 stand for no rule.
	Accept       []string
	MaxFiles     int
	MaxFileBytes int64
}

// Archived says whether the attribute is out of use.
func (d Definition) Archived() bool { return d.ArchivedAt != nil }

// For says whether the attribute is for customers of a type; uuid.Nil stands for those without one.
func (d Definition) For(customerType uuid.UUID) bool {
	return len(d.CustomerTypes) == 0 || slices.Contains(d.CustomerTypes, customerType)
}

// Option finds an option by its key; nil when there is none.
func (d Definition) Option(key string) *Option {
	i := slices.IndexFunc(d.Options, func(o Option) bool { return o.Key == key })
	if i < 0 {
		return nil
	}
	return &d.Options[i]
}

// Option is what can be chosen.
type Option struct {
	ID       uuid.UUID
	Key      string
	Label    string
	Archived bool
}

// Validation is what values must satisfy beyond their type. What is nil or "" is no rule. Numbers are in the form of
// text.Decimal, dates at midnight in UTC.
type Validation struct {
	MinLength, MaxLength     *int
	Pattern                  string
	Minimum, Maximum         string
	EarliestDate, LatestDate *time.Time
	EarliestTime, LatestTime *time.Time
}

// equal compares what the pointers point at.
func (v Validation) equal(w Validation) bool {
	return same(v.MinLength, w.MinLength) && same(v.MaxLength, w.MaxLength) && v.Pattern == w.Pattern && v.Minimum == w.Minimum &&
		v.Maximum == w.Maximum && sameTime(v.EarliestDate, w.EarliestDate) && sameTime(v.LatestDate, w.LatestDate) &&
		sameTime(v.EarliestTime, w.EarliestTime) && sameTime(v.LatestTime, w.LatestTime)
}

func same[T comparable](a, b *T) bool {
	return a == nil && b == nil || a != nil && b != nil && *a == *b
}

func sameTime(a, b *time.Time) bool {
	return a == nil && b == nil || a != nil && b != nil && a.Equal(*b)
}
