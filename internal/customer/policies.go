package customer

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"dossier/internal/auth"
	"dossier/internal/fault"
)

// MaxRules is how many rules one policy has at most.
const MaxRules = 300

// Policy is the rules of one entry channel, for all customers or for one type, as they are stored. Version is 0 where
// nothing was ever decided.
type Policy struct {
	Version int
	Rules   []Rule
}

// PolicyStore keeps the policies.
type PolicyStore interface {
	// Policies gives the policy for all customers of a channel, and with a type that of the type. A type of another
	// account is NOT_FOUND at typeId.
	Policies(ctx context.Context, accountID uuid.UUID, via Channel, typeID uuid.UUID) (all, ofType Policy, err error)
	// PolicyChange locks a policy, hands it to decide and stores the rules that it gives instead of those there were.
	// typeID is uuid.Nil for the policy for all customers. A type of another account is NOT_FOUND at typeId.
	PolicyChange(ctx context.Context, p auth.Principal, via Channel, typeID uuid.UUID, decide func(Policy) ([]Rule, error)) error
}

// Policies is the use cases of field policies.
type Policies struct{ Store PolicyStore }

// NewPolicies makes the use cases.
func NewPolicies(store PolicyStore) *Policies { return &Policies{Store: store} }

// ShownRule is a rule as a client draws it.
type ShownRule struct {
	Rule
	// Inherited says that it is not a rule of the policy that was asked for.
	Inherited bool
	// PolicyVersion is the version of the policy that was asked for.
	PolicyVersion int
}

// Rules gives what holds for each field, in the order of a form, and then for the attributes that have a rule. Everybody
// of the account may ask who may read its settings: a form cannot be drawn without.
func (s *Policies) Rules(ctx context.Context, p auth.Principal, via Channel, typeID uuid.UUID) ([]ShownRule, error) {
	if err := p.Require(auth.AccountRead); err != nil {
		return nil, err
	}
	all, ofType, err := s.Store.Policies(ctx, p.AccountID, via, typeID)
	if err != nil {
		return nil, fault.Wrap("customer.Policies.Rules", err)
	}
	rules, asked := Rules{All: all.Rules, OfType: ofType.Rules}, all
	if typeID != uuid.Nil {
		asked = ofType
	}
	var shown []ShownRule
	for _, name := range rules.fields() {
		rule, _ := rules.Rule(name)
		own := slices.ContainsFunc(asked.Rules, func(r Rule) bool { return r.Field == name })
		shown = append(shown, ShownRule{Rule: rule, Inherited: !own, PolicyVersion: asked.Version})
	}
	return shown, nil
}

// fields names all fields that there is something to say about.
func (r Rules) fields() []string {
	var names, more []string
	for _, f := range policyFields {
		names = append(names, f.name)
	}
	for _, rule := range slices.Concat(r.All, r.OfType) {
		if !slices.Contains(names, rule.Field) {
			more = append(more, rule.Field)
		}
	}
	slices.Sort(more)
	return append(names, slices.Compact(more)...)
}

// Update replaces the rules of a policy. It needs account:admin.
func (s *Policies) Update(ctx context.Context, p auth.Principal, via Channel, typeID uuid.UUID, expectedVersion int, rules []Rule) error {
	return s.change(ctx, "customer.Policies.Update", p, via, typeID, expectedVersion, func() ([]Rule, error) {
		return rules, checkRules(rules)
	})
}

// Preset is a set of rules to begin with, in the spelling of the SDL.
type Preset string

// The presets. Minimal has no rules. Standard is what a business asks that goes to its customers: names, an address and a
// telephone number.
const (
	Minimal  Preset = "MINIMAL"
	Standard Preset = "STANDARD"
)

var presets = map[Preset][]Rule{
	Minimal: nil,
	Standard: {
		{Field: "givenName", Required: true, Visible: true},
		{Field: "familyName", Required: true, Visible: true},
		{Field: fieldCompanyName, Required: true, Visible: true},
		{Field: fieldPhones, Required: true, Visible: true},
		{Field: "addresses", Required: true, Visible: true},
	},
}

// Reset replaces the rules of a policy by those of a preset. It needs account:admin.
func (s *Policies) Reset(ctx context.Context, p auth.Principal, via Channel, typeID uuid.UUID, expectedVersion int, preset Preset) error {
	return s.change(ctx, "customer.Policies.Reset", p, via, typeID, expectedVersion, func() ([]Rule, error) {
		rules, ok := presets[preset]
		if !ok {
			return nil, fault.At(fault.BadUserInput, []string{"preset"}, "The preset is MINIMAL or STANDARD.")
		}
		return rules, nil
	})
}

func (s *Policies) change(
	ctx context.Context, op string, p auth.Principal, via Channel, typeID uuid.UUID, expected int, rules func() ([]Rule, error),
) error {
	if err := p.Require(auth.AccountAdmin); err != nil {
		return err
	}
	next, err := rules()
	if err != nil {
		return err
	}
	return fault.Wrap(op, s.Store.PolicyChange(ctx, p, via, typeID, func(stored Policy) ([]Rule, error) {
		if stored.Version != expected {
			return nil, &fault.Error{
				Code: fault.VersionConflict, Path: []string{"expectedVersion"},
				Message: "The policy was changed since the version that you expect. Read it again, decide again, and repeat with its present version.",
				Detail:  fault.VersionConflictDetail{CurrentVersion: stored.Version, ConflictingFields: []string{"rules"}},
			}
		}
		return next, nil
	}))
}

// checkRules finds what is wrong with rules.
func checkRules(rules []Rule) error {
	if len(rules) > MaxRules {
		return fault.At(fault.BadUserInput, []string{"rules"}, "There are %d rules; at most %d are accepted.", len(rules), MaxRules)
	}
	var faults fault.List
	seen := map[string]bool{}
	for i, rule := range rules {
		at := func(name string) []string { return []string{"rules", strconv.Itoa(i), name} }
		known, requirable := knownField(rule.Field)
		switch {
		case !known:
			faults = append(faults, fault.At(fault.BadUserInput, at("field"), "A rule is about a field of CustomerCreateInput (%s), or attributes.<key>.",
				strings.Join(Rules{}.fields(), ", ")))
		case seen[rule.Field]:
			faults = append(faults, fault.At(fault.BadUserInput, at("field"), "There are two rules for %s. Remove one.", rule.Field))
		case rule.Required && !rule.Visible:
			faults = append(faults, fault.At(fault.BadUserInput, at("required"), "A field that is not visible cannot be required."))
		case rule.Required && !requirable:
			faults = append(faults, fault.At(fault.BadUserInput, at("required"), "%s cannot be required; it can only be visible or not.", rule.Field))
		}
		seen[rule.Field] = true
	}
	return faults.Err()
}
