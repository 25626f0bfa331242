// Package repair mends a data directory whose logs are damaged.
//
//	outcome, err := repair.Run(ctx, "data", repair.Options{}, emit)
//
// A run looks at everything first and hands out what it finds. Then, unless it
// was asked only to look, it copies each segment file that a log is going to
// lose anything of, and the manifest, into a folder of their own, writes the
// records behind the damage that are still good into a file of JSON lines
// there, makes all of that durable, and only then ends the damaged logs at
// their last good frames. Nothing that was not copied is ever deleted. Copies
// go to a new folder each time, so that a run that was cut short is repeated
// from the beginning.
//
//	repair.go   the order of things
//	aside.go    the folder: copies and salvaged records
//	finding.go  what is handed out
package repair
