package read

import (
	"bytes"
	"context"
	"errors"
	"io"
)

// Object is a finished value of any output type below the root: its JSON, as the client asked for it.
type Object struct {
	// JSON is the encoded value; nil is null.
	JSON []byte
	// space holds JSON at its end, with room before and behind it, when the value is written once and belongs to nobody else.
	space []byte
}

// roomBehind is for what follows the value of a response: the closing brace, and a little for other fields.
const roomBehind = 64

// roomBefore is for what stands before the value of the first field of a response.
func roomBefore(key string) int { return len(`{"":`) + len(key) }

// MarshalGQLContext writes the value.
func (o Object) MarshalGQLContext(_ context.Context, w io.Writer) error {
	if o.JSON == nil {
		_, err := io.WriteString(w, "null")
		return err
	}
	if buf, ok := w.(*bytes.Buffer); ok && o.takeOver(buf) {
		return nil
	}
	_, err := w.Write(o.JSON)
	return err
}

// takeOver makes the value's own memory that of the response, which has little in it so far: copying the value would double the
// garbage of a request, and a growing buffer would double it again.
func (o Object) takeOver(response *bytes.Buffer) bool {
	before := len(o.space) - len(o.JSON)
	if o.space == nil || response.Len() > before {
		return false
	}
	whole := o.space[before-response.Len():]
	copy(whole, response.Bytes())
	*response = *bytes.NewBuffer(whole)
	return true
}

// UnmarshalGQLContext exists because gqlgen asks for the pair; an output type is never an input.
func (*Object) UnmarshalGQLContext(context.Context, any) error {
	return errors.New("read: an output type cannot be an input")
}
