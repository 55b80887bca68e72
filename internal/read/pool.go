package read

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// OpenPool opens the pool that reads run on. Its sessions
//   - run each pipeline as one read-only REPEATABLE READ transaction, so that all statements of an operation see one
//     snapshot without a BEGIN and a COMMIT of their own;
//   - keep one plan per statement, whatever the values: planning anew costs more than half of the queries themselves;
//   - join by nested loops: every join of the engine is a look-up by key for a page of rows, while an estimate without
//     values makes hashing a whole table look cheap; and the order of a page survives nested loops only;
//   - give up on a statement after five seconds.
func OpenPool(ctx context.Context, dsn string, maxConns int, change ...func(*pgxpool.Config)) (*pgxpool.Pool, error) {
	cfg, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	cfg.MaxConns = int32(maxConns)
	cfg.MaxConnIdleTime = 5 * time.Minute
	params := cfg.ConnConfig.RuntimeParams
	for name, value := range map[string]string{
		"application_name":                    "dossier read",
		"default_transaction_isolation":       "repeatable read",
		"default_transaction_read_only":       "on",
		"plan_cache_mode":                     "force_generic_plan",
		"statement_timeout":                   "5s",
		"idle_in_transaction_session_timeout": "10s",
		"enable_hashjoin":                     "off",
		"enable_mergejoin":                    "off",
		"max_parallel_workers_per_gather":     "0",
		"jit":                                 "off",
		"timezone":                            "UTC",
	} {
		params[name] = value
	}
	for _, f := range change {
		f(cfg)
	}
	return pgxpool.NewWithConfig(ctx, cfg)
}
