package blob

import (
	"context"
	"errors"
	"io"
	"iter"
	"sync/atomic"
)

// Counted is a Store that counts the calls which the store itself failed: what it refused, did not answer, or answered so
// that the outcome is unknown. Wrong keys, sources that broke off and callers that went away are not the store's failures.
type Counted struct {
	Store
	failures atomic.Int64
}

// NewCounted counts what s fails.
func NewCounted(s Store) *Counted { return &Counted{Store: s} }

// Failures is how many calls failed until now.
func (c *Counted) Failures() int64 { return c.failures.Load() }

func (c *Counted) saw(err error) {
	if errors.Is(err, ErrUnavailable) || errors.Is(err, ErrOutcomeUnknown) {
		c.failures.Add(1)
	}
}

// Put is Store.Put.
func (c *Counted) Put(ctx context.Context, key string, src io.Reader, opts PutOptions) (Object, error) {
	o, err := c.Store.Put(ctx, key, src, opts)
	c.saw(err)
	return o, err
}

// Open is Store.Open.
func (c *Counted) Open(ctx context.Context, key string, rng Range) (*Reader, error) {
	r, err := c.Store.Open(ctx, key, rng)
	c.saw(err)
	return r, err
}

// Stat is Store.Stat.
func (c *Counted) Stat(ctx context.Context, key string) (Object, error) {
	o, err := c.Store.Stat(ctx, key)
	c.saw(err)
	return o, err
}

// Delete is Store.Delete.
func (c *Counted) Delete(ctx context.Context, key string, generation int64) error {
	err := c.Store.Delete(ctx, key, generation)
	c.saw(err)
	return err
}

// List is Store.List.
func (c *Counted) List(ctx context.Context, opts ListOptions) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		for o, err := range c.Store.List(ctx, opts) {
			c.saw(err)
			if !yield(o, err) {
				return
			}
		}
	}
}

// SignPut is Store.SignPut.
func (c *Counted) SignPut(ctx context.Context, key string, opts SignPutOptions) (SignedRequest, error) {
	r, err := c.Store.SignPut(ctx, key, opts)
	c.saw(err)
	return r, err
}

// SignGet is Store.SignGet.
func (c *Counted) SignGet(ctx context.Context, key string, opts SignGetOptions) (SignedRequest, error) {
	r, err := c.Store.SignGet(ctx, key, opts)
	c.saw(err)
	return r, err
}

// StartResumable is Store.StartResumable.
func (c *Counted) StartResumable(ctx context.Context, key string, opts ResumableOptions) (Resumable, error) {
	r, err := c.Store.StartResumable(ctx, key, opts)
	c.saw(err)
	return r, err
}

// CancelResumable is Store.CancelResumable.
func (c *Counted) CancelResumable(ctx context.Context, key, url string) error {
	err := c.Store.CancelResumable(ctx, key, url)
	c.saw(err)
	return err
}
