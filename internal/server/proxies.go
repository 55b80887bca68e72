package server

import (
	"net/http"
	"net/netip"
	"strings"
)

// proxies are the networks of the load balancers in front of the server.
type proxies []netip.Prefix

// client gives the IP address of who sent a request, "" when it cannot be told.
//
// SECURITY: anybody can send X-Forwarded-For. It is read from its end, where the nearest proxy has written, and only for as
// long as what stands there was written by one of ours.
func (p proxies) client(r *http.Request) string {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return ""
	}
	addr := peer.Addr().Unmap().WithZone("")
	if len(p) == 0 || !p.hold(addr) {
		return addr.String()
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0; i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		if addr = hop.Unmap().WithZone(""); !p.hold(addr) {
			break
		}
	}
	return addr.String()
}

func (p proxies) hold(addr netip.Addr) bool {
	for _, prefix := range p {
		if prefix.Contains(addr) {
			return true
		}
	}
	return false
}
