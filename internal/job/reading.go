package job

import (
	"github.com/google/uuid"

	"dossier/internal/attribute"
	"dossier/internal/customer"
)

// rulesReading answers what the rules ask within a step. Hundreds of rows ask the same: each item of a list and each policy
// is read once.
type rulesReading struct {
	customer.Reading
	choices map[customer.Choice]customer.ChoiceState
	rules   map[uuid.UUID]customer.Rules
	// definitions are there when known is set.
	definitions []attribute.Definition
	known       bool
}

func newRulesReading(r customer.Reading) *rulesReading {
	return &rulesReading{Reading: r, choices: make(map[customer.Choice]customer.ChoiceState), rules: make(map[uuid.UUID]customer.Rules)}
}

// Choices implements customer.Reading.
func (r *rulesReading) Choices(list []customer.Choice) ([]customer.ChoiceState, error) {
	var unknown []customer.Choice
	for _, c := range list {
		if _, ok := r.choices[c]; !ok {
			unknown = append(unknown, c)
		}
	}
	if len(unknown) > 0 {
		states, err := r.Reading.Choices(unknown)
		if err != nil {
			return nil, err
		}
		for i, c := range unknown {
			r.choices[c] = states[i]
		}
	}
	states := make([]customer.ChoiceState, len(list))
	for i, c := range list {
		states[i] = r.choices[c]
	}
	return states, nil
}

// Rules implements customer.Reading. All rows come by one channel.
func (r *rulesReading) Rules(via customer.Channel, typeID uuid.UUID) (customer.Rules, error) {
	if rules, ok := r.rules[typeID]; ok {
		return rules, nil
	}
	rules, err := r.Reading.Rules(via, typeID)
	if err == nil {
		r.rules[typeID] = rules
	}
	return rules, err
}

// AttributeDefinitions implements customer.Reading.
func (r *rulesReading) AttributeDefinitions() (defs []attribute.Definition, err error) {
	if !r.known {
		if r.definitions, err = r.Reading.AttributeDefinitions(); err != nil {
			return nil, err
		}
		r.known = true
	}
	return r.definitions, nil
}
