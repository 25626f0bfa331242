// Package terminal is what a command sees of the world around it: its three
// streams, whether people are looking at them, Ctrl-C, and a progress line.
//
// Commands take a [Streams] instead of touching package os, so that a test can
// run them as functions with [Test]. Standard output carries data only;
// progress and messages go to Err.
package terminal
