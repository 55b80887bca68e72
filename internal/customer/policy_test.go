package customer

import (
	"strings"
	"testing"

	"github.com/google/uuid"

	"dossier/internal/fault"
	"dossier/internal/optional"
)

// ruled is stored data that knows nothing but rules.
type ruled struct {
	Reading
	rules func(via Channel, typeID uuid.UUID) Rules
}

func (r ruled) Rules(via Channel, typeID uuid.UUID) (Rules, error) { return r.rules(via, typeID), nil }
func (r ruled) Conflict(int, []string) error                       { return nil }
func (r ruled) Choices(list []Choice) ([]ChoiceState, error) {
	states := make([]ChoiceState, len(list))
	for i := range states {
		states[i].Exists = true
	}
	return states, nil
}

func always(r Rules) ruled { return ruled{rules: func(Channel, uuid.UUID) Rules { return r }} }

func require(fields ...string) []Rule {
	var rules []Rule
	for _, f := range fields {
		rules = append(rules, Rule{Field: f, Required: true, Visible: true})
	}
	return rules
}

func hide(fields ...string) []Rule {
	var rules []Rule
	for _, f := range fields {
		rules = append(rules, Rule{Field: f})
	}
	return rules
}

// toldErr writes down an error as wrong does.
func toldErr(err error) string {
	var all []string
	for _, f := range fault.AsList(err) {
		all = append(all, string(f.Code)+" "+strings.Join(f.Path, "."))
	}
	return strings.Join(all, ", ")
}

func TestAPolicyHoldsForANewCustomer(t *testing.T) {
	t.Parallel()
	phone, email := []PhoneInput{{Number: "+4930901820"}}, []EmailInput{{Address: "a@example.com"}}
	standard := Rules{All: presets[Standard]}
	whole := Draft{GivenName: ptr("Ada"), FamilyName: ptr("L"), Phones: phone, Addresses: []AddressInput{{AddressLocality: ptr("Bern")}}}
	with := func(d Draft, change func(*Draft)) Draft { change(&d); return d }
	profile := func(change func(*ProfileInput)) Draft {
		return with(Draft{GivenName: ptr("Ada")}, func(d *Draft) { change(&d.ProfileInput) })
	}
	for name, c := range map[string]struct {
		rules Rules
		in    Draft
		want  string
	}{
		"without rules a name is enough":          {Rules{}, Draft{GivenName: ptr("Ada")}, ""},
		"all that is missing, all at once":        {standard, Draft{GivenName: ptr("Ada")}, "REQUIRED input.familyName, REQUIRED input.phones, REQUIRED input.addresses"},
		"all that is asked for":                   {standard, whole, ""},
		"a company has no first name":             {standard, with(whole, func(d *Draft) { d.Kind, d.GivenName, d.FamilyName, d.CompanyName = Company, nil, nil, ptr("ACME") }), ""},
		"a company has its name, said once":       {standard, with(whole, func(d *Draft) { d.Kind = Company }), "REQUIRED input.companyName"},
		"a contact's phone will do":               {standard, with(whole, func(d *Draft) { d.Phones = nil; d.Contacts = []ContactDraft{{GivenName: ptr("Bob"), Phones: phone}} }), ""},
		"a contact without one will not":          {standard, with(whole, func(d *Draft) { d.Phones = nil; d.Contacts = []ContactDraft{{GivenName: ptr("Bob")}} }), "REQUIRED input.phones"},
		"a wrong phone is not missing too":        {standard, with(whole, func(d *Draft) { d.Phones = []PhoneInput{{Number: "x"}} }), "BAD_USER_INPUT input.phones.0.number"},
		"a wrong name is not missing too":         {standard, with(whole, func(d *Draft) { d.FamilyName = ptr("a\x00") }), "BAD_USER_INPUT input.familyName"},
		"an e-mail can be mandatory":              {Rules{All: require("emails")}, Draft{GivenName: ptr("Ada")}, "REQUIRED input.emails"},
		"and is given":                            {Rules{All: require("emails")}, Draft{GivenName: ptr("Ada"), Emails: email}, ""},
		"a contact can be mandatory":              {Rules{All: require("contacts")}, Draft{Kind: Company, CompanyName: ptr("A")}, "REQUIRED input.contacts"},
		"a text of the profile":                   {Rules{All: require("languageTag", "websiteUrl")}, profile(func(p *ProfileInput) { p.LanguageTag = optional.Some(ptr("de")) }), "REQUIRED input.websiteUrl"},
		"a wrong one is not missing too":          {Rules{All: require("languageTag")}, profile(func(p *ProfileInput) { p.LanguageTag = optional.Some(ptr("??")) }), "BAD_USER_INPUT input.languageTag"},
		"a choice":                                {Rules{All: require("typeId", "originId")}, profile(func(p *ProfileInput) { p.TypeID = optional.Some(ref("cty", 1)) }), "REQUIRED input.originId"},
		"a salesperson represents":                {Rules{All: require("representativeId")}, profile(func(p *ProfileInput) { p.SalespersonID = optional.Some(ref("usr", 1)) }), ""},
		"a reason is of those who are exempt":     {Rules{All: require("taxExemptReason")}, Draft{GivenName: ptr("Ada")}, ""},
		"and then mandatory":                      {Rules{All: require("taxExemptReason")}, profile(func(p *ProfileInput) { p.TaxExempt = optional.Some(ptr(true)) }), "REQUIRED input.taxExemptReason"},
		"what is hidden is refused":               {Rules{All: hide("websiteUrl", "emails")}, with(profile(func(p *ProfileInput) { p.WebsiteURL = optional.Some(ptr("https://a.example")) }), func(d *Draft) { d.Emails = email }), "BAD_USER_INPUT input.emails, BAD_USER_INPUT input.websiteUrl"},
		"unless it is empty":                      {Rules{All: hide("websiteUrl", "emails")}, profile(func(p *ProfileInput) { p.WebsiteURL = optional.Some[*string](nil) }), ""},
		"a type's rule goes before":               {Rules{All: hide("businessArea"), OfType: require("businessArea")}, Draft{GivenName: ptr("Ada")}, "REQUIRED input.businessArea"},
		"also to show":                            {Rules{All: hide("businessArea"), OfType: []Rule{{Field: "businessArea", Visible: true}}}, profile(func(p *ProfileInput) { p.BusinessArea = optional.Some(ptr("Condos")) }), ""},
		"also to ask less":                        {Rules{All: require("phones"), OfType: []Rule{{Field: "phones", Visible: true}}}, Draft{GivenName: ptr("Ada")}, ""},
		"a rule of tomorrow does no harm":         {Rules{All: append(require("attributes.size"), hide("image")...)}, Draft{GivenName: ptr("Ada")}, ""},
		"and what is wrong without it is kept":    {Rules{All: require("phones")}, Draft{GivenName: ptr("Ada"), Emails: []EmailInput{{Address: "x"}}}, "BAD_USER_INPUT input.emails.0.address, REQUIRED input.phones"},
		"tax can be hidden":                       {Rules{All: hide("taxExempt")}, profile(func(p *ProfileInput) { p.TaxExempt = optional.Some(ptr(true)) }), "BAD_USER_INPUT input.taxExempt"},
		"and not being exempt is no exemption":    {Rules{All: hide("taxExempt")}, profile(func(p *ProfileInput) { p.TaxExempt = optional.Some(ptr(false)) }), ""},
		"companies can be kept out of a channel":  {Rules{All: hide("companyName")}, Draft{Kind: Company, CompanyName: ptr("A")}, "BAD_USER_INPUT input.companyName"},
		"a person needs no name of a company":     {Rules{All: require("companyName")}, Draft{GivenName: ptr("Ada")}, ""},
		"a company needs no name of a person":     {Rules{All: require("givenName", "familyName")}, Draft{Kind: Company, CompanyName: ptr("A")}, ""},
		"contacts can be hidden":                  {Rules{All: hide("contacts")}, Draft{GivenName: ptr("Ada"), Contacts: []ContactDraft{{GivenName: ptr("Bob")}}}, "BAD_USER_INPUT input.contacts"},
		"a name of the wrong kind can be refused": {Rules{All: hide("companyName")}, Draft{GivenName: ptr("Ada"), CompanyName: ptr("A")}, "BAD_USER_INPUT input.companyName"},
	} {
		s := &Service{NewID: numbered()}
		_, err := s.create(always(c.rules), c.in, ByStaff)
		if got := toldErr(err); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func TestAPolicyHoldsForAnUpdate(t *testing.T) {
	t.Parallel()
	phone := Phone{ID: nth(1), E164: "+4930901820"}
	ada := File{Customer: Customer{ID: nth(9), Version: 1, Kind: Person, Status: Active, GivenName: "Ada"}}
	called := ada
	called.Phones = []Phone{phone}
	byContact := ada
	byContact.Contacts = []Contact{{ID: nth(11), GivenName: "Bob", Primary: true, Points: Points{Phones: []Phone{phone}}}, {ID: nth(12), GivenName: "Eve"}}
	phones := Rules{All: require("phones")}
	typed := ada
	typed.TypeID, typed.WebsiteURL = nth(7), "https://a.example"
	for name, c := range map[string]struct {
		rules Rules
		file  File
		in    Patch
		want  string
	}{
		"an update must leave it whole":        {phones, ada, Patch{GivenName: optional.Some(ptr("Bob"))}, "REQUIRED input.phones"},
		"and can make it whole":                {phones, ada, Patch{Phones: optional.Some([]PhoneInput{{Number: "+4930901820"}})}, ""},
		"the last number stays":                {phones, called, Patch{Phones: optional.Some([]PhoneInput{})}, "REQUIRED input.phones"},
		"unless a contact has one":             {phones, byContact, Patch{GivenName: optional.Some(ptr("Bob"))}, ""},
		"an update of the contacts counts":     {phones, byContact, Patch{Contacts: optional.Some([]ContactNested{{ID: ref("con", 12)}})}, "REQUIRED input.phones"},
		"also one that moves the number":       {phones, byContact, Patch{Contacts: optional.Some([]ContactNested{{ID: ref("con", 11), ContactPatch: ContactPatch{Phones: optional.Some([]PhoneInput{})}}, {ID: ref("con", 12), ContactPatch: ContactPatch{Phones: optional.Some([]PhoneInput{{Number: "+4930901821"}})}}})}, ""},
		"what was hidden since stays as it is": {Rules{All: hide("websiteUrl")}, typed, Patch{GivenName: optional.Some(ptr("Bob"))}, ""},
		"it can be emptied":                    {Rules{All: hide("websiteUrl")}, typed, Patch{ProfileInput: ProfileInput{WebsiteURL: optional.Some[*string](nil)}}, ""},
		"and not be filled":                    {Rules{All: hide("websiteUrl")}, typed, Patch{ProfileInput: ProfileInput{WebsiteURL: optional.Some(ptr("https://b.example"))}}, "BAD_USER_INPUT input.websiteUrl"},
	} {
		s := &Service{NewID: numbered()}
		_, err := s.update(always(c.rules), c.file, c.in, ByStaff)
		if got := toldErr(err); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
	// The type that counts is the new one, and the channel is that of who changes.
	s := &Service{NewID: numbered()}
	ofBuilder := ruled{rules: func(via Channel, typeID uuid.UUID) Rules {
		if via == ByAPI && typeID == nth(8) {
			return Rules{OfType: require("businessArea")}
		}
		return Rules{}
	}}
	for id, want := range map[byte]string{7: "", 8: "REQUIRED input.businessArea"} {
		if _, err := s.update(ofBuilder, ada, Patch{ProfileInput: ProfileInput{TypeID: optional.Some(ref("cty", id))}}, ByAPI); toldErr(err) != want {
			t.Errorf("type %d: got %q, want %q", id, toldErr(err), want)
		}
	}
}

func TestAPolicyHoldsForContacts(t *testing.T) {
	t.Parallel()
	phone := Phone{ID: nth(1), E164: "+4930901820"}
	bare := File{Customer: Customer{ID: nth(9), Kind: Company, Status: Active, CompanyName: "A"}, Contacts: []Contact{{ID: nth(11), GivenName: "Bob", Primary: true}}}
	one := bare
	one.Contacts = []Contact{{ID: nth(11), GivenName: "Bob", Primary: true, Points: Points{Phones: []Phone{phone}}}}
	own := one
	own.Phones = []Phone{phone}
	two := one
	two.Contacts = append(two.Contacts[:1:1], Contact{ID: nth(12), GivenName: "Eve", Points: Points{Phones: []Phone{phone}}})
	phones := Rules{All: require("phones")}
	atID := func(string) []string { return []string{"id"} }
	atInput := func(string) []string { return []string{"input"} }
	leave := func(f File) func(*check) Change { return func(*check) Change { return archiveContact(f, 0) } }
	patch := func(f File, p ContactPatch) func(*check) Change {
		return func(c *check) Change { return updateContact(c, f, 0, p) }
	}
	add := func(f File) func(*check) Change {
		return func(c *check) Change { _, ch := createContact(c, f, ContactDraft{GivenName: ptr("New")}); return ch }
	}
	for name, c := range map[string]struct {
		rules Rules
		file  File
		do    func(*check) Change
		path  func(string) []string
		want  string
	}{
		"the last number does not leave with its contact": {phones, one, leave(one), atID, "REQUIRED id"},
		"unless the customer has one":                     {phones, own, leave(own), atID, ""},
		"or another contact":                              {phones, two, leave(two), atID, ""},
		"or nobody asked for it":                          {Rules{}, one, leave(one), atID, ""},
		"nor is it taken away":                            {phones, one, patch(one, ContactPatch{Phones: optional.Some([]PhoneInput{})}), inInput, "REQUIRED input.phones"},
		"it can be changed":                               {phones, one, patch(one, ContactPatch{Phones: optional.Some([]PhoneInput{{Number: "+4930901821"}})}), inInput, ""},
		"a file from before the rule can be worked on":    {phones, bare, patch(bare, ContactPatch{Role: optional.Some(ptr("Boss"))}), inInput, ""},
		"also by archiving":                               {phones, bare, leave(bare), atID, ""},
		"also by adding":                                  {phones, bare, add(bare), atInput, ""},
		"the last contact stays where one is required":    {Rules{All: require("contacts")}, one, leave(one), atID, "REQUIRED id"},
		"none is added where there are none":              {Rules{All: hide("contacts")}, bare, add(bare), atInput, "BAD_USER_INPUT input"},
		"those there are can be changed":                  {Rules{All: hide("contacts")}, bare, patch(bare, ContactPatch{Role: optional.Some(ptr("Boss"))}), inInput, ""},
	} {
		chk := &check{newID: numbered()}
		ch := c.do(chk)
		if err := chk.obeyContact(always(c.rules), ByStaff, c.file, ch, c.path); err != nil {
			t.Fatal(err)
		}
		if got := toldErr(chk.faults.Err()); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func TestRulesThatAreAccepted(t *testing.T) {
	t.Parallel()
	many := make([]Rule, MaxRules+1)
	for name, c := range map[string]struct {
		in   []Rule
		want string
	}{
		"none":                           {nil, ""},
		"of every field":                 {hide(Rules{}.fields()...), ""},
		"of an attribute":                {require("attributes.roof_2"), ""},
		"of a field that does not exist": {hide("shoeSize", "attributes.", "attributes.A b"), "BAD_USER_INPUT rules.0.field, BAD_USER_INPUT rules.1.field, BAD_USER_INPUT rules.2.field"},
		"twice of one":                   {append(require("phones"), hide("phones")...), "BAD_USER_INPUT rules.1.field"},
		"required and hidden":            {[]Rule{{Field: "phones", Required: true}}, "BAD_USER_INPUT rules.0.required"},
		"required that always is":        {require("taxExempt"), "BAD_USER_INPUT rules.0.required"},
		"required with its own mutation": {require("image"), "BAD_USER_INPUT rules.0.required"},
		"too many":                       {many, "BAD_USER_INPUT rules"},
	} {
		if got := toldErr(checkRules(c.in)); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
	for preset, rules := range presets {
		if err := checkRules(rules); err != nil {
			t.Errorf("the preset %s is refused: %v", preset, err)
		}
	}
}

// Every field of a customer's input must be one that rules can be about, so that a new field is not forgotten.
func TestEveryFieldOfTheInputHasARule(t *testing.T) {
	t.Parallel()
	all := map[string]bool{}
	(&ProfileInput{}).fields(all)
	for _, name := range []string{"givenName", "familyName", "companyName", "emails", "phones", "addresses", "contacts"} {
		all[name] = true
	}
	for name := range all {
		if known, _ := knownField(name); !known {
			t.Errorf("no rule can be about %s", name)
		}
	}
	if rule, own := (Rules{}).Rule("companyName"); !rule.Required || own {
		t.Errorf("a company needs no name by %+v", rule)
	}
}
