// Package render prints what a command has found: as a table for people or as
// JSON or YAML for programs.
//
// A command hands over its result twice: as a value whose JSON form is the
// documented contract, and as a [Table] made from it.
package render
