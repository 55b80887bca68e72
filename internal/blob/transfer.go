package blob

import (
	"context"
	"hash/crc32"
	"io"
	"sync"
)

// BufferSize is what drivers read a source with: large enough that a system call per buffer does not count, small
// enough that a hundred uploads at once do not either.
const BufferSize = 256 << 10

// Transfer carries the bytes of one Put and holds the rules about them that both drivers share. It is for drivers.
type Transfer struct {
	// Size and CRC32C are of the bytes so far.
	Size   int64
	CRC32C uint32

	want    int64
	wantCRC *uint32
	table   *crc32.Table
}

// NewTransfer begins the transfer of a Put with these options.
func NewTransfer(opts PutOptions) *Transfer {
	return &Transfer{want: opts.ExpectedSize, wantCRC: opts.CRC32C, table: crc32.MakeTable(crc32.Castagnoli)}
}

// Fill reads from src until buf is full or src ends.
func (t *Transfer) Fill(ctx context.Context, src io.Reader, buf []byte) (n int, ended bool, err error) {
	for empty := 0; n < len(buf); {
		m, done, err := t.read(ctx, src, buf[n:], &empty)
		n += m
		if done || err != nil {
			return n, done, err
		}
	}
	return n, false, nil
}

// Copy writes src to dst up to its end, in pieces of the size that src gives, at most BufferSize. It tells whose failure ended it:
// srcErr is ready to be returned by Put, dstErr is as dst gave it.
func (t *Transfer) Copy(ctx context.Context, dst io.Writer, src io.Reader, buf []byte) (srcErr, dstErr error) {
	if wt, ok := src.(io.WriterTo); ok {
		s := &sink{ctx: ctx, t: t, dst: dst}
		_, err := wt.WriteTo(s)
		switch {
		case s.srcErr != nil || s.dstErr != nil:
			return s.srcErr, s.dstErr
		case err != nil:
			return sourceError(ctx, err), nil
		default:
			return nil, nil
		}
	}
	for empty := 0; ; {
		n, done, err := t.read(ctx, src, buf, &empty)
		if err != nil {
			return err, nil
		}
		if n > 0 {
			if err := write(dst, buf[:n]); err != nil {
				return nil, err
			}
		}
		if done {
			return nil, nil
		}
	}
}

// Check says whether the bytes are as announced. It is the last thing before an object is made visible.
func (t *Transfer) Check() error {
	if t.want >= 0 && t.Size != t.want {
		return failSize("blob.Put", t.Size, t.want)
	}
	if t.wantCRC != nil && t.CRC32C != *t.wantCRC {
		return Fail("blob.Put", ErrChecksum, nil)
	}
	return nil
}

func (t *Transfer) read(ctx context.Context, src io.Reader, buf []byte, empty *int) (n int, done bool, err error) {
	if ctx.Err() != nil {
		return 0, false, Fail("blob.Put", ErrCanceled, context.Cause(ctx))
	}
	n, err = src.Read(buf)
	switch {
	case err == io.EOF: //nolint:errorlint // a wrapped io.EOF is a failure of the source: counting it as the end would truncate
		done = true
	case err != nil:
		return n, false, sourceError(ctx, err)
	case n == 0:
		if *empty++; *empty > 100 {
			return 0, false, Fail("blob.Put", ErrSource, io.ErrNoProgress)
		}
	default:
		*empty = 0
	}
	return n, done, t.add(buf[:n])
}

func (t *Transfer) add(p []byte) error {
	t.Size += int64(len(p))
	if t.want >= 0 && t.Size > t.want {
		return failSize("blob.Put", t.Size, t.want)
	}
	t.CRC32C = crc32.Update(t.CRC32C, t.table, p)
	return nil
}

// sourceError tells a source that gave up because the context ended from one that failed by itself.
func sourceError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return Fail("blob.Put", ErrCanceled, err)
	}
	return Fail("blob.Put", ErrSource, err)
}

// sink is the writer that a WriterTo source writes to.
type sink struct {
	ctx            context.Context //nolint:containedctx // the sink lives for one call of Copy, whose ctx this is
	t              *Transfer
	dst            io.Writer
	srcErr, dstErr error
}

// Write passes p on, within the rules of the transfer. A source may hand over all of its content at once: in pieces the
// checksum leaves them in the processor's cache for the copy, and ctx is looked at between them.
func (s *sink) Write(p []byte) (int, error) {
	written := 0
	for written < len(p) {
		piece := p[written:min(len(p), written+BufferSize)]
		if s.ctx.Err() != nil {
			s.srcErr = Fail("blob.Put", ErrCanceled, context.Cause(s.ctx))
			return written, s.srcErr
		}
		if s.srcErr = s.t.add(piece); s.srcErr != nil {
			return written, s.srcErr
		}
		if s.dstErr = write(s.dst, piece); s.dstErr != nil {
			return written, s.dstErr
		}
		written += len(piece)
	}
	return written, nil
}

func write(dst io.Writer, p []byte) error {
	n, err := dst.Write(p)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	return err
}

// Buffers is a pool of buffers of BufferSize. A driver has one.
type Buffers struct{ pool sync.Pool }

// Get takes a buffer; give it back with Put.
func (b *Buffers) Get() *[BufferSize]byte {
	if buf, ok := b.pool.Get().(*[BufferSize]byte); ok {
		return buf
	}
	return new([BufferSize]byte)
}

// Put gives a buffer back.
func (b *Buffers) Put(buf *[BufferSize]byte) { b.pool.Put(buf) }
