package auth

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"dossier/internal/fault"
)

// Kind is what sort of thing a principal is.
type Kind string

// The kinds.
const (
	// KindStaff is a person, signed in at the account's issuer.
	KindStaff Kind = "STAFF"
	// KindAPIKey is a server with a secret API key.
	KindAPIKey Kind = "API_KEY"
	// KindSystem is Dossier itself: seeding, sweeping, migrating. No credential leads to it.
	KindSystem Kind = "SYSTEM"
)

// Role is what a staff user is in the account.
type Role string

// The roles. Each has all permissions of the one before it.
const (
	// Viewer reads.
	Viewer Role = "VIEWER"
	// Editor reads and writes customers, documents and timelines.
	Editor Role = "EDITOR"
	// Admin also manages the account.
	Admin Role = "ADMIN"
)

// Roles lists the roles, lowest first.
var Roles = []Role{Viewer, Editor, Admin}

// rank orders the roles; an unknown role is below all of them.
func (r Role) rank() int { return slices.Index(Roles, r) + 1 }

// Principal is who is asking. The zero value is nobody and may do nothing.
type Principal struct {
	// AccountID is the only account whose data the principal can reach.
	AccountID uuid.UUID
	// Kind says what ID is the id of.
	Kind Kind
	// ID is the staff user's or the API key's id; for KindSystem it is uuid.Nil.
	ID uuid.UUID
	// Role is set for KindStaff only.
	Role Role
	// Scopes is set for KindAPIKey only: permission names and presets.
	Scopes []string
	// DisplayName is what colleagues see as the actor.
	DisplayName string
	// ExpiresAt is when the credential ends; zero means that it does not end by itself.
	ExpiresAt time.Time
	// AuthTime is when the person signed in, where the issuer says so; zero otherwise.
	AuthTime time.Time

	// issuer is the URL that vouched for a staff user, so that Recheck can ask whether the account still trusts it.
	issuer string
}

// System is Dossier acting in an account on its own behalf. It has every permission there.
func System(accountID uuid.UUID) Principal {
	return Principal{AccountID: accountID, Kind: KindSystem, DisplayName: "Dossier"}
}

// IsZero says whether this is nobody.
func (p Principal) IsZero() bool { return p.Kind == "" || p.AccountID == uuid.Nil }

// Permissions gives what the principal may do. For an unknown kind or role that is nothing.
func (p Principal) Permissions() Set {
	if p.IsZero() {
		return 0
	}
	switch p.Kind {
	case KindStaff:
		return roleSets[p.Role]
	case KindAPIKey:
		return scopeSet(p.Scopes)
	case KindSystem:
		return roleSets[Admin] | operatorSet
	default:
		return 0
	}
}

// Can says whether the principal has the permission.
func (p Principal) Can(perm Permission) bool { return p.Permissions().Has(perm) }

// Require is the first line of a use case: nil, or UNAUTHENTICATED for nobody, or FORBIDDEN naming the permission and
// what would give it.
func (p Principal) Require(perm Permission) error {
	switch {
	case p.IsZero():
		return errAnonymous()
	case p.Can(perm):
		return nil
	case permissionBits[perm] == 0:
		return fault.New(fault.Forbidden, "This is not open to anybody.")
	case operatorSet.Has(perm):
		return fault.New(fault.Forbidden, "This is for who runs the service: it needs an API key with the scope %s, which only the command line makes.", perm)
	case p.Kind == KindAPIKey:
		return fault.New(fault.Forbidden, "This needs the permission %s. Use an API key that has one of the scopes: %s.",
			perm, strings.Join(scopesWith(perm), ", "))
	default:
		return fault.New(fault.Forbidden, "This needs the permission %s, which the role %s has; your role is %s.",
			perm, strings.Join(rolesWith(perm), " or "), p.Role)
	}
}

// RequireField is Require for a GraphQL root field ("Mutation.customerCreate"). A field that the policy does not name
// is refused.
func (p Principal) RequireField(field string) error {
	perm, ok := FieldPermission(field)
	if !ok && !p.IsZero() {
		return fault.New(fault.Forbidden, "%s is not open to anybody.", field)
	}
	return p.Require(perm)
}

// CanRead says whether the principal may read anything of a GraphQL object type. A type that the policy does not name
// is readable by nobody.
func (p Principal) CanRead(typeName string) bool {
	perm, ok := TypePermission(typeName)
	return ok && p.Can(perm)
}

// RequireRead is CanRead as an error.
func (p Principal) RequireRead(typeName string) error {
	perm, ok := TypePermission(typeName)
	if !ok && !p.IsZero() {
		return fault.New(fault.Forbidden, "%s is not readable by anybody.", typeName)
	}
	return p.Require(perm)
}

// MayGrant refuses scopes that allow more than the principal itself may do, so that creating an API key can never
// raise anybody's rights. What is the operator's is given by the command line alone, also where a key has it itself: it
// would outlive its own revocation. Scopes must have passed CheckScopes.
func (p Principal) MayGrant(scopes []string) error {
	if p.IsZero() {
		return errAnonymous()
	}
	for _, scope := range scopes {
		if p.Kind != KindSystem && operatorSet.Has(Permission(scope)) {
			return fault.New(fault.Forbidden, "The scope %s is for who runs the service. Such a key is made on the command line, with dossier keys create.", scope)
		}
	}
	if missing := scopeSet(scopes) &^ p.Permissions(); missing != 0 {
		for _, perm := range Permissions() {
			if missing.Has(perm) {
				return fault.New(fault.Forbidden, "You cannot give the permission %s, because you do not have it yourself.", perm)
			}
		}
	}
	return nil
}

// ScopeKey is equal for principals that may see exactly the same data: the same account and the same effective
// permissions. It groups live subscribers that can share one execution. It says nothing about identity, so an answer
// that depends on who asks (viewer) must not be shared by it. It holds within one process only.
func (p Principal) ScopeKey() string {
	if p.IsZero() {
		return ""
	}
	b := make([]byte, 0, 36+1+16)
	b = append(b, p.AccountID.String()...)
	b = append(b, '/')
	return string(strconv.AppendUint(b, uint64(p.Permissions()), 16))
}

type principalKey struct{}

// WithPrincipal gives a context that carries the principal. Use cases take it from there once, at the edge.
func WithPrincipal(ctx context.Context, p Principal) context.Context {
	return context.WithValue(ctx, principalKey{}, p)
}

// FromContext gives the principal of the request; false, and nobody, when the request is anonymous.
func FromContext(ctx context.Context) (Principal, bool) {
	p, ok := ctx.Value(principalKey{}).(Principal)
	return p, ok && !p.IsZero()
}

func errAnonymous() error {
	return fault.New(fault.Unauthenticated, "Sign in first: send the header \"Authorization: Bearer\" with a staff token or an API key.")
}

func decimal(i int) string { return strconv.Itoa(i) }

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
