package auth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"

	"github.com/google/uuid"

	"dossier/internal/fault"
)

// Holder names a principal inside of a signed link: enough to look up later what it may do then, and nothing that is a
// credential. The zero value names nobody.
type Holder struct {
	Kind Kind
	ID   uuid.UUID
	// Issuer is a mark of the issuer that vouched for a staff user. An account that trusts another one since has
	// withdrawn the links of the old one with it.
	Issuer [8]byte
}

// Holder names the principal. Dossier itself is nobody: it follows no links.
func (p Principal) Holder() Holder {
	switch p.Kind {
	case KindStaff:
		return Holder{Kind: KindStaff, ID: p.ID, Issuer: issuerMark(p.issuer)}
	case KindAPIKey:
		return Holder{Kind: KindAPIKey, ID: p.ID}
	default:
		return Holder{}
	}
}

func issuerMark(url string) (mark [8]byte) {
	sum := sha256.Sum256([]byte(url))
	copy(mark[:], sum[:])
	return mark
}

// PrincipalOf gives a holder with the rights that it has now, which may be others than when it was named: the role of the
// newest token, the scopes of the key. UNAUTHENTICATED when it is gone, deactivated, revoked or expired. Like Recheck it
// sees a change within directoryTTL.
func (a *Authenticator) PrincipalOf(ctx context.Context, account uuid.UUID, h Holder) (Principal, error) {
	switch h.Kind { //nolint:exhaustive // nobody else holds anything
	case KindStaff:
		record, err := a.staff.get(ctx, staffKey{account, h.ID})
		if fault.CodeOf(err) == fault.NotFound {
			return Principal{}, errDeactivated()
		}
		if err != nil {
			return Principal{}, directoryDown("auth.PrincipalOf", err)
		}
		mark := issuerMark(record.IssuerURL)
		if !record.Active || subtle.ConstantTimeCompare(mark[:], h.Issuer[:]) != 1 {
			return Principal{}, errDeactivated()
		}
		return Principal{
			AccountID: account, Kind: KindStaff, ID: h.ID, Role: record.Role, DisplayName: record.DisplayName, issuer: record.IssuerURL,
		}, nil
	case KindAPIKey:
		record, err := a.liveKey(ctx, h.ID)
		if err != nil {
			return Principal{}, err
		}
		if record.AccountID != account {
			return Principal{}, errBadKey()
		}
		return Principal{
			AccountID: account, Kind: KindAPIKey, ID: h.ID, Scopes: record.Scopes, DisplayName: record.Name, ExpiresAt: record.ExpiresAt,
		}, nil
	default:
		return Principal{}, errAnonymous()
	}
}
