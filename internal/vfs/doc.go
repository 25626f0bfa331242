// Package vfs is the only door between the storage engine and a file system.
//
// Everything the log does to files goes through [FS] and [File], whose methods
// state what they promise about durability. [OS] is the real thing; crashfs
// keeps files on the heap and can say what a power cut would have left, and
// errorfs makes chosen calls fail.
package vfs
