package disk

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"hash/crc32"
	"io"
	"os"
	"time"

	"dossier/internal/blob"
)

// The footer is the last 16 bytes of a file: magic, length of the record, CRC32C of the record.
const (
	footerLen = 16
	magic     = "DOSSIER1"
	// tailLen is read first: enough for a record without much metadata, so that Stat is one read.
	tailLen      = 1 << 10
	maxRecordLen = 64 << 10
)

var errDamaged = errors.New("the file is damaged: no valid record at its end")

// record is what a file says about its object.
type record struct {
	Key         string            `json:"key"`
	Size        int64             `json:"size"`
	CRC32C      uint32            `json:"crc32c"`
	Generation  int64             `json:"generation"`
	Created     time.Time         `json:"created"`
	Type        string            `json:"type"`
	Disposition string            `json:"disposition"`
	Metadata    map[string]string `json:"metadata,omitempty"`
	// Session is the resumable upload that made the object.
	Session string `json:"session,omitempty"`
}

func (r record) object() blob.Object {
	return blob.Object{
		Key: r.Key, Size: r.Size, CRC32C: r.CRC32C, Generation: r.Generation, CreatedAt: r.Created,
		ContentType: r.Type, Metadata: r.Metadata,
	}
}

// append writes record and footer at the end of f.
func (r record) append(f *os.File) error {
	body, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if len(body) > maxRecordLen {
		return errors.New("the record is too long")
	}
	n := len(body)
	sum := crc32.Checksum(body, castagnoli)
	body = append(body, magic...)
	body = binary.BigEndian.AppendUint32(body, uint32(n)) //nolint:gosec // at most maxRecordLen
	body = binary.BigEndian.AppendUint32(body, sum)
	_, err = f.Write(body)
	return err
}

// readRecord reads the record of the object that must be the key's. Lengths and checksum must fit, so a file that was
// cut, lengthened or put under another name is reported and not served.
func readRecord(f *os.File, key string) (record, error) {
	info, err := f.Stat()
	if err != nil {
		return record{}, err
	}
	tail := make([]byte, min(tailLen, info.Size()))
	if _, err := f.ReadAt(tail, info.Size()-int64(len(tail))); err != nil && !errors.Is(err, io.EOF) {
		return record{}, err
	}
	if len(tail) < footerLen {
		return record{}, errDamaged
	}
	footer := tail[len(tail)-footerLen:]
	n := int(binary.BigEndian.Uint32(footer[8:]))
	if string(footer[:8]) != magic || n > maxRecordLen || int64(n)+footerLen > info.Size() {
		return record{}, errDamaged
	}
	body := tail[:len(tail)-footerLen]
	if n <= len(body) {
		body = body[len(body)-n:]
	} else {
		body = make([]byte, n)
		if _, err := f.ReadAt(body, info.Size()-footerLen-int64(n)); err != nil {
			return record{}, err
		}
	}
	if crc32.Checksum(body, castagnoli) != binary.BigEndian.Uint32(footer[12:]) {
		return record{}, errDamaged
	}
	var r record
	if err := json.NewDecoder(bytes.NewReader(body)).Decode(&r); err != nil {
		return record{}, errors.Join(errDamaged, err)
	}
	if r.Key != key || r.Size != info.Size()-footerLen-int64(n) {
		return record{}, errDamaged
	}
	return r, nil
}

// payload is a file of which only the object's bytes are seen. It embeds the *os.File, and the bytes begin where the
// file begins, so that net can use sendfile on it.
type payload struct {
	*os.File
	size int64
}

// Seek makes the end of the bytes the end of the file, for http.ServeContent.
func (p *payload) Seek(offset int64, whence int) (int64, error) {
	if whence == io.SeekEnd {
		offset, whence = p.size+offset, io.SeekStart
	}
	return p.File.Seek(offset, whence)
}

// part is the body of a blob.Reader: the payload from its position on, up to a limit.
type part struct {
	payload *payload
	limit   io.LimitedReader
}

// Read reads the next bytes.
func (p *part) Read(b []byte) (int, error) { return p.limit.Read(b) }

// WriteTo hands w a limited file, which a TCP connection sends without copying.
func (p *part) WriteTo(w io.Writer) (int64, error) {
	n, err := io.Copy(w, &io.LimitedReader{R: p.payload, N: p.limit.N})
	p.limit.N -= n
	return n, err
}

// Close closes the file.
func (p *part) Close() error { return p.payload.File.Close() }
