// Package process starts the servers of targets and makes sure that they end.
//
// A server gets SIGTERM, and SIGKILL if that does not help in time; on Linux it
// also gets SIGKILL when the process that started it dies. What it prints is
// kept for error messages, the newest bytes of it.
package process
