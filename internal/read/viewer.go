package read

import (
	"context"
	"strconv"

	"github.com/google/uuid"

	"dossier/internal/auth"
	"dossier/internal/fault"
)

// Viewer is who an operation reads for. It is the engine's whole knowledge of identity.
type Viewer interface {
	// Account is the only account whose rows can be read.
	Account() uuid.UUID
	// Actor is the node behind the credential; an empty type means that there is none.
	Actor() (typeName string, id uuid.UUID)
	// Holder is who the links in the answer are for.
	Holder() auth.Holder
	// MayRead gives nil, or why the field of a type cannot be read. An empty field stands for the type as a whole.
	MayRead(typeName, field string) error
	// MayAsk is the same for a root field of Query.
	MayAsk(field string) error
	// Can says whether the viewer has a permission.
	Can(permission auth.Permission) bool
	// Permissions lists what the viewer may do.
	Permissions() []string
	// ScopeKey is equal for viewers to whom MayRead gives the same answers, whatever their account: plans are shared by it.
	ScopeKey() string
}

// principal is the Viewer of a request.
type principal struct{ auth.Principal }

// PrincipalViewer gives the request's principal as Viewer.
func PrincipalViewer(ctx context.Context) (Viewer, error) {
	p, ok := auth.FromContext(ctx)
	if !ok {
		return nil, p.Require(auth.Authenticated)
	}
	return principal{p}, nil
}

// Account is the principal's.
func (p principal) Account() uuid.UUID { return p.AccountID }

// Actor is the staff user or key behind the credential.
func (p principal) Actor() (string, uuid.UUID) {
	switch p.Kind {
	case auth.KindStaff:
		return "StaffUser", p.ID
	case auth.KindAPIKey:
		return "ApiKey", p.ID
	default:
		return "", uuid.Nil
	}
}

// MayRead asks the policy of types and their fields.
func (p principal) MayRead(typeName, field string) error {
	perm, ok := auth.MemberPermission(typeName, field)
	if !ok {
		return fault.New(fault.Forbidden, "%s is not readable by anybody.", typeName)
	}
	if p.Can(perm) {
		return nil
	}
	return p.Require(perm)
}

// MayAsk asks the policy of root fields.
func (p principal) MayAsk(field string) error { return p.RequireField("Query." + field) }

// Permissions lists what the principal has beyond being known.
func (p principal) Permissions() []string {
	set := p.Principal.Permissions()
	var list []string
	for _, perm := range auth.Permissions() {
		if perm != auth.Authenticated && set.Has(perm) {
			list = append(list, string(perm))
		}
	}
	return list
}

// ScopeKey is the set of permissions.
func (p principal) ScopeKey() string {
	return strconv.FormatUint(uint64(p.Principal.Permissions()), 16)
}
