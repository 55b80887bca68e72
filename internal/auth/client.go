package auth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"
)

const (
	// issuerTimeout bounds one request to an issuer, its answer included.
	issuerTimeout = 4 * time.Second
	// issuerMaxBytes bounds an answer of an issuer. Real discovery documents and key sets are below 20 KiB.
	issuerMaxBytes = 256 << 10
	issuerMaxURL   = 512
)

// Network says which issuers may be reached. The zero value is for production: https to public addresses.
type Network struct {
	// Loopback allows this machine, and there plain http too. For `dossier dev` and tests.
	Loopback bool
	// Private allows private addresses, for identity providers inside a company's network.
	Private bool
}

var (
	errIssuerURL     = errors.New("issuer URL is not allowed")
	errIssuerAddress = errors.New("issuer address is not allowed")
	errIssuerAnswer  = errors.New("issuer answer is not usable")
)

// checkURL refuses what is no plain https URL.
//
// SECURITY: an issuer URL is configuration, but jwks_uri comes from the answer of the issuer: both pass here, so
// neither can make the server fetch from inside its own network (SSRF). checkAddress holds it for what names resolve to.
func (n Network) checkURL(raw string) error {
	if len(raw) > issuerMaxURL {
		return errIssuerURL
	}
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" || u.Opaque != "" {
		return errIssuerURL
	}
	switch u.Scheme {
	case "https":
		return nil
	case "http":
		if n.Loopback && isLoopbackHost(u.Hostname()) {
			return nil
		}
	}
	return errIssuerURL
}

func isLoopbackHost(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// checkAddress runs after name resolution and before connect, so a name that resolves to an inner address (or does so
// the second time it is asked) is refused too.
func (n Network) checkAddress(address string) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return errIssuerAddress
	}
	ip := ap.Addr().Unmap()
	switch {
	case ip.IsLoopback():
		if n.Loopback {
			return nil
		}
	case ip.IsPrivate():
		if n.Private {
			return nil
		}
	case ip.IsGlobalUnicast() && !isSpecial(ip):
		return nil
	}
	return errIssuerAddress
}

// specialPrefixes are global unicast by form but reach inner or translated networks.
var specialPrefixes = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("100.64.0.0/10"), // carrier NAT, also used by clouds for metadata
	netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("64:ff9b::/96"), // IPv4 behind NAT64
	netip.MustParsePrefix("64:ff9b:1::/48"),
	netip.MustParsePrefix("2002::/16"), // IPv4 inside 6to4
	netip.MustParsePrefix("2001::/32"), // IPv4 inside Teredo
}

func isSpecial(ip netip.Addr) bool {
	for _, p := range specialPrefixes {
		if p.Contains(ip) {
			return true
		}
	}
	return false
}

// newIssuerClient gives the one client that talks to issuers: no proxy, no redirects, no cookies, short and small.
func newIssuerClient(n Network) *http.Client {
	dialer := &net.Dialer{
		Timeout: issuerTimeout,
		Control: func(_, address string, _ syscall.RawConn) error { return n.checkAddress(address) },
	}
	transport := &http.Transport{
		DialContext:           dialer.DialContext,
		ForceAttemptHTTP2:     true,
		TLSHandshakeTimeout:   issuerTimeout,
		ResponseHeaderTimeout: issuerTimeout,
		MaxIdleConns:          16,
		MaxIdleConnsPerHost:   1,
		IdleConnTimeout:       30 * time.Second,
		// Half of the bound on the whole answer, so that headers cannot be the way round it.
		MaxResponseHeaderBytes: issuerMaxBytes / 2,
	}
	return &http.Client{
		Transport: limitedTransport{network: n, next: transport},
		Timeout:   issuerTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}
}

// limitedTransport checks each URL and bounds each body. It reads the body whole, so that one over the limit is an error and not
// a truncated document.
type limitedTransport struct {
	network Network
	next    *http.Transport
}

// RoundTrip implements http.RoundTripper.
func (t limitedTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := t.network.checkURL(req.URL.String()); err != nil {
		return nil, err
	}
	resp, err := t.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, issuerMaxBytes+1))
	if err != nil {
		return nil, err
	}
	if len(body) > issuerMaxBytes {
		return nil, errIssuerAnswer
	}
	if resp.StatusCode != http.StatusOK {
		// The body of an error is nobody's business: it would end up in the log.
		return nil, fmt.Errorf("%w: status %d", errIssuerAnswer, resp.StatusCode)
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}

// CloseIdleConnections lets http.Client.CloseIdleConnections through.
func (t limitedTransport) CloseIdleConnections() { t.next.CloseIdleConnections() }

func getJSON(ctx context.Context, client *http.Client, rawURL string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, rawURL, nil)
	if err != nil {
		return nil, errIssuerURL
	}
	req.Header.Set("Accept", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	return io.ReadAll(resp.Body)
}
