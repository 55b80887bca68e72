package document

import (
	"context"
	"crypto/sha256"

	"github.com/google/uuid"

	"dossier/internal/auth"
	"dossier/internal/fault"
)

// Rights says what the holder of a link may do now. An auth.Authenticator does.
type Rights interface {
	PrincipalOf(ctx context.Context, account uuid.UUID, h auth.Holder) (auth.Principal, error)
}

// Visit is one request for what a link leads to, as far as it matters for the record of it.
type Visit struct {
	// Peek says that nothing of the content is handed out (a HEAD). It is no download and has no record.
	Peek bool
	// Continues says that a later part of the content is asked for, as a download that was cut off goes on. It has a record
	// only if the same client has none for this link yet.
	Continues bool
}

// Reading says how the record of a download is written, with what is downloaded and before anything is handed out.
type Reading struct {
	// ID is the record's, the same for each visit of one client to one link.
	ID uuid.UUID
	// Unrecorded says that no record is written.
	Unrecorded bool
	// Anew says that there is to be a record of its own, whatever was recorded under ID.
	Anew bool
}

// reading is the Reading of a visit by a link. The id is made of the link and the address of the client, so that it needs
// no memory to know that a download goes on, on whichever node. A link that is handed on has a record for each address.
func (g Grant) reading(ctx context.Context, v Visit) Reading {
	h := sha256.New()
	h.Write([]byte("dossier download"))
	h.Write(g.token[:])
	h.Write([]byte(auth.OriginOf(ctx).ClientAddress))
	var id uuid.UUID
	copy(id[:], h.Sum(nil))
	id[6], id[8] = id[6]&0x0f|0x80, id[8]&0x3f|0x80 // a UUID of version 8
	return Reading{ID: id, Unrecorded: v.Peek, Anew: !v.Continues}
}

// The actions of downloads in the audit trail, and that of a preview, which is in it where it was refused.
const (
	ActionDocument = "DOCUMENT_DOWNLOADED"
	ActionArchive  = "DOCUMENTS_DOWNLOADED"
	ActionExport   = "EXPORT_DOWNLOADED"
	ActionPreview  = "PREVIEW"
)

// Follow reads a link of a download and gives what it is to and who follows it, as entitled does, and how it is recorded.
func (s *Service) Follow(
	ctx context.Context, links *Links, path string, v Visit, need auth.Permission, action string,
) (p auth.Principal, id uuid.UUID, r Reading, err error) {
	p, g, err := s.entitled(ctx, links, path, need, action)
	if err != nil {
		return p, id, r, err
	}
	return p, g.ID, g.reading(ctx, v), nil
}

// entitled reads a link and gives who follows it, with the rights of now. It asks again whether the holder is still there, is
// not locked out or revoked, and has the permission. Everything that is wrong with a link or its holder is the same
// NOT_FOUND; a holder who has lost the right has a denial in the trail as well.
func (s *Service) entitled(ctx context.Context, links *Links, path string, need auth.Permission, action string) (auth.Principal, Grant, error) {
	g, err := links.read(path)
	if err != nil || g.Holder == (auth.Holder{}) {
		return auth.Principal{}, Grant{}, errLink()
	}
	p, err := s.Rights.PrincipalOf(ctx, g.Account, g.Holder)
	switch {
	case fault.CodeOf(err) == fault.Unavailable:
		return auth.Principal{}, Grant{}, fault.Wrap("document.entitled", err)
	case err != nil:
		s.Denied(ctx, auth.Principal{AccountID: g.Account, Kind: g.Holder.Kind, ID: g.Holder.ID}, action)
		return auth.Principal{}, Grant{}, errLink()
	case !p.Can(need):
		s.Denied(ctx, p, action)
		return auth.Principal{}, Grant{}, errLink()
	}
	return p, g, nil
}
