// Package optional tells a field of an update that was not given from one that was given as null. It knows no area and
// no transport.
package optional

// Field is a field of an update: not given, or given with a value, which may be nil for null.
type Field[T any] struct {
	Given bool
	Value T
}

// Some is a field that was given.
func Some[T any](v T) Field[T] { return Field[T]{Given: true, Value: v} }
