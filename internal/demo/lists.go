package demo

import (
	"context"
	"math/rand/v2"

	"dossier/internal/auth"
	"dossier/internal/catalog"
	"dossier/internal/customer"
	"dossier/internal/optional"
	"dossier/internal/typeid"
)

// lists are the ids of what sample customers can have of the account's lists.
type lists struct{ types, origins, offices []string }

// lists adds a few services to those of a new account, and reads the lists that it begins with.
func (s Services) lists(ctx context.Context, p auth.Principal) (lists, error) {
	for _, service := range []struct {
		name    string
		minutes int
	}{{"Consultation", 30}, {"Measuring on site", 90}, {"Training", 240}} {
		if _, err := s.Lists.Create(ctx, p, catalog.Services, catalog.Draft{Label: service.name, DurationMinutes: &service.minutes}, nil); err != nil {
			return lists{}, err
		}
	}
	var found lists
	for _, l := range []struct {
		list catalog.List
		into *[]string
	}{{catalog.CustomerTypes, &found.types}, {catalog.CustomerOrigins, &found.origins}, {catalog.Offices, &found.offices}} {
		items, err := s.Lists.Choosable(ctx, p, l.list)
		if err != nil {
			return lists{}, err
		}
		for _, item := range items {
			*l.into = append(*l.into, typeid.Format(l.list.Prefix, item.ID))
		}
	}
	return found, nil
}

// choose gives a sample customer a type and most often an origin and an office.
func (l lists) choose(rnd *rand.Rand, d *customer.Draft) {
	choice := func(ids []string) optional.Field[*string] {
		id := pick(rnd, ids)
		return optional.Some(&id)
	}
	d.TypeID = choice(l.types)
	if rnd.IntN(4) > 0 {
		d.OriginID = choice(l.origins)
	}
	if rnd.IntN(3) > 0 {
		d.PreferredOfficeID = choice(l.offices)
	}
}
