// Package modeltest makes values of the structures of a service for tests: random ones
// that satisfy the service's table, and such as break it in known ways.
//
// It writes AWS's sentences itself and takes none from package model, so that the two
// are checked against each other.
package modeltest
