package transport

import (
	"encoding/binary"
	"errors"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// frame opcodes with the FIN bit: every message of the server is one frame.
const (
	frameText  = 0x80 | websocket.TextMessage
	frameClose = 0x80 | websocket.CloseMessage
	framePing  = 0x80 | websocket.PingMessage
	framePong  = 0x80 | websocket.PongMessage
)

// maxReasonBytes is what fits into a close frame beside the code.
const maxReasonBytes = 123

var errSocketClosed = errors.New("transport: the socket is closed")

// closeWait bounds the closing handshake: long enough for a distant client, short enough for a shutdown.
const closeWait = 2 * time.Second

// appendFrameHeader begins a frame of n bytes. A server does not mask, so header and payload are all there is.
func appendFrameHeader(b []byte, opcode byte, n int) []byte {
	switch {
	case n < 126:
		return append(b, opcode, byte(n))
	case n < 1<<16:
		return binary.BigEndian.AppendUint16(append(b, opcode, 126), uint16(n))
	default:
		return binary.BigEndian.AppendUint64(append(b, opcode, 127), uint64(n))
	}
}

func appendTextFrame(b, message []byte) []byte {
	return append(appendFrameHeader(b, frameText, len(message)), message...)
}

// appendNextFrame splices a next message around the payload, which is not encoded again.
func appendNextFrame(b, prefix, payload []byte) []byte {
	b = appendFrameHeader(b, frameText, len(prefix)+len(payload)+1)
	b = append(b, prefix...)
	b = append(b, payload...)
	return append(b, '}')
}

// writer writes whole frames to the connection. The frames of one call are never mixed with those of another: the write
// lock of the net.Conn alone would not do, because of the deadline and the close frame, after which nothing may follow.
type wsWriter struct {
	nc      net.Conn
	timeout time.Duration

	mu       sync.Mutex
	deadline time.Time
	closed   bool
}

// write sends frames. An error is final: a part of a frame may be out.
func (w *wsWriter) write(frames []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.writeLocked(frames)
}

// tryWrite is write for frames that are not worth waiting for.
func (w *wsWriter) tryWrite(frames []byte) error {
	if !w.mu.TryLock() {
		return nil
	}
	defer w.mu.Unlock()
	return w.writeLocked(frames)
}

func (w *wsWriter) writeLocked(frames []byte) error {
	if w.closed {
		return errSocketClosed
	}
	// Moving the deadline costs a timer operation, so it is moved only when less than half of it is left.
	if now := time.Now(); w.deadline.Sub(now) < w.timeout/2 {
		w.deadline = now.Add(w.timeout)
		if err := w.nc.SetWriteDeadline(w.deadline); err != nil {
			return err
		}
	}
	_, err := w.nc.Write(frames)
	if err != nil {
		w.closed = true
	}
	return err
}

// writeClose sends the close frame, after which write refuses.
func (w *wsWriter) writeClose(code int, reason string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return errSocketClosed
	}
	w.closed = true
	reason = strings.ToValidUTF8(reason[:min(len(reason), maxReasonBytes)], "")
	body := websocket.FormatCloseMessage(code, reason)
	if err := w.nc.SetWriteDeadline(time.Now().Add(closeWait)); err != nil {
		return err
	}
	_, err := w.nc.Write(append(appendFrameHeader(nil, frameClose, len(body)), body...))
	return err
}

// framePool holds the buffers in which frames are put together.
type framePool struct{ pool sync.Pool }

// maxPooledFrames keeps one huge result from staying in memory for ever.
const maxPooledFrames = 64 << 10

func (p *framePool) get() *[]byte {
	if b, ok := p.pool.Get().(*[]byte); ok {
		return b
	}
	b := make([]byte, 0, 2<<10)
	return &b
}

func (p *framePool) put(b *[]byte) {
	if cap(*b) <= maxPooledFrames {
		*b = (*b)[:0]
		p.pool.Put(b)
	}
}
