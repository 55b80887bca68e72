// Package fault is the closed list of what can go wrong in Dossier, and the one error type that carries it.
//
// A fault.Error is written for two readers: Message (and Path, and Detail) for the client, Op and Err for the log.
// Nothing from Op or Err ever reaches a client. An error that is not a fault.Error is Internal by definition, so a
// forgotten mapping can hide information but never leak it.
//
// The package knows nothing about HTTP, GraphQL or SQL: graph turns faults into GraphQL errors, store turns
// PostgreSQL errors into faults.
package fault

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Code is the class of a failure. Its value is what clients see as extensions.code of a top-level error and as
// UserError.code, so a code is never renamed; the SDL enum ErrorCode lists the same values (held by archtest).
type Code string

// The codes. Each says who can do something about it.
const (
	// BadUserInput: an argument, variable or input field has a value that can never be accepted.
	BadUserInput Code = "BAD_USER_INPUT"
	// Required: an input field that must have a value has none.
	Required Code = "REQUIRED"
	// NotFound: the thing does not exist or belongs to another account; the answer is the same for both.
	NotFound Code = "NOT_FOUND"
	// Unauthenticated: no credential, or one that is malformed, expired or revoked.
	Unauthenticated Code = "UNAUTHENTICATED"
	// Forbidden: the principal is known but its role or scopes do not allow this.
	Forbidden Code = "FORBIDDEN"
	// Conflict: the input is fine but the present state does not allow it.
	Conflict Code = "CONFLICT"
	// VersionConflict: expectedVersion is not the stored version. Detail is a VersionConflictDetail.
	VersionConflict Code = "VERSION_CONFLICT"
	// IdempotencyKeyReused: the key was used before with other input, or its first use is still running.
	IdempotencyKeyReused Code = "IDEMPOTENCY_KEY_REUSED"
	// InvalidCursor: a cursor that this server never gave out for this list and order.
	InvalidCursor Code = "INVALID_CURSOR"
	// CursorExpired: the events after the cursor are no longer kept; reload and start from a new cursor.
	CursorExpired Code = "CURSOR_EXPIRED"
	// TooLarge: a body, file, query or list over its published limit. Detail is a LimitDetail where it is a file.
	TooLarge Code = "PAYLOAD_TOO_LARGE"
	// UnsupportedMediaType: a file whose content is of no accepted type.
	UnsupportedMediaType Code = "UNSUPPORTED_MEDIA_TYPE"
	// QuotaExceeded: the account's storage is used up. Detail is a QuotaDetail.
	QuotaExceeded Code = "QUOTA_EXCEEDED"
	// RateLimited: too many requests; retry later.
	RateLimited Code = "RATE_LIMITED"
	// QueryTooComplex: the operation's depth, tokens, aliases or cost are over the published limit.
	QueryTooComplex Code = "QUERY_TOO_COMPLEX"
	// Unavailable: PostgreSQL or the object store did not answer; the same request may succeed later.
	Unavailable Code = "UNAVAILABLE"
	// Internal: a bug. The client gets a request id and nothing else.
	Internal Code = "INTERNAL"
)

// Codes lists every code, in the order of the SDL enum.
var Codes = []Code{
	BadUserInput, Required, NotFound, Unauthenticated, Forbidden, Conflict, VersionConflict, IdempotencyKeyReused,
	InvalidCursor, CursorExpired, TooLarge, UnsupportedMediaType, QuotaExceeded, RateLimited, QueryTooComplex,
	Unavailable, Internal,
}

// Error is the one error type.
type Error struct {
	Code Code
	// Op is the operation that failed, for logs ("customer.Create"). Never shown to a client.
	Op string
	// Path is where in the input the problem is: {"input", "emails", "0", "address"}. List indexes are decimal.
	Path []string
	// Message is written for the client: it names the thing and the remedy, never a table, host or library.
	Message string
	// Err is the cause, for logs only.
	Err error
	// Detail is one of the Detail types of this package, or nil.
	Detail any
}

// VersionConflictDetail goes with VersionConflict.
type VersionConflictDetail struct {
	// CurrentVersion is the stored version.
	CurrentVersion int
	// ConflictingFields are the input fields that somebody else changed since expectedVersion.
	ConflictingFields []string
	// NodeID is the global id of the node, for reading its current state.
	NodeID string
}

// DuplicateDetail goes with Conflict where what is to be created may be there already.
type DuplicateDetail struct {
	// NodeIDs are the global ids of what may be it, the likeliest first.
	NodeIDs []string
}

// AttributeDetail goes with what is wrong with all values of a customer's custom attributes together: it says which one.
type AttributeDetail struct{ Key string }

// LimitDetail goes with TooLarge for files.
type LimitDetail struct{ LimitBytes int64 }

// QuotaDetail goes with QuotaExceeded. UsedBytes includes what is reserved by uploads in progress.
type QuotaDetail struct{ LimitBytes, UsedBytes int64 }

// MediaTypeDetail goes with UnsupportedMediaType.
type MediaTypeDetail struct {
	// ContentType is what was found in the content, or what the name or the client says where that is the reason.
	ContentType string
	// Accepted is what would be accepted: media types, "image/*" and names of groups.
	Accepted []string
}

// Error is for logs.
func (e *Error) Error() string {
	var b strings.Builder
	if e.Op != "" {
		b.WriteString(e.Op)
		b.WriteString(": ")
	}
	b.WriteString(string(e.Code))
	if len(e.Path) > 0 {
		b.WriteString(" at ")
		b.WriteString(strings.Join(e.Path, "."))
	}
	if e.Message != "" {
		b.WriteString(": ")
		b.WriteString(e.Message)
	}
	if e.Err != nil {
		b.WriteString(": ")
		b.WriteString(e.Err.Error())
	}
	return b.String()
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// New makes an error with a message for the client.
func New(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// At makes an error about one input field.
func At(code Code, path []string, format string, args ...any) *Error {
	return &Error{Code: code, Path: path, Message: fmt.Sprintf(format, args...)}
}

// Wrap adds the operation's name for the log. A fault keeps its code, path, message and detail; a cancelled or
// timed-out context becomes Unavailable; anything else becomes Internal. Wrap(op, nil) is nil.
func Wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	var list List
	if errors.As(err, &list) {
		return err
	}
	var f *Error
	if errors.As(err, &f) {
		w := *f
		if w.Op == "" {
			w.Op = op
		} else {
			w.Op = op + ": " + w.Op
		}
		return &w
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return &Error{Code: Unavailable, Op: op, Message: "The request was cancelled or took too long. Try again.", Err: err}
	}
	return &Error{Code: Internal, Op: op, Message: "internal error", Err: err}
}

// CodeOf gives the code of err: of the first fault in its chain, of the first of a List, else Internal. For nil it is "".
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	var list List
	if errors.As(err, &list) && len(list) > 0 {
		return list[0].Code
	}
	var f *Error
	if errors.As(err, &f) {
		return f.Code
	}
	return Internal
}

// List is several faults of one input, all reported at once.
type List []*Error

// Error is for logs.
func (l List) Error() string {
	parts := make([]string, len(l))
	for i, e := range l {
		parts[i] = e.Error()
	}
	return strings.Join(parts, "; ")
}

// Err is l as an error, nil when it is empty.
func (l List) Err() error {
	if len(l) == 0 {
		return nil
	}
	return l
}

// Expected says whether the code is an answer about the client's input or the present state, which a mutation
// gives as data in userErrors, rather than a failure of the request, which is a top-level error.
func (c Code) Expected() bool {
	switch c {
	case BadUserInput, Required, NotFound, Conflict, VersionConflict, IdempotencyKeyReused, TooLarge,
		UnsupportedMediaType, QuotaExceeded:
		return true
	default:
		return false
	}
}

// AsList gives the expected faults in err, or nil when err is of another kind.
func AsList(err error) List {
	var list List
	if errors.As(err, &list) {
		return list
	}
	var f *Error
	if errors.As(err, &f) && f.Code.Expected() {
		return List{f}
	}
	return nil
}
