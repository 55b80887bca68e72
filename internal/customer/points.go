package customer

import (
	"slices"
	"strings"

	"github.com/google/uuid"

	"dossier/internal/fold"
	"dossier/internal/text"
	"dossier/internal/typeid"
)

// input is an entry of a list of contact points, stored is what becomes of it.
type input interface {
	ref() *string
	primary() bool
}

type stored interface {
	comparable
	id() uuid.UUID
}

// merge makes the new list of contact points: an entry with an id changes that one of the old list, one without is new,
// and the old ones that are not named are gone. The primary one comes first.
func merge[I input, P stored](c *check, path []string, prefix, noun string, old []P, in []I, build func(path []string, id uuid.UUID, in I) P) []P {
	if len(in) > MaxPoints {
		c.bad(path, "This list has %d items; at most %d are accepted.", len(in), MaxPoints)
		return old
	}
	list := make([]P, 0, len(in))
	primary := -1
	seen := make(map[uuid.UUID]bool, len(in))
	for i, entry := range in {
		here := item(path, i)
		id := c.pointID(at(here, "id"), prefix, noun, entry.ref(), func(id uuid.UUID) bool {
			return slices.ContainsFunc(old, func(p P) bool { return p.id() == id })
		})
		if seen[id] {
			c.bad(at(here, "id"), "This id is in the list twice. Remove one.")
		}
		seen[id] = true
		if entry.primary() {
			if primary >= 0 {
				c.bad(at(here, "isPrimary"), "Only one item of the list can be primary.")
			} else {
				primary = i
			}
		}
		list = append(list, build(here, id, entry))
	}
	if primary > 0 {
		first := list[primary]
		copy(list[1:primary+1], list[:primary])
		list[0] = first
	}
	return list
}

// pointID is the id of an entry: a new one where none was given, else that of one of the old list.
//
// SECURITY: only an id of this very list is accepted, so an input can never reach another customer's row.
func (c *check) pointID(path []string, prefix, noun string, ref *string, known func(uuid.UUID) bool) uuid.UUID {
	if ref == nil {
		return c.newID()
	}
	id, err := typeid.ParseAs(prefix, *ref)
	if err != nil || !known(id) {
		c.missing(path, noun)
		return c.newID()
	}
	return id
}

func (c *check) emails(path []string, old []Email, in []EmailInput) []Email {
	list := merge(c, path, typeid.EmailAddress, "e-mail address", old, in, func(path []string, id uuid.UUID, in EmailInput) Email {
		address, problem := text.Email(in.Address)
		c.add(at(path, "address"), problem)
		e := Email{ID: id, Type: c.pointType(path, in.Type), Address: address, Key: fold.Email(address)}
		if i := slices.IndexFunc(old, func(e Email) bool { return e.ID == id }); i >= 0 && in.Purposes == nil {
			e.Purposes = old[i].Purposes
		} else {
			e.Purposes = c.purposes(at(path, "purposes"), in.Purposes)
		}
		return e
	})
	if len(list) == len(in) {
		c.oneStatement(path, list)
	}
	return list
}

// contactPurposes are what mail can be for, in the spelling of the SDL's ContactPurpose.
var contactPurposes = []string{"GENERAL", "INVOICE", "STATEMENT", "APPOINTMENT", "MARKETING"}

const statement = "STATEMENT"

func (c *check) purposes(path []string, in []string) string {
	for i, p := range in {
		if !slices.Contains(contactPurposes, p) {
			c.bad(item(path, i), "The purpose is one of %s.", strings.Join(contactPurposes, ", "))
		}
	}
	return strings.Join(slices.Compact(slices.Sorted(slices.Values(in))), ",")
}

// oneStatement holds that one address at most gets the statement of account: what is sent there is meant for one reader.
func (c *check) oneStatement(path []string, list []Email) {
	n := 0
	for _, e := range list {
		if slices.Contains(e.PurposeList(), statement) {
			n++
		}
	}
	if n > 1 {
		c.bad(path, "%d e-mail addresses have the purpose STATEMENT; one can have it.", n)
	}
}

func (c *check) phones(path []string, old []Phone, in []PhoneInput) []Phone {
	return merge(c, path, typeid.PhoneNumber, "telephone number", old, in, func(path []string, id uuid.UUID, in PhoneInput) Phone {
		number, extension, problem := cleanPhone(in.Number)
		c.add(at(path, "number"), problem)
		return Phone{ID: id, Type: c.pointType(path, in.Type), E164: number, Extension: extension}
	})
}

func (c *check) addresses(path []string, old []Address, in []AddressInput) []Address {
	return merge(c, path, typeid.PostalAddress, "postal address", old, in, func(path []string, id uuid.UUID, in AddressInput) Address {
		a := Address{
			ID: id, Type: c.pointType(path, in.Type),
			StreetAddress: c.lines(at(path, "streetAddress"), in.StreetAddress, MaxStreet),
			Locality:      c.line(at(path, "addressLocality"), in.AddressLocality, MaxName),
			Region:        c.line(at(path, "addressRegion"), in.AddressRegion, MaxName),
			PostalCode:    c.line(at(path, "postalCode"), in.PostalCode, MaxPostcode),
			Country:       c.country(at(path, "addressCountry"), in.AddressCountry),
		}
		if blank(in.StreetAddress, in.AddressLocality, in.AddressRegion, in.PostalCode, in.AddressCountry) {
			c.required(at(path, "streetAddress"), "A postal address needs at least one line: street, city, region, postal code or country.")
		}
		return a
	})
}

func blank(list ...*string) bool {
	return !slices.ContainsFunc(list, func(s *string) bool { return s != nil && strings.TrimSpace(*s) != "" })
}

func (c *check) pointType(path []string, t string) string {
	switch {
	case t == "":
		return defaultPointType
	case !slices.Contains(pointTypes, t):
		c.bad(at(path, "type"), "The type is one of %s.", strings.Join(pointTypes, ", "))
	}
	return t
}

// add notes a problem, when there is one.
func (c *check) add(path []string, problem string) {
	if problem != "" {
		c.bad(path, "%s", problem)
	}
}
