// Package web serves HTTP on one port in every way that clients of AWS speak it: HTTP/1.1 and
// HTTP/2 in clear text, the latter with prior knowledge, and both over TLS.
//
// The SDKs for JavaScript and Java send the HTTP/2 preface at once on http:// and need ALPN on
// https://; the others speak HTTP/1.1; the producer library speaks TLS only. The first
// byte of a connection tells which it is: 22 begins a TLS handshake, and no method of HTTP.
//
// # File map
//
//	server.go       Server: what listens
//	split.go        one listener that yields connections of both kinds
//	certificate.go  a certificate for who brings none
package web
