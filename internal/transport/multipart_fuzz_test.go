package transport_test

import (
	"context"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"dossier/internal/transport"
)

// FuzzMultipart sends any body to the whole transport, with resolvers that read the files in either order. Whatever it
// is, there is a GraphQL answer, the same for each way of arriving; and success needs the closing boundary.
func FuzzMultipart(f *testing.F) {
	const b = "--b\r\nContent-Disposition: form-data; name="
	const ab = `{"query":"mutation($a:Upload,$b:Upload){put(a:$a,b:$b)}","variables":{"a":null,"b":null}}`
	for _, body := range []string{
		"", "--b--", b + "operations\r\n\r\n" + ab + "\r\n--b--",
		b + "operations\r\n\r\n" + ab + "\r\n" + b + "map\r\n\r\n{}\r\n--b--",
		b + "operations\r\n\r\n" + ab + "\r\n" + b + `map` + "\r\n\r\n" + `{"0":["variables.a"],"1":["variables.b"]}` + "\r\n" +
			b + `0; filename="x"` + "\r\n\r\none\r\n" + b + "1\r\n\r\n\r\n--b--\r\n",
		b + "operations\r\n\r\n" + ab + "\r\n" + b + `map` + "\r\n\r\n" + `{"0":["variables.a","variables.b"]}` + "\r\n" +
			b + `0; filename*=UTF-8''%41` + "\r\n\r\n\r\n--b \r\n--b--x\r\n--b--",
		b + "operations\r\n\r\n" + `[{"query":1}]` + "\r\n--b--",
		b + "map\r\n\r\n" + `{"0":[1]}` + "\r\n--b--",
	} {
		f.Add(body, true)
		f.Add(body, false)
	}
	read := func(t *testing.T, order ...string) resolver {
		return func(_ context.Context, _ string, args map[string]any) (any, error) {
			var all strings.Builder
			for _, name := range order {
				if args[name] == nil {
					continue
				}
				u := uploadArg(t, args[name])
				if _, err := io.Copy(&all, u); err != nil {
					return nil, err
				}
				_, _, _ = u.Name(), u.DeclaredType(), u.SizeBound()
			}
			return all.String(), nil
		}
	}
	f.Fuzz(func(t *testing.T, body string, inOrder bool) {
		order := []string{"a", "b"}
		if !inOrder {
			order = []string{"b", "a"}
		}
		h := newHandler(transport.MultipartConfig{SpoolDir: t.TempDir(), MaxSpoolBytes: 100, MaxBodyBytes: 1000, MaxMapBytes: 200}, read(t, order...))
		const contentType = "multipart/form-data; boundary=b"
		whole := serve(t, h, contentType, strings.NewReader(body))
		bytewise := serve(t, h, contentType, iotest.OneByteReader(strings.NewReader(body)))
		if whole.String() != bytewise.String() {
			t.Errorf("got %v, and byte by byte %v", whole, bytewise)
		}
		if _, ok := whole.data["put"].(string); ok && !strings.Contains(body, "\r\n--b") {
			t.Errorf("got %v for a body without a boundary after its content", whole)
		}
		if whole.problem() == "" && whole.data == nil || strings.Contains(whole.problem(), "INTERNAL") {
			t.Errorf("got %v, want data or a client's error", whole)
		}
	})
}
