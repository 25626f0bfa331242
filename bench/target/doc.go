// Package target is what the harness measures: a few small interfaces that
// Millrace and every peer implement alike, so that all are driven by the same
// loops.
//
// A Target opens a Session; what else a session can do it says by implementing
// Sender, Follower, Scanner or Server. A measurement that needs more than a
// session has is reported as skipped, with the reason.
package target
