package auth

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"
)

// Directory is what auth needs from the database. A missing row is fault.NotFound; every other error is taken as a
// failure to answer, which makes the request UNAVAILABLE and never lets it in.
//
// Reads must be of committed state (no lagging replica): the 5 s promise of revocation counts from the commit.
type Directory interface {
	// IssuerByURL gives the issuer whose URL is exactly iss. One URL belongs to one account.
	IssuerByURL(ctx context.Context, iss string) (Issuer, error)
	// EnsureStaff gives the staff user of (account, issuer, subject), creating or updating it from the claims. It is
	// called again every few seconds while the user is active, on every node, also at once from several requests, so
	// it must be an idempotent upsert that writes only what changed. It never activates a deactivated user. A person who
	// was made known before their first token is recognised by the e-mail address, if EmailVerified.
	EnsureStaff(ctx context.Context, accountID uuid.UUID, claims StaffClaims) (StaffRecord, error)
	// StaffByID gives a staff user as it is now.
	StaffByID(ctx context.Context, accountID, id uuid.UUID) (StaffRecord, error)
	// KeyByID gives an API key of any account, revoked and expired ones too.
	KeyByID(ctx context.Context, id uuid.UUID) (KeyRecord, error)
	// TouchKey notes that a key was used. It is called off the request's path, at most once a minute per key and node.
	TouchKey(ctx context.Context, id uuid.UUID, at time.Time) error
}

// Issuer is an OpenID Connect issuer that an account trusts for its staff.
type Issuer struct {
	// AccountID is the account that the issuer speaks for; a token of this issuer reaches no other.
	AccountID uuid.UUID
	// URL is the issuer identifier, compared exactly with the claim iss; discovery starts there.
	URL string
	// Audience must be in the claim aud.
	Audience string
	// Algorithms is what tokens may be signed with: RS256, ES256, EdDSA. Others are ignored, so an empty list, or one
	// with only others in it, lets no token in.
	Algorithms []string
	// RoleClaim names the claim with the role; empty means DefaultRoleClaim. A name that is not a claim itself and
	// has dots in it is looked up as a path ("realm_access.roles").
	RoleClaim string
}

// DefaultRoleClaim is the claim that holds the role unless the issuer says otherwise.
const DefaultRoleClaim = "dossier_role"

func (i Issuer) roleClaim() string {
	if i.RoleClaim == "" {
		return DefaultRoleClaim
	}
	return i.RoleClaim
}

func (i Issuer) equal(o Issuer) bool {
	return i.AccountID == o.AccountID && i.URL == o.URL && i.Audience == o.Audience &&
		i.roleClaim() == o.roleClaim() && slices.Equal(i.Algorithms, o.Algorithms)
}

// StaffClaims is what a verified token says about a person. Only Subject identifies; Email and Name are for display
// and may be empty. EmailVerified says that the issuer vouches for the address.
type StaffClaims struct {
	Issuer, Subject, Email, Name string
	EmailVerified                bool
	Role                         Role
}

// StaffRecord is a staff user as the database has it.
type StaffRecord struct {
	ID          uuid.UUID
	DisplayName string
	// Active is false for a user that an administrator locked out, whatever the issuer says.
	Active bool
	// Role is that of the newest token, IssuerURL the issuer that the account trusts now. StaffByID gives both;
	// EnsureStaff need not.
	Role      Role
	IssuerURL string
}

// KeyRecord is an API key as the database has it.
type KeyRecord struct {
	ID, AccountID uuid.UUID
	// Hash is KeyHash's result at creation.
	Hash []byte
	// Name is what the administrator called it.
	Name   string
	Scopes []string
	// ExpiresAt is zero for a key without end; Revoked is final.
	ExpiresAt time.Time
	Revoked   bool
}
