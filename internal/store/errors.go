package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"dossier/ent"
	"dossier/internal/customer"
	"dossier/internal/fault"
)

// ErrOutcomeUnknown is in the chain of an error after which a transaction may or may not have been committed. It must
// never be taken for a failure: nothing may be undone before the database was read.
var ErrOutcomeUnknown = errors.New("the outcome of the commit is unknown")

var errPoolBusy = errors.New("no connection became free in time")

// SQLSTATEs that mean something to us (https://www.postgresql.org/docs/current/errcodes-appendix.html).
const (
	serializationFailure = "40001"
	deadlockDetected     = "40P01"
	uniqueViolation      = "23505"
	foreignKeyViolation  = "23503"
	lockNotAvailable     = "55P03"
	queryCanceled        = "57014"
	invalidParameter     = "22023"
	tooManyConnections   = "53300"
	undefinedTable       = "42P01"
)

// constraints are the violations that a client can cause in spite of the rules, by racing another one.
var constraints = map[string]*fault.Error{
	"account_oidc_issuer": fault.New(fault.Conflict, "Another account already uses this issuer. An issuer speaks for one account."),
	oneExternalID:         customer.ExternalIDTaken(),

	// Values of a definition that somebody changes or deletes meanwhile.
	"attribute_value_definition_fk":    fault.New(fault.Conflict, attributeRace),
	"attribute_value_option_fk":        fault.New(fault.Conflict, attributeRace),
	"attribute_value_option_option_fk": fault.New(fault.Conflict, attributeRace),

	// Documents and uploads of an area that somebody deletes meanwhile.
	"document_area_fk": fault.New(fault.Conflict, attributeRace),
	"upload_area_fk":   fault.New(fault.Conflict, attributeRace),
}

const attributeRace = "A custom attribute was changed at the same time. Read its definition again and repeat the request."

const busyMessage = "The service is busy. Try again in a few seconds."

// translate turns any error of this package into a fault. The cause stays in the chain for the log only.
func translate(op string, err error) error {
	if err == nil {
		return nil
	}
	var f *fault.Error
	var list fault.List
	if errors.As(err, &f) || errors.As(err, &list) {
		return fault.Wrap(op, err)
	}
	if pe := pgError(err); pe != nil {
		return translatePG(op, pe.Code, pe.ConstraintName, err)
	}
	switch {
	case ent.IsNotFound(err), errors.Is(err, sql.ErrNoRows), errors.Is(err, pgx.ErrNoRows):
		return &fault.Error{Code: fault.NotFound, Op: op, Message: "It does not exist in this account.", Err: err}
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fault.Wrap(op, err)
	case isConnection(err):
		return &fault.Error{Code: fault.Unavailable, Op: op, Message: busyMessage, Err: err}
	default:
		return fault.Wrap(op, err)
	}
}

func translatePG(op, code, constraint string, err error) error {
	if f, ok := constraints[constraint]; ok {
		w := *f
		w.Op, w.Err = op, err
		return &w
	}
	switch code {
	case uniqueViolation:
		return &fault.Error{Code: fault.Conflict, Op: op, Message: "Somebody else made the same change at the same time. Reload and try again.", Err: err}
	case foreignKeyViolation:
		return &fault.Error{Code: fault.NotFound, Op: op, Message: "What this belongs to does not exist in this account.", Err: err}
	case serializationFailure, deadlockDetected, lockNotAvailable, queryCanceled, tooManyConnections:
		return &fault.Error{Code: fault.Unavailable, Op: op, Message: busyMessage, Err: err}
	}
	switch code[:min(2, len(code))] {
	case "08", "53", "57", "58": // connection, resources, operator intervention, system: the server's trouble, not the statement's
		return &fault.Error{Code: fault.Unavailable, Op: op, Message: busyMessage, Err: err}
	default:
		return fault.Wrap(op, err)
	}
}

// isConnection says whether the database could not be reached or went away.
func isConnection(err error) bool {
	var ne net.Error
	var ce *pgconn.ConnectError
	return errors.Is(err, errPoolBusy) || errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) ||
		errors.Is(err, sql.ErrTxDone) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) ||
		errors.As(err, &ne) || errors.As(err, &ce) || pgconn.SafeToRetry(err)
}

// retryable says whether the same closure can succeed when it is run again at once.
func retryable(err error) bool {
	pe := pgError(err)
	return pe != nil && (pe.Code == serializationFailure || pe.Code == deadlockDetected)
}

// refused says whether the server answered a COMMIT with no. A server that is going away can have committed before it
// said so, which is why fatal errors do not count.
func refused(err error) bool {
	if errors.Is(err, pgx.ErrTxCommitRollback) {
		return true
	}
	pe := pgError(err)
	return pe != nil && pe.Severity == "ERROR"
}

func unknownOutcome(cause error) error {
	return &fault.Error{
		Code: fault.Unavailable, Op: "store.commit", Err: errors.Join(ErrOutcomeUnknown, cause),
		Message: "The connection to the database broke, so it is not known whether the change was made. Read it, or repeat the request with the same idempotency key.",
	}
}

// lostCommit is the error of a transaction that is known not to have been committed.
func lostCommit(cause error) error {
	return &fault.Error{
		Code: fault.Unavailable, Op: "store.commit", Err: cause,
		Message: "The connection to the database broke and nothing was changed. Try again.",
	}
}

func isUnknown(err error) bool { return errors.Is(err, ErrOutcomeUnknown) }

// missing says whether err is that of a query that found no row.
func missing(err error) bool {
	return ent.IsNotFound(err) || errors.Is(err, sql.ErrNoRows) || errors.Is(err, pgx.ErrNoRows)
}

// notFound is the answer for an id that names nothing in the account.
//
// SECURITY: the same for a row of another account as for none, so that ids of other accounts cannot be probed.
func notFound(path []string, noun string) error {
	return fault.At(fault.NotFound, path, "The %s does not exist in this account.", noun)
}

// errLostLock says that a row changed although it was locked, which is a bug.
var errLostLock = errors.New("a locked row was changed by somebody else")
