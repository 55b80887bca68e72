package hostile

import (
	"bytes"
	"context"
	"crypto/sha256"
	"hash/crc32"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"dossier/internal/blob"
	"dossier/internal/blob/disk"
)

// Plant makes a file the content of a document that is there, past all checks and under the worst media type that a row
// could have, as a check that fails some day would let it in. dir is the directory of the disk store.
func Plant(ctx context.Context, db *pgxpool.Pool, dir string, account, document uuid.UUID, f File, mediaType string) error {
	store, err := disk.Open(disk.Config{Dir: dir, BaseURL: "http://127.0.0.1/blobs", SigningKey: make([]byte, 32)})
	if err != nil {
		return err
	}
	key := blob.NewKey(account)
	obj, err := store.Put(ctx, key, bytes.NewReader(f.Content), blob.PutOptions{ContentType: mediaType, ExpectedSize: int64(len(f.Content))})
	if err != nil {
		return err
	}
	sum := sha256.Sum256(f.Content)
	crc := crc32.Checksum(f.Content, crc32.MakeTable(crc32.Castagnoli))
	_, err = db.Exec(ctx, `UPDATE document_version SET blob_id = NULL, object_key = $2, object_generation = $3, content_type = $4, size_bytes = $5, sha256 = $6, crc32c = $7
		WHERE document_id = $1`, document, key, obj.Generation, mediaType, len(f.Content), sum[:], int64(crc))
	return err
}
