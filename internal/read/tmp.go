package read
import "github.com/99designs/gqlgen/graphql"
type TmpUpload struct{}
func MarshalTmpUpload(TmpUpload) graphql.Marshaler { return graphql.Null }
func UnmarshalTmpUpload(any) (TmpUpload, error) { return TmpUpload{}, nil }
