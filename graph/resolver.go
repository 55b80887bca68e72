package graph

import (
	"context"

	"dossier/graph/generated"
	"dossier/internal/account"
	"dossier/internal/attribute"
	"dossier/internal/auth"
	"dossier/internal/catalog"
	"dossier/internal/customer"
	"dossier/internal/document"
	"dossier/internal/job"
	"dossier/internal/note"
	"dossier/internal/read"
	"dossier/internal/timeline"
)

// Resolver is the root of all resolvers: the read engine and the use cases of the areas.
type Resolver struct {
	Engine    *read.Engine
	Accounts  *account.Service
	Customers *customer.Service
	Documents *document.Service
	Timeline  *timeline.Service
	Notes     *note.Service
	Lists     *catalog.Service
	Policies  *customer.Policies
	Jobs      *job.Service

	Attributes *attribute.Service

	// Denied is told what a principal was not allowed to do, for the audit trail; nil when nobody wants to know.
	Denied func(ctx context.Context, p auth.Principal, action string)
}

type (
	queryResolver        struct{ *Resolver }
	mutationResolver     struct{ *Resolver }
	subscriptionResolver struct{ *Resolver }
)

// Query gives the resolvers of the query root.
func (r *Resolver) Query() generated.QueryResolver { return queryResolver{r} }

// Mutation gives the resolvers of the mutation root.
func (r *Resolver) Mutation() generated.MutationResolver { return mutationResolver{r} }

// Subscription gives the resolvers of the subscription root.
func (r *Resolver) Subscription() generated.SubscriptionResolver { return subscriptionResolver{r} }

// denied notes that the principal of ctx was refused a root field, such as "Mutation.customerCreate".
func (r *Resolver) denied(ctx context.Context, field string) {
	if r.Denied != nil {
		r.Denied(ctx, viewer(ctx), field)
	}
}

// viewer is who is asking; the policy check has refused nobody before a resolver runs.
func viewer(ctx context.Context) auth.Principal {
	p, _ := auth.FromContext(ctx)
	return p
}
