package transport

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/gorilla/websocket"

	"dossier/internal/fault"
)

// The states of a socket before and after connection_init.
const (
	stateNew = iota
	stateInit
	stateReady
)

// wsConn is one socket.
type wsConn struct {
	ws   *WS
	exec graphql.GraphExecutor
	conn *websocket.Conn
	out  wsWriter

	// Owned by the sweep, under WS.mu.
	nextPing, nextRecheck time.Time

	mu       sync.Mutex
	ctx      context.Context // of the socket: values of the upgrade request, then those of Init
	cancel   context.CancelFunc
	request  *http.Request // until connection_init
	state    int
	limits   Limits
	ops      map[string]*wsOp
	ready    []*wsOp // operations that have messages to write
	draining bool
	closing  bool
	extended time.Time
}

func newWSConn(s *WS, ws *websocket.Conn, r *http.Request, exec graphql.GraphExecutor) *wsConn {
	now := time.Now()
	c := &wsConn{
		ws: s, exec: exec, conn: ws,
		out:      wsWriter{nc: ws.NetConn(), timeout: s.cfg.WriteTimeout},
		nextPing: now.Add(jitter(s.cfg.PingInterval)), nextRecheck: now.Add(jitter(s.cfg.RecheckInterval)),
		request: r,
	}
	// The request's context ends with the handler, the socket does not.
	c.ctx, c.cancel = context.WithCancel(context.WithoutCancel(r.Context()))
	ws.SetReadLimit(s.cfg.MaxMessageBytes)
	ws.SetPingHandler(func(data string) error {
		c.alive()
		return c.out.tryWrite(append(appendFrameHeader(nil, framePong, len(data)), data...))
	})
	ws.SetPongHandler(func(string) error {
		c.alive()
		return nil
	})
	ws.SetCloseHandler(func(code int, _ string) error {
		if code < 1000 || code == websocket.CloseNoStatusReceived {
			code = websocket.CloseNormalClosure
		}
		_ = c.out.writeClose(code, "") // the peer is leaving: whether it reads the answer does not matter
		return nil
	})
	return c
}

// read is the goroutine of the socket. It only reads and sorts; parsing, authentication and execution run in
// goroutines of their own and give their grown stacks back.
func (c *wsConn) read() {
	defer c.finish()
	for {
		kind, data, err := c.conn.ReadMessage()
		if err != nil {
			c.readFailed(err)
			return
		}
		if !c.alive() {
			continue // closing: only the peer's close frame counts
		}
		if kind != websocket.TextMessage {
			c.close(CloseInvalid, "Invalid message: expected text")
			continue
		}
		c.handle(data)
	}
}

// readFailed says goodbye to a peer whose frames cannot be read any further.
func (c *wsConn) readFailed(err error) {
	var closed *websocket.CloseError
	if errors.As(err, &closed) {
		return
	}
	var netErr net.Error // the library hides os.ErrDeadlineExceeded
	if errors.As(err, &netErr) && netErr.Timeout() {
		c.mu.Lock()
		late := c.state == stateNew && !c.closing
		c.mu.Unlock()
		if late {
			c.close(CloseInitTimeout, "Connection initialisation timeout")
			c.linger()
		}
		return
	}
	if errors.Is(err, websocket.ErrReadLimit) {
		c.linger() // the library has sent 1009
	}
}

// linger reads and drops what the peer is still sending. Closing with unread data would reset the connection, and
// the peer might lose the close frame that says why.
func (c *wsConn) linger() {
	nc := c.out.nc
	if half, ok := nc.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite() // the close below frees everything
	}
	_ = nc.SetReadDeadline(time.Now().Add(closeWait))
	_, _ = io.CopyN(io.Discard, nc, 4*c.ws.cfg.MaxMessageBytes)
}

// alive moves the deadline of silence after a frame of the peer. It says false when the socket is closing.
func (c *wsConn) alive() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing {
		return false
	}
	if c.state == stateNew { // the deadline is that of connection_init
		return true
	}
	c.extendLocked(time.Now())
	return true
}

func (c *wsConn) extendLocked(now time.Time) {
	silence := c.ws.cfg.PingInterval + c.ws.cfg.PongTimeout
	if now.Sub(c.extended) > silence/16 {
		c.extended = now
		_ = c.out.nc.SetReadDeadline(now.Add(silence)) // an error shows in the next read
	}
}

func (c *wsConn) setReadDeadline(d time.Duration) {
	_ = c.out.nc.SetReadDeadline(time.Now().Add(d)) // an error shows in the next read
}

func (c *wsConn) handle(data []byte) {
	m, err := parseMessage(data)
	if err != nil {
		c.close(CloseInvalid, err.Error())
		return
	}
	switch m.Type {
	case typeInit:
		c.init(m)
	case typePing:
		c.send(appendTextFrame(nil, pongMessage(m.Payload)))
	case typePong:
	case typeSubscribe:
		c.subscribe(m)
	case typeComplete:
		c.complete(*m.ID)
	}
}

// init starts the authentication of connection_init.
func (c *wsConn) init(m wsMessage) {
	c.mu.Lock()
	if c.state != stateNew {
		c.mu.Unlock()
		c.close(CloseTooMany, "Too many initialisation requests")
		return
	}
	c.state = stateInit
	c.extendLocked(time.Now())
	r := c.request
	c.request = nil
	ctx := c.ctx
	c.mu.Unlock()
	c.ws.running.Go(func() {
		ctx, limits, code, reason := c.authenticate(ctx, r, m)
		if code != 0 {
			c.close(code, reason)
			return
		}
		c.acknowledge(ctx, limits)
	})
}

// authenticate runs the hooks of connection_init. A code other than 0 closes the socket.
func (c *wsConn) authenticate(ctx context.Context, r *http.Request, m wsMessage) (_ context.Context, l Limits, code int, reason string) {
	defer func() {
		if r := recover(); r != nil {
			c.ws.cfg.Logger.Error("panic in connection_init", "panic", r, "stack", string(debug.Stack()))
			code, reason = CloseForbidden, "Forbidden"
		}
	}()
	payload, err := m.object()
	if err != nil {
		return ctx, l, CloseInvalid, "Invalid message: 'payload' of connection_init must be an object"
	}
	if c.ws.cfg.Init != nil {
		initCtx, cancel := context.WithTimeout(ctx, c.ws.cfg.InitTimeout)
		next, err := c.ws.cfg.Init(initCtx, r, payload)
		cancel()
		if err != nil {
			return ctx, l, CloseForbidden, initReason(err)
		}
		// The hook's context has a deadline that must not end the operations: only its values go on.
		ctx = mergedContext{Context: ctx, values: context.WithoutCancel(next)}
	}
	if c.ws.cfg.Limits != nil {
		l = c.ws.cfg.Limits(ctx)
	}
	if l.Operations <= 0 {
		l.Operations = c.ws.cfg.MaxOperations
	}
	if !c.ws.cfg.Slots.acquire(l) {
		return ctx, l, CloseTooMany, "Too many sockets"
	}
	return ctx, l, 0, ""
}

// mergedContext ends with the socket and has the values of connection_init.
type mergedContext struct {
	context.Context
	values context.Context
}

// Value gives the values of connection_init, which include those of the upgrade request.
func (m mergedContext) Value(key any) any {
	if v := m.values.Value(key); v != nil {
		return v
	}
	return m.Context.Value(key) // the context package finds its own parent by a private key
}

// initReason is the reason of a 4403: what the fault says to clients, or nothing.
func initReason(err error) string {
	var f *fault.Error
	if errors.As(err, &f) && f.Code != fault.Internal && f.Message != "" && len(f.Message) <= maxReasonBytes {
		return f.Message
	}
	return "Forbidden"
}

func (c *wsConn) acknowledge(ctx context.Context, l Limits) {
	c.mu.Lock()
	if c.closing { // finish has run or will not see these limits
		c.mu.Unlock()
		c.ws.cfg.Slots.release(l)
		return
	}
	c.ctx, c.limits, c.state = ctx, l, stateReady
	c.mu.Unlock()
	c.send(appendTextFrame(nil, []byte(`{"type":"`+typeAck+`"}`)))
}

// principal gives the context that Recheck is asked with, once there is one.
func (c *wsConn) principal() (context.Context, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ctx, c.state == stateReady && !c.closing
}

// send writes frames; a socket that cannot be written to is cut.
func (c *wsConn) send(frames []byte) {
	if err := c.out.write(frames); err != nil && !errors.Is(err, errSocketClosed) {
		c.cut()
	}
}

func (c *wsConn) ping() {
	// It waits for a write in progress: a ping that was left out would be due again only after the silence that is allowed.
	if err := c.out.write(appendFrameHeader(nil, framePing, 0)); err != nil && !errors.Is(err, errSocketClosed) {
		c.cut()
	}
}

// close ends all operations and starts the closing handshake. The reader ends the socket when the peer has answered or
// closeWait is over.
func (c *wsConn) close(code int, reason string) {
	if !c.endOperations() {
		return
	}
	if err := c.out.writeClose(code, reason); err != nil {
		c.cut()
		return
	}
	c.setReadDeadline(closeWait)
}

// endOperations marks the socket as closing. It says false when it was already.
func (c *wsConn) endOperations() bool {
	c.mu.Lock()
	if c.closing {
		c.mu.Unlock()
		return false
	}
	c.closing = true
	ops := c.ops
	c.ops, c.ready = nil, nil
	for _, op := range ops {
		op.done = true
	}
	c.mu.Unlock()
	for _, op := range ops {
		op.release()
	}
	c.cancel()
	return true
}

// cut drops the connection without a handshake.
func (c *wsConn) cut() { _ = c.out.nc.Close() } // the reader sees it and finishes

// finish runs once, when the reader ends.
func (c *wsConn) finish() {
	c.endOperations()
	c.cancel()
	if err := c.out.nc.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		_ = err // nothing is left to do for a connection that is gone
	}
	c.mu.Lock()
	limits := c.limits
	c.limits = Limits{}
	c.mu.Unlock()
	c.ws.cfg.Slots.release(limits)
	c.ws.forget(c)
}
