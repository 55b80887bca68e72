package graph

import (
	"context"

	"dossier/graph/model"
	"dossier/internal/fault"
	"dossier/internal/read"
	"dossier/internal/timeline"
	"dossier/internal/typeid"
)

// documentEvents are the types that the subscription documentEvents delivers.
var documentEvents = []string{
	"DOCUMENT_CREATED", "DOCUMENT_REPLACED", "DOCUMENT_UPDATED", "DOCUMENT_MOVED", "DOCUMENT_ARCHIVED", "DOCUMENT_RESTORED",
	"DOCUMENT_DELETED", "DOCUMENT_EXPIRES_SOON", "DOCUMENT_RETENTION_ENDING",
	"DOCUMENT_AVAILABLE", "DOCUMENT_QUARANTINED", "DOCUMENT_PREVIEW_READY",
}

// DocumentEvents replays the events of one customer's documents.
func (r subscriptionResolver) DocumentEvents(ctx context.Context, customerID string, _ *string) (<-chan *read.Object, error) {
	return r.replay(ctx, documentEvents, &customerID)
}

// Events replays the events of the account.
func (r subscriptionResolver) Events(
	ctx context.Context, _ *string, types []model.EventType, customerID *string,
) (<-chan *read.Object, error) {
	var names []string
	if types != nil {
		names = make([]string, len(types))
		for i, t := range types {
			names[i] = string(t)
		}
	}
	return r.replay(ctx, names, customerID)
}

// replay renders what the Replay in ctx asks for. A subscription is executed as a sequence of bounded replays, each one
// execution for everybody who follows the same operation (see Replayer); the channel is full and closed when it is
// handed over, so nothing waits here.
func (r subscriptionResolver) replay(ctx context.Context, types []string, customerID *string) (<-chan *read.Object, error) {
	span := replayFrom(ctx)
	if span == nil {
		return nil, fault.New(fault.BadUserInput, "A subscription needs WebSocket (graphql-transport-ws) or Server-Sent Events (Accept: text/event-stream).")
	}
	if span.heartbeat {
		beat := read.Obj{Type: "Heartbeat", Fields: map[string]any{"cursor": read.EventCursor(span.account, span.to)}}
		return r.emit(ctx, []any{beat})
	}
	filter, err := eventFilter(types, customerID)
	if err != nil {
		return nil, err
	}
	events, reached, err := r.Timeline.Events(ctx, viewer(ctx), span.from, span.to, filter, replayPage)
	if err != nil {
		return nil, err
	}
	span.reached, span.seqs = reached, span.seqs[:0]
	values := make([]any, len(events))
	for i, e := range events {
		span.seqs = append(span.seqs, e.Seq)
		var prev any
		if e.PrevSeq != nil {
			prev = *e.PrevSeq
		}
		values[i] = read.Obj{Type: "EventDelivery", Fields: map[string]any{
			"cursor": read.EventCursor(span.account, e.Seq), "prevSeq": prev, "event": read.Ref{Type: "Event", ID: e.ID},
		}}
	}
	return r.emit(ctx, values)
}

func (r subscriptionResolver) emit(ctx context.Context, values []any) (<-chan *read.Object, error) {
	objects, err := r.Engine.RenderEach(ctx, values)
	if err != nil {
		return nil, err
	}
	ch := make(chan *read.Object, len(objects)) // holds all that is sent, so the send never blocks
	for i := range objects {
		ch <- &objects[i]
	}
	close(ch)
	return ch, nil
}

func eventFilter(types []string, customerID *string) (timeline.Filter, error) {
	filter := timeline.Filter{Types: types}
	if customerID != nil {
		id, err := parseID(typeid.Customer, *customerID, "customerId")
		if err != nil {
			return filter, err
		}
		filter.CustomerID = &id
	}
	return filter, nil
}
