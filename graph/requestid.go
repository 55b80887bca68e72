package graph

import (
	"context"

	"dossier/internal/auth"
)

// RequestID gives the id of the HTTP request or socket, or "". It is shown with every top-level error and stands in every
// log line about it.
func RequestID(ctx context.Context) string { return auth.OriginOf(ctx).RequestID }
