package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"

	"dossier/internal/account"
)

// limitsCmd is what an account has booked: an operator sets it here, or over the API with a key of the scope
// account:operate.
type limitsCmd struct {
	Show limitsShowCmd `cmd:"" help:"Show an account's storage and its limits."`
	Set  limitsSetCmd  `cmd:"" help:"Set an account's storage, the most bytes of a file, or both."`
}

type limitsShowCmd struct {
	keysConfig `embed:""`
}

// Run shows the limits.
func (c *limitsShowCmd) Run(ctx context.Context) error {
	accounts, p, done, err := c.open(ctx, nil)
	if err != nil {
		return err
	}
	defer done()
	st, err := accounts.Storage(ctx, p)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "STORAGE\t%d\nUSED\t%d\nRESERVED\t%d\nFILE\t%d\n", st.LimitBytes, st.UsedBytes, st.ReservedBytes, st.MaxFileBytes)
	return w.Flush()
}

type limitsSetCmd struct {
	keysConfig `embed:""`

	Storage *size `name:"storage" placeholder:"SIZE" help:"The most bytes that may be stored, such as 500MB or 20GB. Less than what is used takes nothing away."`
	File    *size `name:"file" placeholder:"SIZE" help:"The most bytes of one file, such as 5MB."`
}

// Run sets the limits.
func (c *limitsSetCmd) Run(ctx context.Context) error {
	if c.Storage == nil && c.File == nil {
		return errors.New("nothing to set: give --storage, --file, or both")
	}
	accounts, p, done, err := c.open(ctx, nil)
	if err != nil {
		return err
	}
	defer done()
	return accounts.StorageLimitSet(ctx, p, account.StorageLimits{LimitBytes: (*int64)(c.Storage), MaxFileBytes: (*int64)(c.File)})
}

// size is a number of bytes, in decimal units as everywhere in Dossier.
type size int64

// units are the suffixes of sizes, the longer ones first where one ends like another.
var units = []struct {
	suffix string
	bytes  int64
}{{"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1}, {"", 1}}

// UnmarshalText reads 500000000, 500MB or 0.5GB.
func (s *size) UnmarshalText(b []byte) error {
	text := strings.ToUpper(strings.TrimSpace(string(b)))
	for _, u := range units {
		digits, ok := strings.CutSuffix(text, u.suffix)
		if !ok {
			continue
		}
		digits = strings.TrimSpace(digits)
		if n, err := strconv.ParseInt(digits, 10, 64); err == nil && n >= 0 && n <= account.MaxStorageBytes/u.bytes {
			*s = size(n * u.bytes)
			return nil
		}
		if f, err := strconv.ParseFloat(digits, 64); err == nil && u.bytes > 1 && f >= 0 && f*float64(u.bytes) <= account.MaxStorageBytes {
			*s = size(f*float64(u.bytes) + 0.5)
			return nil
		}
		break
	}
	return fmt.Errorf("%q is no size; one looks like 500MB, 0.5GB or 500000000, and is at most 1000TB", string(b))
}
