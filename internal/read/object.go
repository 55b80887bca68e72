package read

import (
	"context"
	"errors"
	"io"
)

// Object is a finished value of any output type below the root: its JSON, as the client asked for it.
type Object struct {
	// JSON is the encoded value; nil is null.
	JSON []byte
}

// MarshalGQLContext writes the value.
func (o Object) MarshalGQLContext(_ context.Context, w io.Writer) error {
	if o.JSON == nil {
		_, err := io.WriteString(w, "null")
		return err
	}
	_, err := w.Write(o.JSON)
	return err
}

// UnmarshalGQLContext exists because gqlgen asks for the pair; an output type is never an input.
func (*Object) UnmarshalGQLContext(context.Context, any) error {
	return errors.New("read: an output type cannot be an input")
}
