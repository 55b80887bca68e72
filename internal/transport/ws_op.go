package transport

import (
	"context"
	"errors"
	"io"
	"runtime/debug"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"dossier/internal/fault"
)

// fillBytes is how much of one operation is put together before it is written and the next operation has its turn.
const fillBytes = 16 << 10

// wsOp is one operation of a socket.
type wsOp struct {
	c      *wsConn
	id     string
	prefix []byte
	ctx    context.Context
	cancel context.CancelFunc
	oc     *graphql.OperationContext
	wake   func()

	// Under wsConn.mu.
	stream Stream
	poller Poller
	queued bool
	done   bool
}

// subscribe reserves the id and starts the operation.
func (c *wsConn) subscribe(m wsMessage) {
	c.mu.Lock()
	if c.state != stateReady {
		c.mu.Unlock()
		c.close(CloseUnauthorized, "Unauthorized")
		return
	}
	if _, taken := c.ops[*m.ID]; taken {
		c.mu.Unlock()
		c.close(CloseDuplicate, "Subscriber for "+*m.ID+" already exists")
		return
	}
	if len(c.ops) >= c.limits.Operations {
		ctx, limit := c.ctx, c.limits.Operations
		c.mu.Unlock()
		err := fault.New(fault.RateLimited, "This socket has %d operations, which is the limit. Complete one or open another socket.", limit)
		c.send(appendTextFrame(nil, errorMessage(*m.ID, presentError(ctx, c.exec, nil, err))))
		return
	}
	op := &wsOp{c: c, id: *m.ID}
	op.ctx, op.cancel = context.WithCancel(c.ctx)
	if c.ops == nil {
		c.ops = make(map[string]*wsOp, 1)
	}
	c.ops[op.id] = op
	c.mu.Unlock()
	c.ws.running.Go(func() { op.run(m) })
}

// complete ends an operation that the client does not want any more. An unknown id is no error: the two complete
// messages of client and server may cross.
func (c *wsConn) complete(id string) {
	c.mu.Lock()
	op := c.ops[id]
	c.mu.Unlock()
	if op != nil {
		op.end()
	}
}

// end takes the operation off the socket. It says false when that was done before.
func (op *wsOp) end() bool {
	op.c.mu.Lock()
	if op.done {
		op.c.mu.Unlock()
		return false
	}
	op.done = true
	delete(op.c.ops, op.id)
	op.c.mu.Unlock()
	op.release()
	return true
}

// release frees what the operation holds; done is set before.
func (op *wsOp) release() {
	op.cancel()
	op.c.mu.Lock()
	stream := op.stream
	op.c.mu.Unlock()
	if stream != nil {
		stream.Close()
	}
}

// fail ends the operation with an error message.
func (op *wsOp) fail(resp *graphql.Response) {
	if op.end() {
		op.c.send(appendTextFrame(nil, errorMessage(op.id, resp)))
	}
}

func (op *wsOp) run(m wsMessage) {
	params, err := m.params()
	if err != nil {
		op.c.close(CloseInvalid, err.Error())
		return
	}
	ctx := graphql.StartOperationTrace(op.ctx)
	defer func() {
		if r := recover(); r != nil {
			op.fail(presentError(ctx, op.c.exec, op.oc, op.recovered(ctx, r)))
		}
	}()
	now := graphql.Now()
	params.ReadTime = graphql.TraceTiming{Start: now, End: now}
	oc, errs := op.c.exec.CreateOperationContext(ctx, params)
	op.oc = oc
	if len(errs) > 0 {
		op.fail(presentError(ctx, op.c.exec, oc, errs))
		return
	}
	if oc.Operation.Operation == ast.Subscription && op.c.ws.cfg.Live != nil {
		op.subscription(graphql.WithOperationContext(ctx, oc), oc)
		return
	}
	op.single(ctx, oc)
}

func (op *wsOp) recovered(ctx context.Context, r any) error {
	if op.oc != nil && op.oc.RecoverFunc != nil {
		return op.oc.RecoverFunc(ctx, r) // which logs it
	}
	op.c.ws.cfg.Logger.Error("panic in an operation", "panic", r, "stack", string(debug.Stack()))
	return fault.New(fault.Internal, "internal error")
}

// single runs a query or a mutation: next and complete go out in one write.
func (op *wsOp) single(ctx context.Context, oc *graphql.OperationContext) {
	responses, ctx := op.c.exec.DispatchOperation(ctx, oc)
	resp := responses(ctx)
	if !op.end() {
		return
	}
	var b []byte
	if resp != nil {
		b = appendNextFrame(b, nextPrefix(op.id), AppendResponse(nil, resp))
	}
	op.c.send(appendTextFrame(b, completeMessage(op.id)))
}

// subscription opens the stream and hands it to the drain, or reads it here when it cannot be polled.
func (op *wsOp) subscription(ctx context.Context, oc *graphql.OperationContext) {
	stream, err := op.c.ws.cfg.Live.Open(ctx, op.c.exec, oc)
	if err != nil {
		op.fail(presentError(ctx, op.c.exec, oc, err))
		return
	}
	op.prefix = nextPrefix(op.id)
	poller, pollable := stream.(Poller)
	op.c.mu.Lock()
	if op.done { // completed by the client in the meantime
		op.c.mu.Unlock()
		stream.Close()
		return
	}
	op.stream = stream
	if pollable {
		op.poller = poller
		op.wake = func() { op.c.markReady(op) }
	}
	op.c.mu.Unlock()
	if pollable {
		op.c.markReady(op)
		return
	}
	op.follow(stream)
}

func (op *wsOp) follow(stream Stream) {
	var b []byte
	for {
		m, err := stream.Next(op.ctx)
		if err != nil {
			op.streamEnded(err)
			return
		}
		b = appendNextFrame(b[:0], op.prefix, m.Payload)
		op.c.send(b)
	}
}

// streamEnded says to the client why there are no more messages.
func (op *wsOp) streamEnded(err error) {
	switch {
	case errors.Is(err, io.EOF):
		if op.end() {
			op.c.send(appendTextFrame(nil, completeMessage(op.id)))
		}
	case errors.Is(err, ErrSlow):
		op.c.close(CloseSlow, "Too slow, resume from your cursor")
	case errors.Is(err, ErrRestart):
		op.c.close(CloseRestart, "Restarting, resume from your cursor")
	case op.ctx.Err() != nil: // ended by the client or with the socket
		op.end()
	default:
		op.fail(presentError(op.ctx, op.c.exec, op.oc, err))
	}
}

// markReady queues the operation for the drain, which is started when it is not running. An idle socket has no
// goroutine for writing.
func (c *wsConn) markReady(op *wsOp) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if op.done || op.queued || c.closing {
		return
	}
	op.queued = true
	c.ready = append(c.ready, op)
	if !c.draining {
		c.draining = true
		c.ws.running.Add(1)
		go c.drain()
	}
}

// nextReady takes the next operation, or ends the drain.
func (c *wsConn) nextReady() *wsOp {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.ready) == 0 || c.closing {
		c.draining = false
		return nil
	}
	op := c.ready[0]
	c.ready = c.ready[:copy(c.ready, c.ready[1:])]
	op.queued = false
	return op
}

// drain writes what the streams of this socket have, each in turn, until they have nothing.
func (c *wsConn) drain() {
	defer c.ws.running.Done()
	buf := c.ws.frames.get()
	defer c.ws.frames.put(buf)
	for op := c.nextReady(); op != nil; op = c.nextReady() {
		b, more, err := op.fill((*buf)[:0])
		*buf = b
		if len(b) > 0 {
			c.send(b)
		}
		if err != nil {
			op.streamEnded(err)
		} else if more {
			c.markReady(op)
		}
	}
}

// fill puts together the frames of the messages that the stream has now.
func (op *wsOp) fill(b []byte) (_ []byte, more bool, err error) {
	for len(b) < fillBytes {
		m, ok, err := op.poller.Poll(op.wake)
		if err != nil || !ok {
			return b, false, err
		}
		b = appendNextFrame(b, op.prefix, m.Payload)
	}
	return b, true, nil
}
