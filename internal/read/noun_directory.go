package read

import (
	"dossier/internal/fault"
	"dossier/internal/fold"
	"dossier/internal/search"
	"dossier/internal/typeid"
)

// customersRoot is the directory.
func customersRoot() connection {
	return connection{
		noun:      "Customer",
		arguments: []string{"where", "orderBy", "search"},
		counted: &counter{"active_customers", func(a arguments) bool {
			for _, v := range a.in("where") {
				if v != nil {
					return false
				}
			}
			return blank(a["search"])
		}},
		searched: &searched{
			document: searchDocument,
			token:    searchToken,
			copied:   []string{"DISPLAY_NAME", "FAMILY_NAME", "CREATED_AT"},
			leads:    map[string]search.Lead{"DISPLAY_NAME": search.LeadDisplay, "FAMILY_NAME": search.LeadFamily},
			facets: func(where arguments) search.Facets {
				var f search.Facets
				if kinds, _ := where["kind"].([]any); len(kinds) == 1 {
					f.Kind = asText(kinds[0])
				}
				f.HasEmail, f.HasPhone = where["hasEmail"] == true, where["hasPhone"] == true
				return f
			},
		},
		filter: func(f *filter) error {
			where, ok := f.input("where")
			if !ok || !where.has("status") {
				f.add(raw("{t}.status = 'ACTIVE'"))
			}
			if !ok {
				return nil
			}
			conds, err := customerWhere(where, 0)
			f.add(conds...)
			return err
		},
		orders: customerOrder,
	}
}

// customerOrder gives the order of the directory. Each is an index (account, key, id), which serves both directions.
func customerOrder(a arguments) order {
	name := a.in("orderBy").text("field")
	key, ok := map[string]orderKey{
		"FAMILY_NAME": textKey("family_sort_name"),
		"EXTERNAL_ID": textKey("external_key"),
		"CREATED_AT":  instantKey("created_at"),
		"UPDATED_AT":  instantKey("updated_at"),
	}[name]
	if !ok {
		name, key = "DISPLAY_NAME", textKey("sort_name")
	}
	return order{name: name, keys: []orderKey{key, idKey()}, desc: a.in("orderBy").text("direction") == "DESC"}
}

const (
	maxWhereDepth = 3
	maxWhereItems = 10
)

// customerWhere gives the conditions of a CustomerWhere; all of them must hold.
func customerWhere(in input, depth int) ([]cond, error) {
	if depth > maxWhereDepth {
		return nil, in.fault(fault.BadUserInput, "Conditions can be nested %d deep. Use fewer levels of and/or.", maxWhereDepth)
	}
	conds := in.all(
		in.anyOf("kind", "kind"),
		in.anyOf("status", "status"),
		in.ids("ids", "id", typeid.Customer),
		in.prefix("displayNameStartsWith", "sort_name", fold.Text),
		in.pointOf("email", "EmailAddress", "address_key", fold.Email),
		in.pointOf("phone", "PhoneNumber", "e164", phoneDigits),
		in.texts("externalId", "external_id"),
		in.ids("typeId", "type_id", typeid.CustomerType),
		in.ids("originId", "origin_id", typeid.CustomerOrigin),
		in.ids("preferredOfficeId", "preferred_office_id", typeid.Office),
		in.ids("salespersonId", "salesperson_id", typeid.StaffUser),
		in.ids("preferredStaffId", "preferred_staff_id", typeid.StaffUser),
		in.anyOf("createdVia", "created_via"),
		in.is("taxExempt", "tax_exempt"),
		in.texts("languageTag", "language_tag"),
		in.hasPoint("hasEmail", "EmailAddress"),
		in.hasPoint("hasPhone", "PhoneNumber"),
		in.addressIs("addressLocality", "locality_key", fold.Text),
		in.addressBegins("postalCodeStartsWith", "postal_key", fold.PostalCode),
		in.between("createdAt", "created_at"),
		in.between("updatedAt", "updated_at"),
		in.attributes("attributes"),
	)
	for _, name := range []string{"and", "or"} {
		items, err := in.items(name, maxWhereItems)
		if err != nil {
			return nil, err
		}
		if items == nil {
			continue
		}
		groups := make([][]cond, len(items))
		for i, item := range items {
			if groups[i], err = customerWhere(item, depth+1); err != nil {
				return nil, err
			}
		}
		if name == "and" {
			conds = append(conds, allOf(groups))
		} else {
			conds = append(conds, oneOf(groups))
		}
	}
	return conds, in.f.err
}

// hasPoint: whether there is a contact point of the noun is the boolean.
func (in input) hasPoint(name, nounName string) cond {
	if !in.has(name) {
		return nil
	}
	slot := in.param(oidBool, func(_ *binding, v any) ([]byte, error) { return []byte{byte(btoi(v == true))}, nil }, name)
	return func(w *writer, t string) {
		w.hasAny(t, in.f.c.e.nouns[nounName], in.f.c.e.nouns["Contact"])
		w.text(" = ")
		w.param(slot)
	}
}

// addressIs: the customer has an address whose column is the folded text. No address is found by "".
func (in input) addressIs(name, column string, fold func(string) string) cond {
	if !in.has(name) {
		return nil
	}
	slot := in.param(oidText, textOf(name, fold), name)
	return in.address(func(w *writer, a string) {
		w.text(" AND " + a + "." + column + " <> '' AND ")
		compare(column+" = ", slot)(w, a)
	})
}

// addressBegins: the customer has an address whose column begins with the folded text.
func (in input) addressBegins(name, column string, fold func(string) string) cond {
	begins := in.prefix(name, column, fold)
	if begins == nil {
		return nil
	}
	return in.address(func(w *writer, a string) {
		w.text(" AND " + a + "." + column + " <> '' AND ")
		begins(w, a)
	})
}

func (in input) address(holds cond) cond {
	return func(w *writer, t string) {
		w.hasAddress(t, in.f.c.e.nouns["PostalAddress"], func(a string) { holds(w, a) })
	}
}

// phoneDigits drops what people write between the digits of an E.164 number.
func phoneDigits(s string) string {
	b := make([]byte, 0, len(s))
	for i := range len(s) {
		switch s[i] {
		case ' ', '-', '.', '(', ')':
		default:
			b = append(b, s[i])
		}
	}
	return string(b)
}
