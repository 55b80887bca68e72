package read

import (
	"github.com/google/uuid"

	"dossier/internal/typeid"
)

func imageNoun() *noun {
	return &noun{name: "Image", table: "customer_image", prefix: typeid.Image, id: "id", account: "account_id", fields: []field{
		id(),
		plain("contentType", "content_type"),
		big("sizeBytes", "size_bytes"),
		integer("width", "width"),
		integer("height", "height"),
		compute("url", []string{"id"}, imageURL("ORIGINAL")),
		compute("previewUrl", []string{"id"}, imageURL("PREVIEW")),
		compute("thumbnailUrl", []string{"id"}, imageURL("THUMBNAIL")),
		instant("createdAt", "created_at"),
	}}
}

func imageURL(size string) func(*environment, []byte, [][]byte) []byte {
	return func(e *environment, dst []byte, columns [][]byte) []byte {
		if e.config.ImageURL == nil || len(columns[0]) != 16 {
			return append(dst, `""`...)
		}
		return appendString(dst, e.config.ImageURL(size, e.account, uuid.UUID(columns[0])))
	}
}
