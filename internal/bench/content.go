package main

import (
	"crypto/sha256"
	"encoding"
	"encoding/binary"
	"encoding/hex"
	"io"
	"math/rand/v2"
	"sync/atomic"
)

// content is what an uploaded file holds: the head of a PDF, noise that does not compress, and a number, so that no two
// files of a run are equal. Its hash is what the server must answer.
type content struct {
	size  int64
	block []byte
	// common is the state of the hash before the number.
	common []byte
	number [8]byte
	sum    string
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
	if err := c.writeCommon(h); err != nil {
		return c, err
	}
	var err error
	c.common, err = h.(encoding.BinaryMarshaler).MarshalBinary() //nolint:errcheck // the hashes of the library can
	return c, err
}

// counted is how many contents were numbered.
var counted atomic.Uint64

// next gives a content that no other upload has.
func (c content) next() (content, error) {
	binary.BigEndian.PutUint64(c.number[:], counted.Add(1))
	h := sha256.New()
	if err := h.(encoding.BinaryUnmarshaler).UnmarshalBinary(c.common); err != nil { //nolint:errcheck // the hashes of the library can
		return c, err
	}
	h.Write(c.number[:])
	c.sum = hex.EncodeToString(h.Sum(nil))
	return c, nil
}

// writeTo writes the content in pieces of at most 64 KiB.
func (c content) writeTo(w io.Writer) error {
	err := c.writeCommon(w)
	if err == nil {
		_, err = w.Write(c.number[:])
	}
	return err
}

func (c content) writeCommon(w io.Writer) error {
	const piece = 64 << 10
	if _, err := io.WriteString(w, pdfHead); err != nil {
		return err
	}
	left := c.size - int64(len(pdfHead)+len(c.number))
	for at := 0; left > 0; at = (at + piece) % blockBytes {
		n := min(left, piece)
		if _, err := w.Write(c.block[at : at+int(n)]); err != nil {
			return err
		}
		left -= n
	}
	return nil
}
