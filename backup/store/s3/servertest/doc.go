// Package servertest runs the S3 store of backups against a real server,
// versitygw (Apache-2.0), inside the test. It is a module of its own so that the
// server's dependencies stay out of ours.
package servertest
