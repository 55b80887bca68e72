package transport

import (
	"reflect"
	"testing"
)

// plainSeeds are bodies and whether the short way takes them.
var plainSeeds = []struct {
	body  string
	plain bool
}{
	{`{"query":"{ viewer { id } }"}`, true},
	{" {\t\"query\" : \"query A { a }\\n # \\\"x\\\" \\\\ \\/ \\t\\r\" , \"operationName\":\"A\", \"variables\": {\"a\":{\"b\":[1e400,\"}\\\"{\"]}} } \n", true},
	{`{"variables":{},"query":"é 李 😀"}`, true},
	{`{"query":""}`, true},
	{`{"query":"a","variables":{"a":"b","a":"c" , "d\n":"\\"}}`, true},
	{`{"query":"a","variables":{"a":"b",}}`, false},
	{`{"query":"a","variables":{"a":"\u00e9","b":null,"c":[true]}}`, true},
	{`{"query":"\u007b"}`, false},
	{`{"query":"a","query":"b"}`, false},
	{`{"Query":"a"}`, false},
	{`{"query":null}`, false},
	{`{"query":"a","variables":null}`, false},
	{`{"query":"a","variables":{"a":}}`, false},
	{`{"query":"a","variables":{"a":1}`, false},
	{`{"query":"a","extensions":{}}`, false},
	{`{"query":"a"} {}`, false},
	{`{"query":"a",}`, false},
	{`{"query":"a\`, false},
	{`{"query":"a\"`, false},
	{"{\"query\":\"a\xff\"}", false},
	{"{\"query\":\"a\nb\"}", false},
	{`{}`, false},
	{`[]`, false},
	{``, false},
	{`{`, false},
	{`{"query"`, false},
}

func TestThePlainWayTakesWhatClientsSend(t *testing.T) {
	t.Parallel()
	for _, s := range plainSeeds {
		if _, ok := plainRequest([]byte(s.body)); ok != s.plain {
			t.Errorf("%s: taken is %v, want %v", s.body, ok, s.plain)
		}
	}
}

// FuzzThePlainWayDecodesAsJSON holds that what the short way takes is what encoding/json reads.
func FuzzThePlainWayDecodesAsJSON(f *testing.F) {
	for _, s := range plainSeeds {
		f.Add([]byte(s.body))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, ok := plainRequest(raw)
		if !ok {
			return
		}
		var want request
		if err := decodeJSON(raw, &want); err != nil {
			t.Fatalf("%q was taken, and is %v", raw, err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%q is %+v, want %+v", raw, got, want)
		}
	})
}

func BenchmarkDecodeParams(b *testing.B) {
	raw := []byte(`{"query":"query Dashboard($after: String) { customers(first: 20, after: $after) { nodes { id displayName kind status version updatedAt\n  contacts(first: 3) { nodes { id displayName role } }\n  documents(first: 5) { nodes { id title kind status source createdAt } }\n  timeline(first: 10) { nodes { id at kind title } } }\n  pageInfo { hasNextPage endCursor } } }","variables":{"after":"Y3Vyc29yIG9mIHNvbWUgbGVuZ3RoIHRoYXQgaXMgdXN1YWw"}}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, bad := decodeParams(raw, "body"); bad != nil {
			b.Fatal(bad)
		}
	}
}
