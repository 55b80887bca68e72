package demo

import (
	"context"
	"math/rand/v2"
	"time"

	"dossier/internal/attribute"
	"dossier/internal/auth"
	"dossier/internal/customer"
	"dossier/internal/optional"
)

// attributes are the custom attributes of the sample account.
var attributes = []attribute.Draft{
	{Key: key("membership"), Label: "Membership", Type: attribute.Select, Options: options("Basic", "Silver", "Gold")},
	{Key: key("interests"), Label: "Interests", Type: attribute.MultiSelect, CustomerVisible: true, Options: options("Garden", "Music", "Sports")},
	{Key: key("customer_since"), Label: "Customer since", Type: attribute.Date},
	{Key: key("newsletter"), Label: "Newsletter", Type: attribute.Boolean, CustomerVisible: true},
}

func key(s string) *string { return &s }

func options(labels ...string) []attribute.OptionInput {
	list := make([]attribute.OptionInput, len(labels))
	for i, label := range labels {
		list[i].Label = label
	}
	return list
}

// define makes the custom attributes.
func (s Services) define(ctx context.Context, p auth.Principal) error {
	for _, d := range attributes {
		if _, err := s.Attributes.Create(ctx, p, d, nil); err != nil {
			return err
		}
	}
	return nil
}

// newValues are the values of one customer: one in three customers has none of each.
func newValues(rnd *rand.Rand) []customer.AttributeInput {
	membership := pick(rnd, []string{"basic", "silver", "gold"})
	interests := [][]string{{"garden"}, {"music", "sports"}, {"garden", "music"}}[rnd.IntN(3)]
	since := time.Date(2010+rnd.IntN(15), time.Month(1+rnd.IntN(12)), 1, 0, 0, 0, 0, time.UTC)
	newsletter := rnd.IntN(2) == 0
	var list []customer.AttributeInput
	for _, v := range []customer.AttributeInput{
		{Key: "membership", Option: optional.Some(&membership)},
		{Key: "interests", Options: optional.Some(interests)},
		{Key: "customer_since", Date: optional.Some(&since)},
		{Key: "newsletter", Boolean: optional.Some(&newsletter)},
	} {
		if rnd.IntN(3) > 0 {
			list = append(list, v)
		}
	}
	return list
}
