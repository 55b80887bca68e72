package graph

import (
	"context"
	"net/url"

	"github.com/99designs/gqlgen/graphql"

	"dossier/internal/document"
	"dossier/internal/read"
	"dossier/internal/typeid"
)

// DocumentUploadCancel ends an upload straight to the object store.
func (r mutationResolver) DocumentUploadCancel(ctx context.Context, uploadSessionID string) (*read.Object, error) {
	u, err := parseID(typeid.UploadSession, uploadSessionID, "uploadSessionId")
	if err == nil {
		err = r.Documents.UploadCancel(ctx, viewer(ctx), u)
	}
	return r.payload(ctx, "DocumentUploadCancelPayload", map[string]any{"uploadSessionId": typeid.Format(typeid.UploadSession, u)}, err)
}

// uploadMethod is how the bytes of a session are sent.
func uploadMethod(s document.Session) string {
	if s.Resumable {
		return document.MethodResumable
	}
	return document.MethodPut
}

// partBytes is the granularity of a session's parts, nil when there are none.
func partBytes(s document.Session) any {
	if !s.Resumable {
		return nil
	}
	return int(s.PartBytes)
}

// maxOrigin is more than the longest host name needs.
const maxOrigin = 300

// origin is that of the page that sent the operation, nil for a program. An object store is told of it, so it must look like one.
func origin(ctx context.Context) *string {
	if !graphql.HasOperationContext(ctx) {
		return nil
	}
	o := graphql.GetOperationContext(ctx).Headers.Get("Origin")
	u, err := url.Parse(o)
	if err != nil || len(o) > maxOrigin || u.Host == "" || o != u.Scheme+"://"+u.Host {
		return nil
	}
	return &o
}
