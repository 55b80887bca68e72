package schema

import (
	"entgo.io/ent"
	"entgo.io/ent/schema"
	"entgo.io/ent/schema/field"
	"entgo.io/ent/schema/index"
)

// CustomerImage is the picture of a customer. A row never changes: another picture is another row, and the customer points
// at the one in force.
type CustomerImage struct{ ent.Schema }

// Annotations of the table.
func (CustomerImage) Annotations() []schema.Annotation {
	return table("customer_image", map[string]string{
		"customer_image_created_by_kind": actorKinds,
		"customer_image_size":            "size_bytes > 0 AND width > 0 AND height > 0",
	})
}

// Mixin of the table.
func (CustomerImage) Mixin() []ent.Mixin { return []ent.Mixin{owned{}, authored{}} }

// Fields of the table. The columns are about the original; width and height are as it is shown.
func (CustomerImage) Fields() []ent.Field {
	return []ent.Field{
		id("customer_id"),
		text("file_name"),
		text("content_type"),
		field.Int64("size_bytes"),
		field.Int32("width"),
		field.Int32("height"),
	}
}

// Indexes of the table: the picture of a customer, of which there is one.
func (CustomerImage) Indexes() []ent.Index {
	return []ent.Index{index.Fields("account_id", "customer_id").Unique()}
}

// ImageFile is an object of a picture: the original or a thumbnail. A row exists only for bytes that are durable in the
// object store, and its size counts as used storage.
type ImageFile struct{ ent.Schema }

// Annotations of the table.
func (ImageFile) Annotations() []schema.Annotation {
	return table("image_file", map[string]string{
		"image_file_variant": oneOf("variant", "ORIGINAL", "PREVIEW", "THUMBNAIL"),
		"image_file_size":    "size_bytes > 0",
	})
}

// Mixin of the table.
func (ImageFile) Mixin() []ent.Mixin { return []ent.Mixin{logged{}} }

// Fields of the table.
func (ImageFile) Fields() []ent.Field {
	return []ent.Field{
		id("image_id"),
		text("variant"),
		text("content_type"),
		field.Int64("size_bytes"),
		field.Int64("crc32c"),
		text("object_key"),
		field.Int64("object_generation"),
	}
}

// Indexes of the table.
func (ImageFile) Indexes() []ent.Index {
	return []ent.Index{
		index.Fields("account_id", "image_id", "variant").Unique(),
		index.Fields("object_key").Unique(),
	}
}
