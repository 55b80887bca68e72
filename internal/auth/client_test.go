package auth

import (
	"testing"
)

func TestOnlyAllowedAddressesAreConnectedTo(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		address                string
		public, loop, internal bool // allowed by Network{}, {Loopback}, {Private}
	}{
		{"93.184.215.14:443", true, true, true},
		{"[2606:2800:21f:cb07:6820:80da:af6b:8b2c]:443", true, true, true},
		{"127.0.0.1:443", false, true, false},
		{"127.8.9.1:80", false, true, false},
		{"[::1]:443", false, true, false},
		{"[::ffff:127.0.0.1]:443", false, true, false},
		{"10.0.0.1:443", false, false, true},
		{"172.16.0.1:443", false, false, true},
		{"192.168.1.1:443", false, false, true},
		{"[fd00::1]:443", false, false, true},
		{"[::ffff:10.0.0.1]:443", false, false, true},
		{"169.254.169.254:80", false, false, false},
		{"[fe80::1]:443", false, false, false},
		{"100.100.100.200:80", false, false, false},
		{"0.0.0.0:80", false, false, false},
		{"0.1.2.3:80", false, false, false},
		{"[::]:443", false, false, false},
		{"224.0.0.1:443", false, false, false},
		{"255.255.255.255:443", false, false, false},
		{"240.0.0.1:443", false, false, false},
		{"192.0.0.192:443", false, false, false},
		{"198.18.0.1:443", false, false, false},
		{"[64:ff9b::a00:1]:443", false, false, false},
		{"[2002:a00:1::]:443", false, false, false},
		{"[ff02::1]:443", false, false, false},
		{"example.com:443", false, false, false},
		{"", false, false, false},
	} {
		got := [3]bool{
			Network{}.checkAddress(c.address) == nil,
			Network{Loopback: true}.checkAddress(c.address) == nil,
			Network{Private: true}.checkAddress(c.address) == nil,
		}
		if want := [3]bool{c.public, c.loop, c.internal}; got != want {
			t.Errorf("%s: got %v, want %v", c.address, got, want)
		}
	}
}

func TestOnlyPlainHTTPSURLsAreFetched(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		url        string
		prod, loop bool
	}{
		{"https://issuer.example.com", true, true},
		{"https://issuer.example.com:8443/realms/a?x=1", true, true},
		{"http://issuer.example.com", false, false},
		{"http://127.0.0.1:9000/dev", false, true},
		{"http://localhost:9000", false, true},
		{"http://[::1]:9000", false, true},
		{"http://localhost.example.com", false, false},
		{"http://127.0.0.1.example.com", false, false},
		{"http://10.0.0.1", false, false},
		{"https://a:b@issuer.example.com", false, false},
		{"https://issuer.example.com/#x", false, false},
		{"https:///keys", false, false},
		{"https:issuer.example.com", false, false},
		{"ftp://issuer.example.com", false, false},
		{"file:///etc/passwd", false, false},
		{"//issuer.example.com", false, false},
		{"", false, false},
	} {
		got := [2]bool{Network{}.checkURL(c.url) == nil, Network{Loopback: true}.checkURL(c.url) == nil}
		if want := [2]bool{c.prod, c.loop}; got != want {
			t.Errorf("%q: got %v, want %v", c.url, got, want)
		}
	}
}
