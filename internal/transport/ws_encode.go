package transport

import (
	"encoding/json"

	"github.com/99designs/gqlgen/graphql"
)

func appendResponse(dst []byte, r *graphql.Response) []byte {
	b, err := json.Marshal(r)
	if err != nil {
		return append(dst, `{"errors":[{"message":"internal error","extensions":{"code":"INTERNAL"}}],"data":null}`...)
	}
	return append(dst, b...)
}
