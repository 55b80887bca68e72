package customer

import (
	"net/url"
	"slices"
	"strings"

	"github.com/google/uuid"
	"golang.org/x/text/language"

	"dossier/internal/optional"
	"dossier/internal/text"
	"dossier/internal/typeid"
)

// Limits of the profile, in characters, and of the way to a customer.
const (
	MaxExternalID  = 255
	MaxURL         = 2000
	maxKilometres  = 6 // digits before the point
	kilometreScale = 3 // digits behind it
)

// Profile is what is kept of a customer beside names, contacts and contact points. Empty text and a zero id stand for
// null.
type Profile struct {
	LanguageTag        string
	TimeZone           string
	ExternalID         string
	PreferredChannel   string
	DeliveryDistanceKm string // a decimal fraction
	WebsiteURL         string
	BusinessArea       string
	TaxExempt          bool
	TaxExemptReason    string
	TypeID             uuid.UUID
	OriginID           uuid.UUID
	SalespersonID      uuid.UUID
	RepresentativeID   uuid.UUID
	PreferredOfficeID  uuid.UUID
	PreferredStaffID   uuid.UUID
}

// ProfileInput is what to keep or to change of a profile: of a new customer a field that is not given is null.
type ProfileInput struct {
	LanguageTag        optional.Field[*string] `json:"languageTag,omitzero"`
	TimeZone           optional.Field[*string] `json:"timeZone,omitzero"`
	ExternalID         optional.Field[*string] `json:"externalId,omitzero"`
	PreferredChannel   optional.Field[*string] `json:"preferredChannel,omitzero"`
	DeliveryDistanceKm optional.Field[*string] `json:"deliveryDistanceKm,omitzero"`
	WebsiteURL         optional.Field[*string] `json:"websiteUrl,omitzero"`
	BusinessArea       optional.Field[*string] `json:"businessArea,omitzero"`
	TaxExempt          optional.Field[*bool]   `json:"taxExempt,omitzero"`
	TaxExemptReason    optional.Field[*string] `json:"taxExemptReason,omitzero"`
	// The ids are TypeIDs.
	TypeID            optional.Field[*string] `json:"typeId,omitzero"`
	OriginID          optional.Field[*string] `json:"originId,omitzero"`
	SalespersonID     optional.Field[*string] `json:"salespersonId,omitzero"`
	RepresentativeID  optional.Field[*string] `json:"representativeId,omitzero"`
	PreferredOfficeID optional.Field[*string] `json:"preferredOfficeId,omitzero"`
	PreferredStaffID  optional.Field[*string] `json:"preferredStaffId,omitzero"`
}

// profileText is a text of the profile: its name in the schema, where it is, and what is accepted.
type profileText struct {
	name   string
	stored func(*Profile) *string
	input  func(*ProfileInput) *optional.Field[*string]
	clean  func(string) (value, problem string)
}

var profileTexts = []profileText{
	{"languageTag", func(p *Profile) *string { return &p.LanguageTag }, func(in *ProfileInput) *optional.Field[*string] { return &in.LanguageTag }, cleanLanguage},
	{"timeZone", func(p *Profile) *string { return &p.TimeZone }, func(in *ProfileInput) *optional.Field[*string] { return &in.TimeZone }, text.TimeZone},
	{"externalId", func(p *Profile) *string { return &p.ExternalID }, func(in *ProfileInput) *optional.Field[*string] { return &in.ExternalID }, atMost(MaxExternalID)},
	{"preferredChannel", func(p *Profile) *string { return &p.PreferredChannel }, func(in *ProfileInput) *optional.Field[*string] { return &in.PreferredChannel }, cleanChannel},
	{"deliveryDistanceKm", func(p *Profile) *string { return &p.DeliveryDistanceKm }, func(in *ProfileInput) *optional.Field[*string] { return &in.DeliveryDistanceKm }, cleanDistance},
	{"websiteUrl", func(p *Profile) *string { return &p.WebsiteURL }, func(in *ProfileInput) *optional.Field[*string] { return &in.WebsiteURL }, cleanURL},
	{"businessArea", func(p *Profile) *string { return &p.BusinessArea }, func(in *ProfileInput) *optional.Field[*string] { return &in.BusinessArea }, atMost(MaxName)},
	{"taxExemptReason", func(p *Profile) *string { return &p.TaxExemptReason }, func(in *ProfileInput) *optional.Field[*string] { return &in.TaxExemptReason }, atMost(MaxName)},
}

// profileChoice is an item of a list that the account keeps: its name in the schema, the list, and where it is.
type profileChoice struct {
	name   string
	list   List
	stored func(*Profile) *uuid.UUID
	input  func(*ProfileInput) *optional.Field[*string]
}

var profileChoices = []profileChoice{
	{"typeId", Types, func(p *Profile) *uuid.UUID { return &p.TypeID }, func(in *ProfileInput) *optional.Field[*string] { return &in.TypeID }},
	{"originId", Origins, func(p *Profile) *uuid.UUID { return &p.OriginID }, func(in *ProfileInput) *optional.Field[*string] { return &in.OriginID }},
	{"preferredOfficeId", Offices, func(p *Profile) *uuid.UUID { return &p.PreferredOfficeID }, func(in *ProfileInput) *optional.Field[*string] { return &in.PreferredOfficeID }},
	{"salespersonId", Staff, func(p *Profile) *uuid.UUID { return &p.SalespersonID }, func(in *ProfileInput) *optional.Field[*string] { return &in.SalespersonID }},
	{"representativeId", Staff, func(p *Profile) *uuid.UUID { return &p.RepresentativeID }, func(in *ProfileInput) *optional.Field[*string] { return &in.RepresentativeID }},
	{"preferredStaffId", Staff, func(p *Profile) *uuid.UUID { return &p.PreferredStaffID }, func(in *ProfileInput) *optional.Field[*string] { return &in.PreferredStaffID }},
}

// List is a list of the account that a customer can have an item of.
type List string

// The lists.
const (
	Staff   List = "staff user"
	Types   List = "customer type"
	Origins List = "customer origin"
	Offices List = "office"
)

var listPrefixes = map[List]string{Staff: typeid.StaffUser, Types: typeid.CustomerType, Origins: typeid.CustomerOrigin, Offices: typeid.Office}

// profile applies an input to a profile.
func (c *check) profile(path []string, p *Profile, in ProfileInput) {
	for _, f := range profileTexts {
		if given := f.input(&in); given.Given {
			*f.stored(p) = c.cleaned(at(path, f.name), given.Value, f.clean)
		}
	}
	if in.TaxExempt.Given {
		p.TaxExempt = in.TaxExempt.Value != nil && *in.TaxExempt.Value
	}
	switch reason := in.TaxExemptReason; {
	case p.TaxExempt:
	case reason.Given && !blank(reason.Value):
		c.bad(at(path, "taxExemptReason"), "A reason is kept only of a customer who is tax exempt. Set taxExempt to true, or leave the reason out.")
	default:
		p.TaxExemptReason = ""
	}
	for _, f := range profileChoices {
		if given := f.input(&in); given.Given {
			c.choose(at(path, f.name), f.list, f.stored(p), given.Value)
		}
	}
}

// cleaned reads a text that has a form; "" stands for null.
func (c *check) cleaned(path []string, s *string, clean func(string) (value, problem string)) string {
	if blank(s) {
		return ""
	}
	value, problem := clean(*s)
	c.add(path, problem)
	return value
}

// choose notes that an item was chosen from a list, if it is another one than before. Whether there is such an item is
// asked at the end, of all choices at once.
func (c *check) choose(path []string, list List, stored *uuid.UUID, chosen *string) {
	if chosen == nil {
		*stored = uuid.Nil
		return
	}
	id, err := typeid.ParseAs(listPrefixes[list], *chosen)
	if err != nil {
		c.missing(path, string(list))
		return
	}
	if id != *stored {
		*stored = id
		c.choices = append(c.choices, choice{path, Choice{list, id}})
	}
}

func (p *ProfileInput) fields(fields map[string]bool) {
	for _, f := range profileTexts {
		fields[f.name] = f.input(p).Given
	}
	for _, f := range profileChoices {
		fields[f.name] = f.input(p).Given
	}
	fields["taxExempt"] = p.TaxExempt.Given
}

func diffProfile(a, b Profile, fields map[string]bool) {
	for _, f := range profileTexts {
		fields[f.name] = *f.stored(&a) != *f.stored(&b)
	}
	for _, f := range profileChoices {
		fields[f.name] = *f.stored(&a) != *f.stored(&b)
	}
	fields["taxExempt"] = a.TaxExempt != b.TaxExempt
}

func atMost(maximum int) func(string) (string, string) {
	return func(s string) (string, string) { return text.Line(s, maximum) }
}

// cleanLanguage gives a language tag in its canonical form (BCP 47).
func cleanLanguage(s string) (tag, problem string) {
	t, err := language.Parse(strings.TrimSpace(s))
	if err != nil || t == language.Und || len(s) > 100 {
		return "", "This is no language tag. Write it as BCP 47, such as de or de-CH."
	}
	return t.String(), ""
}

var channels = []string{"EMAIL", "PHONE", "SMS"}

func cleanChannel(s string) (channel, problem string) {
	if !slices.Contains(channels, s) {
		return "", "The channel is one of " + strings.Join(channels, ", ") + "."
	}
	return s, ""
}

// cleanDistance gives a decimal fraction as PostgreSQL writes it, without zeros that say nothing.
func cleanDistance(s string) (km, problem string) {
	const form = "Give the kilometres as a decimal number from 0 to 999,999.999, such as 12.5."
	whole, fraction, point := strings.Cut(s, ".")
	if !digits(whole) || point && !digits(fraction) {
		return "", form
	}
	whole, fraction = strings.TrimLeft(whole, "0"), strings.TrimRight(fraction, "0")
	if len(whole) > maxKilometres || len(fraction) > kilometreScale {
		return "", form
	}
	if whole == "" {
		whole = "0"
	}
	if fraction != "" {
		whole += "." + fraction
	}
	return whole, ""
}

func digits(s string) bool { return s != "" && numeric(s) }

// cleanURL accepts addresses of pages of the web.
//
// SECURITY: only http and https: an app makes a link of it, and a link with another scheme can run a script.
func cleanURL(s string) (address, problem string) {
	const form = "Give a web address such as https://example.com."
	s, problem = text.Line(s, MaxURL)
	if problem != "" {
		return "", problem
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || strings.ContainsAny(s, " \"<>\\^`{|}") {
		return "", form
	}
	return s, ""
}
