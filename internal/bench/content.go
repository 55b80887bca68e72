package main

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"math/rand/v2"
)

// content is what an uploaded file holds: the head of a PDF, then noise that does not compress. It is the same in every
// run, and its hash is what the server must answer.
type content struct {
	size  int64
	block []byte
	sum   string
}

const (
	pdfHead = "%PDF-1.7\n"
	// blockBytes is how much noise there is; it is repeated, which no server here can profit from.
	blockBytes = 1 << 20
)

// noise makes the block that all contents share.
func noise() []byte {
	block := make([]byte, blockBytes)
	random := rand.NewChaCha8([32]byte{10})
	_, _ = random.Read(block) // never fails
	return block
}

func newContent(size int64, block []byte) (content, error) {
	c := content{size: size, block: block}
	h := sha256.New()
	err := c.writeTo(h)
	c.sum = hex.EncodeToString(h.Sum(nil))
	return c, err
}

// writeTo writes the content in pieces of at most 64 KiB.
func (c content) writeTo(w io.Writer) error {
	const piece = 64 << 10
	if _, err := io.WriteString(w, pdfHead); err != nil {
		return err
	}
	left := c.size - int64(len(pdfHead))
	for at := 0; left > 0; at = (at + piece) % blockBytes {
		n := min(left, piece)
		if _, err := w.Write(c.block[at : at+int(n)]); err != nil {
			return err
		}
		left -= n
	}
	return nil
}
