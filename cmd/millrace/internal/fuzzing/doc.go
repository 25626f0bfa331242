// Package fuzzing finds the fuzz targets of a checkout, and runs one of them with
// seeds of the user's own.
//
//	targets, err := fuzzing.Targets(root)
//	target, err := fuzzing.Select(targets, "wal/FuzzModel")
//	err = fuzzing.Run(ctx, root, target, options)
//
// Targets are read from the source, without compiling it. Running needs the go
// command.
package fuzzing
