package graph

import (
	"context"
	"maps"
	"slices"

	"github.com/google/uuid"

	"dossier/graph/model"
	"dossier/internal/document"
	"dossier/internal/read"
	"dossier/internal/transport"
	"dossier/internal/typeid"
)

func (r *Resolver) documentPayload(ctx context.Context, id uuid.UUID, err error) (*read.Object, error) {
	return r.payload(ctx, "DocumentPayload", map[string]any{"document": read.Ref{Type: "Document", ID: id}}, err)
}

// DocumentUpload streams files into new documents.
func (r mutationResolver) DocumentUpload(
	ctx context.Context, input model.DocumentUploadInput, files []*transport.Upload, idempotencyKey *string,
) (*read.Object, error) {
	results, err := r.upload(ctx, input, files, idempotencyKey)
	values := make([]any, len(results))
	for i, res := range results {
		value := read.Obj{Type: "DocumentUploadResult", Fields: map[string]any{
			"fileName": res.FileName, "document": nil, "userErrors": []any{},
		}}
		if len(res.Errs) > 0 {
			list := make([]any, len(res.Errs))
			for j, f := range res.Errs {
				list[j] = userError(f)
			}
			value.Fields["userErrors"] = list
		} else {
			value.Fields["document"] = read.Ref{Type: "Document", ID: res.Document, Known: knownDocument(res)}
		}
		values[i] = value
	}
	out := map[string]any{"results": values, "userErrors": []any{}}
	if err != nil {
		list, ok := userErrors(err)
		if !ok {
			return nil, err
		}
		out["userErrors"] = list
	}
	return r.Engine.Render(ctx, read.Obj{Type: "DocumentUploadPayload", Fields: out})
}

// knownDocument is what clients usually ask of a document that they have just uploaded.
func knownDocument(res document.UploadResult) read.Known {
	if res.Made == nil {
		return nil
	}
	c := res.Made.Content
	return read.Known{
		"Document": read.KnownColumns(map[string]any{
			"id": res.Document, "version": 1, "status": document.StatusActive, "title": res.Made.Title, "current_version_id": c.VersionID,
		}),
		"DocumentVersion": read.KnownColumns(map[string]any{
			"id": c.VersionID, "document_id": res.Document, "number": 1, "file_name": res.Made.FileName, "content_type": c.ContentType,
			"size_bytes": c.SizeBytes, "sha256": c.SHA256[:],
		}),
	}
}

func (r mutationResolver) upload(
	ctx context.Context, input model.DocumentUploadInput, files []*transport.Upload, key *string,
) ([]document.UploadResult, error) {
	draft, err := uploadDraft(input)
	if err != nil {
		return nil, err
	}
	return r.Documents.Upload(ctx, viewer(ctx), draft, list(files, func(f *transport.Upload) document.Incoming { return f }), key)
}

// DocumentUploadBegin begins an upload straight to the object store.
func (r mutationResolver) DocumentUploadBegin(
	ctx context.Context, input model.DocumentUploadBeginInput, idempotencyKey *string,
) (*read.Object, error) {
	session, err := r.uploadBegin(ctx, input, idempotencyKey)
	headers := list(slices.Sorted(maps.Keys(session.Headers)), func(name string) any {
		return read.Obj{Type: "HttpHeader", Fields: map[string]any{"name": name, "value": session.Headers[name]}}
	})
	return r.payload(ctx, "UploadSessionPayload", map[string]any{"uploadSession": read.Obj{Type: "UploadSession", Fields: map[string]any{
		"id": typeid.Format(typeid.UploadSession, session.ID), "uploadUrl": session.URL, "uploadMethod": session.Method,
		"uploadHeaders": headers, "expiresAt": session.ExpiresAt, "resumable": session.Resumable,
		"method": uploadMethod(session), "chunkGranularityBytes": partBytes(session),
	}}}, err)
}

func (r mutationResolver) uploadBegin(
	ctx context.Context, input model.DocumentUploadBeginInput, key *string,
) (document.Session, error) {
	draft, err := beginDraft(input)
	if err != nil {
		return document.Session{}, err
	}
	draft.Origin = origin(ctx)
	return r.Documents.UploadBegin(ctx, viewer(ctx), draft, key)
}

// DocumentUploadComplete makes the document of an upload straight to the object store.
func (r mutationResolver) DocumentUploadComplete(ctx context.Context, uploadSessionID string) (*read.Object, error) {
	u, err := parseID(typeid.UploadSession, uploadSessionID, "uploadSessionId")
	if err != nil {
		return r.documentPayload(ctx, uuid.Nil, err)
	}
	id, err := r.Documents.UploadComplete(ctx, viewer(ctx), u)
	return r.documentPayload(ctx, id, err)
}

// DocumentReplace streams a new content into a document.
func (r mutationResolver) DocumentReplace(
	ctx context.Context, id string, expectedVersion int, file transport.Upload, input *model.DocumentUpdateInput,
) (*read.Object, error) {
	u, err := parseID(typeid.Document, id, "id")
	if err == nil {
		var patch document.Patch
		if input != nil {
			patch = documentPatch(*input)
		}
		err = r.Documents.Replace(ctx, viewer(ctx), u, expectedVersion, file, patch)
	}
	return r.documentPayload(ctx, u, err)
}

// CustomerImageSet streams in a picture.
func (r mutationResolver) CustomerImageSet(
	ctx context.Context, id string, expectedVersion int, file transport.Upload,
) (*read.Object, error) {
	u, err := parseID(typeid.Customer, id, "id")
	if err == nil {
		err = r.Documents.ImageSet(ctx, viewer(ctx), u, expectedVersion, file)
	}
	return r.customerPayload(ctx, u, err)
}

// CustomerImageRemove deletes a picture.
func (r mutationResolver) CustomerImageRemove(ctx context.Context, id string, expectedVersion int) (*read.Object, error) {
	u, err := parseID(typeid.Customer, id, "id")
	if err == nil {
		err = r.Documents.ImageRemove(ctx, viewer(ctx), u, expectedVersion)
	}
	return r.customerPayload(ctx, u, err)
}

// DocumentUpdate changes what is said about a document.
func (r mutationResolver) DocumentUpdate(
	ctx context.Context, id string, expectedVersion int, input model.DocumentUpdateInput,
) (*read.Object, error) {
	u, err := parseID(typeid.Document, id, "id")
	if err == nil {
		err = r.Documents.Update(ctx, viewer(ctx), u, expectedVersion, documentPatch(input))
	}
	return r.documentPayload(ctx, u, err)
}

// DocumentArchive archives a document.
func (r mutationResolver) DocumentArchive(ctx context.Context, id string, expectedVersion int) (*read.Object, error) {
	u, err := parseID(typeid.Document, id, "id")
	if err == nil {
		err = r.Documents.Archive(ctx, viewer(ctx), u, expectedVersion)
	}
	return r.documentPayload(ctx, u, err)
}

// DocumentRestore restores a document.
func (r mutationResolver) DocumentRestore(ctx context.Context, id string, expectedVersion int) (*read.Object, error) {
	u, err := parseID(typeid.Document, id, "id")
	if err == nil {
		err = r.Documents.Restore(ctx, viewer(ctx), u, expectedVersion)
	}
	return r.documentPayload(ctx, u, err)
}
