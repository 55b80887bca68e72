package blob

import (
	"errors"
	"fmt"

	"dossier/internal/fault"
)

// The kinds of failure, for errors.Is. The package comment says how they group into outcomes.
var (
	// ErrNotFound: there is no object under the key.
	ErrNotFound = errors.New("blob: no such object")
	// ErrExists: there is an object under the key that this Put did not write.
	ErrExists = errors.New("blob: the key is in use")
	// ErrGeneration: the object is not of the generation that was to be deleted.
	ErrGeneration = errors.New("blob: other generation")
	// ErrRange: the range begins behind the end of the object, or is negative.
	ErrRange = errors.New("blob: range outside the object")
	// ErrInvalid: a key or an option that no caller may pass; a programmer's mistake.
	ErrInvalid = errors.New("blob: invalid argument")
	// ErrSource: the reader given to Put failed; its error is in the chain too.
	ErrSource = errors.New("blob: the source failed")
	// ErrSize: the source had another number of bytes than announced. It always comes together with ErrSource.
	ErrSize = errors.New("blob: other size than announced")
	// ErrChecksum: the bytes do not have the announced CRC32C.
	ErrChecksum = errors.New("blob: other checksum than announced")
	// ErrCanceled: the caller's context ended, and nothing was made visible.
	ErrCanceled = errors.New("blob: canceled")
	// ErrUnavailable: the store failed or refused, and nothing was made visible. The same call may succeed later.
	ErrUnavailable = errors.New("blob: store unavailable")
	// ErrOutcomeUnknown: the store may or may not have carried out the call.
	ErrOutcomeUnknown = errors.New("blob: outcome unknown")
)

// Outcome is what a Put came to.
type Outcome int

// The outcomes. The package comment says what each lets a caller assume.
const (
	Stored Outcome = iota
	SourceFailed
	Failed
	Unknown
)

// OutcomeOf classifies the error of a Put. An error that no driver made is Unknown, because that is the answer with
// which nothing is lost.
func OutcomeOf(err error) Outcome {
	switch {
	case err == nil:
		return Stored
	case errors.Is(err, ErrOutcomeUnknown):
		return Unknown
	case errors.Is(err, ErrSource):
		return SourceFailed
	}
	for _, kind := range []error{ErrExists, ErrChecksum, ErrCanceled, ErrUnavailable, ErrInvalid} {
		if errors.Is(err, kind) {
			return Failed
		}
	}
	return Unknown
}

// explain is what a client is told about a kind.
func explain(kind error) (fault.Code, string) {
	switch kind { //nolint:errorlint // kinds are compared by identity: only this package's own values are passed
	case ErrNotFound:
		return fault.NotFound, "The file does not exist."
	case ErrExists:
		return fault.Conflict, "A file was already uploaded here. Begin a new upload."
	case ErrGeneration:
		return fault.Conflict, "The file was changed meanwhile. Reload it and try again."
	case ErrRange:
		return fault.BadUserInput, "The requested range lies outside the file."
	case ErrSource:
		return fault.BadUserInput, "The file did not arrive completely. Upload it again."
	case ErrSize:
		return fault.BadUserInput, "The file has another size than announced. Upload it again."
	case ErrChecksum:
		return fault.BadUserInput, "The file does not have the announced checksum. Upload it again."
	case ErrCanceled:
		return fault.Unavailable, "The request was cancelled or took too long. Try again."
	case ErrUnavailable, ErrOutcomeUnknown:
		return fault.Unavailable, "The file storage did not answer as expected. Try again."
	default:
		return fault.Internal, "internal error"
	}
}

// Fail makes a driver's error: of one kind, with the cause for the log (which may be nil). A source that failed with a
// fault of its own (a file over the limit, say) keeps that fault's code, message and detail for the client.
func Fail(op string, kind, cause error) error {
	code, message := explain(kind)
	e := &fault.Error{Code: code, Op: op, Message: message, Err: kind}
	if cause == nil {
		return e
	}
	e.Err = fmt.Errorf("%w: %w", kind, cause)
	var f *fault.Error
	if errors.Is(kind, ErrSource) && errors.As(cause, &f) {
		e.Code, e.Path, e.Message, e.Detail = f.Code, f.Path, f.Message, f.Detail
	}
	return e
}

// failSize is the ErrSource for a source of another length than announced.
func failSize(op string, got, want int64) error {
	code, message := explain(ErrSize)
	return &fault.Error{
		Code: code, Op: op, Message: message,
		Err: fmt.Errorf("%w: %w: got %d bytes, announced %d", ErrSource, ErrSize, got, want),
	}
}
