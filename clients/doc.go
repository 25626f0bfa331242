// Package clients runs programs that others wrote for Amazon Kinesis against a server of
// Millrace: the CLI, SDKs, producers and connectors, unmodified, as their users run them. It is
// a module of its own, since nothing of the product needs it.
//
// Each client is a folder with a program that does what a user of that client would do, and a
// script in install/ that fetches the client in one exact version. A test starts a server as
// a process of its own, with signatures verified, runs the program, and reads what it reports: a
// line of JSON for each operation and outcome. A program that finds anything
// other than it should be says so on standard error and fails.
//
// What is reported is kept in reports/, and docs/reference/clients.md is made of that. The tests
// fail if a client does less than its report says; with -update they write both again.
// A client that is not installed is skipped, and its report stays as it is.
//
// # File map
//
//	report.go  what a client did, read from its program and kept
//	matrix.go  the tables of docs/reference/clients.md
package clients
