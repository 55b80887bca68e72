package server

import (
	"context"
	"net/http"

	"github.com/99designs/gqlgen/graphql"

	"dossier/graph"
	"dossier/internal/auth"
	"dossier/internal/fault"
	"dossier/internal/feed"
	"dossier/internal/transport"
)

// socketOperations is how many operations one socket may have at a time.
const socketOperations = 100

// live opens subscriptions: graph checks and executes them, the hub runs equal ones once.
type live struct {
	resolver *graph.Resolver
	hub      *feed.Hub
}

// Open is transport.Live's.
func (l live) Open(ctx context.Context, exec graphql.GraphExecutor, oc *graphql.OperationContext) (transport.Stream, error) {
	sub, err := l.resolver.Subscribe(ctx, exec, oc)
	if err != nil {
		return nil, err
	}
	return l.hub.Subscribe(ctx, feed.Request{
		Account: sub.Account, Key: sub.Key, From: sub.From, Runner: sub, Heartbeat: sub.Heartbeat,
	})
}

func (s *Server) openLive() {
	l := live{resolver: s.deps.Resolver, hub: s.deps.Hub}
	slots := transport.NewSlots()
	recheck := func(ctx context.Context) error {
		p, ok := auth.FromContext(ctx)
		if !ok {
			return nil // an anonymous socket can do nothing but introspect
		}
		return s.deps.Auth.Recheck(ctx, p)
	}
	s.ws = transport.NewWS(transport.WSConfig{
		Live: l, Recheck: recheck, CheckOrigin: s.origins.socket, Limits: s.socketLimits, Slots: slots,
		Init: func(ctx context.Context, _ *http.Request, payload map[string]any) (context.Context, error) {
			ctx, err := s.deps.Auth.FromConnectionInit(ctx, payload)
			if err != nil {
				return nil, err
			}
			if _, ok := auth.FromContext(ctx); !ok {
				return nil, fault.New(fault.Unauthenticated,
					`Send connection_init with the payload {"Authorization": "Bearer <token>"}.`)
			}
			return ctx, nil
		},
	})
	s.sse = transport.NewSSE(transport.SSEConfig{Live: l, Recheck: recheck, Limits: s.socketLimits, Slots: slots})
}

// socketLimits: a server with an API key holds connections for many of its users, a person has some devices and tabs.
func (s *Server) socketLimits(ctx context.Context) transport.Limits {
	p, ok := auth.FromContext(ctx)
	if !ok {
		return transport.Limits{Operations: 1}
	}
	limits := transport.Limits{Key: p.ID.String(), Sockets: s.cfg.MaxSockets, Operations: socketOperations}
	if p.Kind == auth.KindStaff {
		limits.Sockets = max(1, s.cfg.MaxSockets*2/5)
	}
	return limits
}
