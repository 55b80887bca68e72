package document_test

import (
	"bytes"
	"context"
	"fmt"
	"hash/crc32"
	"io"
	"strconv"
	"sync"

	"dossier/internal/blob"
)

// zeros is an object store in which each object is as many zeros as its key says.
type zeros struct{ blob.Store }

func (zeros) Open(_ context.Context, key string, _ blob.Range) (*blob.Reader, error) {
	size, err := strconv.ParseInt(key, 10, 64)
	return blob.NewReader(blob.Object{Size: size}, 0, size, io.NopCloser(io.LimitReader(zeroBody{}, size))), err
}

type zeroBody struct{}

func (zeroBody) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

var zeroSums sync.Map

// zerosCRC is the CRC32C of so many zeros.
func zerosCRC(size int64) uint32 {
	if sum, ok := zeroSums.Load(size); ok {
		return sum.(uint32)
	}
	h := crc32.New(crc32.MakeTable(crc32.Castagnoli))
	_, _ = io.Copy(h, io.LimitReader(zeroBody{}, size))
	zeroSums.Store(size, h.Sum32())
	return h.Sum32()
}

// holes is a file that remembers only what is not zeros.
type holes struct {
	size  int64
	parts map[int64][]byte
}

const holeBlock = 64 << 10

var noBytes [holeBlock]byte

func (h *holes) Write(p []byte) (int, error) {
	if h.parts == nil {
		h.parts = map[int64][]byte{}
	}
	for rest := p; len(rest) > 0; {
		at := h.size % holeBlock
		n := min(len(rest), int(holeBlock-at))
		block := h.parts[h.size/holeBlock]
		if block == nil && !bytes.Equal(rest[:n], noBytes[:n]) {
			block = make([]byte, holeBlock)
			h.parts[h.size/holeBlock] = block
		}
		if block != nil {
			copy(block[at:], rest[:n])
		}
		h.size += int64(n)
		rest = rest[n:]
	}
	return len(p), nil
}

func (h *holes) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("read at %d", off)
	}
	n := 0
	for n < len(p) && off < h.size {
		at := off % holeBlock
		part := p[n:min(len(p), n+int(min(holeBlock-at, h.size-off)))]
		clear(part)
		if block := h.parts[off/holeBlock]; block != nil {
			copy(part, block[at:])
		}
		n += len(part)
		off += int64(len(part))
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}
