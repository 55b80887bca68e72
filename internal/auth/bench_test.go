package auth_test

import (
	"testing"

	"dossier/internal/auth"
)

func BenchmarkHotToken(b *testing.B) {
	c := newClock()
	key := ecKey(b, "k1")
	i := newIssuer(b, c, key)
	d := newDirectory()
	d.issuers[i.url] = i.row("ES256")
	a := newAuthenticator(b, d, c)
	token := sign(b, key, i.claims(nil), nil)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a.Principal(b.Context(), token); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkHotKey(b *testing.B) {
	c, d := newClock(), newDirectory()
	key := auth.MintKey(testPepper(b))
	d.keys[key.ID] = auth.KeyRecord{ID: key.ID, AccountID: key.ID, Hash: key.Hash, Scopes: []string{"read"}}
	a := newAuthenticator(b, d, c)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a.Principal(b.Context(), key.Printed); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRequire(b *testing.B) {
	p := staff(auth.Editor)
	b.ReportAllocs()
	for b.Loop() {
		if err := p.RequireField("Mutation.customerCreate"); err != nil {
			b.Fatal(err)
		}
	}
}
