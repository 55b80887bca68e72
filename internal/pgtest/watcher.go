package pgtest

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// watchEvery is how often the watcher looks for users.
const watchEvery = 500 * time.Millisecond

// watcher is the loop that stops a private cluster nobody uses. It runs inside the server, in a session whose client has
// gone away: a session that waits for no input does not notice that. So it needs no process of its own, lives exactly as
// long as the server, and sees a killed test binary as the server does: by the locks it no longer holds.
//
// It asks for the lock that users share. Getting it means that there are none; after enough such answers in a row it
// keeps the lock, so that nobody can begin to use the server any more (they wait, are disconnected and start it anew),
// and tells the postmaster to shut down. Between its looks it commits, so that it holds no snapshot back.
const watcher = `DO $watcher$
DECLARE
	idle int := 0;
BEGIN
	IF NOT pg_try_advisory_lock(%[1]d, %[2]d) THEN
		RAISE NOTICE 'another one is watching';
		RETURN;
	END IF;
	RAISE NOTICE 'watching';
	LOOP
		COMMIT;
		PERFORM pg_sleep(%[4]f);
		IF pg_try_advisory_lock(%[1]d, %[3]d) THEN
			idle := idle + 1;
			EXIT WHEN idle >= %[5]d;
			PERFORM pg_advisory_unlock(%[1]d, %[3]d);
		ELSE
			idle := 0;
		END IF;
	END LOOP;
	COPY (SELECT 'stop') TO PROGRAM 'cat >/dev/null; kill -INT $(head -n 1 postmaster.pid)';
	PERFORM pg_sleep(60);
END $watcher$`

// ensureWatcher starts the watcher unless it runs.
func (p private) ensureWatcher(ctx context.Context, s *session, dsn string) error {
	var watched bool
	err := s.conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory'
		AND classid::bigint = $1 AND objid::bigint = $2 AND objsubid = 2 AND granted)`, int64(lockLease), int64(leaseWatch)).Scan(&watched)
	if err != nil || watched {
		return err
	}
	conn, err := pgconn.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	raw, err := conn.Hijack()
	if err != nil {
		return err
	}
	defer func() { _ = raw.Conn.Close() }() // without saying goodbye, which would wait for the end of the loop
	if deadline, ok := ctx.Deadline(); ok {
		if err := raw.Conn.SetDeadline(deadline); err != nil {
			return err
		}
	}
	looks := max(1, int(p.grace/watchEvery))
	sql := fmt.Sprintf(watcher, lockLease, leaseWatch, leaseUse, watchEvery.Seconds(), looks)
	raw.Frontend.SendQuery(&pgproto3.Query{String: sql})
	if err := raw.Frontend.Flush(); err != nil {
		return err
	}
	for {
		msg, err := raw.Frontend.Receive()
		if err != nil {
			return err
		}
		switch msg := msg.(type) {
		case *pgproto3.NoticeResponse:
			return nil
		case *pgproto3.ErrorResponse:
			return pgconn.ErrorResponseToPgError(msg)
		}
	}
}
