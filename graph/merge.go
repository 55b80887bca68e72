package graph

import (
	"context"

	"github.com/google/uuid"

	"dossier/graph/model"
	"dossier/internal/customer"
	"dossier/internal/fault"
	"dossier/internal/read"
	"dossier/internal/typeid"
)

// CustomerMerge merges two customers, or shows what that would give.
func (r mutationResolver) CustomerMerge(
	ctx context.Context, winnerID, loserID string, expectedWinnerVersion, expectedLoserVersion int, picks []model.MergePick, dryRun bool,
	idempotencyKey *string,
) (*read.Object, error) {
	winner, winnerErr := parseID(typeid.Customer, winnerID, "winnerId")
	loser, loserErr := parseID(typeid.Customer, loserID, "loserId")
	if faults := append(fault.AsList(winnerErr), fault.AsList(loserErr)...); len(faults) > 0 {
		return r.mergePayload(ctx, nil, faults)
	}
	result, err := r.Customers.Merge(ctx, viewer(ctx), customer.MergeInput{
		WinnerID: winner, LoserID: loser, ExpectedWinner: expectedWinnerVersion, ExpectedLoser: expectedLoserVersion, DryRun: dryRun,
		Picks: list(picks, func(p model.MergePick) string { return string(p) }),
	}, idempotencyKey)
	if dryRun {
		return r.mergePayload(ctx, map[string]any{"preview": mergePreview(result)}, err)
	}
	return r.mergePayload(ctx, merged(winner, result.ID), err)
}

// CustomerMergeUndo takes a merge back.
func (r mutationResolver) CustomerMergeUndo(ctx context.Context, mergeID string) (*read.Object, error) {
	id, err := parseID(typeid.CustomerMerge, mergeID, "mergeId")
	var winner uuid.UUID
	if err == nil {
		winner, err = r.Customers.MergeUndo(ctx, viewer(ctx), id)
	}
	return r.mergePayload(ctx, merged(winner, id), err)
}

func merged(winner, merge uuid.UUID) map[string]any {
	return map[string]any{"customer": ref("Customer", winner), "merge": ref("CustomerMerge", merge)}
}

func (r *Resolver) mergePayload(ctx context.Context, fields map[string]any, err error) (*read.Object, error) {
	return r.payload(ctx, "CustomerMergePayload", fields, err)
}

// ref is a node, or null where there is none.
func ref(typeName string, id uuid.UUID) any {
	if id == uuid.Nil {
		return nil
	}
	return read.Ref{Type: typeName, ID: id}
}

// optionalText is a text, or null where it is empty.
func optionalText(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func mergePreview(r customer.MergeResult) read.Obj {
	c := r.Winner
	return read.Obj{Type: "CustomerMergePreview", Fields: map[string]any{
		"kind": string(c.Kind), "displayName": c.DisplayName(), "givenName": optionalText(c.GivenName),
		"familyName": optionalText(c.FamilyName), "companyName": optionalText(c.CompanyName), "languageTag": optionalText(c.LanguageTag),
		"timeZone": optionalText(c.TimeZone), "externalId": optionalText(c.ExternalID),
		"type": ref("CustomerType", c.TypeID), "origin": ref("CustomerOrigin", c.OriginID),
		"salesperson": ref("StaffUser", c.SalespersonID), "representative": ref("StaffUser", c.RepresentativeID),
		"preferredOffice": ref("Office", c.PreferredOfficeID), "preferredStaff": ref("StaffUser", c.PreferredStaffID),
		"preferredChannel": optionalText(c.PreferredChannel), "deliveryDistanceKm": optionalText(c.DeliveryDistanceKm),
		"websiteUrl": optionalText(c.WebsiteURL), "businessArea": optionalText(c.BusinessArea),
		"taxExempt": c.TaxExempt, "taxExemptReason": optionalText(c.TaxExemptReason),
		"emails": previewEmails(c.Emails), "phones": previewPhones(c.Phones), "addresses": previewAddresses(c.Addresses),
		"changedFields": stringValues(r.Fields),
		"moved": read.Obj{Type: "CustomerMergeCounts", Fields: map[string]any{
			"emails": r.Moved.Emails, "phones": r.Moved.Phones, "addresses": r.Moved.Addresses,
			"contacts": r.Moved.Contacts, "documents": r.Moved.Documents, "timelineEntries": r.Moved.TimelineEntries,
		}},
	}}
}

func previewEmails(list []customer.Email) []any {
	out := make([]any, len(list))
	for i, e := range list {
		out[i] = read.Obj{Type: "EmailAddress", Fields: map[string]any{
			"id": typeid.Format(typeid.EmailAddress, e.ID), "address": e.Address, "type": e.Type, "purposes": stringValues(e.PurposeList()),
			"isPrimary": i == 0,
		}}
	}
	return out
}

func previewPhones(list []customer.Phone) []any {
	out := make([]any, len(list))
	for i, p := range list {
		out[i] = read.Obj{Type: "PhoneNumber", Fields: map[string]any{
			"id": typeid.Format(typeid.PhoneNumber, p.ID), "e164": p.E164, "extension": optionalText(p.Extension), "type": p.Type, "isPrimary": i == 0,
		}}
	}
	return out
}

func previewAddresses(list []customer.Address) []any {
	out := make([]any, len(list))
	for i, a := range list {
		out[i] = read.Obj{Type: "PostalAddress", Fields: map[string]any{
			"id": typeid.Format(typeid.PostalAddress, a.ID), "type": a.Type, "streetAddress": optionalText(a.StreetAddress),
			"addressLocality": optionalText(a.Locality), "addressRegion": optionalText(a.Region), "postalCode": optionalText(a.PostalCode),
			"addressCountry": optionalText(a.Country), "isPrimary": i == 0,
		}}
	}
	return out
}
