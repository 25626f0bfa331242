// Command millrace runs and talks to Millrace, a streaming data engine.
//
//	millrace demo                 the whole pipeline once, on real bundled data
//	millrace dev                  a server for development
//	millrace serve                a server for production
//	millrace stream create|ls|describe|delete
//	millrace put|get|tail STREAM  records in and out, lines or JSON lines
//	millrace inspect segment|wal  what the files hold, read-only
//	millrace version
//
// Standard output carries data only; progress, messages and logs go to standard
// error. The exit codes are the same for every command: millrace help
// exit-codes. One file holds one command; what a command does beyond reading
// its flags and printing its result is in the packages below internal.
package main
